"""Reads and writes give the same values, data type, shape and scalars as NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr import config
from exzarr._nodes.array import Array
from exzarr.errors import ArgumentError, SelectionError
from tests.breadth import examples
from tests.engine.strategies import (
    NESTED,
    RECORD,
    arrays,
    basic,
    blank,
    configs,
    orthogonal,
    picks,
    shapes,
    values_for,
)
from tests.engine.tools import SHARES, assert_same, data_for, make, numbered, open_array, raw


def written(array: Array, seed: int = 1) -> np.ndarray:
    """Return a NumPy array with the values that were written, as a model."""
    model = data_for(array, seed)
    array[...] = model
    return model


@pytest.mark.slow
@given(st.data())
@examples(100)
def test_any_selection_of_any_array_equals_numpy(data: Any) -> None:
    array = data.draw(arrays())
    model = blank(array)
    with config.override(**data.draw(configs)):
        for _ in range(data.draw(st.integers(0, 2))):
            pick = data.draw(picks(array))
            value = data.draw(values_for(array, np.shape(pick.expect(model))))
            pick.write(array, value)
            pick.assign(model, value)
        for _ in range(3):
            pick = data.draw(picks(array))
            assert_same(pick.read(array), pick.expect(model))
        assert_same(open_array(array.store)[...], model)


# -- out= ---------------------------------------------------------------------------------


@st.composite
def outs(draw: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Draw an array of `shape` with any memory order and strides, also negative ones."""
    kind = draw(st.sampled_from(["C", "F", "gaps", "reversed"]))
    if kind == "gaps":
        every_other: Any = (*[slice(None, None, 2)] * len(shape), ...)
        return np.zeros([2 * n for n in shape], dtype)[every_other]
    if kind == "reversed" and shape:
        return np.zeros(shape, dtype)[::-1]
    return np.zeros(shape, dtype, order="F" if kind == "F" else "C")


WIDER = {
    "i1": "f4",
    "u2": "i8",
    "i4": "f8",
    "u8": "f8",
    "f2": "f4",
    "f4": "f8",
    "f8": "f4",
    "c8": "c16",
    "c16": "c8",
}


@given(st.data())
@examples(50)
def test_out_with_any_strides_and_data_type_receives_result(data: Any) -> None:
    array = data.draw(arrays())
    model = written(array)
    pick = data.draw(picks(array))
    found = pick.expect(model)
    wanted = np.empty(np.shape(found), array.dtype)  # np.asarray would convert an object to a string
    wanted[...] = found
    dtype = array.dtype
    if data.draw(st.booleans()) and dtype.isnative:
        dtype = np.dtype(WIDER.get(dtype.str[1:], dtype))
    out = data.draw(outs(wanted.shape, dtype))
    assert pick.get is not None
    with config.override(**data.draw(configs)), np.errstate(over="ignore"):
        assert pick.get(array, out) is out
        assert_same(out, wanted.astype(dtype))


def test_unsuitable_out_is_refused() -> None:
    array = raw((4, 6), "f8", chunks=(2, 2))
    for out in (np.empty((4, 5)), np.empty((24,)), np.empty((4, 6), "i4"), [[0.0] * 6] * 4):
        with pytest.raises(ArgumentError, match="out"):
            array.get(out=out)  # type: ignore[arg-type]
    locked = np.empty((4, 6))
    locked.flags.writeable = False
    with pytest.raises(ArgumentError, match="read-only"):
        array.get(out=locked)


# -- fields ----------------------------------------------------------------------------------


@given(st.data())
@examples(20)
def test_fields_of_structured_types(data: Any) -> None:
    dtype = data.draw(st.sampled_from([RECORD, NESTED]))
    array = data.draw(arrays(types=st.just(dtype)))
    model = written(array)
    assert dtype.names is not None
    field = data.draw(st.sampled_from(dtype.names))
    selection = data.draw(basic(array.shape, newaxis=False))
    parts = selection if isinstance(selection, tuple) else (selection,)
    with config.override(**data.draw(configs)):
        assert_same(array[field], model[field])
        wanted = model[field][selection] if parts else model[field]
        assert_same(array[(field, *parts)], wanted)
        several = list(dtype.names[:2])
        assert_same(array[several], model[several].copy())
        new = data_for(array, 5, np.shape(model[selection]))[field]
        array[(field, *parts)] = new
        model[field][selection] = new
        assert_same(array[...], model)


def test_several_fields_are_written_from_a_structured_value() -> None:
    array = make((5, 4), RECORD, chunks=(2, 3))
    model = written(array)
    new = data_for(array, 9, (2, 4))
    array[(*"xz", slice(1, 3))] = new
    model["x"][1:3], model["z"][1:3] = new["x"], new["z"]
    assert_same(array[...], model)


@pytest.mark.parametrize("selection", ["w", ["x", "w"], ("w", 0)])
def test_unknown_field_raises(selection: Any) -> None:
    array = make((5,), RECORD)
    with pytest.raises(SelectionError, match=r"there is no field 'w'; fields of .*'x', 'y', 'z'"):
        array[selection]
    with pytest.raises(SelectionError, match="there is no field 'w'"):
        array[selection] = np.zeros(5, RECORD)


def test_an_array_without_fields_has_no_field() -> None:
    array = make((5,), "i4")
    with pytest.raises(SelectionError, match="there is no field 'x'"):
        array["x"]
    with pytest.raises(SelectionError, match="there is no field 'x'"):
        array["x"] = 1


def test_several_fields_require_a_structured_value() -> None:
    array = make((5,), RECORD)
    with pytest.raises(ArgumentError, match="fields"):
        array[["x", "y"]] = 1.0


# -- names ---------------------------------------------------------------------------------


@given(st.data())
@examples(20)
def test_isel_selects_by_dimension_name(data: Any) -> None:
    shape = data.draw(shapes.filter(lambda s: 0 < len(s) < 4))
    names = "tyx"[: len(shape)]
    array = data.draw(arrays(types=st.just("i4"), shape=shape, dimension_names=tuple(names)))
    model = written(array)
    selection = data.draw(
        orthogonal(shape).filter(
            lambda parts: (
                len(parts) == len(shape)
                and Ellipsis not in [part if part is Ellipsis else None for part in parts]
            )
        )
    )
    chosen = {name: part for name, part in zip(names, selection, strict=True) if data.draw(st.booleans())}
    full = tuple([chosen.get(name, slice(None)) for name in names])
    assert_same(array.isel(chosen), array.oindex[full])
    assert_same(array.isel(**chosen), array.oindex[full])
    assert model.shape == shape


def test_isel_equals_numpy() -> None:
    array = make((3, 4, 5), "i4", chunks=(2, 2, 2), dimension_names=("t", None, "x"))
    model = written(array)
    assert_same(array.isel(t=1), model[1])
    assert_same(array.isel({"x": slice(None, None, -1)}, t=[2, 0]), model[[2, 0]][..., ::-1])
    assert_same(array.isel(), model)


def test_isel_error_lists_existing_names() -> None:
    named = make((3, 4), dimension_names=("time", "x"))
    with pytest.raises(SelectionError, match="no dimension 'y'; dimensions: 'time', 'x'"):
        named.isel(y=0)
    with pytest.raises(SelectionError, match="has no dimension names"):
        make((3, 4)).isel(y=0)


# -- values --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        7,
        7.0,
        True,
        np.float64(7),
        np.array(7),
        [1, 2, 3],
        [[1], [2]],
        range(3),
        np.arange(6).reshape(2, 3)[::-1],
    ],
    ids=repr,
)
def test_values_are_converted_as_numpy_converts_them(value: Any) -> None:
    array, model = make((2, 3), "f4", chunks=(1, 2)), np.zeros((2, 3), "f4")
    array[...] = value
    model[...] = value
    assert_same(array[...], model)


def test_exzarr_array_is_accepted_as_value() -> None:
    source, array = make((4, 6), "i2", chunks=(3, 4)), make((4, 6), "f8", chunks=(2, 2))
    model = written(source)
    array[...] = source
    assert_same(array[...], model.astype("f8"))


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("u1", 300),
        ("u1", -1),
        ("i4", "text"),
        ("f8", {}),
        ("f8", int),
        ("f8", [[1, 2], [3]]),
        ("M8[s]", "no date"),
        ("i4", [1, None]),
        (RECORD, "text"),
    ],
    ids=repr,
)
def test_a_value_that_does_not_convert_is_refused_and_nothing_is_written(dtype: Any, value: Any) -> None:
    array = make((2, 2), dtype, chunks=(1, 1))
    before = sorted(array.store.list())
    with pytest.raises(ArgumentError, match="cannot store this in array .* of"):
        array[...] = value
    assert sorted(array.store.list()) == before


def test_a_value_that_does_not_broadcast_is_refused() -> None:
    array = make((4, 6), chunks=(2, 2))
    with pytest.raises(
        ArgumentError, match=r"shape \(3,\) cannot be broadcast to the selection's shape \(2, 6\)"
    ):
        array[:2] = [1, 2, 3]
    with pytest.raises(ValueError, match="cannot be broadcast"):
        array.vindex[[0, 1, 2], [0, 1, 2]] = [1, 2]


def test_last_value_of_a_repeated_index_is_stored() -> None:
    array, model = make((7,), chunks=(2,)), np.zeros(7, "i4")
    index, value = [3, 1, 3, 6, 1], [1, 2, 3, 4, 5]
    array[index] = value
    model[index] = value
    assert_same(array[...], model)
    array.vindex[np.array([index])] = np.array([value]) * 10
    model[[index]] = np.array([value]) * 10
    assert_same(array[...], model)


def test_writing_does_not_change_the_value() -> None:
    array = raw((4, 4), chunks=(2, 4))
    value = numbered((4, 4))
    kept = value.copy()
    array[...] = value
    array[1:3, 1] = -1
    assert_same(value, kept)
    result = array[...]
    result[...] = 0
    array[...] = value[::-1]
    assert not result.any()


# -- runs, contiguous rows, small and large chunks ----------------------------------------------


@pytest.mark.parametrize("settings_", [{"workers": 1}, SHARES], ids=["one", "shared"])
@pytest.mark.parametrize("compressors", [None, "zstd"])
@pytest.mark.parametrize("shards", [None, (16, 24)])
def test_wide_arrays_of_small_chunks(settings_: Any, compressors: Any, shards: Any) -> None:
    """Runs of neighbouring chunks, some of which are not stored."""
    array = make((40, 500), "u2", chunks=(8, 6), shards=shards, compressors=compressors, fill_value=9)
    model = np.full((40, 500), 9, "u2")
    values = numbered((40, 500), "u2")
    for region in (np.s_[3:30, 10:400], np.s_[32:, :], np.s_[0, 450:]):
        array[region] = model[region] = values[region]
    with config.override(**settings_):
        for selection in (
            np.s_[...],
            np.s_[5:33, 7:311],
            np.s_[:, 6:12],
            np.s_[8:16, 6:498:3],
            np.s_[::-1, ::-1],
            np.s_[1:2, 1:499],
            np.s_[2:10, 4],
        ):
            assert_same(array[selection], model[selection])
            out = np.zeros((*model[selection].shape, 2), "f4")[..., 0]
            assert_same(array.get(selection, out=out), model[selection].astype("f4"))


@pytest.mark.parametrize("settings_", [{"workers": 1}, SHARES], ids=["one", "shared"])
@pytest.mark.parametrize("compressors", [None, "zstd"])
@pytest.mark.parametrize("dtype", ["i4", "M8[s]", "V5", "bfloat16"])
def test_contiguous_rows(settings_: Any, compressors: Any, dtype: Any) -> None:
    array = make((50, 7), dtype, chunks=(6, 7), compressors=compressors)
    model = blank(array)
    values = data_for(array, 3)
    for region in (np.s_[3:20], np.s_[36:]):
        array[region] = model[region] = values[region]
    with config.override(**settings_):
        for selection in (np.s_[...], np.s_[4:44], np.s_[::5], np.s_[::-1], [44, 1, 1, 2, 30], np.s_[7:8]):
            assert_same(array[selection], model[selection])


def test_chunks_decoded_in_place() -> None:
    """Chunks of 64 KiB and more are decoded in place."""
    array = make((300, 128), "f4", chunks=(150, 128), compressors="zstd")
    model = numbered((300, 128), "f4")
    array[...] = model
    assert_same(array[...], model)
    assert_same(array[100:], model[100:])


@pytest.mark.parametrize("settings_", [{"workers": 1}, SHARES], ids=["one", "shared"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shards", [None, "regular", "many", "rectilinear"])
@pytest.mark.parametrize("size", [3, 90])
def test_points_in_every_layout(size: int, shards: Any, order: Any, settings_: Any) -> None:
    """Chunks of 256 KiB and more are copied one by one."""
    n = 8 * size
    layouts: dict[Any, Any] = {
        None: None,
        "regular": (8 * size,) * 2,
        "many": (size,) * 2,
        "rectilinear": ([size, 3 * size, 4 * size], [8 * size]),
    }
    array = make((n, n), "c16", chunks=(size, size), shards=layouts[shards], order=order, compressors=None)
    if shards is None and size == 3:
        array = make((n, n), "c16", chunks=([size, n - size], [2 * size] * 4))
    model = numbered((n, n), "c16")
    array[...] = model
    array[size : 2 * size] = model[size : 2 * size] = 0
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(0, n, (2, 5, 4))
    picked: list[Any] = [
        np.s_[rows, columns],
        np.s_[rows[0], 5:],
        np.s_[::-3, columns[0]],
        np.s_[..., columns[0]],
        np.s_[rows[0, 0], columns],
        model.real % 7 == 0,
    ]
    with config.override(**settings_):
        for selection in picked:
            assert_same(array[selection], model[selection])
