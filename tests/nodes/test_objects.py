"""Arrays of Python objects, which Zarr format 2 supports."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from exzarr._nodes.array import Array
from exzarr.errors import ArgumentError, CodecError
from exzarr.stores.memory import MemoryStore
from tests.engine.tools import assert_same, make, open_array


def objects(shape: list[int], chunks: list[int], codec: str) -> Array:
    document = {
        "zarr_format": 2,
        "shape": shape,
        "chunks": chunks,
        "dtype": "|O",
        "fill_value": None,
        "order": "C",
        "filters": [{"id": codec}],
        "compressor": None,
    }
    store = MemoryStore()
    store.put(".zarray", json.dumps(document).encode())
    return open_array(store)


def column(*items: Any) -> np.ndarray:
    """Return an array of objects with the elements `items`, which may be lists."""
    out = np.empty(len(items), object)
    for i, item in enumerate(items):
        out[i] = item
    return out


@pytest.mark.parametrize("codec", ["json2", "msgpack2"])
def test_any_object_in_any_position(codec: str) -> None:
    pytest.importorskip("msgpack")
    array, model = objects([3, 2], [2, 2], codec), np.full((3, 2), None, object)
    assert_same(array[...], model)
    writes: list[tuple[Any, Any]] = [
        ((0, 0), {"a": [1, 2]}),
        ((slice(None), 1), column([1, 2], [3], "s")),
        (1, column("x", None)),
        ((2, 0), [[], {}]),
        (([0, 1], [1, 1]), column("p", ["q"])),
        (np.array([[False, False], [True, False], [False, True]]), 7),
    ]
    for selection, value in writes:
        array[selection] = value
        model[selection] = value
        assert_same(array[...], model)
        assert_same(array[2, 0], model[2, 0])
        assert_same(array[::-1, 0], model[::-1, 0])
    assert_same(open_array(array.store)[...], model)


def test_a_single_element_takes_a_list() -> None:
    single = objects([], [], "json2")  # numcodecs' msgpack2 distinguishes [1, 2] from 1 and 2 only in arrays
    single[()] = [1, [2]]
    assert single[()] == [1, [2]]
    single[...] = {"k": None}
    assert_same(single[...], np.array({"k": None}))


@pytest.mark.parametrize("codec", ["json2", "msgpack2"])
def test_one_element_takes_a_list(codec: str) -> None:
    pytest.importorskip("msgpack")
    array = objects([2], [1], codec)
    array[1] = (1, 2)
    assert array[1] == [1, 2]
    array.oindex[0] = [3]
    assert array[0] == [3]


def test_a_list_for_several_elements_is_several_values() -> None:
    array = objects([2], [1], "json2")
    array[:] = [1, "x"]
    assert_same(array[...], column(1, "x"))
    with pytest.raises(ArgumentError, match="cannot be broadcast"):
        array[:] = [1, 2, 3]


def test_objects_that_codec_cannot_encode_are_refused() -> None:
    array = objects([2], [1], "json2")
    with pytest.raises(CodecError, match=r"chunk \(1,\) of array '/' \(key '1'\)"):
        array[1] = {1, 2}
    numbers = make((2,), bytes)
    with pytest.raises(ArgumentError, match="not a byte string"):
        numbers[0] = 5


def test_object_data_type_is_required() -> None:
    with pytest.raises(ArgumentError, match="does not define the type of its objects"):
        make((2,), object)
