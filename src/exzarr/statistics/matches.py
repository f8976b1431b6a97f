"""`Array.where`: count, find and copy the elements that match a predicate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypedDict, Unpack

import numpy as np

from exzarr._format.data_type import DataType
from exzarr._nodes.array import Array
from exzarr._nodes.casting import as_values
from exzarr._nodes.stored import candidates
from exzarr._predicates.predicates import Predicate
from exzarr._retrying import Retry
from exzarr._spelling import known_arguments
from exzarr._stream.chunks.chunk_stream import Chunk
from exzarr._stream.chunks.grid import StreamGrid, as_region
from exzarr._stream.maps.runners import ExecutorLike
from exzarr._stream.options import Missing
from exzarr._stream.progress.progress import Progress
from exzarr._stream.stored_array import is_stored_array
from exzarr._typing import AnyArray, IntArray
from exzarr.errors import ArgumentError, ArgumentTypeError
from exzarr.statistics.evidence import gather
from exzarr.statistics.explain import WhereExplanation, explain
from exzarr.statistics.layout import announced
from exzarr.statistics.query import Query, decide

__all__ = ["Found", "Matches", "QueryOptions"]


class QueryOptions(TypedDict, total=False):
    """Keywords of the methods that read chunks. `exzarr.parallel_chunk_map` documents them."""

    executor: ExecutorLike
    workers: int | None
    prefetch: int | None
    timeout: float | None
    retries: int | Retry | None
    progress: Progress


class Found(NamedTuple):
    """Elements that match, as `Matches.positions` yields them."""

    positions: IntArray
    """Positions in the array, of shape (n, dimensions): ``array.vindex[tuple(positions.T)]`` reads them."""
    values: AnyArray
    """Their values, of shape (n,), in the array's data type and unit."""


class Matches:
    """The elements of an array that match a predicate. Get one from `Array.where`.

    Each method lists the stored chunks once, if the array has chunk statistics (`exzarr.statistics.build`), and does not read
    chunks that cannot match. A chunk is left out only if its statistics are proved to be current. Without statistics, all
    chunks are read.

    Attributes
    ----------
    array
        The array.
    predicate
        The predicate.
    region
        One slice per dimension: the part of the array to search.
    """

    __slots__ = ("_bound", "array", "predicate", "region")

    def __init__(self, array: Array, predicate: Predicate, region: Any = None) -> None:
        if not isinstance(predicate, Predicate):
            raise ArgumentTypeError(
                f"where takes a predicate such as exzarr.value > 30, not {predicate!r}; to evaluate a function, use "
                "a.parallel_chunk_map"
            )
        self.array = array
        self.predicate = predicate
        self.region = as_region(region, array.shape)
        self._bound = predicate.bind(array.dtype)

    # -- what needs no reading ---------------------------------------------------------

    def explain(self) -> WhereExplanation:
        """Tell which chunks a search would leave out, and why it would read the others. This lists the stored chunks.

        Returns
        -------
        WhereExplanation
            Numbers of chunks and bytes. Print it to see them.
        """
        evidence = gather(self.array, self.region)
        query = decide(self._bound, evidence, self.region)
        return explain(self.array.path, str(self.predicate), evidence, query, announced(self.array))

    def chunks(self) -> AnyArray | None:
        """Return a mask of the chunks that may have matching elements; None if the array has no statistics.

        Returns
        -------
        ndarray of bool, or None
            It has the shape of the chunk grid (of inner chunks, if there are shards): `Array.cdata_shape`.
        """
        query = self._query()
        return None if query is None else query.possible

    def _query(self) -> Query | None:
        return (
            decide(self._bound, gather(self.array, self.region), self.region)
            if announced(self.array)
            else None
        )

    # -- what reads chunks ---------------------------------------------------------------

    @known_arguments
    def count(self, **options: Unpack[QueryOptions]) -> int:
        """Return the number of matching elements.

        Chunks whose statistics tell the number are not read, even if some elements match.

        Parameters
        ----------
        **options
            ``executor``, ``workers``, ``prefetch``, ``timeout``, ``retries`` and ``progress``, as for
            `exzarr.parallel_chunk_map`.
        """
        query = self._query()
        found = 0 if query is None else int(query.matching.sum())
        counts = self._map(partial(_count, self._bound), None if query is None else query.unknown, options)
        with counts:
            for number in counts:
                found += number
        return found

    @known_arguments
    def any(self, **options: Unpack[QueryOptions]) -> bool:
        """Return whether an element matches. Reading stops at the first one.

        Parameters
        ----------
        **options
            As for `count`.
        """
        query = self._query()
        if query is not None and query.matching.any():
            return True
        chunks = None if query is None else query.unknown
        with self._map(partial(_any, self._bound), chunks, {"ordered": False, **options}) as hits:
            return any(hits)

    @known_arguments
    def positions(self, *, sort: bool = False, **options: Unpack[QueryOptions]) -> Iterator[Found]:
        """Iterate over the matching elements, with their positions and values.

        ::

            for positions, values in a.where(exzarr.value > 30).positions():
                ...

        Memory is bounded: a `Found` has the elements of one chunk.

        Parameters
        ----------
        sort
            False: elements arrive chunk by chunk, in C order of the chunk index, and in C order within each chunk. True:
            they arrive in C order of their positions. A `Found` then has the elements of all chunks with the same index
            along the first dimension, which must fit in memory.
        **options
            As for `count`.

        Yields
        ------
        Found
            One or more elements.
        """
        found = self._positions(options)
        return _sorted_bands(found) if sort else (each for _, each in found)

    def _positions(self, options: QueryOptions) -> Iterator[tuple[int, Found]]:
        with self._map(partial(_find, self._bound), self.chunks(), options, with_chunk=True) as stream:
            for each in stream.results():
                if len(each.value.values):
                    yield each.index[0] if each.index else 0, each.value

    @known_arguments
    def mask(self, into: Array, **options: Unpack[QueryOptions]) -> None:
        """Write True to another array where elements match, and False elsewhere.

        Chunks of which no element matches, or every element, are not read.

        Parameters
        ----------
        into
            An array of the same shape, with any chunks, opened for writing. Only the region is written.
        **options
            As for `count`.
        """
        query = self._write(into, _Mask(self._bound), options, lambda query: query.possible & ~query.full)
        if query is not None:
            self._fill(into, query.excluded & query.wanted, False)
            self._fill(into, query.full, True)

    @known_arguments
    def values(self, into: Array, *, other: Any = None, **options: Unpack[QueryOptions]) -> None:
        """Copy matching elements to the same positions of another array, and write `other` elsewhere.

        Chunks of which no element matches are not read.

        Parameters
        ----------
        into
            An array of the same shape, with any chunks, opened for writing. Only the region is written.
        other
            The value of elements that do not match, as in `xarray.DataArray.where`. Default: the fill value of `into`.
        **options
            As for `count`.
        """
        _check_target(into)
        if other is None:
            other = into.chunk_source.fill
        other = as_values(other, into.metadata.data_type, one=True, where=f"array {into.name!r}")[()]
        fn = _Values(self._bound, other, into.metadata.data_type, into.name)
        query = self._write(into, fn, options, lambda query: query.possible)
        if query is not None:
            self._fill(into, query.excluded & query.wanted, other)

    # -- how ---------------------------------------------------------------------------

    def _write(
        self, into: Array, fn: Callable[..., Any], options: QueryOptions, chosen: Callable[[Query], AnyArray]
    ) -> Query | None:
        _check_target(into)
        if into.shape != self.array.shape:
            raise ArgumentError(f"into has shape {into.shape}, and the array has {self.array.shape}")
        query = self._query()
        self.array.parallel_chunk_map(
            fn, where=None if query is None else chosen(query), region=self.region, out=into, **options
        )
        return query

    def _fill(self, into: Array, chunks: AnyArray, value: Any) -> None:
        """Write one value to the regions of some chunks. What is the fill value already is not written."""
        if not chunks.any() or (_is_fill(into, value) and _is_empty(into)):
            return
        grid = StreamGrid(self.array.chunk_source)
        entries = grid.pick(self.region, np.argwhere(chunks))
        into.write_stream((entry[3], value) for entry in entries)

    def _map(
        self, fn: Callable[..., Any], chunks: AnyArray | None, options: Any, *, with_chunk: bool = False
    ) -> Any:
        source = self.array.chunk_source
        fill = np.array([source.fill], source.dtype)
        # Chunks of the fill value are not made if it does not match.
        skipped = not source.missing_error and not self._bound.matches(fill).any()
        missing: Missing = "skip" if skipped else "fill"
        return self.array.parallel_chunk_map(
            fn, where=chunks, region=self.region, missing=missing, with_chunk=with_chunk, **options
        )

    def __repr__(self) -> str:
        return f"<exzarr.statistics.Matches of {self.predicate} in {self.array.name!r}>"


# -- what workers call -------------------------------------------------------------------


def _count(predicate: Predicate, data: AnyArray) -> int:
    return int(np.count_nonzero(predicate.matches(data)))


def _any(predicate: Predicate, data: AnyArray) -> bool:
    return bool(predicate.matches(data).any())


def _find(predicate: Predicate, chunk: Chunk) -> Found:
    matching = predicate.matches(chunk.data)
    corner = np.array([part.start for part in chunk.region], np.int64)
    return Found(np.argwhere(matching) + corner, chunk.data[matching])


class _Mask:
    """Function from the data of a chunk to its mask."""

    def __init__(self, predicate: Predicate) -> None:
        self._predicate = predicate

    def __call__(self, data: AnyArray) -> AnyArray:
        return self._predicate.matches(data)


class _Values:
    """Function that converts a chunk to the data type of the target, and replaces the values that do not match.

    `other` has that data type. NumPy's `where` would use the common data type of the chunk and `other`, which may be smaller.
    """

    def __init__(self, predicate: Predicate, other: Any, data_type: DataType, target: str) -> None:
        self._predicate = predicate
        self._other = other
        self._data_type = data_type
        self._target = target

    def __call__(self, data: AnyArray) -> AnyArray:
        matching = self._predicate.matches(data)
        if data.dtype == self._data_type.dtype:
            return np.where(matching, data, self._other)
        found: AnyArray = np.full(data.shape, self._other, self._data_type.dtype)
        found[matching] = as_values(data[matching], self._data_type, where=f"array {self._target!r}")
        return found


# -- helpers -------------------------------------------------------------------------------


def _sorted_bands(found: Iterator[tuple[int, Found]]) -> Iterator[Found]:
    """Join what chunks at the same index along the first dimension yield, and sort it."""
    band: list[Found] = []
    last = -1
    for index, each in found:
        if band and index != last:
            yield _sorted(band)
            band = []
        last = index
        band.append(each)
    if band:
        yield _sorted(band)


def _sorted(band: list[Found]) -> Found:
    positions = np.concatenate([each.positions for each in band])
    values = np.concatenate([each.values for each in band])
    if not positions.shape[1]:
        return Found(positions, values)
    order = np.lexsort(positions.T[::-1])
    return Found(positions[order], values[order])


def _check_target(into: Any) -> None:
    if not is_stored_array(into):
        raise ArgumentTypeError(
            f"into is an exzarr array, not {type(into).__name__}: create one, or open one"
        )


def _is_fill(array: Array, value: Any) -> bool:
    fill = array.chunk_source.fill
    return bool(value == fill or (value != value and fill != fill))


def _is_empty(array: Array) -> bool:
    """Return True if no chunk is stored. One listing tells, if the store can list."""
    found = candidates(array.location, array.metadata)
    return found.listed and next(found.keys, None) is None
