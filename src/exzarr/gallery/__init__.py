"""Shared code of the gallery's notebooks: the catalog, checks, published results and the style of figures.

`exzarr.gallery.catalog` lists the notebooks. `show` has the functions that a notebook calls (`check`, `results`,
`measured`, `figure`). `style` gives all figures the same appearance. `workspace` provides a temporary folder.
The other modules are small helpers for the subjects of the tutorials, one module each, and you may import them.
Nothing else in exzarr imports this package. It requires the extra `gallery`.
"""
