"""Each notebook runs from start to end, checks its own results, and leaves no files."""

from __future__ import annotations

import pytest

pytest.importorskip("marimo", reason="the notebooks need marimo: pip install 'exzarr[gallery]'")

from exzarr.gallery.catalog import Notebook, notebooks
from website.articles import articles, differences
from website.running import run

MIN_CHECKS = 5
"""Minimum number of checks in a notebook."""


@pytest.mark.parametrize("notebook", notebooks(), ids=lambda one: one.name)
def test_notebook_runs_checks_itself_and_matches_its_article(notebook: Notebook) -> None:
    done = run(notebook.path)
    assert done.code == 0, done.output
    assert len(done.checks) >= MIN_CHECKS, done.output
    assert done.left == ()
    assert done.results
    assert done.figures

    (article,) = [one for one in articles() if one.notebook == notebook.name]
    assert differences(article, done) == []
