"""`Array`: the user's handle to an array in a store.

Its methods are thin: they parse their arguments and call the functions of the modules below. The streaming methods are
implemented in `exzarr._stream`, and the methods about values in `exzarr.statistics`, which are built on arrays. They are
methods because users look for them there. This is therefore the only module of `_nodes` that imports from these rooms, and
only when a method is called.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, Unpack

import numpy as np

from exzarr import config
from exzarr._engine.planning import indexing
from exzarr._engine.source import ChunkSource, open_source
from exzarr._format.metadata import ArrayMetadata
from exzarr._nodes import chunk_sizes, hierarchy, resize
from exzarr._nodes.codec_parts import codec_parts, is_reversed
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.indexers import Explainer, Indexer
from exzarr._nodes.node import AccessOptions, Node
from exzarr._nodes.selection_io import Fields, read_into, read_selection, split_fields, write_selection
from exzarr._nodes.unsupported import UnsupportedOperations, refuse_comparison
from exzarr._spelling import no_dimension
from exzarr._typing import AnyArray
from exzarr.errors import ArgumentError, SelectionError
from exzarr.stores.base import Store

if TYPE_CHECKING:
    import numpy.typing as npt

    from exzarr._engine.planning.selections import Selection
    from exzarr._labels.index import Method
    from exzarr._nodes.casting import Casting
    from exzarr._nodes.coordinates import Coordinates
    from exzarr._nodes.info import ArrayInfo
    from exzarr._predicates.predicates import Predicate
    from exzarr._retrying import Retry
    from exzarr._stream.chunks.chunk_stream import ChunkStream
    from exzarr._stream.failures import OnError
    from exzarr._stream.maps.parallel_map import MapKeywords
    from exzarr._stream.options import Where
    from exzarr._stream.progress.progress import Progress
    from exzarr._stream.slices.slice_stream import SliceStream
    from exzarr._stream.writing.write_stream import WriteReport
    from exzarr.statistics.matches import Matches, QueryOptions
    from exzarr.statistics.reductions import Axis

__all__ = ["Array"]


class Array(Node[ArrayMetadata], UnsupportedOperations):
    """A chunked, compressed, N-dimensional array in a store.

    Get one from `exzarr.open_array`, `exzarr.create_array`, or a group. Selections follow NumPy's
    indexing rules, and reading returns NumPy arrays::

        a[0:100, ::-2, 5]            # basic
        a.oindex[[3, 1], :, mask]    # each dimension on its own
        a.vindex[rows, cols]         # point by point
        a.blocks[2, 0]               # by chunk
        a.isel(time=0, x=slice(10))  # by dimension name
        a.sel(time="2024-03")        # by label

    An `Array` holds no data. Threads may share it. Its pickle contains the store and the path, not the elements.
    It keeps the metadata that it read when it was opened; `refresh` reads the metadata again.
    """

    __slots__ = ("_coordinates", "_source")

    _kind = "array"
    _casting: ClassVar[Casting] = "same_kind"
    """The rule for the conversion of values that are assigned by brackets."""

    def __init__(
        self,
        location: Location,
        meta: ArrayMetadata,
        *,
        read_only: bool = False,
        missing: Literal["fill", "error"] = "fill",
        write_empty_chunks: bool = False,
        memory_order: Literal["C", "F"] | None = None,
    ) -> None:
        if missing not in ("fill", "error"):
            raise ArgumentError(f"missing is 'fill' or 'error', not {missing!r}")
        if memory_order not in (None, "C", "F"):
            raise ArgumentError(f"memory_order is 'C', 'F' or None, not {memory_order!r}")
        access: AccessOptions = {
            "read_only": read_only,
            "missing": missing,
            "write_empty_chunks": write_empty_chunks,
            "memory_order": memory_order,
        }
        super().__init__(location, meta, access)
        self._source: tuple[ArrayMetadata, ChunkSource] | None = None
        self._coordinates: tuple[ArrayMetadata, Coordinates] | None = None

    @property
    def chunk_source(self) -> ChunkSource:
        """The array's chunks for the engine, opened on first use and again when the metadata has changed.

        Internal: exzarr's own packages read chunks through it.
        """
        meta, bound = self._meta, self._source
        if bound is None or bound[0] is not meta:
            location, missing_error = self._location, self._access["missing"] == "error"
            source = open_source(location.store, location.path, meta, missing_error=missing_error)
            bound = self._source = meta, source
        return bound[1]

    # -- properties of the metadata ------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the dimensions, in elements. An assignment resizes the array."""
        return self._meta.shape

    @shape.setter
    def shape(self, shape: int | Sequence[int]) -> None:
        self.resize(shape)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self._meta.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self._meta.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy data type of the elements."""
        return self._meta.data_type.dtype

    @property
    def itemsize(self) -> int:
        """Size of one element in memory, in bytes."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Size of all elements in memory, in bytes (of their pointers, for variable-length types)."""
        return self.size * self.itemsize

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the chunks (inner chunks, if the array has shards).

        Chunks of a rectilinear grid have no common shape: this raises an ArgumentError; see `write_chunk_sizes`.
        """
        return chunk_sizes.chunk_shape(self._meta)

    @property
    def shards(self) -> tuple[int, ...] | None:
        """Shape of the shards, or None if the array has none."""
        return chunk_sizes.shard_shape(self._meta)

    @property
    def write_chunk_sizes(self) -> tuple[tuple[int, ...], ...]:
        """Length of every stored chunk (shard, if the array has shards) along each dimension.

        Lengths are cropped to the array, as in ``dask.array.Array.chunks``.
        """
        return chunk_sizes.write_sizes(self._meta)

    @property
    def read_chunk_sizes(self) -> tuple[tuple[int, ...], ...]:
        """Length of every chunk (inner chunk, if the array has shards) along each dimension.

        Lengths are cropped to the array, as in ``dask.array.Array.chunks``.
        """
        return chunk_sizes.read_sizes(self._meta)

    @property
    def cdata_shape(self) -> tuple[int, ...]:
        """Number of chunks along each dimension (inner chunks, if the array has shards)."""
        return chunk_sizes.chunk_counts(self._meta)

    @property
    def nchunks(self) -> int:
        """Number of chunks in the grid (inner chunks, if the array has shards), stored or not."""
        return math.prod(self.cdata_shape)

    @property
    def fill_value(self) -> Any:
        """Value of elements that were never written; None if a v2 array does not define it."""
        return self._meta.fill_value

    @property
    def order(self) -> Literal["C", "F"]:
        """Order of elements inside a chunk (v2). ``"C"`` for v3 arrays, which use the transpose codec."""
        return self._meta.order

    @property
    def memory_order(self) -> Literal["C", "F"]:
        """Memory order of the NumPy arrays that reading returns, if they have two dimensions or more.

        Point-by-point selections always return C order, as in zarr-python.

        The order is the first that is defined of: the option given when the array was opened; `order`, for a v2
        array; the setting ``memory_order``, for a v3 array; ``"F"`` if a codec reverses the dimensions, else ``"C"``.
        """
        order = self._access["memory_order"]
        if order is not None:
            return order
        if self._meta.zarr_format == 2:
            return self._meta.order
        setting = config.get().memory_order
        if setting != "auto":
            return "F" if setting == "F" else "C"
        return "F" if is_reversed(self._meta) else "C"

    @property
    def dimension_names(self) -> tuple[str | None, ...] | None:
        """Name of each dimension (None: no name); None if no names are stored."""
        return self._meta.dimension_names

    @property
    def filters(self) -> tuple[Any, ...]:
        """Array → array codecs (v3; of inner chunks, if the array has shards), or the filters (v2)."""
        return codec_parts(self._meta).filters

    @property
    def serializer(self) -> Any:
        """Array → bytes codec (v3; of inner chunks, if the array has shards), or None (v2)."""
        return codec_parts(self._meta).serializer

    @property
    def compressors(self) -> tuple[Any, ...]:
        """Bytes → bytes codecs (v3; of inner chunks, if the array has shards), or the compressor (v2)."""
        return codec_parts(self._meta).compressors

    # -- reading -------------------------------------------------------------------

    def __getitem__(self, selection: Any) -> Any:
        """Read a selection, by NumPy's indexing rules. Field names select fields of a structured type."""
        fields, selection = split_fields(selection)
        return self._get(indexing.basic(selection, self._meta.shape), fields)

    def get(self, selection: Any = Ellipsis, *, out: AnyArray | None = None) -> Any:
        """Read ``a[selection]``, optionally into an existing array.

        Parameters
        ----------
        selection
            NumPy's indexing, as between brackets.
        out
            An array of the selection's shape that receives the elements and is returned. It may have any strides, and
            any data type that the array's converts to.

        Raises
        ------
        ArgumentError
            `out` is read-only, or has another shape or an unsuitable data type.
        """
        fields, selection = split_fields(selection)
        return self._get(indexing.basic(selection, self._meta.shape), fields, out)

    def isel(self, indexers: Mapping[str, Any] | None = None, **by_name: Any) -> Any:
        """Read by dimension name: ``a.isel(time=0, x=slice(10, 20), y=[1, 5])``.

        Dimensions that are not named are read completely. Index arrays are orthogonal, as in `oindex`.
        """
        return self.oindex[self._by_name({**(indexers or {}), **by_name})]

    def sel(
        self,
        indexers: Mapping[str, Any] | None = None,
        method: Method | None = None,
        tolerance: Any = None,
        **by_name: Any,
    ) -> Any:
        """Read by label: ``a.sel(time="2024-03", lat=slice(40, 60))``.

        The labels of a dimension are in its *coordinate*: the array of one dimension that has the dimension's name and is
        in the same group. It is read on first use and kept until the array's metadata changes or is read again
        (`refresh`). The rules are those of ``xarray.DataArray.sel``.

        Parameters
        ----------
        indexers, **by_name
            For each dimension: a label, a slice of labels (both ends are included; a step counts positions), or a list of
            labels. A single label removes the dimension, if it exists once. Times are strings, datetimes or
            ``datetime64``; a string such as ``"2024-03"`` that is coarser than the coordinate selects the whole period.
        method
            For labels that do not exist: ``"nearest"``; ``"pad"`` (or ``"ffill"``), the previous label; ``"backfill"``
            (or ``"bfill"``), the next one.
        tolerance
            The largest distance to a label that `method` takes: a number, or a timedelta.

        Returns
        -------
        ndarray or scalar
            The elements, read by one plan.

        Raises
        ------
        SelectionError
            A dimension does not exist.
        LabelError
            A dimension has no coordinate, or a label does not exist. The message names the coordinates that exist, or
            labels nearby.
        UnsupportedError
            The coordinate counts times in a calendar that requires xarray and cftime.

        See Also
        --------
        isel : Read by position.
        """
        return self.isel(self._by_label({**(indexers or {}), **by_name}, method, tolerance))

    def _by_label(
        self, labels: Mapping[str, Any], method: Method | None = None, tolerance: Any = None
    ) -> Mapping[str, Any]:
        """Return the positions of labels, by dimension name."""
        from exzarr._labels.index import Query

        return self._coordinates_now().selection(labels, Query(method, tolerance))

    def _coordinates_now(self) -> Coordinates:
        meta, known = self._meta, self._coordinates
        if known is None or known[0] is not meta:
            from exzarr._nodes.coordinates import Coordinates

            known = self._coordinates = meta, Coordinates(self._location, meta)
        return known[1]

    def _region(self, region: Any) -> Any:
        """Return the region of a stream; a mapping has labels by dimension name."""
        return self._coordinates_now().region(region) if isinstance(region, Mapping) else region

    def _by_name(self, indexers: Mapping[str, Any]) -> tuple[Any, ...]:
        names = self._meta.dimension_names or ()
        for name in indexers:
            if name not in names:
                raise SelectionError(no_dimension(name, names))
        return tuple([indexers.get(name, slice(None)) if name else slice(None) for name in names])

    @property
    def oindex(self) -> Indexer:
        """Orthogonal indexing, for reading and writing."""
        return Indexer(lambda s: indexing.orthogonal(s, self._meta.shape), self._get, self._set)

    @property
    def vindex(self) -> Indexer:
        """Point-by-point indexing (and masks), for reading and writing."""
        return Indexer(lambda s: indexing.coordinate(s, self._meta.shape), self._get, self._set)

    @property
    def blocks(self) -> Indexer:
        """Indexing by chunk (by shard, if the array has shards), for reading and writing."""
        return Indexer(
            lambda s: indexing.block(s, self._meta.chunk_grid.dims, self._meta.shape), self._get, self._set
        )

    def _get(self, selection: Selection, fields: Fields = None, out: AnyArray | None = None) -> Any:
        source = self.chunk_source
        if out is not None:
            return read_into(source, selection, fields, out)
        order = self.memory_order if len(selection.result_shape) > 1 else "C"
        return read_selection(source, selection, fields, order)

    # -- writing -------------------------------------------------------------------

    def __setitem__(self, selection: Any, value: Any) -> None:
        """Write a scalar, or a value that broadcasts to the selection's shape.

        Raises
        ------
        ArgumentError
            The conversion to the array's data type would lose values; see `set`.
        """
        fields, selection = split_fields(selection)
        self._set(indexing.basic(selection, self._meta.shape), value, fields)

    def set(self, selection: Any, value: Any, *, casting: Casting = "same_kind") -> None:
        """Write ``a[selection] = value``, with a rule for conversions.

        Parameters
        ----------
        selection
            NumPy's indexing, as between brackets.
        value
            A scalar, or a value that broadcasts to the selection's shape.
        casting
            Which conversions to the array's data type are allowed, by NumPy's names. ``"same_kind"`` (as for brackets)
            accepts integers of any size and sign if all values fit, and rounds floats. It refuses floats for
            integers, complex numbers for floats, numbers out of range, and text that would be truncated. A single
            number may be of any kind if the data type represents it exactly. ``"unsafe"`` allows everything that
            ``astype`` does. ``"no"``, ``"equiv"`` and ``"safe"`` are stricter.

        Raises
        ------
        ArgumentError
            The value has the wrong shape, or does not convert. Nothing was written.
        """
        fields, selection = split_fields(selection)
        self._set(indexing.basic(selection, self._meta.shape), value, fields, casting=casting)

    def _set(
        self, selection: Selection, value: Any, fields: Fields = None, *, casting: Casting | None = None
    ) -> None:
        self._require_writable()
        write_empty = self._access["write_empty_chunks"]
        casting = self._casting if casting is None else casting
        write_selection(self.chunk_source, selection, value, fields, casting=casting, write_empty=write_empty)

    # -- explaining ----------------------------------------------------------------

    @property
    def explain(self) -> Explainer:
        """Explanation of the cost of reading a selection: ``print(a.explain[0:100, 3])``. It reads only sizes.

        ``a.explain.oindex(...)``, ``.vindex(...)``, ``.isel(...)`` and ``.sel(...)`` explain the other selections.
        ``a.explain.write[0:100, 3]`` explains a write: the chunks that it covers, and the locks that it needs.
        """
        return Explainer(self.chunk_source, self._by_name, self._by_label)

    # -- zarr-python's names, so that a migration requires little more than a changed import --

    def get_basic_selection(self, selection: Any = Ellipsis, *, out: AnyArray | None = None) -> Any:
        """Read a selection: zarr-python's name for `get`."""
        return self.get(selection, out=out)

    def get_orthogonal_selection(self, selection: Any, *, out: AnyArray | None = None) -> Any:
        """Read a selection: zarr-python's name for ``oindex``."""
        return self._get(indexing.orthogonal(selection, self._meta.shape), out=out)

    def get_coordinate_selection(self, selection: Any, *, out: AnyArray | None = None) -> Any:
        """Read a selection: zarr-python's name for ``vindex``."""
        return self._get(indexing.coordinate(selection, self._meta.shape), out=out)

    def get_mask_selection(self, mask: Any, *, out: AnyArray | None = None) -> Any:
        """Read a selection: zarr-python's name for ``a[mask]``."""
        return self._get(indexing.mask(mask, self._meta.shape), out=out)

    def get_block_selection(self, selection: Any, *, out: AnyArray | None = None) -> Any:
        """Read a selection: zarr-python's name for ``blocks``."""
        return self._get(indexing.block(selection, self._meta.chunk_grid.dims, self._meta.shape), out=out)

    def set_basic_selection(self, selection: Any, value: Any, *, casting: Casting = "same_kind") -> None:
        """Write a selection: zarr-python's name for ``a[selection] = value``."""
        self.set(selection, value, casting=casting)

    def set_orthogonal_selection(self, selection: Any, value: Any, *, casting: Casting = "same_kind") -> None:
        """Write a selection: zarr-python's name for ``oindex``."""
        self.oindex.set(selection, value, casting=casting)

    def set_coordinate_selection(self, selection: Any, value: Any, *, casting: Casting = "same_kind") -> None:
        """Write a selection: zarr-python's name for ``vindex``."""
        self.vindex.set(selection, value, casting=casting)

    def set_mask_selection(self, mask: Any, value: Any, *, casting: Casting = "same_kind") -> None:
        """Write a selection: zarr-python's name for ``a[mask] = value``."""
        self._set(indexing.mask(mask, self._meta.shape), value, casting=casting)

    def set_block_selection(self, selection: Any, value: Any, *, casting: Casting = "same_kind") -> None:
        """Write a selection: zarr-python's name for ``blocks``."""
        self.blocks.set(selection, value, casting=casting)

    # -- changing shape --------------------------------------------------------------

    def resize(self, shape: int | Sequence[int]) -> None:
        """Change the shape without moving chunks.

        New elements have the fill value, never the values from before the array shrank. Concurrent appends and
        resizes have the same result as if they ran one after the other.

        Parameters
        ----------
        shape
            The new shape, with the same number of dimensions.

        Raises
        ------
        ArgumentError
            The number of dimensions differs.
        ReadOnlyError
            The array is read-only.
        """
        self._require_writable()
        resize.resize(self._location, shape, self._transact)

    def append(self, data: Any, axis: int | str = 0, *, casting: Casting = "same_kind") -> tuple[int, ...]:
        """Append `data` along dimension `axis` and return the new shape.

        Any number of threads and processes may append concurrently: no data is lost, and each append stays
        contiguous. The chunks are written first and the metadata document last. Readers therefore see all of the
        new data or none of it.

        Parameters
        ----------
        data
            Values whose shape matches the array's in all dimensions but `axis`.
        axis
            The number or the name of the dimension.
        casting
            Which conversions to the array's data type are allowed, as for `set`.

        Returns
        -------
        tuple of int
            The shape after this append.

        Raises
        ------
        ArgumentError
            The shape does not match, or the values do not convert.
        LockTimeoutError
            Another writer holds the array for longer than the setting ``lock_timeout``.
        """
        self._require_writable()
        where, write_empty = f"array {self.name!r}", self._access["write_empty_chunks"]
        return resize.append(self._meta, data, axis, self._transact, write_empty, casting, where)

    def refresh(self) -> Self:
        """Read the array's own metadata document again and return the array."""
        self._meta = hierarchy.load_array(self._location.direct, self._meta.zarr_format)
        return self

    # -- streams ---------------------------------------------------------------------

    def chunk_stream(
        self,
        region: Any = None,
        *,
        workers: int | None = None,
        prefetch: int | None = None,
        ordered: bool = True,
        where: Where | None = None,
        missing: Literal["fill", "skip"] = "fill",
        timeout: float | None = None,
        retries: int | Retry | None = None,
        on_error: OnError = "raise",
        progress: Progress = False,
    ) -> ChunkStream:
        """Iterate over the chunks, with read-ahead in threads and bounded memory.

        ::

            for chunk in a.chunk_stream(workers=4, prefetch=8):
                chunk.index, chunk.region, chunk.data

        Chunks arrive in grid order (C order of the index) and are cropped to the array. For a sharded array they
        are the inner chunks, as in `chunks`. Each shard is opened once where possible; always with
        ``ordered=False``, which proceeds shard by shard.

        At most ``workers + prefetch`` chunks are in memory, including the last one that you received, if you release
        it when you request the next (as a loop does). The threads end when you leave the loop, at an exception,
        at `ChunkStream.close`, at the end of a ``with`` block, or at garbage collection. Reads in progress
        then finish, and their results are discarded.

        Parameters
        ----------
        region
            A tuple of slices (step 1) in array coordinates, or a mapping from dimension names to labels, as for `sel`:
            ``{"time": "2024-03"}``. The stream yields the chunks that it touches, cropped to it. Default: the whole array.
        workers
            Threads that read and decode. Default: ``config.workers``; one if the chunks are so small that more threads
            would slow each other down; as many as the store requires requests in flight, if that is more (for
            large chunks at most ``config.fetch_bytes`` in total).
        prefetch
            How many more chunks may be in memory. Default: as many as fit 8 MiB, at least `workers`. Small chunks
            are read several at a time only if `prefetch` is large enough.
        ordered
            False yields chunks as soon as they are ready.
        where
            The chunks to read. A predicate on values, such as ``exzarr.value > 30``, selects the chunks with a matching
            element; chunk statistics tell which chunks need not be read (see `where`). A function of the chunk index is
            called in your thread, for one chunk at a time. Or an integer array of indices of shape (n, dimensions), or a
            boolean array of the grid's shape. Chunks arrive in grid order, each once.
        missing
            How to treat chunks that are not stored. ``"fill"`` yields the fill value, or raises an error if the array
            was opened with ``missing="error"``. ``"skip"`` leaves them out.
        timeout
            Seconds for one attempt at a chunk. A thread cannot be killed: after the timeout, the stream stops waiting
            for it and starts another one. The chunk fails with a ChunkTimeoutError, or is read again.
        retries
            Number of retries after a store error, or an `exzarr.Retry`. Damaged chunks are never retried.
        on_error
            ``"raise"`` ends the stream with a ChunkError that names the chunk; ``"skip"`` leaves the chunk out;
            a callable receives the error, and the chunk is left out if the callable returns.
        progress
            True shows a progress bar (with rich in a terminal, or in a notebook). A callable receives
            ``(done, total)`` in chunks. Chunks that are left out count, so that `done` reaches `total`.

        Returns
        -------
        ChunkStream
            An iterator over `exzarr._stream.Chunk` and a context manager, for ``for`` and ``async for``, with statistics
            in ``.stats``.
        """
        from exzarr._stream.chunks.chunk_stream import ChunkStream
        from exzarr._stream.chunks.matching import chunks_where
        from exzarr._stream.options import StreamOptions

        region = self._region(region)
        chunks, matching = chunks_where(self, where, region)
        options = StreamOptions(
            region=region,
            where=chunks,
            matching=matching,
            missing=missing,
            workers=workers,
            prefetch=prefetch,
            ordered=ordered,
            timeout=timeout,
            retries=retries,
            on_error=on_error,
            progress=progress,
        )
        return ChunkStream(self.chunk_source, options)

    def slice_stream(
        self,
        axis: int | str = 0,
        start: int | None = None,
        stop: int | None = None,
        step: int | None = None,
        *,
        region: Any = None,
        workers: int | None = None,
        prefetch: int | None = None,
        timeout: float | None = None,
        retries: int | Retry | None = None,
        on_error: OnError = "raise",
        progress: Progress = False,
    ) -> SliceStream:
        """Iterate over the positions along one axis: days, frames, rows.

        ::

            for day in a.slice_stream("time", 0, 365):
                day.index, day.region, day.data

        Each stored chunk is read once, for all positions that it holds. The unit of reading is a *slab*: all chunks
        at one chunk position along the axis. Several threads read the next slab while you process the current one.

        Parameters
        ----------
        axis
            The number of a dimension, or its name.
        start, stop, step
            The positions, by the rules of slices (``a[start:stop:step]``). A negative step runs backwards.
        region
            The part of the other dimensions. Default: all.
        workers
            Threads that read and decode. Default: ``config.workers``.
        prefetch
            How many slabs may be in memory in addition to the current one. Default: one. For a store that requires many
            requests in flight: enough slabs for these requests, within ``config.fetch_bytes``.
        timeout
            Seconds for one attempt at a slab; see `chunk_stream`.
        retries
            As for `chunk_stream`, for slabs.
        on_error
            As for `chunk_stream`. If a slab fails, all its positions fail.
        progress
            As for `chunk_stream`, in slices.

        Returns
        -------
        SliceStream
            An iterator over `exzarr._stream.Slice` and a context manager, for ``for`` and ``async for``, with statistics
            in ``.stats``.
        """
        from exzarr._stream.options import StreamOptions
        from exzarr._stream.slices.slice_stream import SliceStream

        options = StreamOptions(
            region=self._region(region),
            workers=workers,
            prefetch=prefetch,
            timeout=timeout,
            retries=retries,
            on_error=on_error,
            progress=progress,
        )
        part, names = slice(start, stop, step), self._meta.dimension_names
        return SliceStream(self.chunk_source, axis, part, options, names=names)

    def write_stream(
        self,
        items: Iterable[Any],
        *,
        workers: int | None = None,
        max_pending: int | None = None,
        on_error: OnError = "raise",
        checkpoint: str | os.PathLike[str] | Callable[[tuple[slice, ...]], object] | None = None,
        retries: int | Retry | None = None,
        copy: bool = True,
        casting: Casting = "same_kind",
        progress: Progress = False,
    ) -> WriteReport:
        """Write the items of an iterable; threads encode and store them while the next item is produced.

        ::

            def days():
                for day in range(365):
                    yield (slice(day, day + 1),), simulate(day)

            report = a.write_stream(days(), checkpoint="days.checkpoint")

        Your thread advances `items`, only while fewer than `max_pending` items are pending. A slow store
        therefore slows the producer down, and memory stays bounded. Items may arrive in any order and may overlap:
        the later one wins. Items that share a stored chunk (shard, if the array has shards) are written together
        as soon as they cover it. At most one thread writes a stored chunk at a time. It is therefore faster to yield
        the parts of a shard in sequence.

        Parameters
        ----------
        items
            Pairs of a location and data. The location is a chunk index (of an inner chunk, if the array has shards)
            or a region (slices of step 1). The data has its shape, or broadcasts to it. Items of `chunk_stream` are
            accepted as well.
        workers
            Threads that encode and write. Default: ``config.workers``; as many as the store requires requests in
            flight, if that is more.
        max_pending
            How many items may be pending: waiting, or being written. Default: as many as fit 64 MiB, at least twice
            ``config.workers``, or twice `workers` if given. The threads need additional memory: for a shard that is
            assembled from parts, its decoded and its encoded size.
        on_error
            ``"raise"`` stops at the first item that fails, with a ChunkError. ``"skip"`` continues, and the report
            names the item. A callable receives the error; if it returns, the effect is the same as ``"skip"``.
        checkpoint
            A path of a file that records the written items. Items that an earlier run recorded are left out. To resume
            an interrupted run, pass the same items again. Or a callable that receives the region of each item after it
            is stored.
        retries
            Number of retries after a store error, or an `exzarr.Retry`.
        copy
            False does not copy the data. The producer must then not change it until it is written.
        casting
            Which conversions to the array's data type are allowed, as for `set`.
        progress
            As for `chunk_stream`, in items. The total of a generator is None until it ends.

        Returns
        -------
        WriteReport
            The number of written items, and the failed ones with their errors.

        Raises
        ------
        ChunkError
            An item failed, and ``on_error="raise"``. An exception of `items` itself is raised after all items that it
            yielded are written.
        """
        from exzarr._stream.options import StreamOptions
        from exzarr._stream.writing.write_stream import write_stream

        self._require_writable()
        return write_stream(
            self,
            items,
            StreamOptions(workers=workers, retries=retries, on_error=on_error, progress=progress),
            max_pending=max_pending,
            checkpoint=checkpoint,
            copy=copy,
            casting=casting,
        )

    def parallel_chunk_map(self, fn: Callable[..., Any], **options: Unpack[MapKeywords]) -> Any:
        """Call ``fn(data)`` for every chunk, in parallel: in threads, in processes, or on a cluster.

        ::

            a.parallel_chunk_map(np.mean)                                    # an iterator over means
            a.parallel_chunk_map(np.sum, reduce=operator.add)                # one number
            a.parallel_chunk_map(np.sqrt, out=b)                             # another array
            a.parallel_chunk_map(slow, executor="processes", timeout=30, retries=2)

        This is `exzarr.parallel_chunk_map` for one array. That function documents the keywords: ``region``, ``where``,
        ``missing``, ``with_chunk``, ``executor``, ``workers``, ``prefetch``, ``ordered``, ``timeout``, ``retries``,
        ``on_error``, ``progress``, ``out``, ``reduce`` and ``initial``.

        Returns
        -------
        MapStream, StreamStats, or the reduced result
            Without `out` and `reduce`: an iterator over results and a context manager. With `out`: statistics.
        """
        from exzarr._stream.maps.parallel_map import parallel_chunk_map

        if "region" in options:
            options["region"] = self._region(options["region"])
        return parallel_chunk_map(fn, self, **options)

    # -- conditions on values ----------------------------------------------------------

    def where(self, predicate: Predicate, region: Any = None) -> Matches:
        """Return the elements that match a predicate: to count, find or copy them.

        ::

            heavy = a.where(exzarr.value > 30)
            heavy.count(), heavy.any()
            for positions, values in heavy.positions(): ...
            heavy.mask(into=b)
            print(heavy.explain())

        Nothing is read before you call one of its methods. If the array has chunk statistics
        (`exzarr.statistics.build`), chunks that cannot match are not read.

        Parameters
        ----------
        predicate
            A condition on values, made from `exzarr.value`: ``(value > 30) & (value < 40)``, ``value.between(1, 5)``,
            ``value.isin([3, 7])``, ``~value.is_nan()``. Comparisons follow NumPy's rules.
        region
            The part of the array to search, as for `chunk_stream`. Default: the whole array.

        Raises
        ------
        UnsupportedError
            Predicates do not apply to the array's data type.
        ArgumentError
            A number or time in the predicate cannot be compared with the array's values.
        """
        from exzarr.statistics.matches import Matches

        return Matches(self, predicate, self._region(region))

    def min(
        self,
        axis: Axis = None,
        out: AnyArray | None = None,
        keepdims: bool = False,
        *,
        skipna: bool = False,
        **options: Unpack[QueryOptions],
    ) -> Any:
        """Return the smallest value, as NumPy does, in bounded memory. ``np.min(a)`` calls it.

        Chunks whose statistics tell it (`exzarr.statistics.build`) are not read; the others are streamed. Statistics tell
        the result of the whole array, and along dimensions if chunks have length 1 in the others.

        Parameters
        ----------
        axis
            The dimensions to reduce: numbers or names. Default: all.
        out
            An array that receives the result and is returned.
        keepdims
            True keeps the reduced dimensions, with length 1.
        skipna
            False: the result of elements with NaN (NaT) is NaN, as in NumPy. True: NaN is left out, and the result is NaN
            only if there is no other element, as in `numpy.nanmin`.
        **options
            ``executor``, ``workers``, ``prefetch``, ``timeout``, ``retries`` and ``progress``, as for `parallel_chunk_map`.

        Returns
        -------
        scalar or ndarray
            Values in the array's data type and unit. An array has the dimensions that are not reduced.

        Raises
        ------
        UnsupportedError
            The array has neither numbers nor times.
        ArgumentError
            There are no elements to reduce, or an argument is invalid.
        """
        from exzarr.statistics.reductions import Reduction, reduce_array

        return reduce_array(self, Reduction("min", axis, skipna, keepdims, out), options)

    def max(
        self,
        axis: Axis = None,
        out: AnyArray | None = None,
        keepdims: bool = False,
        *,
        skipna: bool = False,
        **options: Unpack[QueryOptions],
    ) -> Any:
        """Return the largest value, as NumPy does, in bounded memory; see `min` for parameters and errors."""
        from exzarr.statistics.reductions import Reduction, reduce_array

        return reduce_array(self, Reduction("max", axis, skipna, keepdims, out), options)

    def mean(
        self,
        axis: Axis = None,
        dtype: npt.DTypeLike | None = None,
        out: AnyArray | None = None,
        keepdims: bool = False,
        *,
        skipna: bool = False,
        **options: Unpack[QueryOptions],
    ) -> Any:
        """Return the arithmetic mean of numbers, in bounded memory; see `min` for parameters and errors.

        Sums are float64, whatever the data type. The result has the data type `dtype`. Default: that of NumPy, which is the
        array's for floats, else float64. It may differ from NumPy's by rounding. The mean of no elements is NaN.
        """
        from exzarr.statistics.reductions import Reduction, reduce_array

        return reduce_array(self, Reduction("mean", axis, skipna, keepdims, out, dtype), options)

    # -- stored chunks ------------------------------------------------------------

    @property
    def nchunks_initialized(self) -> int:
        """Number of stored chunks (inner chunks, if the array has shards)."""
        from exzarr._nodes.stored import stored_chunks

        return stored_chunks(self.chunk_source).chunks

    @property
    def nbytes_stored(self) -> int:
        """Total size of all stored chunks (shards), in bytes."""
        from exzarr._nodes.stored import stored_chunks

        return stored_chunks(self.chunk_source).nbytes

    @property
    def info(self) -> ArrayInfo:
        """Properties of the array, formatted for printing, without those that require requests to the store."""
        from exzarr._nodes.info import array_info

        return array_info(self._location, self._meta, read_only=self.read_only)

    def info_complete(self) -> ArrayInfo:
        """Return `info` with the number and size of the stored chunks. This lists the array's keys."""
        from exzarr._nodes.info import array_info
        from exzarr._nodes.stored import stored_chunks

        return array_info(
            self._location, self._meta, read_only=self.read_only, stored=stored_chunks(self.chunk_source)
        )

    # -- as a Python object ------------------------------------------------------------

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        if copy is False:
            raise ValueError("an exzarr array has no memory of its own: reading it always copies")
        result: AnyArray = np.asarray(self[...])
        return result if dtype is None else result.astype(dtype, copy=False)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-dimensional array")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the first dimension. Each chunk is read once."""
        if not self.shape:
            raise TypeError("iteration over a 0-dimensional array")
        dim, length = self._meta.chunk_grid.dims[0], self.shape[0]
        for i in range(dim.count(length)):
            start = dim.offset(i)
            yield from self[start : min(length, start + dim.size(i))]

    def __bool__(self) -> bool:
        if self.size == 1:
            return bool(np.asarray(self[...]).reshape(-1)[0])
        raise ValueError("the truth value of an array with other than one element is ambiguous")

    def __int__(self) -> int:
        return int(self._single())

    def __float__(self) -> float:
        return float(self._single())

    def __complex__(self) -> complex:
        return complex(self._single())

    def __index__(self) -> int:
        if self.shape:
            raise TypeError("only 0-dimensional integer arrays can be an index")
        return operator.index(self[()])

    def _single(self) -> Any:
        if self.size != 1:
            raise TypeError("only arrays with one element convert to a Python number")
        return np.asarray(self[...]).reshape(-1)[0]

    def __eq__(self, other: object) -> bool:
        """Return whether `other` is the same array: same store, path and metadata. The data is not compared.

        A comparison with a number or another array raises an UnreadError; ``a[...] == 0`` reads and compares.
        """
        if not isinstance(other, Array):
            refuse_comparison(other, "==")
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        if not isinstance(other, Array):
            refuse_comparison(other, "!=")
        return not self == other

    __hash__ = Node.__hash__

    @classmethod
    def _reopen(
        cls,
        store: Store,
        path: str,
        zarr_format: Literal[2, 3],
        consolidated: bool,  # noqa: ARG003 - an array reads its own document
        access: AccessOptions,
    ) -> Self:
        location = Location(store, path)
        return cls(location, hierarchy.load_array(location, zarr_format), **access)

    def __repr__(self) -> str:
        shape = str(self.shape)
        names = self._meta.dimension_names
        if names and any(names):
            named = zip(names, self.shape, strict=True)
            shape = f"({', '.join(f'{name}: {n}' if name else str(n) for name, n in named)})"
        grid = self._meta.chunk_grid
        parts = [shape, self.info.dtype, f"chunks={self.chunks if grid.regular else grid.name}"]
        if self.shards is not None:
            parts.append(f"shards={self.shards}")
        return f"<exzarr.Array {self._location} {' '.join(parts)} v{self.zarr_format}>"

    def _repr_html_(self) -> str:
        from exzarr._nodes.array_html import array_html

        return array_html(self._location, self._meta, self.info)
