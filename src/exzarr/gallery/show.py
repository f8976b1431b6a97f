"""Checks, numbers, tables and figures of a notebook's run.

In an ordinary run these functions only display their arguments. If the environment variable ``EXZARR_GALLERY_OUT``
names a folder, they also write ``results.json`` and one file for each figure to it. Articles and the site take
their numbers and figures from there, so that authors never type a number.
"""

from __future__ import annotations

import base64
import html
import io
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from exzarr.errors import ArgumentError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["OUT", "RESULTS", "Picture", "Shown", "Table", "check", "figure", "measured", "results", "table"]

OUT = "EXZARR_GALLERY_OUT"
"""Environment variable with the folder for published numbers and figures."""

RESULTS = "results.json"

Value = bool | int | float | str | list[Any]


def check(what: str, held: object) -> None:
    """Print ``checked: what`` if `held` is true, else raise AssertionError.

    An array of booleans must be true everywhere.
    """
    if not (held.all() if isinstance(held, np.ndarray) else held):
        raise AssertionError(f"check failed: {what}")
    print(f"checked: {what}")  # noqa: T201 - printing is its purpose


@dataclass(frozen=True, slots=True)
class Shown:
    """Numbers by name, displayed as a table in a notebook and as lines in a terminal."""

    values: dict[str, Value]

    def __str__(self) -> str:
        width = max(map(len, self.values), default=0)
        return "\n".join([f"{name:<{width}}  {_text(value)}" for name, value in self.values.items()])

    def _repr_html_(self) -> str:
        rows = "".join([_row(name.replace("_", " "), _text(value)) for name, value in self.values.items()])
        return f'<table class="exzarr-results">{rows}</table>'


def _row(name: str, value: str) -> str:
    style = "text-align: left; padding: 0.1em 1.2em 0.1em 0; vertical-align: top"
    value = html.escape(value)
    cell = f"<pre>{value}</pre>" if "\n" in value else value
    return f'<tr><th style="{style}; font-weight: normal">{html.escape(name)}</th><td style="{style}">{cell}</td></tr>'


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure as SVG, with a text alternative."""

    name: str
    alt: str
    svg: str

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.svg.encode()).decode()
        return (
            f'<img class="exzarr-figure" data-figure="{self.name}" alt="{html.escape(self.alt)}" '
            f'src="data:image/svg+xml;base64,{data}" />'
        )


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with the same columns; numbers are aligned to the right."""

    rows: tuple[dict[str, Any], ...]

    def __str__(self) -> str:
        cells = [[*self.rows[0]], *[[_text(value) for value in row.values()] for row in self.rows]]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        return "\n".join(["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells])

    def _repr_html_(self) -> str:
        head = "".join([_cell("th", name, value) for name, value in self.rows[0].items()])
        body = [
            f"<tr>{''.join([_cell('td', _text(value), value) for value in row.values()])}</tr>"
            for row in self.rows
        ]
        return f'<table class="exzarr-table"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'


def _cell(tag: str, text: str, value: Any) -> str:
    side = "right" if isinstance(value, int | float | np.number) else "left"
    return f'<{tag} style="text-align: {side}; padding: 0.15em 1em 0.15em 0">{html.escape(text)}</{tag}>'


def table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Display rows (dicts with the same keys) as a table, without publishing them."""
    made = tuple([dict(row) for row in rows])
    if not made or any(row.keys() != made[0].keys() for row in made):
        raise ArgumentError("table needs at least one row, and the same columns in all rows")
    return Table(made)


def results(**values: Any) -> Shown:
    """Publish numbers that are the same in every run on every machine, such as counts, sizes and errors.

    Articles refer to them by name, and a test compares them. You can also publish text of one or several lines.
    """
    return _publish("results", values)


def measured(**values: Any) -> Shown:
    """Publish numbers that depend on the machine or the run, such as seconds, bytes per second, and their ratios.

    Articles refer to them by name. Their values come from the run that produced the article.
    """
    return _publish("measured", values)


def figure(name: str, drawn: Figure, *, alt: str) -> Picture:
    """Publish a figure as ``name.svg`` and return it for display in the notebook.

    Parameters
    ----------
    name
        Words in lower case with hyphens between them.
    drawn
        The figure.
    alt
        A sentence that describes the figure.

    Raises
    ------
    ArgumentError
        `name` has another form, or `alt` is empty.
    """
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ArgumentError(
            f"the figure name {name!r} is not valid: use words in lower case with hyphens between them"
        )
    if not alt.strip():
        raise ArgumentError(f"the figure {name!r} needs an alt text: a sentence that describes it")
    picture = Picture(name, alt, _svg(drawn))
    if folder := _folder():
        (folder / f"{name}.svg").write_text(picture.svg, encoding="utf-8")
    return picture


def _svg(drawn: Figure) -> str:
    import matplotlib as mpl

    buffer = io.StringIO()
    # With a fixed salt and no date, the same figure gives the same file.
    with mpl.rc_context({"svg.hashsalt": "exzarr"}):
        drawn.savefig(
            buffer,
            format="svg",
            transparent=True,
            bbox_inches="tight",
            metadata={"Date": None, "Creator": None},
        )
    text = buffer.getvalue()
    return "\n".join([line.rstrip() for line in text[text.index("<svg") :].splitlines()]) + "\n"


def _publish(kind: str, values: Mapping[str, Any]) -> Shown:
    plain = {name: _plain(name, value) for name, value in values.items()}
    if folder := _folder():
        path = folder / RESULTS
        known = (
            json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"results": {}, "measured": {}}
        )
        known[kind].update(plain)
        path.write_text(json.dumps(known, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return Shown(plain)


def _folder() -> Path | None:
    named = os.environ.get(OUT)
    if not named:
        return None
    folder = Path(named)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _plain(name: str, value: Any) -> Value:
    """Convert `value` to a JSON type."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, tuple):
        value = list(value)
    if not isinstance(value, bool | int | float | str | list):
        raise ArgumentError(f"{name} is a {type(value).__name__}: publish numbers, text, or lists of them")
    return value


def _text(value: Any) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple):
        return " × ".join(map(_text, value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
