"""HTML of notebook cells."""

from __future__ import annotations

import html
from typing import Any

import pytest

pytest.importorskip(
    "markdown_it", reason="pages are rendered by markdown-it-py: pip install 'exzarr[gallery]'"
)

from website.notebook_page import body, contents


def markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def cell(source: str, *outputs: dict[str, Any], hidden: bool = False) -> dict[str, Any]:
    marimo = {"name": "it", "config": {"hide_code": hidden}}
    return {"cell_type": "code", "metadata": {"marimo": marimo}, "source": source, "outputs": list(outputs)}


def printed(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}


def shown(kind: str, text: str) -> dict[str, Any]:
    return {"output_type": "display_data", "data": {kind: [text]}}


def test_cells_keep_their_order_and_the_header_is_omitted() -> None:
    cells = (cell("import x"), markdown("# Title\n\nSummary."), markdown("## First\n\nText."))
    made = body(cells, str)
    assert "Summary" not in made
    assert made.index("import") < made.index("First")
    assert [one.anchor for one in contents(cells)] == ["first"]


def test_checks_become_a_list_and_other_output_is_kept() -> None:
    made = body((cell("f()", printed("checked: a < b\n\x1b[1mthe rest\x1b[0m\nchecked: c\n")),), str)
    assert '<ul class="checks"><li>a &lt; b</li><li>c</li></ul>' in made
    assert '<pre class="printed" tabindex="0">the rest</pre>' in made


@pytest.mark.parametrize(
    ("output", "found"),
    [
        (shown("text/html", "<table><tr><td>1</td></tr></table>"), "<td>1</td>"),
        (shown("text/markdown", "**so**"), "<strong>so</strong>"),
        (
            shown(
                "text/markdown",
                html.escape("<marimo-slider data-start='0' data-initial-value='6'></marimo-slider>"),
            ),
            "<output>6</output>",
        ),
        (shown("image/svg+xml", "<svg></svg>"), "<svg></svg>"),
        (shown("image/png", "AAAA\n"), 'src="data:image/png;base64,AAAA"'),
        (shown("text/plain", "a < b"), "a &lt; b"),
    ],
)
def test_every_kind_of_output_is_shown(output: dict[str, Any], found: str) -> None:
    assert found in body((cell("f()", output),), str)


def test_hidden_code_is_omitted_and_its_output_is_kept() -> None:
    made = body((cell("secret()", shown("text/html", "<b>open</b>"), hidden=True),), str)
    assert "secret" not in made
    assert "<b>open</b>" in made
    assert body((cell("secret()", hidden=True),), str) == ""
