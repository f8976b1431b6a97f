"""Compare two arrays or hierarchies: `exzarr.diff`.

`diff`      the nodes of both sides, paired by path
`metadata`  which metadata and attributes of a pair differ
`elements`  the elements of two arrays, block by block
`stored`    stored chunks with equal bytes, which are not decoded
`values`    which elements of two NumPy arrays differ, and by how much; pure
`output`    the positions of differences, written to a store
`report`    the result
"""
