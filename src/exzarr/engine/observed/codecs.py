"""The codecs of an `ObservedSource`: tell the ledger what was decoded and encoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from exzarr.codecs.pipeline import BoundPipeline
from exzarr.codecs.shards import BoundShards
from exzarr.engine.observed.ledger import Ledger
from exzarr.engine.observed.store import EngineValue
from exzarr.engine.shards import Index, ShardLayout
from exzarr.stores.base import Buffer, ValueReader

if TYPE_CHECKING:
    from exzarr.engine.source import ChunkSource

__all__ = ["ObservedLayout", "observed_pipeline", "take_over"]

AnyArray = npt.NDArray[Any]


def take_over(to: object, other: object, kind: type) -> None:
    """Give `to` all attributes that `other`, of the class `kind`, has."""
    for name in kind.__slots__:  # type: ignore[attr-defined]
        try:
            setattr(to, name, getattr(other, name))
        except AttributeError:  # it is not set yet
            pass


def observed_pipeline(bound: BoundPipeline, ledger: Ledger) -> BoundPipeline:
    """`bound`, telling `ledger` of each call."""
    nbytes = bound.spec.nbytes

    def decoding(call: Any) -> Any:
        def decode(data: Buffer, *out: AnyArray) -> Any:
            watch = ledger.watch()
            start = watch.begin()
            try:
                result = call(data, *out)
            except BaseException:
                watch.end(start)
                ledger.decoded(watch, data, nbytes, failed=True)
                raise
            watch.end(start)
            ledger.decoded(watch, data, nbytes)
            watch.resume()
            return result

        return decode

    def decode_each(datas: Sequence[Buffer]) -> Sequence[Buffer] | None:
        assert bound.decode_each is not None
        watch = ledger.watch()
        start = watch.begin()
        found = bound.decode_each(datas)
        watch.end(start)
        if found is None:  # they are decoded one by one, then
            watch.coding += watch.seconds
        else:
            watch.seconds /= max(1, len(datas))
            for data in datas:
                ledger.decoded(watch, data, nbytes)
        watch.resume()
        return found

    def encode(array: AnyArray) -> Buffer:
        watch = ledger.watch()
        start = watch.begin()
        ledger.settle_old(watch)
        start = watch.begin()
        data = bound.encode(array)
        watch.end(start)
        ledger.encoded(watch, data, nbytes)
        watch.resume()
        return data

    told = BoundPipeline.__new__(BoundPipeline)
    take_over(told, bound, BoundPipeline)
    told.decode = decoding(bound.decode)
    told.decode_each = None if bound.decode_each is None else decode_each
    told.decode_into = decoding(bound.decode_into)
    told.decode_bytes = decoding(bound.decode_bytes)
    told.encode = encode
    return told


class ObservedLayout(ShardLayout):
    """A `ShardLayout` that tells of its index, and of the inner chunks."""

    __slots__ = ("_layout", "_ledger", "_plain")

    def __init__(self, layout: ShardLayout, ledger: Ledger, plain: ChunkSource) -> None:
        take_over(self, layout, ShardLayout)
        self._layout = layout
        self._ledger = ledger
        self._plain = plain
        self.inner = observed_pipeline(layout.inner, ledger)
        self.shards = ObservedShards(layout.shards, ledger)

    def index(self, key: str, value: ValueReader) -> Index:
        watch = self._ledger.watch()
        watch.begin()
        copying = watch.copying
        reads = value.reads if isinstance(value, EngineValue) else 0
        index = self._layout.index(key, value)
        watch.begin()
        watch.coding += watch.copying - copying  # what it took, but for reading it
        watch.copying = copying
        if isinstance(value, EngineValue):
            value.has_index(index[0])
            if value.reads == reads:
                self._ledger.hit("shard index", key, self.shards.index_size)
        watch.resume()
        return index

    def absent(self, source: ChunkSource, key: str, number: int) -> Any:
        plain = self._plain.strict() if source.missing_error else self._plain
        fill = self._layout.absent(plain, key, number)
        self._ledger.absent(key, number)
        return fill


class ObservedShards(BoundShards):
    """`BoundShards` that say which encoded inner chunk is which."""

    __slots__ = ("_ledger", "_shards")

    def __init__(self, shards: BoundShards, ledger: Ledger) -> None:
        take_over(self, shards, BoundShards)
        self._shards = shards
        self._ledger = ledger

    def parts(self, chunks: Sequence[Buffer | None]) -> list[Buffer]:
        watch = self._ledger.watch()
        # Since this thread's last call it has waited for those of other threads.
        copying = watch.copying
        watch.begin()
        watch.waiting += watch.copying - copying
        watch.copying = copying
        for number, data in enumerate(chunks):
            chunk = None if data is None else self._ledger.take_encoded(data)
            if chunk is not None:
                chunk.number = number
                watch.parts.append(chunk)
        watch.resume()
        return self._shards.parts(chunks)
