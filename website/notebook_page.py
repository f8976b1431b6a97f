"""Conversion of an executed notebook's cells to HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

from website.controls import plain_html
from website.markdown import Heading, Link, code, headings, render

__all__ = ["body", "contents"]

CHECKED = "checked: "


def body(cells: tuple[dict[str, Any], ...], link: Link) -> str:
    """Return the HTML of all cells except the header, which the page template shows."""
    return "\n".join([part for cell in _after_header(cells) for part in _cell(cell, link)])


def contents(cells: tuple[dict[str, Any], ...]) -> list[Heading]:
    """Return the headings of the notebook's Markdown cells."""
    return [
        one for cell in cells if cell["cell_type"] == "markdown" for one in headings(_text(cell["source"]))
    ]


def _after_header(cells: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    return [
        cell
        for cell in cells
        if not (cell["cell_type"] == "markdown" and _text(cell["source"]).startswith("# "))
    ]


def _cell(cell: dict[str, Any], link: Link) -> Iterator[str]:
    source = _text(cell["source"]).strip()
    if cell["cell_type"] == "markdown":
        yield f'<div class="prose">{render(source, link)}</div>'
        return
    hidden = cell["metadata"].get("marimo", {}).get("config", {}).get("hide_code", False)
    shown = "".join([_output(output, link) for output in cell.get("outputs", [])])
    if source and not hidden:
        name = cell["metadata"].get("marimo", {}).get("name", "")
        folded = "" if shown else " plain"
        yield f'<div class="cell{folded}" id="cell-{html.escape(name)}">{code(source, "python")}{shown}</div>'
    elif shown:
        yield f'<div class="cell">{shown}</div>'


def _output(output: dict[str, Any], link: Link) -> str:
    if output["output_type"] == "stream":
        return _printed(_text(output["text"]))
    data = output.get("data", {})
    if "text/html" in data:
        return f'<div class="output">{plain_html(_text(data["text/html"]))}</div>'
    if "text/markdown" in data:
        text = _text(data["text/markdown"])
        if text.startswith("&lt;marimo-"):  # marimo's export of a cell that shows only a control
            element = f"<marimo-ui-element>{html.unescape(text)}</marimo-ui-element>"
            return f'<div class="output">{plain_html(element)}</div>'
        return f'<div class="output prose">{render(text, link)}</div>'
    if "image/svg+xml" in data:
        return f'<div class="output">{_text(data["image/svg+xml"])}</div>'
    if "image/png" in data:
        return f'<div class="output"><img alt="" src="data:image/png;base64,{_text(data["image/png"]).strip()}"></div>'
    if "text/plain" in data:
        return (
            f'<div class="output"><pre class="printed">{html.escape(_text(data["text/plain"]))}</pre></div>'
        )
    return ""


def _printed(text: str) -> str:
    """Return printed lines as HTML, with the lines of checks as a list."""
    lines = text.splitlines()
    checks = [
        f"<li>{html.escape(line.removeprefix(CHECKED))}</li>" for line in lines if line.startswith(CHECKED)
    ]
    others = "\n".join([line for line in lines if not line.startswith(CHECKED)]).strip("\n")
    made = (
        f'<pre class="printed" tabindex="0">{html.escape(_without_colours(others))}</pre>' if others else ""
    )
    return made + (f'<ul class="checks">{"".join(checks)}</ul>' if checks else "")


def _without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def _text(lines: str | list[str]) -> str:
    return lines if isinstance(lines, str) else "".join(lines)
