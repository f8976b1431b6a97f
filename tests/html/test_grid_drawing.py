"""Drawings of chunk grids: well-formed, and with as many cells and lines as there are chunks."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr._html.grid_drawing import Axis, Drawing, svg

SVG = "{http://www.w3.org/2000/svg}"


def axes(counts: tuple[int, ...]) -> tuple[Axis, ...]:
    return tuple(
        [Axis(10 * n, f"d{i}", tuple(np.linspace(0, 1, n + 1).tolist())) for i, n in enumerate(counts)]
    )


def paths(text: str) -> list[ET.Element]:
    root = ET.fromstring(text)
    return [element for element in root.iter() if element.tag.removeprefix(SVG) == "path"]


def filled_cells(text: str) -> int:
    return sum([path.attrib["d"].count("M") for path in paths(text) if path.get("fill") == "#4c8dca"])


@given(st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple))
def test_lines_lie_between_chunks(counts: tuple[int, ...]) -> None:
    lines = [
        p.attrib["d"].count("M")
        for p in paths(svg(Drawing(axes(counts))))
        if p.get("stroke-opacity") == ".55"
    ]
    faces = [(a, b) for i, a in enumerate(counts) for b in counts[i + 1 :]] or [(1, counts[0])]
    assert sum(lines) == sum([a + b - 2 for a, b in faces])


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 1000))
def test_each_stored_chunk_of_a_plane_is_filled(rows: int, columns: int, seed: int) -> None:
    stored = np.random.default_rng(seed).integers(0, 2, (rows, columns)).astype(np.float64)
    expected = 1 if stored.all() else int(stored.sum())
    assert filled_cells(svg(Drawing(axes((rows, columns)), stored))) == expected


def test_faces_of_a_box_show_the_share_along_the_hidden_dimension() -> None:
    stored = np.zeros((2, 3, 4))
    stored[0] = 1  # the front half
    text = svg(Drawing(axes((2, 3, 4)), stored))
    # The front is half stored everywhere: one fill. On the other faces, the front row and column are filled.
    assert filled_cells(text) == 1 + 4 + 3
    opacities = {path.get("fill-opacity") for path in paths(text) if path.get("fill") == "#4c8dca"}
    assert len(opacities) == 2


@given(
    st.lists(st.integers(1, 2**62), min_size=1, max_size=3),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
)
def test_any_lengths_and_names(lengths: list[int], name: str) -> None:
    text = svg(Drawing(tuple([Axis(n, name, (0.0, 1.0)) for n in lengths])))
    root = ET.fromstring(text)
    width, height = (float(root.attrib[side]) for side in ("width", "height"))
    assert 0 < width < 2000
    assert 0 < height < 400
    labels = [element.text or "" for element in root.iter() if element.tag.removeprefix(SVG) == "text"]
    assert sorted(labels) == sorted([f"{name} {n:,}".strip() for n in lengths])


@pytest.mark.parametrize("count", [1, 7, 24])
def test_inner_chunks_have_lines_of_their_own(count: int) -> None:
    axis = Axis(100, "", (0.0, 0.5, 1.0), inner=tuple([0.5 * i / count for i in range(1, count)]))
    found = [
        p.attrib["d"].count("M") for p in paths(svg(Drawing((axis,)))) if p.get("stroke-opacity") == ".22"
    ]
    assert sum(found) == count - 1
