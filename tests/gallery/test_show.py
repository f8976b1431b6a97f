"""Checks, results and figures: shown always, written down where EXZARR_GALLERY_OUT says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pictures need matplotlib: pip install 'exzarr[gallery]'")

from exzarr.errors import ArgumentError
from exzarr.gallery import show, style


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(show.OUT, str(tmp_path / "out"))
    return tmp_path / "out"


@pytest.mark.parametrize("held", [True, 1, np.True_, np.ones(3, bool), [0]])
def test_a_check_that_holds_says_so(held: object, capsys: pytest.CaptureFixture[str]) -> None:
    show.check("it is so", held)
    assert capsys.readouterr().out == "checked: it is so\n"


@pytest.mark.parametrize("held", [False, 0, np.False_, np.array([True, False]), None, []])
def test_a_check_that_does_not_hold_raises(held: object, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError, match="check failed: it is so"):
        show.check("it is so", held)
    assert capsys.readouterr().out == ""


def test_without_a_folder_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(show.OUT, raising=False)
    monkeypatch.chdir(tmp_path)
    shown = show.results(rows=1000, ratio=1 / 3, shape=[2, 3], name="<b>")
    assert str(shown) == "rows   1,000\nratio  0.3333\nshape  2 × 3\nname   <b>"
    assert "&lt;b&gt;" in shown._repr_html_()
    show.figure("empty", style.new_figure()[0], alt="nothing")
    assert [*tmp_path.iterdir()] == []


def test_what_is_published_is_gathered(out: Path) -> None:
    show.results(rows=np.int64(7), shape=(2, 3))
    show.measured(seconds=np.float32(0.5))
    show.results(rows=8, text="a\nb")
    said = json.loads((out / "results.json").read_text())
    assert said == {"results": {"rows": 8, "shape": [2, 3], "text": "a\nb"}, "measured": {"seconds": 0.5}}


def test_only_what_json_has_is_published(out: Path) -> None:
    with pytest.raises(ArgumentError, match="rows is a dict"):
        show.results(rows={})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="JSON"):
        show.results(rows=float("nan"))


def drawn():
    figure, axes = style.new_figure(3, 2)
    axes.plot([1, 2, 3], label="a line")
    axes.legend()
    style.title(axes, "A title", "m")
    return figure


def test_the_same_picture_is_the_same_file(out: Path) -> None:
    first = show.figure("a-line", drawn(), alt='a "line"')
    second = show.figure("a-line", drawn(), alt='a "line"')
    assert first == second
    assert (out / "a-line.svg").read_text(encoding="utf-8") == first.svg
    assert first.svg.startswith("<svg")
    assert 'alt="a &quot;line&quot;"' in first._repr_html_()


def test_a_picture_has_no_background_and_asks_for_nothing(out: Path) -> None:
    import re
    import xml.etree.ElementTree as ET

    style.use()
    svg = show.figure("a-line", drawn(), alt="a line").svg
    root = ET.fromstring(svg)
    assert not [path for path in root.iter() if "fill: #ffffff" in path.get("style", "")]
    assert "#000000" not in svg
    assert not re.search(r"""(?:href|src)=["'](?!#)""", svg)


@pytest.mark.parametrize("name", ["", "Upper", "a b", "../a", "a_b"])
def test_names_of_figures_are_those_of_files(name: str) -> None:
    with pytest.raises(ArgumentError, match="words in lower case"):
        show.figure(name, drawn(), alt="a line")


def test_a_picture_needs_words() -> None:
    with pytest.raises(ArgumentError, match="needs an alt text"):
        show.figure("a-line", drawn(), alt=" ")


def luminance(colour: str) -> float:
    """Of WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colour", [*style.COLOURS, style.INK])
def test_every_colour_stands_out_from_white_and_from_black(colour: str) -> None:
    dark, light = luminance("#14181d"), luminance("#ffffff")
    least = 4 if colour == style.INK else 2.4
    assert (light + 0.05) / (luminance(colour) + 0.05) >= least
    assert (luminance(colour) + 0.05) / (dark + 0.05) >= least


def test_a_table_has_a_line_for_each_row() -> None:
    made = show.table([{"name": "<a>", "n": 1000}, {"name": "b", "n": np.float32(0.5)}])
    assert str(made) == "name  n\n<a>   1,000\nb     0.5"
    assert made._repr_html_().count("<tr>") == 3
    assert "&lt;a&gt;" in made._repr_html_()
    for rows in ([], [{"a": 1}, {"b": 1}]):
        with pytest.raises(ArgumentError, match="the same columns"):
            show.table(rows)
