"""Datasets of xarray into Zarr stores, with exzarr."""
