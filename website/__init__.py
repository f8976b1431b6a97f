"""Builder of the articles (``make articles``) and of the site (``make gallery``).

``running`` runs a notebook in its own folders. ``articles`` inserts the published numbers into docs/articles/. ``build``
writes the site. ``pages`` maps sources to pages. ``markdown``, ``notebook_page`` and ``controls`` convert sources to HTML.
The layout is in templates/ and static/.
"""
