"""Compute one digest of the content of a hierarchy: `exzarr.checksum`.

`canonical`  the canonical form of data types, elements and attributes
`tree`       the digest of the elements of one array, in blocks that depend only on shape and data type
`digest`     the digest of a node and of a hierarchy
"""
