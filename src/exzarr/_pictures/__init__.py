"""Pictures of arrays of any size: a sample within limits on pixels and bytes, with coordinates, drawn with matplotlib.

`sampling` chooses the elements and is pure, `reading` reads and decodes them, `figure` and `terminal` draw them.
"""
