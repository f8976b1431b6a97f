"""Valid and invalid selections. No test here accesses a store."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from exzarr._engine.planning import indexing
from exzarr._engine.planning.selections import GridSelection, PointSelection
from exzarr.errors import ExzarrError, SelectionError
from tests.engine.tools import assert_same, make, numbered

SHAPE = (4, 6)


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (4, "index 4 is out of bounds for dimension 0 of length 4"),
        (-5, "index -5 is out of bounds"),
        ((0, 6), "out of bounds for dimension 1 of length 6"),
        (10**30, "out of bounds"),
        ((0, 0, 0), "too many indices: the array has 2 dimensions, 3 were indexed"),
        ((..., 0, ...), "only one ellipsis"),
        (1.0, "expected an integer, a slice, an ellipsis or an index array"),
        ("x", "there is no field 'x'"),
        (b"x", "expected an integer"),
        (int, "expected an integer"),
        ({}, "expected an integer"),
        (slice("a", None), "slice"),
        (slice(0, 4, 0), "slice step cannot be zero"),
        (slice(1.5, None), "slice"),
        ([4], "index 4 is out of bounds for dimension 0 of length 4"),
        ([0, -5], "index -5 is out of bounds"),
        (np.array([2**63], "u8"), "out of bounds"),
        ([0.5], "index arrays hold integers or booleans, not float64"),
        (["0"], "there is no field '0'"),
        ([1, "0"], "index arrays hold integers or booleans"),
        ([None], "index arrays hold integers or booleans, not object"),
        ([1, [2]], "index array"),
        ([True, False], "mask of shape"),
        (np.zeros((4, 5), bool), "mask of shape"),
        (np.zeros((4, 6, 1), bool), "too many indices"),
        ((0, np.zeros((4, 6), bool)), "too many indices"),
        (([0, 1], [0, 1, 2]), "cannot be broadcast together"),
        (([0, 1], False), "cannot be broadcast together"),
        ((0, 0, True, 0), "too many indices"),
        (range(3, 6), "index 5 is out of bounds"),
        (((0, 9),), "index 9 is out of bounds"),
    ],
    ids=repr,
)
def test_invalid_basic_selections_raise(selection: Any, message: str) -> None:
    array = make(SHAPE)
    with pytest.raises(SelectionError, match=message):
        array[selection]
    with pytest.raises(IndexError, match=message):
        array[selection] = 1
    with pytest.raises(ExzarrError):
        array.explain[selection]


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ((4, 0), "out of bounds for dimension 0"),
        ([[0, 1]], "one dimension, got 2 for dimension 0; use vindex"),
        ((None, 0, 0), "oindex does not take None"),
        (([True, False], slice(None)), "mask of shape"),
        (([0.5], slice(None)), "index arrays hold integers"),
        ((0, 0, 0), "too many indices"),
        ((0, 1.5), "expected an integer"),
        ([1, [2]], "index array"),
    ],
    ids=repr,
)
def test_invalid_oindex_selections_raise(selection: Any, message: str) -> None:
    array = make(SHAPE)
    with pytest.raises(SelectionError, match=message):
        array.oindex[selection]
    with pytest.raises(SelectionError, match=message):
        array.oindex[selection] = 1


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (slice(None), "at least one index array or a mask"),
        ((..., slice(0, 2)), "at least one index array or a mask"),
        (([0], [9]), "out of bounds for dimension 1"),
        (([0, 1], [0, 1, 2]), "cannot be broadcast together"),
        (([0], [0], [0]), "too many indices"),
        ([[1, [2]]], "index array"),
    ],
    ids=repr,
)
def test_invalid_vindex_selections_raise(selection: Any, message: str) -> None:
    array = make(SHAPE)
    with pytest.raises(SelectionError, match=message):
        array.vindex[selection]
    with pytest.raises(SelectionError, match=message):
        array.vindex[selection] = 1


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (2, "block 2 is out of bounds for dimension 0 of length 2"),
        ((0, -4), "block -4 is out of bounds"),
        (slice(None, None, 2), "step 1"),
        (slice(None, None, -1), "step 1"),
        ([0, 1], "integers and slices"),
        (None, "integers and slices"),
        (1.0, "integers and slices"),
        (True, "integers and slices"),
        ((0, 0, 0), "too many indices"),
        (slice("a"), "slice"),
        (slice(None, None, 0), "slice"),
    ],
    ids=repr,
)
def test_invalid_blocks_selections_raise(selection: Any, message: str) -> None:
    array = make(SHAPE, chunks=(2, 2))
    with pytest.raises(SelectionError, match=message):
        array.blocks[selection]
    with pytest.raises(SelectionError, match=message):
        array.blocks[selection] = 1


@pytest.mark.parametrize("mask", [np.zeros(4, bool), np.zeros((4, 6), int), [[True]], [[1, [2]]]], ids=repr)
def test_invalid_masks_raise(mask: Any) -> None:
    array = make(SHAPE)
    with pytest.raises(SelectionError, match=r"mask|index array"):
        array.get_mask_selection(mask)
    with pytest.raises(SelectionError, match=r"mask|index array"):
        array.set_mask_selection(mask, 1)


def test_a_zero_dimensional_array_takes_no_index() -> None:
    array = make(())
    for selection in (0, slice(None), [0]):
        with pytest.raises(SelectionError, match="too many indices: the array has 0 dimensions"):
            array[selection]
    assert_same(array[()], np.int32(0))
    assert_same(array[...], np.zeros((), "i4"))


def test_zarr_python_selection_methods() -> None:
    array = make(SHAPE, "i4", chunks=(2, 4))
    model = numbered(SHAPE)
    mask = model % 3 == 0
    array.set_basic_selection(slice(None), model)
    assert_same(array.get_basic_selection(), model)
    assert_same(array.get_basic_selection((slice(1, 3), 2)), model[1:3, 2])
    assert_same(array.get_orthogonal_selection(([3, 0], [1])), model[np.ix_([3, 0], [1])])
    assert_same(array.get_coordinate_selection(([3, 0], [1, 2])), model[[3, 0], [1, 2]])
    assert_same(array.get_mask_selection(mask), model[mask])
    assert_same(array.get_block_selection((1, slice(0, 1))), model[2:4, 0:4])
    array.set_orthogonal_selection(([0, 2], slice(0, 2)), -1)
    model[np.ix_([0, 2], [0, 1])] = -1
    array.set_coordinate_selection(([1, 1], [1, 2]), [-2, -3])
    model[[1, 1], [1, 2]] = [-2, -3]
    array.set_mask_selection(mask, -4)
    model[mask] = -4
    array.set_block_selection((0, 1), -5)
    model[0:2, 4:6] = -5
    assert_same(array[...], model)


def test_index_arrays_of_other_types() -> None:
    class Index:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return np.array([2, 0])

    array, model = make(SHAPE), numbered(SHAPE)
    array[...] = model
    assert_same(array[Index()], model[[2, 0]])
    assert_same(array.oindex[Index(), 1:3], model[[2, 0], 1:3])
    assert_same(array[make((2,), "i4", fill_value=3)], model[[3, 3]])


# -- the two forms ---------------------------------------------------------------------------


def test_one_index_array_is_planned_like_oindex() -> None:
    selection = indexing.basic((slice(None, None, -1), [1, 3]), SHAPE)
    assert isinstance(selection, GridSelection)
    assert isinstance(indexing.basic(([0, 1], [1, 3]), SHAPE), PointSelection)


@pytest.mark.parametrize(
    "selection",
    [(...,), (slice(1, 3), 2), (None, 0, slice(None, None, -2)), ([2, 1], [0, 5]), ([[1], [2]], slice(1, 4))],
)
def test_work_arrays_are_views_if_possible(selection: Any) -> None:
    found = indexing.basic(selection, SHAPE)
    result = np.zeros(found.result_shape)
    work = found.to_work(result)
    assert work.shape == found.work_shape
    assert np.shares_memory(work, result)
    if isinstance(found, PointSelection):
        values = numbered(found.work_shape)
        assert_same(np.ascontiguousarray(found.to_work(found.from_work(values))), values)


def test_selections_print() -> None:
    text = repr(indexing.orthogonal((slice(1, 4), [0, 2]), SHAPE))
    assert "start=1" in text
    assert "IntegerIndex(array([0, 2]))" in text


def test_blocks_of_chunks_that_vary_in_length() -> None:
    array = make((10,), chunks=([2, 3, 5],))
    array[...] = numbered((10,))
    assert_same(array.blocks[1:3], numbered((10,))[2:])
    assert_same(array.blocks[-3], numbered((10,))[:2])


UNUSUAL: list[Any] = [
    True,
    False,
    np.False_,
    np.array(True),
    (1, True),
    (True, 1),
    (slice(None), True, [0, 1]),
    ([0, 1], slice(None), True),
    (slice(1, 3), None, [1, 2]),
    (None, [0, 1], None),
    ([0, 1], None, [0, 1]),
    (0, None, [0, 1]),
    (None, [0, 1], ..., [2, 3]),
    (None, 0, ..., False, 1),
    range(0),
    range(3, 0, -2),
    (range(2), 1),
    ((0, 1),),
    (..., True),
]


@pytest.mark.parametrize("selection", UNUSUAL, ids=repr)
def test_unusual_indices_follow_numpy(selection: Any) -> None:
    array, model = make(SHAPE, chunks=(2, 4)), numbered(SHAPE)
    array[...] = model
    expected = model[selection]
    assert_same(array[selection], expected)
    array.explain[selection]
    value = -np.arange(expected.size, dtype=model.dtype).reshape(expected.shape)
    array[selection] = value
    model[selection] = value
    assert_same(array[...], model)


def test_a_raw_array_of_no_dimensions_is_explained_and_indexed_by_booleans() -> None:
    array = make((), compressors=None)
    array[...] = 5
    assert array.explain[()].requests == 1
    for selection in (True, np.True_, (..., True), (None, True)):
        assert_same(array[selection], np.array(5, array.dtype)[selection])
    assert array[False].shape == (0,)
    array[True] = [7]
    assert array[()] == 7
