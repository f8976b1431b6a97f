"""`exzarr.statistics.build`, `open` and `Statistics`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exzarr._engine.pool import WorkFeed, in_flight, run
from exzarr._engine.scratch import with_scratch
from exzarr._nodes.array import Array
from exzarr._stream.chunks.grid import StreamGrid
from exzarr.errors import ChunkMissingError, NodeNotFoundError, ReadOnlyError, UnsupportedError
from exzarr.statistics.identity import COARSE_NS, RESOLUTION_NS, check_store, clock_of
from exzarr.statistics.layout import announce, announced, check_place, load, save
from exzarr.statistics.measuring import Measured, Measurer
from exzarr.statistics.survey import Prover, survey
from exzarr.statistics.table import Table

if TYPE_CHECKING:
    from exzarr.statistics.values import ChunkStatistics

__all__ = ["Refreshed", "Statistics", "build", "open"]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """Result of `Statistics.refresh`.

    Attributes
    ----------
    stored
        Number of stored chunks (inner chunks, if the array has shards).
    read
        Number of chunks that were read, because no entry proved them.
    left_out
        Number of stored chunks without an entry: they changed while they were read, or so shortly before that the file
        system's timestamps cannot tell a later change. Each use of the statistics reads these chunks.
    """

    stored: int
    read: int
    left_out: int


class Statistics:
    """Statistics of an array's chunks. Get one from `build` or `open`.

    Attributes
    ----------
    array
        The array. Its metadata, including the shape, are those of this object.
    """

    __slots__ = ("array",)

    def __init__(self, array: Array) -> None:
        self.array = array

    def read(self) -> ChunkStatistics:
        """Return the statistics of all chunks as they are stored now.

        This lists the array's stored values with their versions. Chunks that have no entry, or have changed since, are
        read.

        Returns
        -------
        ChunkStatistics
            Arrays with the shape of the chunk grid.

        Raises
        ------
        ChunkCorruptError
            A chunk that must be read is damaged.
        ChunkMissingError
            A chunk is not stored, and the array was opened with ``missing="error"``.
        """
        source = self.array.chunk_source
        measurer, keys = self._survey(keep=False)
        _measure(self.array, measurer, keys, None)
        found, grid = measurer.found, StreamGrid(source)
        missing = ~found.stored
        if missing.any():
            if source.missing_error:
                index = tuple(np.argwhere(missing)[0].tolist())
                reason = 'it is not stored, and the array was opened with missing="error"'
                raise ChunkMissingError(source.path, index, grid.key(index), reason)
            if source.fill != source.fill:  # NaN, or NaT
                found.table.columns["nans"][missing] = grid.sizes()[missing]
        return found.table.result(found.stored, found.proved | missing)

    def refresh(self) -> Refreshed:
        """Store current entries of all chunks. Only chunks that have changed, or have no entry, are read.

        Files that were changed a moment ago are read again after at most 2 seconds: before that, timestamps cannot tell
        a later change. A crash at any moment, or another refresh at the same time, leaves entries that are right, or
        that prove nothing.

        Returns
        -------
        Refreshed
            Numbers of chunks.

        Raises
        ------
        ReadOnlyError
            The array was opened for reading.
        ChunkCorruptError
            A chunk that must be read is damaged. The stored entries stay as they were.
        UnsupportedError
            The store has no versions that later processes can compare: folders and object stores have.
        """
        array = self.array
        if array.read_only:
            raise ReadOnlyError(
                f"array {array.name!r} was opened for reading: open it with mode 'r+' to refresh statistics"
            )
        check_store(array.store)
        check_place(array)
        measurer, keys = self._survey(keep=True)
        found = measurer.found
        _measure(array, measurer, keys, clock_of(array.store, array.path))
        if found.mortal is not None:
            raise UnsupportedError(
                f"chunk {found.mortal!r} in {array.store} has no version that later processes can compare. Statistics "
                "require a folder, or an object store with strong ETags"
            )
        read = int(np.count_nonzero(found.stored & ~found.proved))
        if found.waiting:
            # One tick more: the clock of the file system may be late by that.
            time.sleep((min(max(found.waiting.values()), COARSE_NS) + RESOLUTION_NS) / 1e9)
            again = sorted(found.waiting)
            found.waiting.clear()
            _measure(array, measurer, again, clock_of(array.store, array.path))
        found.table.columns["digest"][~found.lasting] = 0
        save(array, found.table)
        announce(array)
        return Refreshed(
            int(np.count_nonzero(found.stored)), read, int(np.count_nonzero(found.stored & ~found.lasting))
        )

    def _survey(self, *, keep: bool) -> tuple[Measurer, list[str]]:
        """Prove what can be proved without reading. Return also the keys of the values that are not proved."""
        array = self.array
        source = array.chunk_source
        entries = load(array, Table(StreamGrid(source).counts, source.dtype))
        prover = Prover(source, array.metadata, entries)
        measurer = Measurer(source, prover, entries, keep=keep)
        found = survey(source, prover)
        measurer.take_over(found)
        return measurer, found.keys

    def __repr__(self) -> str:
        return f"<exzarr.statistics.Statistics of {self.array.name!r}, {self.array.cdata_shape} chunks>"


def _measure(array: Array, measurer: Measurer, keys: Sequence[str], clock: int | None) -> Measured:
    source = array.chunk_source

    def work(feed: WorkFeed) -> None:
        while batch := feed.take():
            for key in batch:
                measurer(key, clock)

    run(partial(with_scratch, work), iter(keys), len(keys), in_flight(source.store, source.nbytes))
    return measurer.found


def build(array: Array) -> Statistics:
    """Compute statistics of an array's chunks, and store them in a group beside the array.

    ::

        exzarr.statistics.build(group["rain"])
        group["rain"].where(exzarr.value > 30).count()  # reads only chunks that can match

    If there are statistics, chunks that have not changed are not read again. The group has the array's name, followed by
    ``.statistics``, and an attribute of the array announces it (`docs/guides/statistics-layout.md`).

    Parameters
    ----------
    array
        An array of booleans, integers, floats or times, in a group, in a folder or an object store.

    Returns
    -------
    Statistics
        The stored statistics.

    Raises
    ------
    ArgumentError
        The array is the root of its store, so that nothing can be stored beside it.
    NodeExistsError
        Another node has the name of the statistics.
    UnsupportedError
        The array's data type has no statistics, or the store has no versions that later processes can compare.
    ReadOnlyError, ChunkCorruptError
        See `Statistics.refresh`.
    """
    statistics = Statistics(array)
    statistics.refresh()
    return statistics


def open(array: Array) -> Statistics:  # noqa: A001
    """Open the statistics of an array, which `build` has stored.

    Parameters
    ----------
    array
        The array.

    Raises
    ------
    NodeNotFoundError
        The array's attributes announce no statistics.
    """
    if not announced(array):
        raise NodeNotFoundError(
            f"array {array.name!r} in {array.store} announces no statistics: exzarr.statistics.build computes them"
        )
    return Statistics(array)
