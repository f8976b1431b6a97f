"""What the bytes in a store mean: metadata documents, data types, grids, keys. Pure: no I/O, no threads."""
