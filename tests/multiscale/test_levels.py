"""Shapes, factors, scales and translations of levels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from exzarr._format.multiscales.model import Axis
from exzarr.errors import ArgumentError
from exzarr.multiscale.describe import axes_of, numbers_of
from exzarr.multiscale.levels import LevelPlan, plan_levels

ZYX = axes_of("zyx", None, 3, None)


def plan(shape: tuple[int, ...], axes: Any = ZYX, chunks: Any = (64, 64, 64), **options: Any) -> Any:
    ndim = len(shape)
    scale = options.pop("scale", (1.0,) * ndim)
    given = {"factors": "auto", "levels": "auto", "method": "mean", **options}
    return plan_levels(shape, axes, chunks[:ndim], scale=scale, translation=(0.0,) * ndim, **given)


def test_levels_end_when_one_fits_into_a_chunk() -> None:
    assert [level.shape for level in plan((100, 300, 129))] == [
        (100, 300, 129),
        (50, 150, 65),
        (25, 75, 33),
        (13, 38, 17),
    ]
    assert [level.shape for level in plan((64, 64, 64))] == [(64, 64, 64)]


def test_the_closest_axes_are_halved_first() -> None:
    levels = plan((100, 1000, 1000), scale=(4.0, 1.0, 1.0))
    assert [level.factors for level in levels] == [
        (1, 1, 1),
        (1, 2, 2),
        (1, 2, 2),
        (2, 2, 2),
        (2, 2, 2),
    ]
    assert levels[-1].scale == (16.0, 16.0, 16.0)


def test_axes_of_other_types_are_not_reduced() -> None:
    levels = plan((5, 3, 256, 256), axes_of("tcyx", None, 4, None), (1, 1, 64, 64))
    assert [level.shape for level in levels] == [(5, 3, 256, 256), (5, 3, 128, 128), (5, 3, 64, 64)]


@pytest.mark.parametrize(
    ("method", "translation"),
    [("mean", (0.0, 0.5, 1.0)), ("nearest", (0.0, 0.0, 0.0)), (np.median, (0.0, 0.5, 1.0))],
)
def test_translation_is_that_of_the_center_of_a_block(method: Any, translation: Any) -> None:
    levels = plan((8, 8, 9), factors=(1, 2, 3), levels=2, method=method)
    assert levels[1] == LevelPlan((8, 4, 3), (1, 2, 3), (1.0, 2.0, 3.0), translation)


def test_factors_for_each_level() -> None:
    levels = plan((8, 8, 8), factors=[(1, 2, 2), (2, 2, 4)])
    assert [level.shape for level in levels] == [(8, 8, 8), (8, 4, 4), (4, 2, 1)]
    assert levels[2].translation == (0.5, 1.5, 3.5)
    assert [level.factors for level in plan((8, 8, 8), factors={"x": 4}, levels=2)][1] == (1, 1, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factors": (2, 2)}, "3 positive integers"),
        ({"factors": (2, 0, 2)}, "3 positive integers"),
        ({"factors": {"w": 2}}, "there is no axis 'w'"),
        ({"factors": "double"}, "factors is 'auto'"),
        ({"levels": 0}, "from 1 to 32"),
        ({"levels": 9}, "cannot be reduced further"),
        ({"factors": [(2, 2, 2)], "levels": 3}, "contradicts factors for 2 levels"),
    ],
)
def test_impossible_levels_are_refused(options: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        plan((8, 8, 8), **options)


def test_axes_come_from_arguments_then_names_then_the_number_of_dimensions() -> None:
    assert axes_of("tyx", ("a", "b", "c"), 3, None)[0] == Axis("t", "time")
    assert axes_of(None, ("time", "lat", "lon"), 3, "degree")[1] == Axis("lat", "space", "degree")
    assert [axis.name for axis in axes_of(None, (None, "y"), 2, None)] == ["y", "x"]
    assert axes_of([Axis("q", "custom", "K"), "x"], None, 2, {"x": "m"}) == (
        Axis("q", "custom", "K"),
        Axis("x", "space", "m"),
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("yx", None, 3, None), "3 dimensions, and there are 2 axes"),
        (("xx", None, 2, None), "unique"),
        ((None, None, 6, None), "name the 6 dimensions"),
        (("yx", None, 2, {"z": "m"}), "there is no axis 'z'"),
    ],
)
def test_invalid_axes_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        axes_of(*arguments)


def test_numbers_are_for_space_for_each_axis_or_by_name() -> None:
    axes = axes_of("czyx", None, 4, None)
    assert numbers_of(0.5, axes, "scale", 1.0) == (1.0, 0.5, 0.5, 0.5)
    assert numbers_of({"z": 2}, axes, "scale", 1.0) == (1.0, 2.0, 1.0, 1.0)
    assert numbers_of((1, 2, 3, 4), axes, "scale", 1.0) == (1.0, 2.0, 3.0, 4.0)
    for value in ((1, 2), 0, float("nan"), {"q": 1}, "a"):
        with pytest.raises(ArgumentError, match="scale"):
            numbers_of(value, axes, "scale", 1.0)  # type: ignore[arg-type]
