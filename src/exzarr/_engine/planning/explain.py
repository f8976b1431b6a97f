"""Estimate the cost of a read. Only sizes and shard indexes are read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from exzarr._engine.planning.plan import Plan, SelectionPlan
from exzarr._engine.remote.requests import asked
from exzarr._engine.shards import ShardLayout
from exzarr._engine.source import ChunkSource
from exzarr._engine.strategy import FirstRequest, ShardRequests, method_of, window
from exzarr.errors import CodecError, StoreError
from exzarr.stores.instrument import instrument
from exzarr.telemetry.units import human_bytes

__all__ = ["Explanation", "explain"]

_Stored = tuple[int, list[tuple[int, int]], bool]
"""See `_stored`."""

MANY = 100_000
"""If a plan has more chunks than this, the array's keys are listed instead of requested one by one."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Estimated cost of a read. Print it to see the figures.

    Attributes
    ----------
    array
        The array's path.
    result_bytes
        Bytes of the selected elements in memory.
    chunks
        Chunks that must be decoded (inner chunks if there are shards).
    missing
        Chunks that are not stored. They read as the fill value.
    shards
        Shards that hold the chunks; None if the array has no shards.
    requests
        Requests to the store, including those for shard indexes that this array has not cached. Caches around the
        store are not taken into account.
    ranges, sizes
        Requests for a part of a value, and requests for only its size and version; see `kinds`. For stores that are
        slow to answer, `CountingStore` counts the same numbers.
    fetch_bytes
        Bytes that the requests fetch; None if the store cannot tell without reading.
    decode_bytes
        Bytes of all decoded chunks.
    amplification
        Bytes decoded for each selected byte: ``decode_bytes / result_bytes``.
    """

    array: str
    result_bytes: int
    chunks: int
    missing: int
    shards: int | None
    requests: int
    fetch_bytes: int | None
    decode_bytes: int
    ranges: int = 0
    sizes: int = 0

    @property
    def kinds(self) -> dict[str, int]:
        """Requests by kind, as `CountingStore` and profiles name them: ``get``, ``range``, ``size``."""
        whole = self.requests - self.ranges - self.sizes
        return {kind: n for kind, n in (("get", whole), ("range", self.ranges), ("size", self.sizes)) if n}

    @property
    def amplification(self) -> float:
        """Bytes decoded for each selected byte."""
        return self.decode_bytes / self.result_bytes if self.result_bytes else 0.0

    def asdict(self) -> dict[str, Any]:
        """Return the figures as a dict."""
        figures = asdict(self)
        del figures["ranges"], figures["sizes"]
        return {**figures, "kinds": self.kinds, "amplification": round(self.amplification, 3)}

    def _facts(self) -> list[tuple[str, str]]:
        fetched = "not known" if self.fetch_bytes is None else human_bytes(self.fetch_bytes)
        return [
            ("wanted", human_bytes(self.result_bytes)),
            ("chunks", f"{self.chunks:,}" + (f" ({self.missing:,} not stored)" if self.missing else "")),
            *([("shards", f"{self.shards:,}")] if self.shards is not None else []),
            ("requests", f"{self.requests:,}{_kinds_text(self.kinds)}"),
            ("to fetch", fetched),
            ("to decode", f"{human_bytes(self.decode_bytes)} ({self.amplification:.3g} x what is wanted)"),
        ]

    def __str__(self) -> str:
        lines = [f"  {name:<10} {text}" for name, text in self._facts()]
        return "\n".join([f"reading from {self.array or '/'}", *lines])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from exzarr._html.fragments import facts, framed, heading

        sizes = {"wanted": self.result_bytes, "to decode": self.decode_bytes}
        if self.fetch_bytes is not None:
            sizes["to fetch"] = self.fetch_bytes
        return framed(heading(f"reading from {self.array or '/'}"), facts(self._facts(), sizes))


def _kinds_text(kinds: dict[str, int]) -> str:
    """Return the kinds of requests as text; empty if all requests are for whole values."""
    return f" ({', '.join(f'{n:,} {kind}' for kind, n in kinds.items())})" if {*kinds} - {"get"} else ""


def explain(source: ChunkSource, plan: SelectionPlan) -> Explanation:
    """Estimate the cost of reading `plan` from `source`."""
    wanted = math.prod(plan.work_shape) * source.dtype.itemsize
    if not wanted:
        return Explanation(source.path, 0, 0, 0, 0 if source.sharded else None, 0, 0, 0)
    if source.sharded:
        return _explain_shards(source, plan, wanted)
    method = method_of(source, plan, plan.chunks, wanted)
    partly = method == "windows" or (method == "rows" and source.inner_pipeline.raw and plan.sliced)
    touched = found = fetch = decode = 0

    def ask(item: Any) -> tuple[Any, int | None]:
        return item, instrument(source.store).size(item[0])

    for (key, chunk_index, *_), size in asked(source.store, ask, _items(source, plan)):
        touched += 1
        if size is not None:
            found += 1
            fetch += min(size, _window(source, plan, chunk_index)) if partly else size
            decode += (source.pipeline or source.pipeline_at(key)).spec.nbytes
    chunks = touched if plan.chunks <= MANY else plan.chunks
    ranges = chunks if partly else 0
    return Explanation(source.path, wanted, chunks, chunks - found, None, chunks, fetch, decode, ranges)


def _window(source: ChunkSource, plan: Plan, chunk_index: Sequence[slice]) -> int:
    """Return the bytes from the first to the last selected byte of a raw chunk."""
    assert source.pipeline is not None
    if plan.rows and chunk_index and chunk_index[0].step != 1:  # rows that are not contiguous
        return source.nbytes
    start, end, _ = window(chunk_index, source.pipeline.spec.shape, source.dtype.itemsize)
    return end - start


def _explain_shards(source: ChunkSource, plan: SelectionPlan, wanted: int) -> Explanation:
    strategy = ShardRequests.of(source)
    touched = chunks = found = more = fetch = decode = whole = known = sizes = 0

    def ask(item: Any) -> tuple[ShardLayout, list[int], _Stored | None]:
        layout = source.layout or source.layout_at(item[0])
        numbers = [n for n, *_ in plan.within(item, layout.dims, layout.shape).walk(layout.labels, sum)]
        return layout, numbers, _stored(source, layout, item[0], numbers)

    for layout, numbers, stored in asked(source.store, ask, _items(source, plan)):
        touched += 1
        chunks += len(numbers)
        if stored is None:
            whole += strategy.first(layout, len(numbers), cached=False) is FirstRequest.WHOLE
            continue
        size, ranges, cached = stored
        found += len(ranges)
        decode += len(ranges) * layout.inner.spec.nbytes
        known += cached
        first = strategy.first(layout, len(numbers), cached=cached)
        if first is FirstRequest.WHOLE:
            whole += 1
            fetch += size
            continue
        if first is FirstRequest.INDEX:
            fetch += layout.shards.index_size
        runs = [*strategy.ranges(sorted(ranges))]
        more += len(runs)
        fetch += sum(end - begin for begin, end, _, _ in runs)
        if strategy.remote and cached and not runs:  # one request checks that the cached index is current
            sizes += 1
    shards = touched
    if plan.chunks > MANY:
        shards = plan.chunks
        layout = source.layout or source.layout_at(source.key((0,) * len(source.shape)))
        chunks = plan.over(layout.dims).chunks
    requests = shards - known + more + sizes
    parts = requests - whole - sizes
    return Explanation(
        source.path, wanted, chunks, chunks - found, shards, requests, fetch, decode, parts, sizes
    )


def _items(source: ChunkSource, plan: SelectionPlan) -> Iterator[Any]:
    """Iterate over the items of a plan. If it has more than `MANY` chunks, only stored chunks are included."""
    if plan.chunks <= MANY:
        yield from source.items(plan)
        return
    for key in instrument(source.store).list(source.path):
        index = source.index(key)
        if index and source.key(index) == key:
            yield from source.items(plan.only(index))


def _stored(source: ChunkSource, layout: ShardLayout, key: str, numbers: list[int]) -> _Stored | None:
    """Return the size of a shard, start and length of stored inner chunks, and True if its index is cached.

    `numbers` are the inner chunks to return. The result is None if the shard is missing. The index is not added to the
    cache, because `explain` must not change the cost of the read.
    """
    value = instrument(source.store).open_value(key)
    if value is None:
        return None
    try:
        known = layout.known(key)
        cached = known is not None and known[0] == value.version
        starts, lengths = known[1] if known is not None and cached else layout.read_index(value)
    except (CodecError, StoreError) as error:
        raise layout.corrupt(source, key, -1, error) from error
    finally:
        value.close()
    return value.size, [(starts[n], lengths[n]) for n in numbers if lengths[n] >= 0], cached
