"""Articles, and the markers that hold the results of a notebook's run.

An article is Markdown. Its first line names its notebook. An optional second line names the figure that is its thumbnail
(default: the first figure). All numbers that a run produces are between markers, so that none is typed by hand::

    <!-- notebook: 01_01_first_zarr_array -->
    <!-- cover: window -->
    There are <!--=chunks-->48<!--/--> chunks, read in <!--=read_ms:.1f-->3.2<!--/--> ms.

A format may follow the name, as in Python's f-strings. Without a format, integers get commas and floats three
digits. Text of several lines becomes a fenced block::

    <!--=tree-->
    ```text
    ...
    ```
    <!--/-->

``<!--fixed-->`` instead of a name marks numbers that were not measured: a choice, or a fact from another source.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import exzarr
from exzarr.errors import ArgumentError
from website.running import Run

__all__ = ["Article", "articles", "bare_figures", "differences", "filled", "folder", "words"]

MARKED = re.compile(r"<!--=(?P<name>\w+)(?::(?P<format>[^>-]*))?-->(?P<text>.*?)<!--/-->", re.DOTALL)
FIXED = re.compile(r"<!--fixed-->.*?<!--/-->", re.DOTALL)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
MEASURED = re.compile(
    r"[\d.,]*\d\s?(?:%|×(?!\s?\d)|times\b|fold\b|percent\b|[mµn]s\b|s\b|seconds?\b|minutes?\b|[kMGT]i?B\b|bytes\b)"
)


@dataclass(frozen=True, slots=True)
class Article:
    """An article: its file, its text, the name of its notebook, and the name of its cover figure."""

    path: Path
    text: str
    notebook: str
    cover: str | None = None

    @property
    def figures(self) -> list[str]:
        """Paths of its figures, relative to the article."""
        return re.findall(r"!\[[^\]]+\]\(([^)]+)\)", self.text)


def folder() -> Path:
    """Return the folder of the articles in a checkout."""
    return Path(exzarr.__file__).parents[2] / "docs" / "articles"


def articles() -> list[Article]:
    """Return all articles, sorted by number."""
    return [read(path) for path in sorted(folder().glob("[0-9][0-9]-*.md"))]


def read(path: Path) -> Article:
    """Read the article at `path`."""
    text = path.read_text(encoding="utf-8")
    first = re.match(r"<!-- notebook: (\w+) -->\n(?:<!-- cover: ([\w-]+) -->\n)?", text)
    if first is None:
        raise ArgumentError(f"{path}: the first line has to name the notebook: <!-- notebook: NN_MM_name -->")
    return Article(path, text, first[1], first[2])


def filled(article: Article, run: Run) -> str:
    """Return the article's text with the values that `run` published between its markers."""
    return MARKED.sub(partial(_fill, article, {**run.measured, **run.results}), article.text)


def _fill(article: Article, values: dict[str, Any], found: re.Match[str]) -> str:
    name = found["name"]
    if name not in values:
        raise ArgumentError(
            f"{article.path} uses {name}, which {article.notebook} does not publish; use one of: "
            f"{', '.join(sorted(values))}"
        )
    text = _formatted(values[name], found["format"])
    opening = found[0][: found[0].index("-->") + 3]
    if "\n" in text:
        text = f"\n```text\n{text.rstrip()}\n```\n"
    return f"{opening}{text}<!--/-->"


def _formatted(value: Any, wanted: str | None) -> str:
    if wanted:
        return format(value, wanted)
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, list):
        return " × ".join([_formatted(one, None) for one in value])
    return f"{value:,}" if isinstance(value, int) else _digits(value)


def _digits(value: float) -> str:
    """Format a number with three significant digits, and an exponent only if it is below 1e-4."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) >= 1e-4 else f"{value:.2e}"


def differences(article: Article, run: Run) -> list[str]:
    """Return the differences between the article and `run`. Timings only have to be published, because they vary."""
    wrong = []
    for found in MARKED.finditer(article.text):
        name = found["name"]
        if name in run.measured:
            continue
        if name not in run.results:
            wrong.append(f"{name} is not published")
        elif (now := _fill(article, run.results, found)) != found[0]:
            wrong.append(f"{found[0]} is now {now}: make articles")
    shown = {Path(path).stem for path in article.figures}
    wrong += [f"there is no figure {name}" for name in sorted(shown - set(run.figures))]
    return wrong


def words(article: Article) -> int:
    """Count the words of prose, without code, tables and markers."""
    return len(re.findall(r"\w[\w’'-]*", _prose(article.text)))


def bare_figures(article: Article) -> list[str]:
    """Return the numbers with a unit outside of markers; their source is unknown."""
    text = FIXED.sub("", MARKED.sub("", FENCED.sub("", article.text)))
    return MEASURED.findall(re.sub(r"`[^`]*`", "", text))


def _prose(text: str) -> str:
    text = FENCED.sub("", text)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"^\|.*$", "", text, flags=re.MULTILINE)
