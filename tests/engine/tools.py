"""Helpers of the engine's tests: arrays in a store, data of every type, and exact comparison."""

from __future__ import annotations

from typing import Any

import numpy as np

from exzarr._creation.metadata import array_metadata
from exzarr._format.metadata import ArrayMetadata
from exzarr._nodes import hierarchy
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import Location
from exzarr.stores.base import Store
from exzarr.stores.memory import MemoryStore

__all__ = [
    "SHARES",
    "assert_same",
    "bits",
    "contents",
    "data_for",
    "make",
    "numbered",
    "open_array",
    "raw",
    "store_array",
]

Options = dict[str, Any]

SHARES: Options = {"workers": 2, "inline_bytes": 0}
"""Settings with which threads share even a tiny selection."""


def store_array(store: Store, meta: ArrayMetadata, path: str = "", **access: Any) -> Array:
    """Create the array that `meta` describes in `store`."""
    location = Location(store, path)
    hierarchy.save(location, meta)
    return Array(location, meta, **access)


def make(
    shape: Any,
    dtype: Any = "i4",
    *,
    store: Store | None = None,
    path: str = "",
    access: Any = None,
    **options: Any,
) -> Array:
    """Create an array. `options` are those of `array_metadata`."""
    meta = array_metadata(shape=shape, dtype=dtype, **options)
    return store_array(MemoryStore() if store is None else store, meta, path, **(access or {}))


def raw(shape: Any, dtype: Any = "i4", **options: Any) -> Array:
    """Create an array with raw chunks."""
    return make(shape, dtype, compressors=None, **options)


def open_array(store: Store, path: str = "", **access: Any) -> Array:
    """Open the array at `path` again."""
    location = Location(store, path)
    return Array(location, hierarchy.load_array(location), **access)


def contents(store: Store) -> dict[str, bytes]:
    """Return all values of a store by key."""
    return {key: bytes(store.get(key) or b"") for key in store.list()}


def numbered(shape: tuple[int, ...], dtype: Any = "i4") -> np.ndarray:
    """Return 1, 2, 3, ...: no element is zero, and all are different."""
    return (np.arange(np.prod(shape, dtype=int)) + 1).astype(dtype).reshape(shape)


def data_for(array: Array, seed: int, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Return values of `array`'s data type, the same for the same seed. Most differ from its fill value."""
    shape = array.shape if shape is None else shape
    rng = np.random.default_rng(seed)
    pool = _pool(array)
    out = np.empty(shape, array.dtype)
    out[...] = pool[rng.integers(0, len(pool), shape)]
    return out


def _pool(array: Array) -> np.ndarray:
    """Return some values of a data type, including special ones."""
    dtype, kind = array.dtype, array.metadata.data_type.kind
    if dtype.kind == "T":
        words: Any = ["", "a", "é", "日本語", "longer than sixteen bytes, surely", "z\0z"]
        return np.array(words, dtype)
    if dtype.kind == "O":
        items = np.empty(4, object)
        items[:] = [b"", b"\0", b"abc", b"\xff" * 40] if kind == "bytes" else ["", "a", "é", "x" * 40]
        return items
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind in "fc":
        odd = [0.0, -0.0, 1.5, -2.25, np.nan, np.inf, -np.inf, 0.1, 77]
        return np.array(odd, dtype)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return np.array([0, 1, 2, 3, 100, info.min, info.max], dtype)
    if dtype.kind in "mM":
        return np.array([0, 1, -1, 10**6, np.iinfo("i8").min], "i8").astype(dtype)
    if dtype.kind == "S":
        return np.array([b"", b"a", b"\xff\0b", b"xyz"], dtype)
    if dtype.kind == "U":
        return np.array(["", "a", "é日", "\U0001f40d"], dtype)
    if dtype.kind == "V" and dtype.names is None and dtype.type is not np.void:  # ml_dtypes
        with np.errstate(invalid="ignore"):  # uint2 has no -2
            return np.array([0, 1, -2, 3], "f4").astype(dtype)
    rng = np.random.default_rng(7)
    if dtype.names is not None:
        pool = np.zeros(5, dtype)
        for name in dtype.names:
            field = pool[name]
            field[...] = rng.integers(0, 100, field.shape).astype(
                field.dtype if field.dtype.kind != "S" else "S2"
            )
        return pool
    return rng.integers(0, 256, (5, dtype.itemsize)).astype(np.uint8).view(dtype).reshape(5)


def bits(values: Any) -> Any:
    """Return values in a form for exact comparison: bytes, or the values themselves for objects and strings."""
    if not isinstance(values, np.ndarray | np.generic):
        return values
    array = np.asarray(values)
    if array.dtype.kind in "OT":
        return array.tolist()
    if array.dtype.names is not None:
        return {name: bits(array[name]) for name in array.dtype.names}
    return np.ascontiguousarray(array).tobytes()


def assert_same(got: Any, wanted: Any) -> None:
    """Assert that type, data type, shape and all bits of the values are equal."""
    assert type(got) is type(wanted)
    if isinstance(wanted, np.ndarray | np.generic):
        assert got.dtype == wanted.dtype
        assert got.shape == wanted.shape
    assert bits(got) == bits(wanted)
