"""Sync the stored chunks of one array.

The listings of source and target are compared: keys, sizes, and versions that prove equality (`proof`). Only the
remaining chunks are read: new ones and those of another size from the source, and those of equal size from both. Each
thread has one stored chunk of each side in memory.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable, Iterator
from types import TracebackType
from typing import Literal, NamedTuple, Self

from exzarr._engine.pool import WorkFeed, in_flight, run
from exzarr._format.metadata import ArrayMetadata
from exzarr._nodes.hierarchy import DOCUMENTS
from exzarr._nodes.stored import every_index
from exzarr._tools.report import Tally
from exzarr._tools.sync.inventory import Inventory, Known
from exzarr._tools.sync.plan import Pair
from exzarr._tools.sync.proof import digest_of, has_digest, same_version
from exzarr.errors import ListingUnsupportedError
from exzarr.stores.base import Buffer
from exzarr.stores.instrument import instrument
from exzarr.telemetry.figures import RequestUse

__all__ = ["ChunkSync"]

Need = Literal["create", "change", "compare"]


class _Item(NamedTuple):
    """A chunk that has to be read.

    `key` is relative to the array. `size` and `version` are those of the source, if it was listed; `digest` is that of the
    target.
    """

    key: str
    need: Need
    size: int | None
    version: Hashable
    digest: str | None


class ChunkSync:
    """The stored chunks of one array of a sync. Use it as a context manager.

    Parameters
    ----------
    pair
        The array, which is new in the target, or has compatible metadata.
    tally
        Counts the progress.
    dry_run
        True to change nothing, and to read no chunk.

    Attributes
    ----------
    counts
        Number of chunks by ``"created"``, ``"changed"``, ``"equal"``, ``"removed"`` and ``"undecided"``, and of
        ``"bytes"`` written.
    unused
        Keys in the target that belong to no chunk of either array.
    source_changed
        Keys of chunks of the source that changed after they were listed.
    planned
        Requests that are not sent because of `dry_run`, by URL and kind.
    target_lists
        False if the target cannot list, so that chunks that only it has are not found.
    """

    def __init__(self, pair: Pair, tally: Tally, *, dry_run: bool) -> None:
        assert isinstance(pair.meta, ArrayMetadata)
        self._pair = pair
        self._meta: ArrayMetadata = pair.meta
        self._old = pair.stored if isinstance(pair.stored, ArrayMetadata) else pair.meta
        self._tally = tally
        self._dry_run = dry_run
        self._nbytes = self._meta.data_type.dtype.itemsize
        for size in self._meta.chunk_grid.max_chunk_shape:
            self._nbytes *= size
        self._known = Inventory()
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.unused: list[str] = []
        self.source_changed: list[str] = []
        self.planned: dict[tuple[str, str], RequestUse] = {}
        self.target_lists = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._known.__exit__(kind, error, trace)

    # -- the three steps -----------------------------------------------------------

    def transfer(self) -> None:
        """Copy the chunks that the target lacks or that differ. Afterwards, the documents may refer to them."""
        if self._pair.action != "replaced":
            self._list_target()
        stores = (self._pair.source.store, self._pair.target.store)
        workers = max(in_flight(store, 2 * self._nbytes) for store in stores)
        if self._dry_run:
            for item in self._items():
                self._plan(item)
                self._tally.advance(self._nbytes)
        else:
            run(self._work, self._items(), self._meta.chunk_grid.nchunks, workers)

    def remove(self) -> None:
        """Remove the chunks that the source does not store. Call it after the documents were stored."""
        if self._dry_run:
            self._count("removed", len(self._known))
            self._add("target", "delete", len(self._known), 0)
            return

        def work(feed: WorkFeed) -> None:
            delete, prefix = instrument(self._pair.target.store).delete, self._pair.target.key("")
            while batch := feed.take():
                for key in batch:
                    delete(prefix + key)
                    self._count("removed")

        run(work, iter(self._known), len(self._known), in_flight(self._pair.target.store, 1))

    def remove_unused(self) -> None:
        """Delete the keys in `unused`."""
        for key in self.unused if not self._dry_run else ():
            instrument(self._pair.target.store).delete(self._pair.target.key(key))

    # -- listings ------------------------------------------------------------------

    def _list_target(self) -> None:
        place = self._pair.target
        skip = len(place.key(""))

        def found() -> Iterator[tuple[str, Known]]:
            for value in instrument(place.store).list_values(place.path):
                key = value.key[skip:]
                if self._is_chunk(key, self._meta) or self._is_chunk(key, self._old):
                    yield key, Known(value.size, digest_of(place.store, value.version))
                elif key not in DOCUMENTS:
                    self.unused.append(key)

        try:
            self._known.fill(found())
        except ListingUnsupportedError:
            self.target_lists = False

    def _source_values(self) -> Iterator[tuple[str, int | None, Hashable]]:
        """Iterate over the chunks of the source: key relative to the array, size and version as far as it lists."""
        place = self._pair.source
        skip = len(place.key(""))
        try:
            for value in instrument(place.store).list_values(place.path):
                key = value.key[skip:]
                if self._is_chunk(key, self._meta):
                    yield key, value.size, value.version
        except ListingUnsupportedError as error:
            counts, encode = self._meta.chunk_grid.chunk_counts, self._meta.chunk_key_encoding.encode
            for key, _ in every_index(counts, encode, error):
                yield key, None, None

    @staticmethod
    def _is_chunk(key: str, meta: ArrayMetadata) -> bool:
        index = meta.chunk_key_encoding.decode(key, meta.ndim)
        return index is not None and all(map(int.__lt__, index, meta.chunk_grid.chunk_counts))

    def _items(self) -> Iterator[_Item]:
        """Iterate over the chunks that the listings do not prove to be equal."""
        source = self._pair.source.store
        for key, size, version in self._source_values():
            known = self._known.find(key)
            if size is not None:
                self._known.discard(key)
            digest = None if known is None else known.digest
            need: Need = "compare"
            if known is None and self.target_lists:
                need = "create"
            elif known is not None and None not in (size, known.size):
                if size != known.size:
                    need = "change"
                elif digest is not None and digest == digest_of(source, version):
                    self._count("equal")
                    self._tally.advance(self._nbytes)
                    continue
            yield _Item(key, need, size, version, digest)

    # -- chunks --------------------------------------------------------------------

    def _work(self, feed: WorkFeed) -> None:
        while batch := feed.take():
            for item in batch:
                self._transfer(item)
                self._tally.advance(self._nbytes)

    def _transfer(self, item: _Item) -> None:
        pair = self._pair
        found = instrument(pair.source.store).fetch(pair.source.key(item.key))
        if found is None:
            if item.size is not None:
                self._note_change(item.key)
            return
        if not same_version(item.version, found.version):
            self._note_change(item.key)
        if item.size is None:
            self._known.discard(item.key)
        need = item.need
        if need == "compare":
            present = self._present(item, found.data)
            if present is True:
                self._count("equal")
                return
            need = "create" if present is None else "change"
        instrument(pair.target.store).put(pair.target.key(item.key), found.data)
        self._count("created" if need == "create" else "changed")
        self._count("bytes", len(found.data))
        self._tally.written(1, len(found.data))

    def _present(self, item: _Item, data: Buffer) -> bool | None:
        """Return True if the target has the same bytes, False if it has others, None if it has none."""
        if has_digest(data, item.digest):
            return True
        value = instrument(self._pair.target.store).get(self._pair.target.key(item.key))
        return None if value is None else memoryview(value) == memoryview(data)

    # -- counts --------------------------------------------------------------------

    def _count(self, what: str, number: int = 1) -> None:
        with self._lock:
            self.counts[what] += number

    def _note_change(self, key: str) -> None:
        with self._lock:
            self.source_changed.append(key)

    def _plan(self, item: _Item) -> None:
        """Count a chunk that a sync would read and store."""
        size = item.size or 0
        what = {"create": "created", "change": "changed", "compare": "undecided"}[item.need]
        self._count(what)
        self._add("source", "get", 1, size)
        if item.need == "compare":
            self._add("target", "get", 1, size)
        else:
            self._count("bytes", size)
        self._add("target", "put", 1, size)

    def _add(self, side: Literal["source", "target"], kind: str, requests: int, nbytes: int) -> None:
        place = self._pair.source if side == "source" else self._pair.target
        use = self.planned.setdefault((place.store.url, kind), RequestUse())
        use.requests += requests
        use.bytes += nbytes
