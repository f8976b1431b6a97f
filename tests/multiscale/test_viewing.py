"""Levels and elements that show a region of the world."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr import multiscale
from exzarr.errors import ArgumentError, SelectionError
from exzarr.multiscale import Axis, Pyramid
from exzarr.multiscale.viewing import Geometry, best_level, elements
from exzarr.stores import MemoryStore
from tests.breadth import examples


@pytest.fixture(scope="module")
def pyramid() -> Pyramid:
    image = np.arange(3 * 64 * 96).reshape(3, 64, 96)
    return multiscale.write(
        image, MemoryStore(), axes="cyx", scale=0.5, translation={"x": 100}, chunks=(1, 8, 8), levels=4
    )


def test_the_coarsest_level_with_enough_elements_is_best(pyramid: Pyramid) -> None:
    assert [level.shape[1:] for level in pyramid] == [(64, 96), (32, 48), (16, 24), (8, 12)]
    found = [pyramid.best_level(pixels=(n, n)) for n in (1, 8, 9, 16, 17, 32, 33, 64, 999)]
    assert found == [3, 3, 2, 2, 1, 1, 0, 0, 0]
    assert pyramid.best_level({"y": (0, 8)}, pixels={"y": 4}) == 2
    assert pyramid.best_level(((0, 8), (100, 104)), pixels=(4, 4)) == 1
    assert pyramid.best_level() == 0


def test_a_view_has_the_elements_that_a_region_touches(pyramid: Pyramid) -> None:
    view = pyramid.view({"c": 1, "y": (0, 4), "x": (100, 104)}, pixels=(4, 4))
    assert view.level.number == 1
    # Elements of level 1 are 1 apart, and the first one extends from 99.75 to 100.75.
    assert view.selection == (1, slice(0, 5), slice(0, 5))
    assert view.extent == {"y": (-0.25, 4.75), "x": (99.75, 104.75)}
    assert view.shape == (5, 5)
    np.testing.assert_array_equal(view.read(), pyramid.levels[1].array[1, :5, :5])
    np.testing.assert_array_equal(
        pyramid.read({"c": 1, "y": (0, 4), "x": (100, 104)}, pixels=(4, 4)), view.read()
    )


def test_regions_may_extend_beyond_the_image(pyramid: Pyramid) -> None:
    assert pyramid.view({"y": (-50, 1000)}).selection[1] == slice(0, 64)
    assert pyramid.view({"y": slice(30, None)}, level=0).selection[1] == slice(60, 64)
    with pytest.raises(
        SelectionError, match=r"outside of the image, which extends from -0.25 to 31.75 along axis 'y'"
    ):
        pyramid.view({"y": (40, 50)})


@pytest.mark.parametrize(
    ("region", "pixels", "message"),
    [
        ({"w": 1}, None, "there is no axis 'w'"),
        ({"y": (1, 2, 3)}, None, "a coordinate, or a pair"),
        ({"y": (2, 1)}, None, "before its start"),
        ({"y": (0, float("nan"))}, None, "a coordinate, or a pair"),
        ("yx", None, "region is a dict"),
        (None, (1, 2, 3, 4), "for 3 axes"),
        (None, {"w": 2}, "there is no axis 'w'"),
        (None, (0, 2), "positive integers"),
    ],
)
def test_invalid_regions_are_refused(pyramid: Pyramid, region: Any, pixels: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        pyramid.view(region, pixels)


def test_levels_are_numbered(pyramid: Pyramid) -> None:
    assert pyramid[0] is pyramid.levels[0]
    assert pyramid[-1].number == 3
    with pytest.raises(SelectionError, match="there is no level 9"):
        pyramid.read(level=9)


@given(
    st.integers(1, 50),
    st.floats(0.01, 100) | st.floats(-100, -0.01),
    st.floats(-1000, 1000),
    st.floats(-0.2, 1.2),
    st.floats(0, 1),
)
@examples(67)
def test_elements_are_those_whose_extent_overlaps_the_region(
    length: int, scale: float, translation: float, at: float, size: float
) -> None:
    geometry = Geometry((length,), (scale,), (translation,))
    low, high = geometry.extent(0)
    start = low + at * (high - low)
    stop = start + size * (high - low)
    tiny = 1e-5 * abs(scale)
    overlapping = [
        i
        for i in range(length)
        if translation + scale * i - abs(scale) / 2 < stop - tiny
        and translation + scale * i + abs(scale) / 2 > start + tiny
    ]
    if not overlapping:
        return
    (part,) = elements(geometry, [(start, stop)], [Axis("x", "space")])
    assert isinstance(part, slice)
    assert {*overlapping} <= {*range(part.start, part.stop)}
    assert part.stop - part.start <= len(overlapping) + 2
    (one,) = elements(geometry, [(start + stop) / 2 if start >= low and stop <= high else low], [Axis("x")])
    assert isinstance(one, int)
    assert 0 <= one < length


@given(st.integers(1, 1000), st.integers(1, 2000))
@examples(20)
def test_the_level_after_the_best_one_has_too_few_elements(length: int, wanted: int) -> None:
    levels = [Geometry((-(-length // 2**n),), (float(2**n),), ((2**n - 1) / 2,)) for n in range(5)]
    best = best_level(levels, [None], {0: wanted})
    assert best == 0 or levels[best].shape[0] >= wanted
    if best < 4:
        assert levels[best + 1].shape[0] < wanted
