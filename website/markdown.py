"""Markdown as HTML: headings with anchors, coloured code, links that lead to pages of the site."""

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
"""What a link's target becomes; None where the site has no page for it, so that only its text is left."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of the second level, for a table of contents: HTML of its text, and its anchor."""

    text: str
    anchor: str


def slug(text: str) -> str:
    """The anchor of a heading, by GitHub's rules.

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
    """`text` as HTML; `link` says what targets of links and pictures become, headings begin at `first_level`."""
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
    # Wide tables scroll by themselves, and not the page.
    return made.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")


def headings(text: str) -> list[Heading]:
    """The headings of the second level in `text`."""
    tokens = _parser().parse(text)
    return [
        Heading(_parser().renderInline(inline.content), slug(_plain(inline)))
        for opened, inline in pairwise(tokens)
        if opened.type == "heading_open" and opened.tag == "h2"
    ]


def first_sentence(text: str) -> str:
    """The first sentence of the first paragraph: Markdown."""
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
    """Inline tokens, with links and pictures that lead where `link` says."""
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
    """Code in colours; as it is, where nobody knows the language."""
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
    """CSS for the colours of code, for light pages and for dark ones."""
    from pygments.formatters import HtmlFormatter

    light, dark = [_style(HtmlFormatter(style=name)) for name in ("xcode", "github-dark")]
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


def _style(formatter: Any) -> str:
    lines = formatter.get_style_defs(".code").splitlines()
    # Not the background and the line numbers: those are the site's own.
    return "\n".join([line for line in lines if re.match(r"\.code \.\w", line)])
