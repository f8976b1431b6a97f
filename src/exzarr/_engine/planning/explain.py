"""What reading a selection would cost, before it is read. Nothing but sizes and shard indexes is looked at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from exzarr._engine.planning.plan import Plan
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
"""Of more chunks than this it is not asked one by one whether they are stored: the array's keys are listed."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a read would do. Printing it shows it.

    Attributes
    ----------
    array
        The array's path.
    result_bytes
        Bytes of the selected elements in memory.
    chunks
        Chunks that must be decoded (inner chunks, where there are shards).
    missing
        How many of them are not stored, and so read as the fill value.
    shards
        Shards they lie in; None where the array has none.
    requests
        Reads the store is asked for, indexes of shards included that this array has not read yet. Caches around
        the store are not known here.
    ranges, sizes
        How many of these are for a part of a value, and for nothing but its size and version. `kinds` has them
        by name. In a store that takes long to answer they are what `CountingStore` counts.
    fetch_bytes
        Bytes these reads fetch; None where the store cannot tell without reading.
    decode_bytes
        Bytes of all decoded chunks.
    amplification
        ``decode_bytes / result_bytes``: how much is decoded for each byte that is wanted.
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
        return self.decode_bytes / self.result_bytes if self.result_bytes else 0.0

    def asdict(self) -> dict[str, Any]:
        """The figures as a plain dict."""
        figures = asdict(self)
        del figures["ranges"], figures["sizes"]
        return {**figures, "kinds": self.kinds, "amplification": round(self.amplification, 3)}

    def __str__(self) -> str:
        fetched = "not known" if self.fetch_bytes is None else human_bytes(self.fetch_bytes)
        lines = [
            ("wanted", human_bytes(self.result_bytes)),
            ("chunks", f"{self.chunks:,}" + (f" ({self.missing:,} not stored)" if self.missing else "")),
            *([("shards", f"{self.shards:,}")] if self.shards is not None else []),
            ("requests", f"{self.requests:,}{_told(self.kinds)}"),
            ("to fetch", fetched),
            ("to decode", f"{human_bytes(self.decode_bytes)} ({self.amplification:.3g} x what is wanted)"),
        ]
        return "\n".join(
            [f"reading from {self.array or '/'}", *[f"  {name:<10} {text}" for name, text in lines]]
        )

    __repr__ = __str__


def _told(kinds: dict[str, int]) -> str:
    """Kinds, where there is another than whole values."""
    return f" ({', '.join(f'{n:,} {kind}' for kind, n in kinds.items())})" if {*kinds} - {"get"} else ""


def explain(source: ChunkSource, plan: Plan) -> Explanation:
    """What reading `plan` from `source` would do."""
    wanted = math.prod(plan.work_shape) * source.dtype.itemsize
    if not wanted:
        return Explanation(source.path, 0, 0, 0, 0 if source.sharded else None, 0, 0, 0)
    if source.sharded:
        return _explain_shards(source, plan, wanted)
    method = method_of(source, plan, plan.chunks, wanted)
    partly = method == "windows" or (method == "bands" and source.unit.raw and plan.sliced)
    looked = found = fetch = decode = 0

    def ask(item: Any) -> tuple[Any, int | None]:
        return item, instrument(source.store).size(item[0])

    for (key, chunk_index, *_), size in asked(source.store, ask, _items(source, plan)):
        looked += 1
        if size is not None:
            found += 1
            fetch += min(size, _window(source, plan, chunk_index)) if partly else size
            decode += (source.pipeline or source.pipeline_at(key)).spec.nbytes
    chunks = looked if plan.chunks <= MANY else plan.chunks
    ranges = chunks if partly else 0
    return Explanation(source.path, wanted, chunks, chunks - found, None, chunks, fetch, decode, ranges)


def _window(source: ChunkSource, plan: Plan, chunk_index: Sequence[slice]) -> int:
    """Bytes from the first to the last that a selection takes of a raw chunk."""
    assert source.pipeline is not None
    if plan.rows and chunk_index and chunk_index[0].step != 1:  # rows that are no band
        return source.nbytes
    start, end, _ = window(chunk_index, source.pipeline.spec.shape, source.dtype.itemsize)
    return end - start


def _explain_shards(source: ChunkSource, plan: Plan, wanted: int) -> Explanation:
    strategy = ShardRequests.of(source)
    looked = chunks = found = more = fetch = decode = whole = known = sizes = 0

    def ask(item: Any) -> tuple[ShardLayout, list[int], _Stored | None]:
        layout = source.layout or source.layout_at(item[0])
        numbers = [n for n, *_ in plan.within(item, layout.dims, layout.shape).walk(layout.labels, sum)]
        return layout, numbers, _stored(source, layout, item[0], numbers)

    for layout, numbers, stored in asked(source.store, ask, _items(source, plan)):
        looked += 1
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
        if strategy.remote and cached and not runs:  # it is asked whether what is known still holds
            sizes += 1
    shards = looked
    if plan.chunks > MANY:
        shards = plan.chunks
        layout = source.layout or source.layout_at(source.key((0,) * len(source.shape)))
        chunks = plan.over(layout.dims).chunks
    requests = shards - known + more + sizes
    parts = requests - whole - sizes
    return Explanation(
        source.path, wanted, chunks, chunks - found, shards, requests, fetch, decode, parts, sizes
    )


def _items(source: ChunkSource, plan: Plan) -> Iterator[Any]:
    """The items of a plan; if there are very many, of those chunks only that are stored."""
    if plan.chunks <= MANY:
        yield from source.items(plan)
        return
    for key in instrument(source.store).list(source.path):
        index = source.index(key)
        if index and source.key(index) == key:
            yield from source.items(plan.only(index))


def _stored(source: ChunkSource, layout: ShardLayout, key: str, numbers: list[int]) -> _Stored | None:
    """Of a shard: its bytes, start and length of the stored ones among inner chunks, and whether a read knows that.

    None where there is no shard. The index is not remembered: what is explained is a read of this moment.
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
