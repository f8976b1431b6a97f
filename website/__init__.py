"""What is made of the notebooks, the articles and the guides: ``make articles`` and ``make gallery``.

``running`` runs a notebook in folders of its own. ``articles`` puts what it publishes into docs/articles/. ``build`` makes
the site: ``pages`` knows which page is where, ``markdown``, ``notebook_page`` and ``controls`` make HTML of sources, and
templates/ and static/ say how it looks.
"""
