"""Conversion of Markdown to HTML, with anchors of headings, coloured code, and links to pages of the site."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

__all__ = ["Heading", "code", "code_styles", "first_sentence", "headings", "render", "slug"]

Link = Callable[[str], str | None]
"""Function that maps the target of a link to an address, or to None if the site has no page for it."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A level 2 heading for a table of contents: its text as HTML, and its anchor."""

    text: str
    anchor: str


def slug(text: str) -> str:
    """Return the anchor of a heading, by GitHub's rules.

    >>> slug("What `explain` costs, beforehand")
    'what-explain-costs-beforehand'
    """
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


@cache
def _parser() -> Any:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    parser.options["highlight"] = lambda text, language, _: code(text, language)
    return parser


def render(text: str, link: Link = str, *, first_level: int = 1) -> str:
    """Convert Markdown to HTML.

    `link` maps the targets of links and pictures; a link without a target keeps only its text. The level of the
    top heading is `first_level`.
    """
    parser = _parser()
    tokens = parser.parse(re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL))
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open":
            token.attrSet("id", slug(_plain(following)))
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1:]) + first_level - 1, 6)}"
        if token.children:
            token.children = _linked(token.children, link)
    made: str = parser.renderer.render(tokens, parser.options, {})
    # Wide tables scroll on their own, so that the page does not.
    return made.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")


def headings(text: str) -> list[Heading]:
    """Return the level 2 headings of `text`."""
    tokens = _parser().parse(text)
    return [
        Heading(_parser().renderInline(inline.content), slug(_plain(inline)))
        for opened, inline in pairwise(tokens)
        if opened.type == "heading_open" and opened.tag == "h2"
    ]


def first_sentence(text: str) -> str:
    """Return the first sentence of the first paragraph, as Markdown."""
    tokens = _parser().parse(re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL))
    paragraphs = [
        inline.content.replace("\n", " ")
        for opened, inline in pairwise(tokens)
        if opened.type == "paragraph_open" and opened.level == 0
    ]
    found = re.match(r".*?[.?:](?= |$)", paragraphs[0]) if paragraphs else None
    return found[0].rstrip(":") if found else ""


def _plain(inline: Any) -> str:
    return "".join([part.content for part in inline.children])


def _linked(parts: list[Any], link: Link) -> list[Any]:
    """Return inline tokens with the targets of links and pictures mapped by `link`."""
    kept = []
    dropped = 0
    for part in parts:
        if part.type == "link_open":
            target = link(part.attrGet("href"))
            if target is None:
                dropped += 1
                continue
            part.attrSet("href", target)
        elif part.type == "link_close" and dropped:
            dropped -= 1
            continue
        elif part.type == "image":
            part.attrSet("src", link(part.attrGet("src")) or "")
        kept.append(part)
    return kept


def code(text: str, language: str = "") -> str:
    """Return code as coloured HTML; without colours if the language is unknown."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_by_name(language or "text")
    except ClassNotFound:
        lexer = get_lexer_by_name("text")
    inner: str = highlight(text, lexer, HtmlFormatter(nowrap=True))
    return f'<pre class="code" tabindex="0"><code class="language-{html.escape(language or "text")}">{inner}</code></pre>'


def code_styles() -> str:
    """Return the CSS for coloured code, for the light and the dark colour scheme."""
    from pygments.formatters import HtmlFormatter

    light, dark = [_style(HtmlFormatter(style=name)) for name in ("xcode", "github-dark")]
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


def _style(formatter: Any) -> str:
    lines = formatter.get_style_defs(".code").splitlines()
    # Without background and line numbers: the site has its own styles for them.
    return "\n".join([line for line in lines if re.match(r"\.code \.\w", line)])
