"""What is made of the notebooks, the articles and the guides: ``make articles`` and ``make gallery``.

``articles`` runs notebooks and puts what they publish into docs/articles/; ``running`` runs one.
"""
