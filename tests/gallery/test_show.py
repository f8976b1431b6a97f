"""Checks, results and figures: always shown, and written to the folder in EXZARR_GALLERY_OUT."""

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
def test_passed_check_prints_its_text(held: object, capsys: pytest.CaptureFixture[str]) -> None:
    show.check("it is so", held)
    assert capsys.readouterr().out == "checked: it is so\n"


@pytest.mark.parametrize("held", [False, 0, np.False_, np.array([True, False]), None, []])
def test_failed_check_raises(held: object, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError, match="check failed: it is so"):
        show.check("it is so", held)
    assert capsys.readouterr().out == ""


def test_nothing_is_written_without_an_output_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(show.OUT, raising=False)
    monkeypatch.chdir(tmp_path)
    shown = show.results(rows=1000, ratio=1 / 3, shape=[2, 3], name="<b>")
    assert str(shown) == "rows   1,000\nratio  0.3333\nshape  2 × 3\nname   <b>"
    assert "&lt;b&gt;" in shown._repr_html_()
    show.figure("empty", style.new_figure()[0], alt="nothing")
    assert [*tmp_path.iterdir()] == []


def test_published_results_are_merged(out: Path) -> None:
    show.results(rows=np.int64(7), shape=(2, 3))
    show.measured(seconds=np.float32(0.5))
    show.results(rows=8, text="a\nb")
    published = json.loads((out / "results.json").read_text())
    assert published == {
        "results": {"rows": 8, "shape": [2, 3], "text": "a\nb"},
        "measured": {"seconds": 0.5},
    }


def test_values_without_json_form_are_errors(out: Path) -> None:
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


def test_equal_figures_are_equal_files(out: Path) -> None:
    first = show.figure("a-line", drawn(), alt='a "line"')
    second = show.figure("a-line", drawn(), alt='a "line"')
    assert first == second
    assert (out / "a-line.svg").read_text(encoding="utf-8") == first.svg
    assert first.svg.startswith("<svg")
    assert 'alt="a &quot;line&quot;"' in first._repr_html_()


def test_figure_is_transparent_and_has_no_external_references(out: Path) -> None:
    import re
    import xml.etree.ElementTree as ET

    style.use()
    svg = show.figure("a-line", drawn(), alt="a line").svg
    root = ET.fromstring(svg)
    assert not [path for path in root.iter() if "fill: #ffffff" in path.get("style", "")]
    assert "#000000" not in svg
    assert not re.search(r"""(?:href|src)=["'](?!#)""", svg)


@pytest.mark.parametrize("name", ["", "Upper", "a b", "../a", "a_b"])
def test_invalid_figure_names_are_errors(name: str) -> None:
    with pytest.raises(ArgumentError, match="words in lower case"):
        show.figure(name, drawn(), alt="a line")


def test_figure_requires_an_alt_text() -> None:
    with pytest.raises(ArgumentError, match="needs an alt text"):
        show.figure("a-line", drawn(), alt=" ")


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colour", [*style.COLOURS, style.INK])
def test_colours_have_contrast_on_white_and_black(colour: str) -> None:
    dark, light = luminance("#14181d"), luminance("#ffffff")
    least = 4 if colour == style.INK else 2.4
    assert (light + 0.05) / (luminance(colour) + 0.05) >= least
    assert (luminance(colour) + 0.05) / (dark + 0.05) >= least


def test_table_has_one_line_per_row() -> None:
    made = show.table([{"name": "<a>", "n": 1000}, {"name": "b", "n": np.float32(0.5)}])
    assert str(made) == "name  n\n<a>   1,000\nb     0.5"
    assert made._repr_html_().count("<tr>") == 3
    assert "&lt;a&gt;" in made._repr_html_()
    for rows in ([], [{"a": 1}, {"b": 1}]):
        with pytest.raises(ArgumentError, match="the same columns"):
            show.table(rows)
