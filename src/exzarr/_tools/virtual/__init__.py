"""Read HDF5 and NetCDF files as Zarr without copying them: `exzarr.virtualize`."""
