"""The top-level functions. Their names are those of zarr-python."""
