"""`ChunkAccess` reads and writes listed chunks for a library that plans its own reads."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr.chunks import ChunkAccess, ChunkSelections
from exzarr.errors import ArgumentError, ChunkCorruptError, NodeTypeError, SelectionError
from exzarr.stores import MemoryStore

VALUES = np.arange(120, dtype="i4").reshape(12, 10)


def make(**options: Any) -> tuple[MemoryStore, ChunkAccess]:
    store = MemoryStore()
    exzarr.create_array(store, name="g/a", data=VALUES, **{"chunks": (4, 5), **options})
    return store, ChunkAccess(store, "g/a", bytes(store.get("g/a/zarr.json") or b""))


def test_slices_integers_and_steps() -> None:
    _, access = make()
    assert (access.dtype, access.chunk_shape) == (np.dtype("i4"), (4, 5))
    out = np.zeros((4,), "i4")
    chunks = ChunkSelections(
        ["g/a/c/0/0", "g/a/c/0/1"],
        [(2, slice(1, 5, 2)), (2, slice(0, 4, 2))],
        [(slice(0, 2),), (slice(2, 4),)],
    )
    assert access.read(chunks, out) == []
    np.testing.assert_array_equal(out, VALUES[2, [1, 3, 5, 7]])


@pytest.mark.parametrize("options", [{}, {"shards": (4, 10)}, {"compressors": None}])
def test_points_and_products(options: dict[str, Any]) -> None:
    _, access = make(**options)
    width = 10 if options.get("shards") else 5
    key = "g/a/c/1/0"
    rows, columns = np.array([3, 0]), np.array([4, 2])
    out = np.zeros(2, "i4")
    access.read(ChunkSelections([key], [(rows, columns)], [np.array([1, 0])]), out)
    np.testing.assert_array_equal(out, VALUES[[4, 7], [2, 4]])
    product = np.zeros((2, 2), "i4")
    access.read(ChunkSelections([key], [np.ix_(rows, columns)], [(slice(0, 2), slice(0, 2))]), product)
    np.testing.assert_array_equal(product, VALUES[np.ix_([7, 4], [4, 2])])
    mask = np.zeros(width, bool)
    mask[[0, 3]] = True
    one = np.zeros(2, "i4")
    access.read(ChunkSelections([key], [np.ix_(np.array([2]), mask)], [(slice(0, 2),)], (0,)), one)
    np.testing.assert_array_equal(one, VALUES[6, [0, 3]])


@pytest.mark.parametrize("shards", [None, (4, 10)])
def test_partial_writes_are_updates(shards: Any) -> None:
    class Counting(MemoryStore):
        updates = puts = 0

        def update(self, key: str, change: Any) -> None:
            self.updates += 1
            super().update(key, change)

    store = Counting()
    exzarr.create_array(store, data=VALUES, chunks=(4, 5), shards=shards)
    access = ChunkAccess(store, "", bytes(store.get("zarr.json") or b""))
    _, width = access.chunk_shape or (0, 0)
    before = store.updates
    whole = (slice(0, 4, 1), slice(0, width, 1))
    access.write(ChunkSelections(["c/0/0"], [whole], [(slice(0, 4), slice(0, width))]), np.zeros((), "i4"))
    assert store.updates == before
    rows = ChunkSelections(
        ["c/1/0"], [(np.array([0, 2]), slice(0, width, 1))], [(slice(0, 2), slice(0, width))]
    )
    access.write(rows, np.full((2, width), -1, "i4"))
    assert store.updates == before + 1
    expected = VALUES.copy()
    expected[:4, :width] = 0
    expected[[4, 6], :width] = -1
    np.testing.assert_array_equal(exzarr.open_array(store)[...], expected)


def test_missing_chunks_are_named_and_filled() -> None:
    store, access = make(fill_value=7)
    store.delete("g/a/c/0/1")
    out = np.zeros((4, 10), "i4")
    chunks = ChunkSelections(
        ["g/a/c/0/0", "g/a/c/0/1"],
        [(slice(0, 4, 1), slice(0, 5, 1))] * 2,
        [(slice(0, 4), slice(0, 5)), (slice(0, 4), slice(5, 10))],
    )
    assert access.read(chunks, out) == ["g/a/c/0/1"]
    np.testing.assert_array_equal(out[:, :5], VALUES[:4, :5])
    assert (out[:, 5:] == 7).all()


def test_shapes_of_chunks_that_vary() -> None:
    store, access = make(chunks=[[5, 7], [10]])
    assert access.chunk_shape is None
    out = np.zeros((12, 10), "i4")
    whole = [(slice(0, n, 1), slice(0, 10, 1)) for n in (5, 7)]
    places = [(slice(0, 5), slice(0, 10)), (slice(5, 12), slice(0, 10))]
    keys = ["g/a/c/0/0", "g/a/c/1/0"]
    with pytest.raises(ArgumentError, match="shapes"):
        access.read(ChunkSelections(keys, whole, places), out)
    chunks = ChunkSelections(keys, whole, places, shapes=[(5, 10), (7, 10)])
    access.read(chunks, out)
    np.testing.assert_array_equal(out, VALUES)
    access.write(chunks, out + 1)
    np.testing.assert_array_equal(exzarr.open_array(store, path="g/a")[...], VALUES + 1)


def test_chunks_outside_the_known_shape_belong_to_a_resized_array() -> None:
    store, access = make()
    array = exzarr.open_array(store, path="g/a", mode="r+")
    array.resize((20, 10))
    part = ChunkSelections(["g/a/c/4/0"], [(slice(0, 2, 1), slice(0, 5, 1))], [(slice(0, 2), slice(0, 5))])
    access.write(part, np.ones((2, 5), "i4"))
    assert exzarr.open_array(store, path="g/a")[16:18, :5].sum() == 10


def test_inner_chunks_are_stored_in_the_given_order() -> None:
    store = MemoryStore()
    exzarr.create_array(store, shape=(4,), chunks=1, shards=4, dtype="u1", compressors=None, filters=None)
    document = bytes(store.get("zarr.json") or b"")
    access = ChunkAccess(store, "", document, shard_order=lambda counts: [*range(counts[0])][::-1])
    access.write(
        ChunkSelections(["c/0"], [(slice(0, 4, 1),)], [(slice(0, 4),)]), np.array([1, 2, 3, 4], "u1")
    )
    assert bytes(store.get("c/0") or b"")[:4] == bytes([4, 3, 2, 1])
    np.testing.assert_array_equal(exzarr.open_array(store)[...], [1, 2, 3, 4])


def test_v2_and_errors() -> None:
    store = MemoryStore()
    exzarr.create_array(store, data=VALUES, chunks=(4, 5), zarr_format=2, order="F")
    access = ChunkAccess(store, "", bytes(store.get(".zarray") or b""), zarr_format=2)
    out = np.zeros((4, 5), "i4")
    chunks = ChunkSelections(["1.1"], [(slice(0, 4, 1), slice(0, 5, 1))], [(slice(0, 4), slice(0, 5))])
    access.read(chunks, out)
    np.testing.assert_array_equal(out, VALUES[4:8, 5:])
    store.put("1.1", b"damage")
    with pytest.raises(ChunkCorruptError, match=r"chunk \(1, 1\)"):
        access.read(chunks, out)
    with pytest.raises(NodeTypeError, match="group"):
        ChunkAccess(store, "", json.dumps({"zarr_format": 3, "node_type": "group"}).encode())
    for wrong in [("x", 1), (slice(None), slice(0, 5, 1)), (np.array([1.5]), np.array([0]))]:
        with pytest.raises(SelectionError):
            access.read(ChunkSelections(["0.0"], [wrong], [(slice(0, 4), slice(0, 5))]), out)
    with pytest.raises(SelectionError, match="shape"):
        access.write(chunks, np.zeros((2, 5), "i4"))
