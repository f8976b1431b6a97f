"""Parts of a loader read the chunks of small arrays once, within one limit, and each process has its own cache."""

from __future__ import annotations

import gc
import os
import pickle
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr._stream.batches.memory_cache import MemoryCache
from tests.stream.batches.test_reads import Opens, watched
from tests.stream.batches.tools import stored

SHUFFLES: Any = [False, "chunks", "window", "full"]


def images_and_labels(cache_bytes: int = 100_000, **options: Any) -> tuple[Any, Opens, np.ndarray]:
    """Return a loader of images in 60 chunks and labels in 3, the store of the labels, and the labels."""
    images, _ = stored((600, 100), "i8", chunks=(10, 100))
    labels, data = stored((600,), "i8", chunks=(217,))
    watched_labels, spy = watched(labels)
    return exzarr.batches((images, watched_labels), 32, cache_bytes=cache_bytes, **options), spy, data


def labels_of(loader: Any) -> np.ndarray:
    return np.concatenate([batch[1] for batch in loader])


def check(part: Any, data: np.ndarray) -> None:
    rows = np.concatenate([*part.indices()])
    np.testing.assert_array_equal(labels_of(part), data[rows])


@pytest.mark.parametrize("shuffle", SHUFFLES)
@pytest.mark.parametrize("align", [True, False])
def test_splits_read_each_chunk_of_small_arrays_once(shuffle: Any, align: bool) -> None:
    loader, spy, data = images_and_labels(shuffle=shuffle)
    train, validation = loader.split((0.8, 0.2), align=align)
    assert train.explain().reads[1].reads == 3
    for part in (train, validation.replace(shuffle=False), loader, train):
        expected = part.explain().reads[1]
        assert "for all parts" in expected.how
        before = len(spy.reads)
        check(part, data)
        assert len(spy.reads) - before == expected.reads
    assert set(spy.chunk_reads.values()) == {1}
    assert len(spy.chunk_reads) == 3


def test_explain_counts_chunks_that_a_part_still_needs() -> None:
    loader, spy, _ = images_and_labels(shuffle="window")
    first, last = loader.subset(slice(0, 200)), loader.subset(slice(200, 600))
    labels_of(first)
    assert [part.explain().reads[1].reads for part in (first, last, loader)] == [0, 2, 2]
    assert [part.explain().reads[1].chunks for part in (first, last, loader)] == [1, 3, 3]
    labels_of(last)
    assert len(spy.reads) == 3


@pytest.mark.parametrize("shuffle", SHUFFLES)
def test_threads_that_iterate_parts_read_each_chunk_once(shuffle: Any) -> None:
    loader, spy, data = images_and_labels(shuffle=shuffle)
    parts = loader.split((0.4, 0.3, 0.3))
    start, right = threading.Barrier(3), []

    def iterate(part: Any) -> None:
        rows = np.concatenate([*part.indices()])
        start.wait(10)
        right.append(bool(np.array_equal(labels_of(part), data[rows])))

    threads = [threading.Thread(target=iterate, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert right == [True] * 3
    assert sorted(spy.chunk_reads.values()) == [1, 1, 1]


def test_concurrent_passes_keep_at_most_cache_bytes() -> None:
    limit = 48_000  # bytes: six of 60 chunks of images
    loader, _, data = images_and_labels(limit, shuffle="full", prefetch=0)
    parts = loader.split((0.5, 0.25, 0.25))
    memory = loader._memory
    wanted = [np.concatenate([*part.indices()]) for part in parts]
    passes = [iter(part) for part in parts]
    got: list[list[np.ndarray]] = [[] for _ in parts]
    most = 0
    for number in range(max(map(len, parts))):
        for which, batches in enumerate(passes):
            if number < len(parts[which]):
                got[which].append(next(batches)[1])
                most = max(most, memory.nbytes)
    # Each later pass has one band of images at least.
    assert 600 * 8 < most <= limit + 2 * 10 * 800
    for rows, found in zip(wanted, got, strict=True):
        np.testing.assert_array_equal(np.concatenate(found), data[rows])
    del passes, batches
    gc.collect()
    assert memory.nbytes == 600 * 8  # only the labels


def test_another_limit_means_another_cache() -> None:
    loader, spy, data = images_and_labels(shuffle="full")
    assert loader.replace(batch_size=5)._memory is loader._memory
    other = loader.replace(cache_bytes=50_000)
    assert other._memory is not loader._memory
    check(loader, data)
    check(other, data)
    assert set(spy.chunk_reads.values()) == {2}


def test_the_cache_is_dropped_with_the_last_part() -> None:
    loader, _, _ = images_and_labels(shuffle="window")
    train, validation = loader.split((0.5, 0.5))
    labels_of(train)
    kept = weakref.ref(loader._memory._shared[1])
    del loader, train
    gc.collect()
    assert kept() is not None
    del validation
    gc.collect()
    assert kept() is None


def test_pickled_parts_share_a_cache_of_their_own() -> None:
    loader, _, _ = images_and_labels(shuffle="window")
    labels_of(loader)
    first, second = pickle.loads(pickle.dumps([loader._memory, loader._memory]))
    assert first is second
    assert first is not loader._memory
    assert first.nbytes == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="requires fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_starts_with_an_empty_cache() -> None:
    loader, _, data = images_and_labels(shuffle="window", prefetch=0)
    labels_of(loader)
    memory: MemoryCache = loader._memory
    with memory._lock:  # as if another thread were reading
        child = os.fork()
        if child == 0:
            rows = np.concatenate([*loader.indices()])
            right = memory.nbytes == 0 and np.array_equal(labels_of(loader), data[rows])
            os._exit(0 if right and memory.nbytes else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert memory.nbytes == 600 * 8
