"""Updates of a changed region."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr import multiscale
from exzarr.errors import ArgumentError, MetadataError
from exzarr.multiscale import Pyramid, reduce_blocks
from exzarr.multiscale.updating import same_elements
from exzarr.stores import MemoryStore
from exzarr.stores.wrappers.counting import CountingStore
from tests.breadth import examples


def check(pyramid: Pyramid, method: Any, factors: Any, nodata: Any = None) -> None:
    expected = pyramid.levels[0].array[...]
    for level in pyramid.levels[1:]:
        expected = reduce_blocks(expected, factors, method, nodata=nodata)
        np.testing.assert_array_equal(level.array[...], expected)


@given(st.data())
@examples(12)
def test_an_update_equals_a_new_build(data: Any) -> None:
    shape = (data.draw(st.integers(5, 40)), data.draw(st.integers(5, 40)))
    factors = (data.draw(st.integers(1, 3)), data.draw(st.integers(2, 3)))
    image = np.arange(shape[0] * shape[1]).reshape(shape)
    pyramid = multiscale.write(image, MemoryStore(), factors=factors, chunks=(8, 4), levels="auto")
    starts = [data.draw(st.integers(0, n - 1)) for n in shape]
    region = tuple([slice(s, data.draw(st.integers(s, n))) for s, n in zip(starts, shape, strict=True)])
    pyramid.levels[0].array[region] = -7
    pyramid.update(region)
    check(pyramid, "mean", factors)


def test_an_update_touches_only_the_chunks_that_changed() -> None:
    store = CountingStore(MemoryStore())
    pyramid = multiscale.write(np.zeros((512, 512), "u1"), store, chunks=(32, 32), method="mode")
    assert len(pyramid) == 5
    pyramid.levels[0].array[100:120, 40:60] = 3
    store.reset()
    pyramid.update((slice(100, 120), slice(40, 60)))
    check(pyramid, "mode", (2, 2))
    assert store.requests["put"] <= 2 + 3  # level 1 has two chunks there, the others one


def test_appended_time_steps_grow_all_levels(tmp_path: Path) -> None:
    image = np.random.default_rng(0).random((4, 60, 60))
    multiscale.write(image, tmp_path / "i.zarr", axes="tyx", chunks=(2, 16, 16))
    pyramid = multiscale.open(tmp_path / "i.zarr")
    assert isinstance(pyramid, Pyramid)
    exzarr.open_array(tmp_path / "i.zarr" / "0").append(image[:3] + 1)
    grown = pyramid.update((slice(4, 7),))
    assert [level.shape[0] for level in grown] == [7, 7, 7]
    check(grown, "mean", (1, 2, 2))
    assert multiscale.open(tmp_path / "i.zarr").levels[2].shape == (7, 15, 15)  # type: ignore[union-attr]


def test_nodata_is_remembered() -> None:
    pyramid = multiscale.write(np.full((40, 40), -1, "i2"), MemoryStore(), chunks=(8, 8), nodata=-1)
    pyramid.levels[0].array[3, 3] = 10
    pyramid.update((slice(3, 4), slice(3, 4)))
    assert pyramid.levels[2].array[0, 0] == 10
    assert pyramid.levels[2].array[1, 1] == -1


def test_a_function_is_given_again() -> None:
    pyramid = multiscale.write(np.zeros((40, 40)), MemoryStore(), chunks=(8, 8), method=np.median)
    with pytest.raises(
        ArgumentError, match="names the method 'median', which exzarr does not have: give method"
    ):
        pyramid.update()
    pyramid.levels[0].array[:20] = 1
    seen: list[Any] = []
    pyramid.update(method=np.median, progress=lambda *now: seen.append(now))
    check(pyramid, np.median, (2, 2))
    assert seen[-1][0] == seen[-1][1] == 9 + 4 + 1


@pytest.mark.slow
def test_an_update_runs_in_processes(tmp_path: Path) -> None:
    pyramid = multiscale.write(np.zeros((64, 64)), tmp_path / "i.zarr", chunks=(8, 8), method="max")
    pyramid.levels[0].array[5, 5] = 1
    pyramid.update(executor="processes", workers=1)
    check(pyramid, "max", (2, 2))


def test_levels_without_whole_factors_are_refused(tmp_path: Path) -> None:
    pyramid = multiscale.write(np.zeros((9, 9)), tmp_path / "i.zarr", levels=2)
    ome = pyramid.group.attrs.asdict()["ome"]
    ome["multiscales"][0]["datasets"][1]["coordinateTransformations"][0]["scale"] = [1.7, 1.7]
    pyramid.group.attrs["ome"] = ome
    with pytest.raises(MetadataError, match="requires whole factors"):
        multiscale.open(tmp_path / "i.zarr").update()  # type: ignore[union-attr]


def test_a_pyramid_for_reading_is_not_changed(tmp_path: Path) -> None:
    multiscale.write(np.zeros((9, 9)), tmp_path / "i.zarr", levels=2)
    with pytest.raises(ArgumentError, match=r"open it with mode='r\+'"):
        multiscale.open(tmp_path / "i.zarr", mode="r").update()  # type: ignore[union-attr]


@pytest.mark.parametrize("dtype", [str, bytes])
def test_an_update_of_text_ends(dtype: Any) -> None:
    text = [
        [f"a text of more than fifteen characters: {row} {column}" for column in range(8)] for row in range(8)
    ]
    image = (
        np.array(text, object)
        if dtype is str
        else np.array([[one.encode() for one in row] for row in text], object)
    )
    group = exzarr.create_group(MemoryStore())
    source = group.create_array("source", data=image, dtype=dtype, chunks=(4, 4))
    options: Any = {"levels": 2, "factors": 2, "method": "nearest", "axes": "yx"}
    pyramid = multiscale.write(source, group.create_group("pyramid"), **options)
    new = "new" if dtype is str else b"new"
    pyramid.levels[0].array[0, 0] = new
    pyramid.update((slice(0, 4), slice(0, 4)))
    assert pyramid.levels[1].array[0, 0] == new


def test_elements_are_compared_and_not_their_addresses() -> None:
    one, other = "x" * 40, "y" * 40
    for dtype in (object, np.dtypes.StringDType()):
        first, second = np.array([one, other], dtype), np.array(["x" * 40, "y" * 40], dtype)
        assert same_elements(first, second)
        assert not same_elements(first, np.array([other, one], dtype))
    assert same_elements(np.array([np.nan, 1]), np.array([np.nan, 1]))
    assert same_elements(np.array([np.nan], object), np.array([float("nan")], object))
    assert not same_elements(np.zeros(2), np.zeros(3))
