"""Static HTML of marimo's controls, for pages without a kernel."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("marimo", reason="the notebooks need marimo: pip install 'exzarr[gallery]'")

import marimo as mo

from website.controls import plain_html


@pytest.mark.parametrize(
    ("control", "shown"),
    [
        (
            lambda: mo.ui.slider(0, 10, value=4, label="first row"),
            '<input type="range" disabled min="0" max="10"',
        ),
        (lambda: mo.ui.slider(steps=[1, 10, 100], value=10, label="first row"), 'max="2" value="1">'),
        (
            lambda: mo.ui.dropdown(["a < b", "c"], value="a < b", label="first row"),
            "<output>a &lt; b</output>",
        ),
        (lambda: mo.ui.checkbox(value=True, label="first row"), 'type="checkbox" disabled checked'),
    ],
)
def test_control_shows_its_label_and_value(control, shown) -> None:
    made = plain_html(control().text)
    assert "marimo" not in made
    assert shown in made
    assert re.search(r'<label class="control"><span>first row</span> ', made)


def test_content_around_controls_is_kept() -> None:
    made = plain_html(mo.hstack([mo.ui.slider(0, 3, label="a"), mo.md("**text**")]).text)
    assert "marimo" not in made
    assert made.count("<label") == 1
    assert "<strong>text</strong>" in made


def test_other_elements_become_their_label() -> None:
    assert plain_html(mo.ui.button(label="press").text) == '<span class="control">press</span>'
