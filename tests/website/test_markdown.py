"""HTML of the guides' and articles' Markdown."""

from __future__ import annotations

import pytest

pytest.importorskip(
    "markdown_it", reason="pages are rendered by markdown-it-py: pip install 'exzarr[gallery]'"
)

from website.markdown import Heading, code, code_styles, first_sentence, headings, render


def test_headings_have_the_anchors_of_github() -> None:
    text = "# One\n\n## What `explain` costs, *beforehand*\n\n### Deeper"
    assert '<h2 id="what-explain-costs-beforehand">' in render(text)
    assert headings(text) == [
        Heading("What <code>explain</code> costs, <em>beforehand</em>", "what-explain-costs-beforehand")
    ]


def test_links_and_pictures_use_addresses_of_the_site() -> None:
    there = {"a.md": "a.html", "b.png": "../b.png"}
    made = render("[*one* a](a.md), [two](src/two.py), ![three](b.png)", there.get)
    assert '<a href="a.html"><em>one</em> a</a>, two, <img src="../b.png" alt="three"' in made


def test_markers_are_removed() -> None:
    made = render("<!-- notebook: x -->\n# T\n\n| a |\n| --- |\n| <!--=n-->5<!--/--> |\n")
    assert "<!--" not in made
    assert "<td>5</td>" in made


def test_code_is_highlighted_and_escaped() -> None:
    made = render("```python\nif a < b: pass\n```\n\n```text\n<b>\n```\n\n```nonsense\nx\n```")
    assert '<span class="k">if</span>' in made
    assert "&lt;b&gt;" in made
    assert (
        code("a & b") == '<pre class="code" tabindex="0"><code class="language-text">a &amp; b\n</code></pre>'
    )


def test_code_has_light_and_dark_colours() -> None:
    light, _, dark = code_styles().partition("@media (prefers-color-scheme: dark)")
    assert ".code .k" in light
    assert ".code .k" in dark


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("# T\n\nOne `a.b` thing. Two.", "One `a.b` thing."),
        ("# T\n\n```python\nx = 1\n```\n\nWhat is\nit? Well.", "What is it?"),
        ("# T\n\n- an item\n\nThese are:\n", "These are"),
        ("# T\n", ""),
    ],
)
def test_first_sentence_of_a_page(text: str, sentence: str) -> None:
    assert first_sentence(text) == sentence
