"""Resizes and appends: removed elements never reappear, appended elements are readable immediately."""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, strategies as st

import exzarr
from exzarr import ArgumentError, MemoryStore
from exzarr.stores.base import KEEP
from exzarr.stores.wrappers.base import StoreWrapper
from tests.breadth import examples

FILL = -1


@st.composite
def arrays(draw: Any, store: Any = None) -> exzarr.Array:
    """Draw a small array: both formats, shards, rectilinear chunks, rectilinear shards."""
    ndim = draw(st.integers(1, 3))
    shape = tuple([draw(st.integers(0, 9)) for _ in range(ndim)])
    chunks = tuple([draw(st.integers(1, 4)) for _ in range(ndim)])
    options: dict[str, Any] = {"chunks": chunks}
    kind = draw(st.sampled_from(["v2", "v3", "shards", "rectilinear", "rectilinear shards"]))
    if kind == "shards":
        options["shards"] = tuple([c * draw(st.integers(1, 3)) for c in chunks])
    if kind == "rectilinear":
        options["chunks"] = [_edges(draw, n) for n in shape]
    if kind == "rectilinear shards":
        options["shards"] = [
            [c * size for size in _edges(draw, -(-n // c))] for n, c in zip(shape, chunks, strict=True)
        ]
    return exzarr.create_array(
        store,
        shape=shape,
        dtype="i2",
        fill_value=FILL,
        zarr_format=2 if kind == "v2" else 3,
        compressors=draw(st.sampled_from(["auto", None])),
        **options,
    )


def _edges(draw: Any, length: int) -> list[int]:
    edges = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    return [*edges, length - sum(edges)] if sum(edges) < length else edges


def resized(model: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return `model` after a resize to another shape."""
    new = np.full(shape, FILL, model.dtype)
    kept = tuple([slice(min(n, m)) for n, m in zip(shape, model.shape, strict=True)])
    new[kept] = model[kept]
    return new


@pytest.mark.slow
@given(st.data())
@examples(50, deadline=None)
def test_any_sequence_of_resizes_and_appends_equals_numpy(data: Any) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        array = data.draw(arrays(folder))
        model = np.full(array.shape, FILL, "i2")
        for step in range(data.draw(st.integers(1, 6))):
            what = data.draw(st.sampled_from(["write", "resize", "append", "reopen"]))
            if what == "write" and model.size:
                region = tuple(
                    [slice(*sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2)))) for n in model.shape]
                )
                array[region] = model[region] = step * 10
            elif what == "resize":
                shape = tuple([data.draw(st.integers(0, 12)) for _ in model.shape])
                array.resize(shape)
                model = resized(model, shape)
            elif what == "append":
                axis = data.draw(st.integers(-model.ndim, model.ndim - 1))
                part = np.full([3 if d == axis % model.ndim else n for d, n in enumerate(model.shape)], step)
                part[...] = part * 100 + np.arange(part.size).reshape(part.shape)
                array.append(part, axis)
                model = np.concatenate([model, part.astype("i2")], axis)
            elif what == "reopen":
                array = exzarr.open_array(folder)
            np.testing.assert_array_equal(array[...], model)
        np.testing.assert_array_equal(exzarr.open_array(folder)[...], model)
        everything = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        chunks = everything - {"zarr.json", ".zarray", ".zattrs"}
        inside = {
            array.chunk_source.key(index) for index in np.ndindex(array.metadata.chunk_grid.chunk_counts)
        }
        assert chunks <= inside, "no chunk is left outside"
        if array.metadata.chunk_grid.regular:
            np.testing.assert_array_equal(zarr.open_array(folder, mode="r")[...], model)
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("few", [0, 100])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_elements_outside_of_new_shape_are_removed(monkeypatch: Any, few: int, zarr_format: Any) -> None:
    monkeypatch.setattr("exzarr._nodes.resize.FEW", few)
    store = MemoryStore()
    a = exzarr.create_array(
        store, name="x/a", data=np.ones((10, 10), "i1"), chunks=(3, 3), zarr_format=zarr_format
    )
    exzarr.create_array(
        store, name="x/a2", data=np.ones((10, 10), "i1"), chunks=(3, 3), zarr_format=zarr_format
    )
    other = [*store.list("x/a2")]
    a.resize((4, 5))
    assert a.nchunks_initialized == 4
    a.resize((10, 10))
    assert a[:].sum() == 20
    assert a[:4, :5].all()
    assert [*store.list("x/a2")] == other
    a.resize((0, 10))
    assert a.nchunks_initialized == 0
    a.resize((10, 10))
    assert not a[:].any()


def test_absent_chunks_stay_absent_and_empty_chunks_are_deleted() -> None:
    a = exzarr.create_array(None, shape=(10, 10), chunks=(4, 4), dtype="i1", write_empty_chunks=True)
    a[7, 7] = 1
    with exzarr.config.override(write_empty_chunks=True):
        a.resize((6, 10))
    assert a.nchunks_initialized == 0


class Recorder(StoreWrapper):
    """A store that records the written keys in order."""

    def __init__(self, inner: exzarr.Store) -> None:
        super().__init__(inner)
        self.log: list[str] = []

    def put(self, key: str, value: Any) -> None:
        self.log.append(key)
        super().put(key, value)

    def update(self, key: str, change: Any) -> None:
        def watched(value: Any) -> Any:
            parts = change(value)
            if parts is not KEEP:
                self.log.append(key)
            return parts

        super().update(key, watched)

    def delete(self, key: str) -> None:
        self.log.append(key)
        super().delete(key)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_document_is_written_after_the_chunks(zarr_format: Any) -> None:
    document = "zarr.json" if zarr_format == 3 else ".zarray"
    store = Recorder(MemoryStore())
    a = exzarr.create_array(store, data=np.ones(10), chunks=4, zarr_format=zarr_format)
    for change, at in (
        (lambda: a.append(np.ones(7)), -1),
        (lambda: a.resize(6), 0),
        (lambda: a.resize(9), -1),
    ):
        store.log.clear()
        change()
        assert store.log[at] == document, store.log
        assert store.log.count(document) == 1
        assert len(store.log) > 1


def test_failed_append_leaves_array_unchanged() -> None:
    class Full(StoreWrapper):
        full = False

        def put(self, key: str, value: Any) -> None:
            if self.full:
                raise exzarr.StoreError("no space left")
            super().put(key, value)

    store = Full(MemoryStore())
    a = exzarr.create_array(store, data=np.arange(10), chunks=5)
    store.full = True
    with pytest.raises(exzarr.StoreError, match="no space"):
        a.append(np.arange(5))
    assert a.shape == (10,)
    store.full = False
    np.testing.assert_array_equal(exzarr.open_array(store)[:], np.arange(10))
    a.append([7])
    np.testing.assert_array_equal(a[:], [*range(10), 7])


def test_append_after_append_by_another_handle() -> None:
    store = MemoryStore()
    first = exzarr.create_array(store, data=np.arange(3), chunks=2)
    second = exzarr.open_array(store)
    assert second.append([3, 4]) == (5,)
    assert first.append([5]) == (6,)
    np.testing.assert_array_equal(first[:], np.arange(6))
    assert second.shape == (5,)
    assert second.refresh().shape == (6,)


def test_strings_and_structures_are_appended() -> None:
    a = exzarr.create_array(None, data=["a", "bc"], dtype=str, chunks=3)
    a.append(["def", "g"])
    assert a[:].tolist() == ["a", "bc", "def", "g"]
    a.resize(1)
    a.resize(3)
    assert a[:].tolist() == ["a", "", ""]
    record = np.dtype([("x", "i4"), ("y", "f4")])
    b = exzarr.create_array(None, data=np.ones(2, record), chunks=2)
    b.append(np.zeros(3, record))
    np.testing.assert_array_equal(b[:], np.concatenate([np.ones(2, record), np.zeros(3, record)]))


def test_resize_and_append_without_effect_write_nothing() -> None:
    store = Recorder(MemoryStore())
    a = exzarr.create_array(store, data=np.ones((4, 3)), chunks=2)
    store.log.clear()
    a.resize((4, 3))
    a.append(np.ones((0, 3)))
    assert store.log == []


def test_shape_can_be_assigned() -> None:
    a = exzarr.zeros((4, 3))
    a.shape = (5, 2)
    assert a.shape == exzarr.open_array(a.store).shape == (5, 2)
    b = exzarr.zeros(4)
    b.shape = 6  # type: ignore[assignment]
    assert b.shape == (6,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.resize(3), "the array has 2 dimensions, the new shape"),
        (lambda a: a.resize((3, 4, 5)), "resize keeps the number of dimensions"),
        (lambda a: a.resize((-1, 3)), "lengths are from 0"),
        (lambda a: a.resize("ab"), "a shape is an integer or a sequence"),
        (lambda a: a.append(np.ones((2, 4))), r"of shape \(2, 4\) .* it must have the shape \(any, 3\)"),
        (lambda a: a.append(np.ones(3)), r"must have the shape \(any, 3\)"),
        (lambda a: a.append(np.ones((4, 4, 3))), r"must have the shape \(any, 3\)"),
        (lambda a: a.append(np.ones((2, 3)), axis=1), r"must have the shape \(4, any\)"),
        (lambda a: a.append(np.ones((2, 3)), axis=2), "axis 2 does not exist"),
        (lambda a: a.append([["a", "b", "c"]]), "cannot store this"),
        (lambda a: exzarr.zeros(()).append(1), "0-dimensional array cannot be appended to"),
    ],
)
def test_invalid_resize_or_append_changes_nothing(change: Any, message: str) -> None:
    a = exzarr.create_array(None, data=np.ones((4, 3)))
    with pytest.raises(ArgumentError, match=message):
        change(a)
    assert math.prod(a.shape) == exzarr.open_array(a.store)[:].sum() == 12


@pytest.mark.parametrize("grow", ["resize", "append"])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_rectilinear_shards_grow_by_whole_inner_chunks(grow: str, order: tuple[int, int]) -> None:
    """The new shard holds a whole number of inner chunks, in the order of dimensions before a transposition."""
    inner = [(2, 3)[axis] for axis in order]
    sharding = {
        "name": "sharding_indexed",
        "configuration": {
            "chunk_shape": inner,
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
            "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
        },
    }
    filters = [{"name": "transpose", "configuration": {"order": [*order]}}]
    array = exzarr.create_array(
        shape=(6, 9),
        dtype="i4",
        chunks=[[2, 4], [3, 6]],
        filters=filters,
        serializer=sharding,
        compressors=None,
    )
    array[...] = 1
    if grow == "resize":
        array.resize((9, 9))
        array.resize((9, 13))
    else:
        array.append(np.ones((3, 9), "i4"))
        array.append(np.ones((9, 4), "i4"), axis=1)
    reopened = exzarr.open_array(array.store)
    assert reopened.metadata.chunk_grid.to_v3()["configuration"]["chunk_shapes"] == [[2, [4, 2]], [3, [6, 2]]]
    reopened[8, 12] = 5
    reopened[0] = 7
    expected = np.zeros((9, 13), "i4") if grow == "resize" else np.ones((9, 13), "i4")
    expected[:6, :9] = 1
    expected[8, 12], expected[0] = 5, 7
    assert np.array_equal(exzarr.open_array(array.store)[...], expected)
