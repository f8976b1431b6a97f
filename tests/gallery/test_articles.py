"""docs/articles/: each article describes one notebook. test_notebooks.py compares their numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exzarr.errors import ArgumentError
from exzarr.gallery.catalog import find, notebooks
from website.articles import Article, articles, bare_figures, differences, filled, read, words
from website.running import Run

every_article = pytest.mark.parametrize("article", articles(), ids=lambda one: one.path.stem)


def test_each_notebook_has_one_article() -> None:
    assert sorted(one.notebook for one in articles()) == sorted(one.name for one in notebooks())


@every_article
def test_article_has_the_right_length(article: Article) -> None:
    assert 1200 <= words(article) <= 2000


@every_article
def test_figures_of_the_article_exist(article: Article) -> None:
    assert article.figures
    for path in article.figures:
        assert (article.path.parent / path).is_file(), path
        assert path.startswith(f"figures/{article.path.stem}/")
    assert article.cover is None or f"figures/{article.path.stem}/{article.cover}.svg" in article.figures


@every_article
def test_measured_numbers_are_between_markers(article: Article) -> None:
    assert bare_figures(article) == []


@every_article
def test_python_of_the_article_is_from_the_notebook(article: Article) -> None:
    notebook = dense(find(article.notebook).path.read_text(encoding="utf-8"))
    excerpts = re.findall(r"^```python\n(.*?)^```", article.text, re.MULTILINE | re.DOTALL)
    assert excerpts
    for excerpt in excerpts:
        # "..." in an excerpt marks omitted lines.
        for part in re.split(r"^\s*# \.\.\.\n", excerpt, flags=re.MULTILINE):
            assert dense(part).rstrip(",") in notebook, part


def dense(source: str) -> str:
    """Normalise source code: remove blanks, line breaks, and commas before a bracket."""
    return re.sub(r",(?=[)\]}])", "", re.sub(r"\s+", "", source))


# -- filling in numbers ------------------------------------------------------------


def article_of(text: str) -> Article:
    return Article(Path("docs/articles/99-trial.md"), text, "99_99_trial")


def run_with(results: dict[str, object], measured: dict[str, object] | None = None) -> Run:
    return Run(0, "", (), results, measured or {}, {"map": "<svg/>"})


def test_results_are_filled_in_between_markers() -> None:
    article = article_of("<!--=rows-->0<!--/--> rows, <!--=ratio:.2f--><!--/-->, <!--=ms-->?<!--/--> ms")
    text = filled(article, run_with({"rows": 1_000_000, "ratio": 2.345}, {"ms": 12.345}))
    assert (
        text == "<!--=rows-->1,000,000<!--/--> rows, <!--=ratio:.2f-->2.35<!--/-->, <!--=ms-->12.3<!--/--> ms"
    )


def test_multiline_text_is_fenced() -> None:
    text = filled(article_of("<!--=tree--><!--/-->"), run_with({"tree": "a\nb"}))
    assert text == "<!--=tree-->\n```text\na\nb\n```\n<!--/-->"
    assert filled(article_of(text), run_with({"tree": "a\nb"})) == text


def test_unpublished_name_is_an_error() -> None:
    with pytest.raises(ArgumentError, match="uses nothing_like_it, which 99_99_trial does not publish"):
        filled(article_of("<!--=nothing_like_it-->1<!--/-->"), run_with({"rows": 1}))


def test_changed_results_and_figures_are_differences_and_timings_are_not() -> None:
    article = article_of(
        "<!--=rows-->7<!--/--> <!--=ms-->1.0<!--/--> <!--=gone-->1<!--/--> ![a map](figures/x/plan.svg)"
    )
    found = differences(article, run_with({"rows": 8}, {"ms": 2.0}))
    assert len(found) == 3
    assert "<!--=rows-->7<!--/--> is now <!--=rows-->8<!--/-->" in found[0]
    assert found[1:] == ["gone is not published", "there is no figure plan"]


def test_numbers_outside_markers_are_found() -> None:
    text = "It took 12 ms, 3.5 × as long, of `64 MiB`; <!--=a-->5<!--/--> ms; <!--fixed-->1 MiB<!--/-->; 48 chunks"
    assert bare_figures(article_of(text)) == ["12 ms", "3.5 ×"]


def test_word_count_includes_only_prose() -> None:
    text = "# Two words\n\n```python\nno words here\n```\n\n| in | tables |\n\n![alt text](figures/a.svg) <!--=x-->7<!--/-->"
    assert words(article_of(text)) == 5


def test_missing_notebook_name_in_the_first_line_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "01-a.md").write_text("# Title\n")
    with pytest.raises(ArgumentError, match="the first line has to name the notebook"):
        read(tmp_path / "01-a.md")
