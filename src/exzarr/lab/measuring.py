"""Measurements of layouts: the sample is written with each, and read as the patterns define."""

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

from exzarr._creation.metadata import array_metadata
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import Location
from exzarr._typing import AnyArray
from exzarr.lab.access import Patterns, Read
from exzarr.lab.candidates import Layout
from exzarr.lab.speeds import Speeds
from exzarr.stores.base import Store
from exzarr.stores.local.store import LocalStore
from exzarr.stores.memory import MemoryStore
from exzarr.stores.wrappers.counting import CountingStore
from exzarr.stores.wrappers.latency import LatencyStore

__all__ = ["Bench", "Measured", "Trial", "scratch_store", "simulated_store", "try_layouts"]


REPEATS = 3
"""Most repetitions of timed reads. The best counts, because other work of the machine only adds time."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Measurements of one run of a pattern on the sample.

    Attributes
    ----------
    seconds
        Wall-clock time, the best of a few runs.
    requests, fetch_bytes
        Requests to the store, and bytes from it. Requests for the size of a shard are not counted.
    result_bytes
        Bytes selected.
    memory
        Peak of allocated bytes, the result included. None if not measured.
    """

    seconds: float
    requests: float
    fetch_bytes: float
    result_bytes: float
    memory: int | None

    @property
    def throughput(self) -> float:
        """Selected bytes per second."""
        return self.result_bytes / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Trial:
    """Measurements of a layout on the sample.

    Attributes
    ----------
    layout
        The layout, limited to the shape of the sample.
    objects, stored_bytes
        Stored values (files, objects) of the sample, and their bytes.
    write_seconds
        Duration of writing.
    accesses
        Measurements by pattern.
    """

    layout: Layout
    objects: int
    stored_bytes: int
    write_seconds: float
    accesses: dict[str, Measured]

    def asdict(self) -> dict[str, Any]:
        """Return the measurements as a plain dict."""
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
def scratch_store(store: str | Store, scratch: str | None = None) -> Iterator[tuple[Store, str]]:
    """Yield a store for trials and a path in it. Everything below the path is deleted at the end.

    `store` is ``local`` (a temporary folder, in `scratch` if given), ``s3`` (in memory: `simulated_store` makes it
    slow), or a store.
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
    """The sample and the store for trials.

    Attributes
    ----------
    sample
        The data.
    store, path
        Where it is written.
    codecs
        ``filters``, ``serializer`` and ``compressors`` as for `exzarr.create_array`.
    simulated
        Speeds to simulate for reads. None: those of the store.
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
    on_trial: Callable[[], object],
) -> list[Trial]:
    """Write and read the sample with each of `layouts`, in order, for about `seconds`; at least with one.

    `on_trial` is called after each.
    """
    found: list[Trial] = []
    begun = time.perf_counter()
    for number, layout in enumerate(layouts):
        spent = time.perf_counter() - begun
        # Stop if a trial of average duration would not end in time.
        if found and spent + spent / len(found) > seconds:
            break
        path = f"{bench.path}/{number}"
        budget = max(0.0, seconds - spent) / (len(layouts) - number)
        found.append(_try(bench, layout, accesses, path, seed, budget))
        bench.store.delete_prefix(path)
        on_trial()
    return found


def _try(bench: Bench, layout: Layout, accesses: Patterns, path: str, seed: int, budget: float) -> Trial:
    sample, store, speeds = bench.sample, bench.store, bench.simulated
    meta = array_metadata(
        shape=sample.shape, dtype=sample.dtype, chunks=layout.chunks, shards=layout.shards, **bench.codecs
    )
    begin = time.perf_counter()
    # Store no document: it would create groups above it, and other programs would see an array.
    # Store chunks of only the fill value as well, because the plan assumes that all chunks exist.
    Array(Location(store, path), meta, write_empty_chunks=True)[...] = sample
    written = time.perf_counter() - begin
    keys = [*store.list(path)]
    stored = sum(store.size(key) or 0 for key in keys)
    slow = simulated_store(store, speeds)
    counting = CountingStore(simulated_store(store, speeds, wait=False))
    measured = {}
    for name, access in accesses.items():
        reads = access.reads(sample.shape, layout.stored, np.random.default_rng(seed))
        once = 0.0 if speeds else budget / len(accesses)
        measured[name] = _measure(reads, meta, slow, counting, path, once)
    return Trial(layout, len(keys), stored, written, measured)


def simulated_store(store: Store, speeds: Speeds | None, *, wait: bool = True) -> Store:
    """Return `store` with the latency and concurrency of `speeds`; without `wait`, only the concurrency."""
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
    for read in reads:  # a new array each time: the plan assumes that no shard index is cached
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
    array.chunk_source  # noqa: B018 - exclude opening from the measurement
    begin = time.perf_counter()
    read.of(array)
    return (time.perf_counter() - begin) * read.times


def _memory(reads: Sequence[Read], array: Array) -> int | None:
    """Return the peak of allocated bytes of a read, or None if `tracemalloc` is already in use."""
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
