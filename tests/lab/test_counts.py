"""Counts of the model match the requests and bytes of real reads, as a counting store measures them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr import config
from exzarr._creation.metadata import array_metadata
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.new_nodes import new_array
from exzarr.lab import counts
from exzarr.lab.access import Batch, Random, Read, Scan, Shape, Window
from exzarr.lab.counts import MOST_CHUNKS, count_reads, counted
from exzarr.lab.hypothetical import hypothetical_array
from exzarr.stores.memory import MemoryStore
from exzarr.stores.wrappers.counting import CountingStore
from exzarr.stores.wrappers.latency import LatencyStore
from tests.breadth import examples

pytestmark = pytest.mark.slow

ACCESSES = [
    Scan(),
    Scan(axis=-1, step=3),
    Window(),
    Random(),
    Random(points=5),
    Batch(rows=4),
    Batch(axis=-1, rows=2),
]


@st.composite
def layouts(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...] | None]:
    shape = draw(st.lists(st.integers(1, 30), min_size=1, max_size=3).map(tuple))
    chunks = tuple([draw(st.integers(1, n)) for n in shape])
    if draw(st.booleans()):
        return shape, chunks, None
    return shape, chunks, tuple([c * draw(st.integers(1, 4)) for c in chunks])


@given(layouts(), st.sampled_from(ACCESSES), st.sampled_from([0, 8]), st.integers(0, 3))
@examples(40)
def test_counts_of_hypothetical_array_match_real_reads(
    layout: Any, access: Any, concurrency: int, seed: int
) -> None:
    shape, chunks, shards = layout
    # Uncompressed, so that stored sizes are known; not raw, so that no parts of chunks are read.
    meta = array_metadata(shape=shape, dtype="i4", chunks=chunks, shards=shards, compressors="crc32c")
    memory = MemoryStore()
    values = np.arange(1, math.prod(shape) + 1, dtype="i4").reshape(shape)
    new_array(Location(memory, ""), meta, values)
    access = access.settled(Shape(shape, 4))
    store = CountingStore(LatencyStore(memory, 0.0, concurrency=concurrency))
    with config.override(workers=1):
        hypothetical = count_reads(hypothetical_array(meta, 1.0, concurrency), access, seed)
        stored = meta.chunk_grid.chunk_shape
        for result, read in zip(
            hypothetical, access.reads(shape, stored, np.random.default_rng(seed)), strict=True
        ):
            store.reset()
            array = Array(Location(store, ""), meta)
            got = np.asarray(read.of(array))
            np.testing.assert_array_equal(got, numpy_read(read, values))
            assert result.result_bytes == got.nbytes
            assert result.requests == store.requests["get"] + store.requests["range"]
            # The last shards of a real array have fewer inner chunks than those of the hypothetical one.
            whole = shards is None or all(n % s == 0 for n, s in zip(shape, shards, strict=True))
            if whole:
                assert result.fetch_bytes == store.bytes_read


def numpy_read(read: Read, values: np.ndarray) -> Any:
    if read.how == "oindex":
        entries = [np.arange(e.start, e.stop) if isinstance(e, slice) else e for e in read.selection]
        return values[np.ix_(*entries)]
    return values[read.selection]


@pytest.mark.parametrize("shards", [None, (64, 64, 64)])
def test_counts_of_large_read_are_extrapolated(shards: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = (256, 256, 256)
    meta = array_metadata(shape=shape, dtype="f4", chunks=(8, 8, 8), shards=shards)
    window = Window(shape=(-1, -1, 100)).settled(Shape(shape, 4))
    result = counted(count_reads(hypothetical_array(meta, 2.0, 0), window, 0))
    monkeypatch.setattr(counts, "MOST_CHUNKS", 10**9)
    whole = counted(count_reads(hypothetical_array(meta, 2.0, 0), window, 0))
    assert whole.chunks > 2 * MOST_CHUNKS
    assert result.result_bytes == whole.result_bytes
    assert result.chunks == pytest.approx(whole.chunks)
    assert result.decode_bytes == pytest.approx(whole.decode_bytes)
    assert result.fetch_bytes == pytest.approx(whole.fetch_bytes, rel=0.15)
    assert result.requests == pytest.approx(whole.requests, rel=0.15)


@pytest.mark.parametrize("access", ACCESSES)
def test_reads_of_a_pattern_add_up_to_one_run(access: Any) -> None:
    shape = (40, 30)
    access = access.settled(Shape(shape, 8))
    meta = array_metadata(shape=shape, dtype="f8", chunks=(7, 4))
    result = counted(count_reads(hypothetical_array(meta, 1.0, 0), access, 1))
    wanted = {
        "scan": 40 * 30 * 8,
        "window": 5 * 3 * 8,
        "random": 8 * getattr(access, "points", 1),
        "batch": getattr(access, "rows", 0) * (30 if getattr(access, "axis", 0) == 0 else 40) * 8,
    }
    if access.kind == "scan":  # a few slabs represent all of them, and the last one can be shorter
        assert result.result_bytes == pytest.approx(wanted["scan"], rel=0.2)
    else:
        assert result.result_bytes == pytest.approx(wanted[access.kind])
