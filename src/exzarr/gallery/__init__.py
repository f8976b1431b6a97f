"""What the notebooks of the gallery share: where they are, what they check and show, how their pictures look.

`exzarr.gallery.catalog` knows which notebooks there are; `show` has what a notebook calls (`check`, `results`,
`measured`, `figure`); `style` makes all pictures look like one hand; `workspace` is a folder that leaves nothing behind.
Beside them, small helpers for the domains of the tutorials, which are meant to be imported: each is a module of
its own. Nothing else in exzarr imports this package. Needs the extra `gallery`.
"""
