"""Layouts, tried: the sample is written with each, and read as the patterns say."""

from __future__ import annotations

import tempfile
import time
import tracemalloc
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exzarr._creation.metadata import array_metadata
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import Location
from exzarr.lab.access import Patterns, Read
from exzarr.lab.candidates import Layout
from exzarr.lab.speeds import Speeds
from exzarr.stores.base import Store
from exzarr.stores.local.store import LocalStore
from exzarr.stores.memory import MemoryStore
from exzarr.stores.wrappers.counting import CountingStore
from exzarr.stores.wrappers.latency import LatencyStore

__all__ = ["Bench", "Measured", "Trial", "far", "place", "try_layouts"]

AnyArray = npt.NDArray[Any]

REPEATS = 3
"""How often reads are timed at most; the best counts, since what else the machine does only adds."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one go of a pattern took on the sample.

    Attributes
    ----------
    seconds
        Wall clock; the best of a few.
    requests, fetch_bytes
        What the store was asked for, and gave. Looks at a shard's size are not counted.
    result_bytes
        Bytes that were wanted.
    memory
        Most bytes that were allocated at once, the result included; None where it was not looked at.
    """

    seconds: float
    requests: float
    fetch_bytes: float
    result_bytes: float
    memory: int | None

    @property
    def throughput(self) -> float:
        """Wanted bytes per second."""
        return self.result_bytes / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Trial:
    """A layout, tried on the sample.

    Attributes
    ----------
    layout
        As it was tried: cut to the sample.
    objects, stored_bytes
        Values (files, objects) that the sample came to, and their bytes.
    write_seconds
        How long it took to write.
    accesses
        What was measured, by pattern.
    """

    layout: Layout
    objects: int
    stored_bytes: int
    write_seconds: float
    accesses: dict[str, Measured]

    def asdict(self) -> dict[str, Any]:
        return {
            "layout": self.layout.asdict(),
            "objects": self.objects,
            "stored_bytes": self.stored_bytes,
            "write_seconds": self.write_seconds,
            "accesses": {
                name: {**asdict(one), "throughput": one.throughput} for name, one in self.accesses.items()
            },
        }


@contextmanager
def place(store: str | Store, scratch: str | None = None) -> Iterator[tuple[Store, str]]:
    """A store to try things in, and the path below which: gone with all that is in it afterwards.

    `store` is ``local`` (a temporary folder, in `scratch` where that is given), ``s3`` (in memory: `far` makes
    it slow), or a store.
    """
    if isinstance(store, Store):
        path = f"exzarr-lab-{uuid.uuid4().hex[:12]}"
        try:
            yield store, path
        finally:
            store.delete_prefix(path)
    elif store == "s3":
        yield MemoryStore(), "lab"
    else:
        with tempfile.TemporaryDirectory(prefix="exzarr-lab-", dir=scratch) as folder:
            yield LocalStore(folder), "lab"


@dataclass(frozen=True, slots=True)
class Bench:
    """What layouts are tried on and where.

    Attributes
    ----------
    sample
        The data.
    store, path
        Where it is written to.
    codecs
        ``filters``, ``serializer`` and ``compressors``, as `exzarr.create_array` takes them.
    simulated
        Reads are as slow as these speeds say; None: as slow as the store is.
    """

    sample: AnyArray
    store: Store
    path: str
    codecs: Mapping[str, Any]
    simulated: Speeds | None = None


def try_layouts(
    bench: Bench,
    layouts: Sequence[Layout],
    accesses: Patterns,
    *,
    seed: int,
    seconds: float,
    tell: Callable[[], object],
) -> list[Trial]:
    """Write and read the sample with each of `layouts`; as many of them, in this order, as `seconds` allow (one at least).

    `tell` is called after each.
    """
    found: list[Trial] = []
    begun = time.perf_counter()
    for number, layout in enumerate(layouts):
        spent = time.perf_counter() - begun
        # One that takes as long as those before it is not begun if it would not end in time.
        if found and spent + spent / len(found) > seconds:
            break
        path = f"{bench.path}/{number}"
        budget = max(0.0, seconds - spent) / (len(layouts) - number)
        found.append(_try(bench, layout, accesses, path, seed, budget))
        bench.store.delete_prefix(path)
        tell()
    return found


def _try(bench: Bench, layout: Layout, accesses: Patterns, path: str, seed: int, budget: float) -> Trial:
    sample, store, speeds = bench.sample, bench.store, bench.simulated
    meta = array_metadata(
        shape=sample.shape, dtype=sample.dtype, chunks=layout.chunks, shards=layout.shards, **bench.codecs
    )
    begin = time.perf_counter()
    # No document is stored: nobody else is to take this for an array, and the groups above it would be made.
    # Chunks of nothing but the fill value count as well: the plan supposes that all are there.
    Array(Location(store, path), meta, write_empty_chunks=True)[...] = sample
    written = time.perf_counter() - begin
    keys = [*store.list(path)]
    stored = sum(store.size(key) or 0 for key in keys)
    slow = far(store, speeds)
    counting = CountingStore(far(store, speeds, wait=False))
    measured = {}
    for name, access in accesses.items():
        reads = access.reads(sample.shape, layout.stored, np.random.default_rng(seed))
        once = 0.0 if speeds else budget / len(accesses)
        measured[name] = _measure(reads, meta, slow, counting, path, once)
    return Trial(layout, len(keys), stored, written, measured)


def far(store: Store, speeds: Speeds | None, *, wait: bool = True) -> Store:
    """`store`, as slow as `speeds` say, with as many requests in flight; with `wait` false, only the latter."""
    if speeds is None:
        return store
    return LatencyStore(
        store,
        speeds.request if wait else 0.0,
        bytes_per_second=speeds.bandwidth if wait else None,
        concurrency=speeds.concurrency,
    )


def _measure(
    reads: Sequence[Read], meta: Any, store: Store, counting: CountingStore, path: str, budget: float
) -> Measured:
    requests = fetched = result = 0.0
    for read in reads:  # each with no shard index remembered, as the plan counts
        counting.reset()
        got = np.asarray(read.of(Array(Location(counting, path), meta, read_only=True)))
        requests += (counting.requests["get"] + counting.requests["range"]) * read.times
        fetched += counting.bytes_read * read.times
        result += got.nbytes * read.times
        del got
    timed: list[float] = []
    end = time.perf_counter() + budget
    for _ in range(REPEATS):
        timed.append(
            sum(_seconds(read, Array(Location(store, path), meta, read_only=True)) for read in reads)
        )
        if time.perf_counter() > end:
            break
    memory = _memory(reads, Array(Location(counting, path), meta, read_only=True))
    return Measured(min(timed), requests, fetched, result, memory)


def _seconds(read: Read, array: Array) -> float:
    array._bound  # noqa: B018 - opening it is not reading it
    begin = time.perf_counter()
    read.of(array)
    return (time.perf_counter() - begin) * read.times


def _memory(reads: Sequence[Read], array: Array) -> int | None:
    """Most bytes that one of the reads holds at once; None where somebody else is tracing."""
    if tracemalloc.is_tracing():
        return None
    most = 0
    tracemalloc.start()
    try:
        for read in reads[:2]:
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            read.of(array)
            most = max(most, tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    return most
