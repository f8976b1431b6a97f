"""Number of reads per chunk and opens per shard in an epoch of batches, and what `explain` says about them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import Location
from exzarr.stores.base import ValueReader
from tests.engine.spy import Spy
from tests.stream.batches.tools import layouts, stored

MIB = 1 << 20
BLOCKWISE: Any = [False, "chunks", "window"]


class Opens(Spy):
    """Count how often each value is opened, too."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.opened: list[str] = []

    def open_value(self, key: str) -> ValueReader | None:
        self.opened.append(key)
        return super().open_value(key)

    @property
    def chunk_reads(self) -> Counter[str]:
        return Counter(key for key, _ in self.reads)


def watched(array: Array, **access: Any) -> tuple[Array, Opens]:
    spy = Opens(array.store)
    return Array(Location(spy, ""), array.metadata, **access), spy


@st.composite
def epochs(draw: Any) -> tuple[list[Array], list[Opens], int, dict[str, Any]]:
    samples = draw(st.integers(1, 40))
    given_, spies = [], []
    for _ in range(draw(st.integers(1, 3))):
        shape = (samples, *draw(st.lists(st.integers(1, 3), max_size=2)))
        options = draw(layouts(shape))
        if "shards" in options:
            del options["shards"]
        array, spy = watched(stored(shape, seed=0, **options)[0])
        given_.append(array)
        spies.append(spy)
    shuffle = draw(st.sampled_from(BLOCKWISE))
    options = {
        "shuffle": shuffle,
        "window": draw(st.integers(1, 5)) if shuffle == "window" else None,
        "seed": draw(st.integers(0, 3)),
        "prefetch": draw(st.sampled_from([0, 2])),
        "cache_bytes": draw(st.sampled_from([0, 1 << 20])),
    }
    return given_, spies, draw(st.integers(1, samples + 2)), options


@given(epochs())
def test_blockwise_every_chunk_is_read_exactly_once(epoch: Any) -> None:
    arrays, spies, size, options = epoch
    loader = exzarr.batches(arrays, size, **options)
    explained = loader.explain()
    for _ in loader:
        pass
    for array, spy, reads in zip(arrays, spies, explained.reads, strict=True):
        stored_ = {key for key in array.store.list() if not key.endswith(("zarr.json", ".zarray", ".zattrs"))}
        counts = spy.chunk_reads
        assert set(counts) >= stored_
        assert set(counts.values()) == {1}
        if options["cache_bytes"] == 0:  # then nothing is left to chance
            assert reads.reads == reads.chunks == len(counts)


@given(epochs(), st.integers(1, 4))
def test_full_reads_each_chunk_at_most_once_for_a_batch(epoch: Any, prefetch: int) -> None:
    arrays, spies, size, options = epoch
    loader = exzarr.batches(arrays, size, shuffle="full", prefetch=0, cache_bytes=options["cache_bytes"])
    for _ in loader:
        for spy in spies:
            assert set(spy.chunk_reads.values()) <= {1}
            if options["cache_bytes"] == 0:
                spy.reads.clear()
    if options["cache_bytes"]:  # all of it fits, so that it holds for the epoch
        assert all(set(spy.chunk_reads.values()) == {1} for spy in spies)


@pytest.mark.parametrize("shuffle", BLOCKWISE)
def test_each_rank_reads_its_own_chunks(shuffle: Any) -> None:
    array, _ = stored((240, 3), chunks=(5, 3))
    counts: Counter[str] = Counter()
    for rank in range(5):
        seen, spy = watched(array)
        for _ in exzarr.batches(seen, 7, shuffle=shuffle, rank=rank, world_size=5):
            pass
        assert set(spy.chunk_reads.values()) == {1}
        counts += spy.chunk_reads
    assert len(counts) == 48
    # If a rank's part ends within a chunk, the next rank reads the chunk, too.
    assert sum(counts.values()) - len(counts) <= 4


@pytest.mark.parametrize("shuffle", BLOCKWISE)
def test_a_part_reads_its_own_chunks(shuffle: Any) -> None:
    array, _ = stored((240, 3), chunks=(5, 3))
    counts: Counter[str] = Counter()
    for index in range(3):
        seen, spy = watched(array)
        window: dict[str, Any] = {"window": 2} if shuffle == "window" else {}
        for _ in exzarr.batches(seen, 10, shuffle=shuffle, prefetch=0, **window).part(index, 3):
            pass
        counts += spy.chunk_reads
    assert len(counts) == 48
    assert sum(counts.values()) - len(counts) <= 2 * 4


@pytest.mark.parametrize("shuffle", [False, "chunks", "window", "full"])
def test_shards_are_opened_few_times(shuffle: Any) -> None:
    array, data = stored((4096, 8), chunks=(16, 8), shards=(512, 8), compressors="zstd")
    seen, spy = watched(array)
    loader = exzarr.batches(seen, 128, shuffle=shuffle)
    for rows, batch in zip(loader.indices(), loader, strict=True):
        np.testing.assert_array_equal(batch, data[rows])
    # Each full batch takes samples from all 8 shards, as long as there is something left to read.
    assert len(spy.opened) <= (8 if shuffle != "full" else 8 * len(loader))


def test_pieces_of_large_shards_are_shuffled_separately() -> None:
    array, _ = stored((64, 64 * 1024), "i4", chunks=(1, 64 * 1024), shards=(32, 64 * 1024), compressors=None)
    explained = exzarr.batches(array, 4, shuffle="chunks").explain()
    assert (explained.blocks, explained.block) == (16, 4)  # 1 MiB each


def test_rows_of_raw_chunks_are_read_alone_if_the_array_is_not_kept() -> None:
    array, data = stored((1000, 64), "i4", chunks=(250, 64), compressors=None)
    seen, spy = watched(array)
    loader = exzarr.batches(seen, 2, shuffle="full", cache_bytes=1000, prefetch=0)
    rows, batch = next(loader.indices()), next(iter(loader))
    np.testing.assert_array_equal(batch, data[rows])
    assert len(set((rows // 250).tolist())) == 2
    assert [n for _, n in spy.reads] == [256, 256]


def test_chunks_larger_than_the_cache_are_read_for_several_batches_together() -> None:
    array, data = stored((2000, 16), "i4", chunks=(100, 16), compressors="zstd")
    seen, spy = watched(array)
    # 128,000 bytes have room for 5 of 20 chunks, and for 12 batches together.
    loader = exzarr.batches(seen, 20, shuffle="full", cache_bytes=64_000, prefetch=0)
    explained = loader.explain()
    for rows, batch in zip(loader.indices(), loader, strict=True):
        np.testing.assert_array_equal(batch, data[rows])
    got = sum(spy.chunk_reads.values())
    assert got < 0.3 * 20 * len(loader)
    assert explained.reads[0].reads == pytest.approx(got, rel=0.25)


def test_an_array_whose_chunks_do_not_fit_is_kept_or_cut() -> None:
    images, _ = stored((600, 200), "i8", chunks=(7, 200), seed=1)
    labels, _ = stored((600,), "i8", chunks=(600,))
    for cache, how, most in ((10_000, "kept", 1), (0, "block", 1)):
        (a, _), (b, spy) = watched(images), watched(labels)
        loader = exzarr.batches((a, b), 32, shuffle="window", cache_bytes=cache)
        rows = np.concatenate([*loader.indices()])
        got = np.concatenate([batch[1] for batch in loader])
        np.testing.assert_array_equal(got, labels[...][rows])
        assert max(spy.chunk_reads.values()) == most, how


def test_explain_reports_reads_and_memory() -> None:
    array, _ = stored((1000, 4), "i4", chunks=(50, 4))
    told = {
        shuffle: exzarr.batches(array, 100, shuffle=shuffle, seed=1).explain()
        for shuffle in (False, "chunks", "window", "full")
    }
    assert [told[shuffle].spread for shuffle in told] == [1.0, 17.0, 801 / 3, 1001 / 3]
    assert [told[shuffle].mixed for shuffle in (False, "chunks")] == [2.0, 2.0]
    assert told["window"].mixed > 12
    assert told["full"].mixed > 18
    assert all(explained.reads[0].reads <= 20 for explained in told.values())
    assert str(told["window"]).splitlines()[:2] == [
        "10 batches of 100 of 1,000 samples",
        "  shuffle    window of 16 blocks",
    ]


@pytest.mark.parametrize("shuffle", ["chunks", "window", "full"])
def test_explained_spread_equals_the_measured_one(shuffle: Any) -> None:
    array, _ = stored((4000,), "i2", chunks=(50,))
    loader = exzarr.batches(array, 100, shuffle=shuffle)
    apart = []
    for epoch in range(10):
        loader.set_epoch(epoch)
        rows = np.concatenate([*loader.indices()])
        place = np.empty(4000, int)
        place[rows] = np.arange(4000)
        within = np.arange(1, 4000) % 50 != 0  # neighbours of one chunk
        apart.append(np.abs(np.diff(place))[within].mean())
    assert np.mean(apart) == pytest.approx(loader.explain().spread, rel=0.05)
