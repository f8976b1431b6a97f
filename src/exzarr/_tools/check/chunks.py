"""Check the keys and chunks of one array. Keys are listed as a stream; threads inspect the chunks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from exzarr._engine import pool
from exzarr._engine.source import ChunkSource, open_source
from exzarr._format.metadata import ArrayMetadata
from exzarr._format.write_intents import Intent
from exzarr._nodes import hierarchy
from exzarr._nodes.hierarchy import DOCUMENTS, Location
from exzarr._nodes.stored import stored_indices
from exzarr._tools.check.documents import join
from exzarr._tools.check.entries import Entry, below
from exzarr._tools.check.findings import Finding
from exzarr._tools.check.inspect import ChunkInspector
from exzarr._tools.check.leftovers import is_foreign_temporary
from exzarr._tools.check.stored_intents import folders_above, intents_in
from exzarr._tools.check.values import fingerprint_of
from exzarr.errors import ListingUnsupportedError, MetadataError, StoreError
from exzarr.stores.protocols import ReadableStore

if TYPE_CHECKING:
    from exzarr._tools.check.run import Run

__all__ = ["ArrayCheck"]

Index = tuple[int, ...]

MOST_BITS = 1 << 32
"""Maximum number of chunks for which stored chunks are recorded, one bit each. Larger grids are only counted."""


class ArrayCheck:
    """Checks one array. Its memory is one bit for each chunk if the array is declared full; it keeps no list of keys."""

    def __init__(self, run: Run, location: Location, meta: ArrayMetadata, usable: bool) -> None:
        self.run = run
        self.location = location
        self.meta = meta
        self.full = run.options.is_full(location.path, meta)
        self.source: ChunkSource | None = None
        if usable:
            self.source = open_source(location.store, location.path, meta)
        self.inspect = (
            None if self.source is None else ChunkInspector(self.source, run.options.deep, self.full)
        )
        self.stored = 0
        self._intents: list[Intent] | None = None
        self._seen: bytearray | None = None
        if self.full and meta.chunk_grid.nchunks <= MOST_BITS:
            self._seen = bytearray(-(-meta.chunk_grid.nchunks // 8))

    def check(self) -> None:
        """Check all keys below the array."""
        chunks = self.meta.chunk_grid.nchunks
        self.run.counter.start(chunks)
        pool.run(self._work, self._chunks(), chunks, self.run.options.workers)
        if self.full:
            self._find_missing()
        self.run.counter.finish()

    # -- listing ---------------------------------------------------------------------

    def _chunks(self) -> Iterator[tuple[str, Index]]:
        """Yield key and index of every stored chunk in the grid. Other entries are handled on the way."""
        meta, path = self.meta, self.location.path
        counts, decode, ndim = meta.chunk_grid.chunk_counts, meta.chunk_key_encoding.decode, meta.ndim
        skip = len(path) + 1 if path else 0
        strides = [int(np.prod(counts[d + 1 :], dtype=object)) for d in range(ndim)]
        seen = self._seen
        for entry in self._entries():
            if entry.kind != "value":
                self.run.odd_entry(path, entry)
                continue
            index = decode(entry.key[skip:], ndim)
            if index is None:
                self._other_key(entry, skip)
            elif all(map(int.__lt__, index, counts)):
                if seen is not None:
                    number = sum(map(int.__mul__, index, strides))
                    seen[number >> 3] |= 1 << (number & 7)
                self.stored += 1
                yield entry.key, index
            else:
                self._outside(entry.key, index)

    def _entries(self) -> Iterator[Entry]:
        """Yield all entries below the array; only the stored chunks of the grid if the store cannot list."""
        store, path = self.location.store, self.location.path
        try:
            yield from below(store, path)
        except ListingUnsupportedError as error:
            self.run.cannot_list(path, error)
            for key, _ in stored_indices(self.location, self.meta):
                yield Entry(key, "value")

    def _other_key(self, entry: Entry, skip: int) -> None:
        parent, _, name = entry.key[skip:].rpartition("/")
        path = self.location.path
        if name in DOCUMENTS:
            if parent:
                detail = f"there is a metadata document below the array {path or '/'!r}"
                self._suspect_key(Finding("EXZ106", path, entry.key, detail))
        elif is_foreign_temporary(name):
            self.run.leftover(path, entry.key)
        else:
            self._suspect_key(Finding("EXZ403", path, entry.key, f"it is not a chunk of {path or '/'!r}"))

    def _suspect_key(self, finding: Finding) -> None:
        store = self.location.store

        def again() -> tuple[Finding, ...]:
            return (finding,) if store.exists(finding.key) else ()

        self.run.findings.suspect([finding], again)

    # -- chunks ------------------------------------------------------------------------

    def _work(self, feed: pool.WorkFeed) -> None:
        inspect = self.inspect
        grid = self.meta.chunk_grid
        nbytes = math.prod(grid.max_chunk_shape) * self.meta.data_type.dtype.itemsize
        while batch := feed.take():
            if inspect is not None:
                for key, index in batch:
                    found = inspect(key, index)
                    if found:
                        self.run.findings.suspect(found, partial(self._again, key, index))
            self.run.counter.advance(len(batch), len(batch) * nbytes)

    def _again(self, key: str, index: Index) -> tuple[Finding, ...]:
        """Inspect a chunk again, with current metadata. A chunk that is no longer in the grid has no findings."""
        now = self._now()
        if now is None or not _inside(index, now):
            return ()
        return ChunkInspector(now, self.run.options.deep, self.full)(key, index)

    def _now(self) -> ChunkSource | None:
        """Return the current array; None if it is gone or cannot be read (which is reported separately)."""
        location = self.location.direct
        try:
            meta = hierarchy.find(location, self.meta.zarr_format)
            if isinstance(meta, ArrayMetadata):
                return open_source(location.store, location.path, meta)
        except (MetadataError, StoreError):
            pass
        return None

    # -- outside the grid ------------------------------------------------------------------

    def _outside(self, key: str, index: Index) -> None:
        """Note a chunk outside the grid, unless the array is currently growing or shrinking."""
        findings = self.run.findings

        def again() -> tuple[Finding, ...]:
            # Before and after the document is read: a writer that finishes in between has changed the document.
            busy = self._is_being_resized(key)
            intended = self._is_intended(index)
            now = self._now()
            if now is None or _inside(index, now) or not now.store.exists(key) or intended:
                return ()
            if busy or self._is_being_resized(key):
                findings.leave_open(found)
                return ()
            return (replace(found, fingerprint=_fingerprint(now.store, key)),)

        detail = f"chunk {index} is stored, but the grid has {self.meta.chunk_grid.chunk_counts} chunks"
        found = Finding(
            "EXZ401",
            self.location.path,
            key,
            detail,
            index,
            fingerprint=_fingerprint(self.location.store, key),
        )
        findings.suspect([found], again, changing=True)

    def _is_intended(self, index: Index) -> bool:
        """Return True if a write intent includes this chunk of the array."""
        if self._intents is None:  # all keys are listed by now, so their writers have stored their intents
            self._intents = intents_in(self.location.store, folders_above(self.location.path))
        return any(intent.has_chunk(self.location.path, index) for intent in self._intents)

    def _is_being_resized(self, *keys: str) -> bool:
        """Return True if the array may be changing its shape.

        exzarr's append locks the document, and stores chunks first and the document last. Other software uses the
        opposite order and no lock. Shrinking an array deletes chunks before or after the document changes.
        """
        location, document = self.location, DOCUMENTS[0] if self.meta.zarr_format == 3 else DOCUMENTS[1]
        updating = location.store.maintenance(location.path).is_updating(document)
        return updating or self.run.is_young(location.key(document), *keys)

    # -- missing -----------------------------------------------------------------------

    def _find_missing(self) -> None:
        grid = self.meta.chunk_grid
        if self.stored == grid.nchunks:
            return
        path = self.location.path
        if self._seen is None:
            detail = f"{grid.nchunks - self.stored} of {grid.nchunks} chunks are not stored"
            finding = Finding("EXZ204", path, join(path, ""), detail)
            self.run.findings.suspect([finding], lambda: (finding,))
            return
        missing = _zero_bits(self._seen, grid.nchunks)
        for number in islice(missing, self.run.findings.limit):
            index = tuple(map(int, np.unravel_index(number, grid.chunk_counts))) if self.meta.shape else ()
            key = join(path, self.meta.chunk_key_encoding.encode(index))
            finding = Finding("EXZ204", path, key, f"chunk {index} is not stored", index)
            self.run.findings.suspect([finding], partial(self._missing, finding))
        # There may be very many more, so they are only counted.
        self.run.findings.count("EXZ204", path, grid.nchunks - self.stored - self.run.findings.limit)

    def _missing(self, finding: Finding) -> tuple[Finding, ...]:
        busy = self._is_being_resized()
        now = self._now()
        if now is None or not _inside(finding.index or (), now) or now.store.exists(finding.key):
            return ()
        if busy or self._is_being_resized():
            self.run.findings.leave_open(finding)
            return ()
        return (finding,)


def _inside(index: Index, source: ChunkSource) -> bool:
    counts = source.grid.chunk_counts
    return len(index) == len(counts) and all(map(int.__lt__, index, counts))


def _fingerprint(store: ReadableStore, key: str) -> str:
    value = store.open_value(key)
    if value is None:
        return ""
    try:
        return fingerprint_of(value)
    finally:
        value.close()


def _zero_bits(bits: bytearray, count: int) -> Iterator[int]:
    """Yield the positions of zeros among the first `count` bits, in order."""
    step = 1 << 16
    for first in range(0, len(bits), step):
        some: Any = np.frombuffer(bits, np.uint8, min(step, len(bits) - first), first)
        for at in np.flatnonzero(np.unpackbits(some, bitorder="little") == 0):
            number = first * 8 + int(at)
            if number >= count:
                return
            yield number
