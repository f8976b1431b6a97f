"""The figures of `explain` equal the requests that a counting store sees."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr import config
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import Location
from exzarr.errors import ChunkCorruptError
from exzarr.stores.memory import MemoryStore
from exzarr.stores.wrappers.counting import CountingStore
from exzarr.stores.wrappers.latency import LatencyStore
from exzarr.telemetry.units import human_bytes
from tests.breadth import examples
from tests.engine.spy import Hook, Spy
from tests.engine.strategies import arrays, basic, masked, pointwise
from tests.engine.tools import data_for, make, numbered, raw

ENCODED = [{"name": "gzip", "configuration": {"level": 1}}]


def spied(array: Array) -> tuple[Array, Spy]:
    spy = Spy(array.store)
    return Array(Location(spy, array.path), array.metadata), spy


def written(array: Array) -> None:
    """Write about half of the chunks."""
    array[...] = data_for(array, 3)
    for key in sorted(array.store.list())[::2]:
        if not key.endswith(("json", ".zarray", ".zattrs")):
            array.store.delete(key)


@given(st.data())
@examples(40)
def test_explained_requests_and_chunks_equal_those_of_the_read(data: Any) -> None:
    array = data.draw(
        arrays(types=st.sampled_from(["i4", "f8"]), compressors=ENCODED, fill_value=1, formats=(3,))
    )
    written(array)
    selection = data.draw(
        st.one_of(basic(array.shape), pointwise(array.shape), masked(array.shape))
        if array.shape
        else basic(())
    )
    array, spy = spied(array)
    with config.override(workers=1, coalesce_gap=data.draw(st.sampled_from([0, 1 << 14]))):
        told = array.explain[selection]
        array, spy = spied(array)  # no shard index is cached
        result = array[selection]
        assert told.result_bytes == np.asarray(result).nbytes
        assert told.requests == len(spy.reads)
        assert told.fetch_bytes == sum(n for _, n in spy.reads)
        keys = {key for key, _ in spy.reads}
        assert (told.chunks if told.shards is None else told.shards) == len(keys)
        assert (
            told.decode_bytes == (told.chunks - told.missing) * int(np.prod(array.chunks)) * array.itemsize
            if (array.metadata.chunk_grid.regular)
            else True
        )


@given(st.data())
@examples(33)
def test_explained_bytes_of_raw_chunks_equal_those_of_the_read(data: Any) -> None:
    shape = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple))
    chunks = tuple([data.draw(st.integers(1, n + 1)) for n in shape])
    array = raw(shape, "i4", chunks=chunks)
    written(array)
    selection = []
    for n in shape:
        start = data.draw(st.integers(0, n - 1))
        selection.append(
            slice(start, data.draw(st.integers(start + 1, n)), data.draw(st.sampled_from([1, 1, 2, 3])))
        )
    array, spy = spied(array)
    told = array.explain[tuple(selection)]
    array[tuple(selection)]
    assert told.fetch_bytes == sum(n for _, n in spy.reads)
    assert told.requests == len(spy.reads)


@given(st.data())
@examples(27)
def test_explained_requests_to_remote_stores_equal_those_of_the_read(data: Any) -> None:
    codecs = st.sampled_from([ENCODED, None])
    array = data.draw(
        arrays(types=st.sampled_from(["i4"]), compressors=data.draw(codecs), fill_value=1, formats=(3,))
    )
    written(array)
    counting = CountingStore(LatencyStore(array.store, 0.0, concurrency=4))
    far = Array(Location(counting, array.path), array.metadata)
    with config.override(remote_gap=data.draw(st.sampled_from([0, 1 << 14]))):
        for _ in range(2):  # the second time, shard indexes are cached
            selection = data.draw(
                st.one_of(basic(array.shape), pointwise(array.shape)) if array.shape else basic(())
            )
            told = far.explain[selection]
            counting.reset()
            with exzarr.profile() as report:
                far[selection]
            assert told.kinds == dict(counting.requests)
            assert told.requests == counting.total
            assert told.fetch_bytes == counting.bytes_read
            assert told.kinds == {kind: use.requests for (_, kind), use in report.requests.items()}
            assert told.fetch_bytes == sum(use.bytes for use in report.requests.values())


def test_figures_of_a_window() -> None:
    array = raw((100, 100), "f8", chunks=(10, 10))
    array[...] = numbered((100, 100), "f8")
    array.store.delete("c/0/1")
    told = array.explain[5:15, 0:20]
    assert (told.chunks, told.missing, told.requests, told.shards) == (4, 1, 4, None)
    assert told.result_bytes == 10 * 20 * 8
    assert told.decode_bytes == told.fetch_bytes == 3 * 800
    assert told.amplification == pytest.approx(3 * 800 / 1600)
    assert told.asdict()["amplification"] == 1.5
    text = str(told)
    assert repr(told) == text
    for part in ("reading from /", "4 (1 not stored)", "1.56 KiB", "2.34 KiB", "1.5 x what is wanted"):
        assert part in text


def test_figures_of_shards() -> None:
    array = make((64, 64), "u2", chunks=(8, 8), shards=(32, 32), compressors=None)
    array[:32] = 7
    told = array.explain[::8, 0]
    assert (told.shards, told.chunks, told.missing) == (2, 8, 4)
    assert told.decode_bytes == 4 * 128
    assert "shards     2\n" in str(told)


def test_every_kind_of_selection_can_be_explained() -> None:
    array = make((9, 9), "i2", chunks=(3, 3))
    array[...] = 5
    assert array.explain.oindex([0, 8], slice(3, 6)).chunks == 2
    assert array.explain.vindex([0, 1, 8], [0, 1, 0]).chunks == 2
    assert array.explain[np.eye(9, dtype=bool)].chunks == 3
    assert array.explain[3].requests == 3


def test_an_empty_selection_costs_nothing() -> None:
    for array in (make((9, 9), chunks=(3, 3)), make((9, 9), chunks=(3, 3), shards=(9, 9))):
        told = array.explain[4:4]
        assert (told.chunks, told.requests, told.fetch_bytes, told.amplification) == (0, 0, 0, 0.0)


def test_explain_reads_only_sizes_and_shard_indexes() -> None:
    array, spy = spied(make((16, 16), chunks=(4, 4)))
    array[...] = numbered((16, 16))
    spy.reads.clear()
    assert array.explain[...].chunks == 16
    assert not spy.reads
    sharded, spy = spied(make((16, 16), chunks=(4, 4), shards=(8, 8)))
    sharded[...] = numbered((16, 16))
    spy.reads.clear()
    assert sharded.explain[...].chunks == 16
    assert {n for _, n in spy.reads} == {4 * 16 + 4}


@pytest.mark.parametrize("shards", [None, (2, 4)])
def test_explain_of_a_huge_sparse_array_is_fast(shards: Any) -> None:
    """Four of 10**12 chunks are stored. `explain` lists the keys instead of requesting each chunk."""
    array = make((10**6, 10**6), "u1", chunks=(1, 1), shards=shards, path="deep/a")
    stored = [(0, 0), (3, 999_999), (500_000, 2), (500_001, 2)]
    for index in stored:
        array[index] = 1
    array.store.put("deep/a/c/2000000/0", b"left over from a larger array")
    array.store.put("deep/a/notes", b"no chunk")
    told = array.explain[...]
    assert (told.chunks, told.chunks - told.missing) == (10**12, 4)
    assert told.decode_bytes == 4
    some = array.explain[500_000:, ::2]
    assert (some.chunks, some.chunks - some.missing) == (500_000 * 500_000, 2)
    points = array.explain[[[0, 500_000], [3, 5]], :]
    assert (points.chunks, points.chunks - points.missing) == (4 * 10**6, 3)
    if shards is not None:
        assert told.shards == 5 * 10**5 * 25 * 10**4
        assert told.requests == told.shards + 3


def test_a_damaged_shard_index_is_named() -> None:
    array = make((8, 8), chunks=(4, 4), shards=(8, 8))
    array[...] = 1
    array.store.put("c/0/0", b"short")
    with pytest.raises(
        ChunkCorruptError, match=r"chunk \(0, 0\) of array '/' \(key 'c/0/0'\): .*shorter than its own"
    ):
        array.explain[...]


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (5 << 20, "5 MiB"),
        (3 << 30, "3 GiB"),
        (1 << 40, "1 TiB"),
        (7 << 50, "7 PiB"),
    ],
)
def test_human_bytes(n: int, text: str) -> None:
    assert human_bytes(n) == text


def test_a_rectilinear_array_is_explained() -> None:
    array = make((10,), "u1", chunks=([2, 3, 5],), compressors=None, store=MemoryStore())
    array[...] = numbered((10,), "u1")
    told = array.explain[4:]
    assert (told.chunks, told.fetch_bytes, told.decode_bytes) == (2, 8, 8)


class _Sized(Hook):
    def size(self, key: str) -> int | None:
        self.hook("size", key)
        return super().size(key)


@pytest.mark.parametrize("kind", ["size", "get"])
def test_explain_sends_concurrent_requests_to_slow_stores(kind: str) -> None:
    """The store answers only when as many requests are in flight as it wants. Otherwise all fail."""
    wanted, asked = 20, []
    barrier = threading.Barrier(wanted)

    def hook(what: str, key: str) -> None:
        if what == kind and key.startswith("c/"):
            asked.append(key)
            barrier.wait(60)

    inner = MemoryStore()
    shards = (4, 4) if kind == "get" else None
    exzarr.create_array(inner, data=np.ones((4 * wanted, 4), "i4"), chunks=(4, 2), shards=shards)
    store = _Sized(LatencyStore(inner, 0, concurrency=wanted), hook)
    told = exzarr.open_array(store).explain[:, 0]
    assert told.chunks == wanted
    assert len(asked) == wanted == len(set(asked))
