"""What type checkers see of the public API: mypy reads this file in `make lint`, and nothing runs it."""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np
import numpy.typing as npt

import exzarr
from exzarr.stores import LocalStore, MemoryStore, Store


def opening(path: str) -> None:
    assert_type(exzarr.open(path), exzarr.Array | exzarr.Group)
    assert_type(exzarr.open_array(path), exzarr.Array)
    assert_type(exzarr.open_group(path), exzarr.Group)
    assert_type(exzarr.create_array(path, shape=(2, 3), dtype="f4"), exzarr.Array)
    assert_type(exzarr.create_group(path), exzarr.Group)
    assert_type(exzarr.zeros((2, 3)), exzarr.Array)


def arrays(array: exzarr.Array) -> None:
    assert_type(array.shape, tuple[int, ...])
    assert_type(array.chunks, tuple[int, ...])
    assert_type(array.shards, tuple[int, ...] | None)
    assert_type(array.dtype, np.dtype[Any])
    assert_type(array.write_chunk_sizes, tuple[tuple[int, ...], ...])
    assert_type(array.store, Store)
    assert_type(array.append(np.zeros(3)), tuple[int, ...])
    for chunk in array.chunk_stream():
        assert_type(chunk, exzarr.Chunk)
        assert_type(chunk.index, tuple[int, ...])
    assert_type(array.parallel_chunk_map(np.mean, workers=2, ordered=False), Any)
    array.parallel_chunk_map(np.mean, worker=2)  # type: ignore[call-arg]
    predicate = (exzarr.value > 30) | ~exzarr.value.is_nan()
    assert_type(predicate, exzarr.Predicate)
    assert_type(array.where(predicate).count(workers=2), int)
    for positions, values in array.where(exzarr.value == 3).positions():
        assert_type(positions, npt.NDArray[np.int64])
        assert_type(values, npt.NDArray[Any])


def groups(group: exzarr.Group) -> None:
    assert_type(group["a"], exzarr.Array | exzarr.Group)
    assert_type(group.create_array("a", shape=3, dtype="i4"), exzarr.Array)
    assert_type(group.require_group("b"), exzarr.Group)
    for name, array in group.arrays():
        assert_type(name, str)
        assert_type(array, exzarr.Array)


def stores() -> None:
    assert_type(MemoryStore(), MemoryStore)
    store: Store = LocalStore("cube.zarr")
    with store as opened:
        assert_type(opened.get("zarr.json"), bytes | bytearray | memoryview | None)


def errors(error: exzarr.ChunkCorruptError) -> None:
    base: exzarr.ExzarrError = error
    value: ValueError = exzarr.ArgumentError("")
    del base, value
