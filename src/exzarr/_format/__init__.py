"""The Zarr format: metadata documents, data types, chunk grids, keys. Pure functions without I/O or threads."""
