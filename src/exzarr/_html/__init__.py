"""HTML for notebooks: fragments that `_repr_html_` methods are built from.

Pure functions from values to text. Each representation is self-contained: it loads nothing, runs no script, and has no fixed
colours except one accent, so that it is readable in light and dark notebooks. All text is escaped.
"""
