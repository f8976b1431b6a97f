"""Plain HTML for marimo's custom elements, because a static page has no kernel that could answer them."""

from __future__ import annotations

import html
import json
import re
from typing import Any

__all__ = ["plain_html"]

ELEMENT = re.compile(
    r"<marimo-ui-element[^>]*>\s*(?:<div[^>]*>)?<(marimo-[\w-]+)([^>]*)>.*?</marimo-ui-element>", re.DOTALL
)
LEFT = re.compile(r"</?marimo-[\w-]+[^>]*>")


def plain_html(text: str) -> str:
    """Replace sliders and dropdowns in `text` by plain HTML with their initial value; drop other marimo elements."""
    return LEFT.sub("", ELEMENT.sub(_control, text))


def _control(found: re.Match[str]) -> str:
    attributes = {name: _value(value) for name, value in re.findall(r"data-([\w-]+)='([^']*)'", found[2])}
    label = html.escape(re.sub(r"<[^>]*>", "", str(attributes.get("label") or "")).strip())
    value = attributes.get("initial-value")
    match found[1]:
        case "marimo-slider" if not attributes.get("steps"):
            ends = f'min="{attributes.get("start")}" max="{attributes.get("stop")}"'
            shown = f'<input type="range" disabled {ends} step="any" value="{value}"> <output>{_words(value)}</output>'
        case "marimo-slider":
            steps: Any = attributes["steps"]  # the value is an index of these
            ends = f'max="{len(steps) - 1}"'
            shown = f'<input type="range" disabled {ends} value="{value}"> <output>{_words(steps[value])}</output>'
        case "marimo-dropdown" | "marimo-radio" | "marimo-multiselect":
            shown = f"<output>{_words(value)}</output>"
        case "marimo-checkbox" | "marimo-switch":
            shown = f'<input type="checkbox" disabled{" checked" if value else ""}>'
        case _:
            return f'<span class="control">{label}</span>' if label else ""
    return f'<label class="control"><span>{label}</span> {shown}</label>'


def _value(text: str) -> Any:
    try:
        return json.loads(html.unescape(text))
    except json.JSONDecodeError:
        return html.unescape(text)


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    return html.escape(f"{value:,}" if isinstance(value, int | float) else str(value))
