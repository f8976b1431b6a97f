"""Fragments of HTML: escaped, limited, and well-formed."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

from hypothesis import given, strategies as st

from exzarr._html.fragments import attributes, facts, folded, framed, heading, items, table

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=10)


def parsed(html: str) -> ET.Element:
    """Parse HTML as XML. Attributes without quotes are written for browsers only."""
    return ET.fromstring(html.replace(" class=number", "").replace("<details open>", "<details>"))


@given(
    TEXT, TEXT, st.dictionaries(TEXT, TEXT | st.integers() | st.none() | st.lists(st.floats()), max_size=3)
)
def test_all_text_is_escaped(first: str, second: str, values: dict[str, Any]) -> None:
    html = framed(
        heading(first, second),
        facts([(first, second)], {first: 3}),
        table((first, second), [(second, first)]),
        items([first]),
        folded(first, items([second]), second, opened=True),
        folded(second, "", first),
        attributes(values),
    )
    allowed = "details div li span strong style summary table tbody td th thead tr ul".split()
    assert {element.tag for element in parsed(html).iter()} <= {*allowed}


def test_many_and_long_attributes_are_cut() -> None:
    html = attributes({f"a{i}": "x" * 10_000 for i in range(1000)})
    assert "and 950 more" in html
    assert "(10,000 characters)" in html
    assert len(html) < 40_000
    assert len(attributes({"n" * 10_000: 1})) < 2000


def test_bars_are_as_long_as_sizes() -> None:
    html = facts([("a", "1"), ("b", "2"), ("c", "")], {"a": 1, "b": 2})
    assert html.index("width:100px") < html.index("width:200px")
    assert html.count("<span") == 2
    assert "width:0px" in facts([("a", "")], {"a": 0})
