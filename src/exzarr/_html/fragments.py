"""Tables, folded parts and lists, and the frame with the style around them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

__all__ = ["attributes", "facts", "folded", "framed", "heading", "items", "shortened", "table"]

MOST_ATTRIBUTES = 50
"""Maximum number of attributes that are shown."""

MOST_CHARACTERS = 400
"""Maximum length of a shown value of an attribute."""

STYLE = """
.exzarr{line-height:1.45;max-width:62em}
.exzarr table{border-collapse:collapse;margin:2px 0 6px;width:auto;border:0}
.exzarr th,.exzarr td{text-align:left;vertical-align:top;padding:1px 14px 1px 0;border:0;background:none;
 overflow-wrap:anywhere;max-width:44em}
.exzarr th{font-weight:600;white-space:nowrap}
.exzarr .number{text-align:right}
.exzarr summary{cursor:pointer}
.exzarr .below{padding-left:16px}
.exzarr .side{display:flex;flex-wrap:wrap;gap:8px 32px;align-items:flex-start}
.exzarr .pale{opacity:.68}
.exzarr .bar{display:inline-block;height:.7em;min-width:2px;background:#4c8dca;border-radius:1px}
.exzarr ul{margin:2px 0 6px;padding-left:18px}
"""


def framed(*parts: str) -> str:
    """Return the parts as one representation, with its style."""
    return f"<div class='exzarr'><style>{STYLE}</style>{''.join(parts)}</div>"


def heading(text: str, detail: str = "") -> str:
    """Return a line with a bold text and a pale one."""
    pale = f" <span class='pale'>{escape(detail)}</span>" if detail else ""
    return f"<div><strong>{escape(text)}</strong>{pale}</div>"


def facts(pairs: Iterable[tuple[str, str]], sizes: Mapping[str, int] | None = None) -> str:
    """Return pairs of name and value as a table. Pairs whose name is in `sizes` get a bar as long as the size."""
    sizes = sizes or {}
    most = max(sizes.values(), default=0) or 1
    rows = []
    for name, text in pairs:
        bar = (
            f"<span class='bar' style='width:{200 * sizes[name] / most:.0f}px'></span>"
            if name in sizes
            else ""
        )
        cells = f"<td>{escape(text)}</td>" + (f"<td>{bar}</td>" if sizes else "")
        rows.append(f"<tr><th>{escape(name)}</th>{cells}</tr>")
    return f"<table>{''.join(rows)}</table>" if rows else ""


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], words: frozenset[int] = frozenset({0})
) -> str:
    """Return rows below a header. The columns in `words` hold text, the others numbers."""

    def row(cells: Sequence[str], tag: str) -> str:
        made = [
            f"<{tag}{'' if i in words else ' class=number'}>{escape(cell)}</{tag}>"
            for i, cell in enumerate(cells)
        ]
        return f"<tr>{''.join(made)}</tr>"

    body = "".join([row(cells, "td") for cells in rows])
    return f"<table><thead>{row(header, 'th')}</thead><tbody>{body}</tbody></table>"


def items(texts: Iterable[str]) -> str:
    """Return texts as a list; nothing if there are none."""
    made = "".join([f"<li>{escape(text)}</li>" for text in texts])
    return f"<ul>{made}</ul>" if made else ""


def folded(title: str, body: str, detail: str = "", *, opened: bool = False) -> str:
    """Return HTML below a title that folds it; only the title if there is nothing below."""
    pale = f" <span class='pale'>{escape(detail)}</span>" if detail else ""
    if not body:
        return f"<div class='below'>{escape(title)}{pale}</div>"
    state = " open" if opened else ""
    return (
        f"<details{state}><summary>{escape(title)}{pale}</summary><div class='below'>{body}</div></details>"
    )


def attributes(values: Mapping[str, Any]) -> str:
    """Return attributes as a folded table; nothing if there are none."""
    if not values:
        return ""
    shown = [(shortened(name), shortened(values[name])) for name in [*values][:MOST_ATTRIBUTES]]
    if len(shown) < len(values):
        shown.append(("…", f"and {len(values) - len(shown):,} more"))
    return folded("Attributes", facts(shown), f"({len(values):,})")


def shortened(value: Any) -> str:
    """Return a text, or a value as JSON, cut to `MOST_CHARACTERS`."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    if len(text) <= MOST_CHARACTERS:
        return text
    return f"{text[:MOST_CHARACTERS]}… ({len(text):,} characters)"
