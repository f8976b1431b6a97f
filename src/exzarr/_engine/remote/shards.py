"""Read shards from a store that is slow to answer.

Concurrent readers fetch an index once. It is cached while the shard has the same version. Requests for ranges are
conditional on this version. If the shard was replaced, its index and all its ranges are read again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from typing import Any

from exzarr._engine.planning.plan import Plan
from exzarr._engine.reading.shards import ShardReader, stored_chunks
from exzarr._engine.remote.requests import NOTHING, Item, RequestWindow
from exzarr._engine.shards import Index, ShardLayout
from exzarr._engine.source import ChunkSource
from exzarr._engine.strategy import FirstRequest, ShardRequests
from exzarr._typing import AnyArray
from exzarr.errors import ChangedError, CodecError
from exzarr.stores.base import Buffer, Fetched, changed_error

__all__ = ["RemoteShards"]


ATTEMPTS = 5
"""How often a shard is read again if other processes keep replacing it."""


_Known = tuple[Hashable, Index | None, Buffer | None, bool]
"""(version, index or None if the shard is missing, the whole shard if it was fetched, True if not cached)"""


class _Shard:
    """One shard of a plan, and the number of attempts to read it."""

    __slots__ = ("attempt", "item", "key", "layout")

    def __init__(self, item: Any, layout: ShardLayout) -> None:
        self.item = item
        self.key: str = item[0]
        self.layout = layout
        self.attempt = 0


class _End:
    """The last (or first) bytes of a value, as a `ValueReader` for `ShardLayout.read_index`."""

    def __init__(self, found: Fetched, start: int) -> None:
        self.size = found.size
        self.version: Hashable = found.version
        self._data = memoryview(found.data)
        self._start = start

    def read_into(self, buffer: memoryview, start: int) -> None:
        buffer[:] = self._data[start - self._start : start - self._start + len(buffer)]

    def close(self) -> None:
        pass


class RemoteShards:
    """The shards of one read."""

    def __init__(self, source: ChunkSource, plan: Plan, work: AnyArray) -> None:
        self._source, self._plan, self._work = source, plan, work
        self._requests = ShardRequests.of(source)

    def items(self) -> Iterator[Item]:
        """Yield an item for each shard. Its first request fetches the index or the whole shard."""
        source = self._source
        for item in source.items(self._plan):
            layout = source.layout or source.layout_at(item[0])
            nbytes = layout.shards.spec.nbytes
            room = nbytes if nbytes <= self._requests.most else layout.shards.index_size
            yield room, (_Shard(item, layout), None)

    def decoder(self) -> Callable[..., None]:
        """Return the function that a worker calls with the results of `fetch`."""
        reader = ShardReader(self._source, self._plan, self._work)

        def decode(shard: _Shard, attempt: int, rows: bool, group: Any, begin: int, data: Buffer) -> None:
            if attempt != shard.attempt:
                return  # it belongs to a version that was replaced
            try:
                reader.place(shard.key, shard.layout, rows, group, begin, memoryview(data))
            except CodecError as error:
                raise shard.layout.corrupt(self._source, shard.key, reader.number, error) from error

        return decode

    def fetch(self, wanted: Any, window: RequestWindow) -> Any:
        """Make one request: for an index, or for a range."""
        shard, part = wanted
        try:
            return self._begin(shard, window) if part is None else self._range(shard, part)
        except ChangedError:
            shard.layout.forget(shard.key)
            if part is not None and part[0] != shard.attempt:
                return NOTHING  # another range of this shard has already noticed it
            if shard.attempt >= ATTEMPTS:
                raise
            shard.attempt += 1
            window.add([(shard.layout.shards.index_size, (shard, None))])
            return NOTHING
        except CodecError as error:
            raise shard.layout.corrupt(self._source, shard.key, -1, error) from error

    def _begin(self, shard: _Shard, window: RequestWindow) -> Any:
        """Find the selected inner chunks in the index, and add requests for their ranges."""
        source, plan, layout, item = self._source, self._plan, shard.layout, shard.item
        sub = plan.within(item, layout.dims, layout.shape)
        version, index, whole, fresh = self._index(shard, sub.chunks)
        if index is None:
            self._work[item[2]] = source.absent(shard.key)
            return NOTHING
        wanted = stored_chunks(source, layout, shard.key, index, sub, self._work)
        if whole is not None:
            return (shard, shard.attempt, sub.rows, wanted, 0, whole) if wanted else NOTHING
        # If the cached index has no such inner chunk, check that it is still current.
        if not wanted and not fresh and source.store.fetch(shard.key, (0, 0), version) is None:
            raise changed_error(source.store, shard.key)
        window.add(
            (end - begin, (shard, (shard.attempt, sub.rows, wanted[first:until], begin, end, version)))
            for begin, end, first, until in self._requests.ranges(wanted)
        )
        return NOTHING

    def _range(self, shard: _Shard, part: Any) -> Any:
        attempt, rows, group, begin, end, version = part
        if attempt != shard.attempt:
            return NOTHING
        found = self._source.store.fetch(shard.key, (begin, end - begin), version)
        if found is None or len(found.data) != end - begin:
            raise changed_error(self._source.store, shard.key)
        return shard, attempt, rows, group, begin, found.data

    def _index(self, shard: _Shard, chunks: int) -> _Known:
        layout, key = shard.layout, shard.key
        known = layout.known(key)
        if known is not None:
            if self._source.recorder is not None:
                self._source.recorder.hit("shard index", key, layout.shards.index_size)
            return known[0], known[1], None, False
        if self._requests.first(layout, chunks, cached=False) is FirstRequest.WHOLE:
            return self._fetch_whole(layout, key)
        mine: Future[_Known] = Future()
        theirs = layout.coming.setdefault(key, mine)
        if theirs is not mine:
            shared: _Known = theirs.result()
            return shared
        try:
            result = self._fetch_index(layout, key)
            mine.set_result(result)
            return result
        except BaseException as error:
            mine.set_exception(error)
            raise
        finally:
            layout.coming.pop(key, None)

    def _fetch_whole(self, layout: ShardLayout, key: str) -> _Known:
        found = self._source.store.fetch(key)
        if found is None:
            return None, None, None, True
        return found.version, layout.index(key, _End(found, 0)), found.data, True

    def _fetch_index(self, layout: ShardLayout, key: str) -> _Known:
        size = layout.shards.index_size
        last = layout.shards.index_location == "end"
        found = self._source.store.fetch(key, (-size, None) if last else (0, size))
        if found is None:
            return None, None, None, True
        if found.version is None:  # without a version, two ranges may be of different values
            return self._fetch_whole(layout, key)
        start = found.size - len(found.data) if last else 0
        return found.version, layout.index(key, _End(found, start)), None, True
