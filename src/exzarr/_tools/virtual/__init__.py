"""HDF5 and NetCDF4 files as Zarr, where they lie: `exzarr.virtualize`."""
