"""Stores of zarr-python as stores of exzarr."""
