"""One digest of what a hierarchy holds: `exzarr.checksum`.

`canonical`  the form in which everything is digested: data types, elements, attributes
`tree`       the elements of one array: blocks that depend on shape and data type only, read as is best
`digest`     a node, a hierarchy
"""
