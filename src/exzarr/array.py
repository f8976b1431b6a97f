"""`Array`: what users hold of an array in a store."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from exzarr import hierarchy
from exzarr.attributes import Attributes
from exzarr.engine import indexing
from exzarr.engine.explain import Explanation, explain
from exzarr.engine.plan import make_plan
from exzarr.engine.read import read
from exzarr.engine.source import ChunkSource, open_source
from exzarr.engine.write import write
from exzarr.errors import ArgumentError, ReadOnlyError, SelectionError
from exzarr.hierarchy import Location

if TYPE_CHECKING:
    from exzarr.format.metadata import ArrayMetadata
    from exzarr.info import ArrayInfo
    from exzarr.stores.base import Store

__all__ = ["Array"]

AnyArray = npt.NDArray[Any]
Missing = Literal["fill", "error"]


class Array:
    """A chunked, compressed, N-dimensional array in a store.

    Get one from `exzarr.open_array`, `exzarr.create_array`, or a group. What stands between
    the brackets means what it means to NumPy, and reading gives NumPy arrays::

        a[0:100, ::-2, 5]            # basic
        a.oindex[[3, 1], :, mask]    # each dimension on its own
        a.vindex[rows, cols]         # point by point
        a.blocks[2, 0]               # by chunk
        a.isel(time=0, x=slice(10))  # by dimension name

    An `Array` holds no data. It may be shared between threads, and pickles to its address.
    What it knows of its metadata is what it read when it was opened; `refresh` reads it again.
    """

    __slots__ = ("_location", "_meta", "_missing", "_read_only", "_source", "_write_empty")

    def __init__(
        self,
        location: Location,
        meta: ArrayMetadata,
        *,
        read_only: bool = False,
        missing: Missing = "fill",
        write_empty_chunks: bool = False,
    ) -> None:
        if missing not in ("fill", "error"):
            raise ArgumentError(f"missing is 'fill' or 'error', not {missing!r}")
        self._location = location
        self._meta = meta
        self._read_only = read_only
        self._missing: Missing = missing
        self._write_empty = write_empty_chunks
        self._source: ChunkSource | None = None

    # -- what it is ----------------------------------------------------------------

    @property
    def metadata(self) -> ArrayMetadata:
        """The metadata document, parsed."""
        return self._meta

    @property
    def shape(self) -> tuple[int, ...]:
        return self._meta.shape

    @shape.setter
    def shape(self, shape: Sequence[int]) -> None:
        self.resize(shape)

    @property
    def ndim(self) -> int:
        return len(self._meta.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self._meta.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._meta.data_type.dtype

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements in memory (pointers, for variable-length types)."""
        return self.size * self.itemsize

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the chunks that are encoded on their own: inner chunks, where there are shards.

        ArgumentError where chunks vary in shape (rectilinear grid): see `chunk_sizes`.
        """
        layout = self._bound.layout
        return self._meta.chunk_grid.chunk_shape if layout is None else layout.inner.spec.shape

    @property
    def shards(self) -> tuple[int, ...] | None:
        """Shape of the shards; None where there are none."""
        return self._meta.chunk_grid.chunk_shape if self._bound.sharded else None

    @property
    def chunk_sizes(self) -> tuple[tuple[int, ...], ...]:
        """For each dimension the length of every chunk (shard, where there are shards)."""
        grid = self._meta.chunk_grid
        return tuple(
            [
                tuple([min(d.size(i), n - d.offset(i)) for i in range(c)])
                for d, n, c in zip(grid.dims, grid.shape, grid.chunk_counts, strict=True)
            ]
        )

    @property
    def cdata_shape(self) -> tuple[int, ...]:
        """Number of chunks along each dimension (inner chunks, where there are shards)."""
        layout = self._bound.layout
        if layout is None:
            return self._meta.chunk_grid.chunk_counts
        return tuple([-(-n // c) for n, c in zip(self.shape, layout.inner.spec.shape, strict=True)])

    @property
    def nchunks(self) -> int:
        """Number of chunks in the grid (inner chunks, where there are shards), stored or not."""
        return math.prod(self.cdata_shape)

    @property
    def fill_value(self) -> Any:
        """What elements are that were never written; None where a v2 array leaves it open."""
        return self._meta.fill_value

    @property
    def order(self) -> Literal["C", "F"]:
        """v2: the order of elements inside a chunk. v3 arrays say ``"C"``; see the transpose codec."""
        return self._meta.order

    @property
    def dimension_names(self) -> tuple[str | None, ...] | None:
        return self._meta.dimension_names

    @property
    def zarr_format(self) -> Literal[2, 3]:
        return self._meta.zarr_format

    @property
    def filters(self) -> tuple[Any, ...]:
        """v3: the array → array codecs; v2: the filters."""
        return hierarchy.codec_parts(self._meta)[0]

    @property
    def compressors(self) -> tuple[Any, ...]:
        """v3: the bytes → bytes codecs (of inner chunks, where there are shards); v2: the compressor."""
        return hierarchy.codec_parts(self._meta)[1]

    @property
    def store(self) -> Store:
        return self._location.store

    @property
    def path(self) -> str:
        """Path in the store, without a leading slash; ``""`` for a root array."""
        return self._location.path

    @property
    def name(self) -> str:
        """Path with a leading slash, as in h5py."""
        return "/" + self._location.path

    @property
    def basename(self) -> str:
        return self._location.path.rpartition("/")[2]

    @property
    def read_only(self) -> bool:
        return self._read_only or self._location.store.read_only

    @property
    def attrs(self) -> Attributes:
        """The attributes: a mapping whose changes are stored at once."""
        return Attributes(lambda: self._meta.attributes, self._change_attributes)

    # -- reading -------------------------------------------------------------------

    def __getitem__(self, selection: Any) -> Any:
        """NumPy's indexing. Field names of structured types pick those fields."""
        fields, selection = _fields(selection)
        return self._get(indexing.basic(selection, self._meta.shape), fields=fields)

    def get(self, selection: Any = Ellipsis, *, out: AnyArray | None = None) -> Any:
        """``a[selection]``, put into `out` where that is given.

        `out` has the selection's shape, any strides, and any data type that the array's
        converts to; it is returned.
        """
        fields, selection = _fields(selection)
        return self._get(indexing.basic(selection, self._meta.shape), fields=fields, out=out)

    def isel(self, indexers: Mapping[str, Any] | None = None, **by_name: Any) -> Any:
        """Read by dimension name: ``a.isel(time=0, x=slice(10, 20), y=[1, 5])``.

        Dimensions that are not named are read whole; index arrays act on their own dimension.
        """
        return self.oindex[self._by_name({**(indexers or {}), **by_name})]

    def _by_name(self, indexers: Mapping[str, Any]) -> tuple[Any, ...]:
        names = self._meta.dimension_names or ()
        for name in indexers:
            if name not in names:
                known = ", ".join(repr(n) for n in names) or "none: the array has no dimension names"
                raise SelectionError(f"there is no dimension {name!r}; dimensions: {known}")
        return tuple([indexers.get(name, slice(None)) if name else slice(None) for name in names])

    @property
    def oindex(self) -> Indexer:
        """Orthogonal indexing, for reading and writing."""
        return Indexer(self, lambda s: indexing.orthogonal(s, self._meta.shape))

    @property
    def vindex(self) -> Indexer:
        """Point-by-point indexing (and masks), for reading and writing."""
        return Indexer(self, lambda s: indexing.coordinate(s, self._meta.shape))

    @property
    def blocks(self) -> Indexer:
        """Indexing by chunk (by shard, where there are shards), for reading and writing."""
        return Indexer(self, lambda s: indexing.block(s, self._meta.chunk_grid.dims, self._meta.shape))

    def get_basic_selection(self, selection: Any = Ellipsis, *, out: AnyArray | None = None) -> Any:
        """zarr-python's name for `get`."""
        return self.get(selection, out=out)

    def get_orthogonal_selection(self, selection: Any, *, out: AnyArray | None = None) -> Any:
        """zarr-python's name for ``oindex``."""
        return self._get(indexing.orthogonal(selection, self._meta.shape), out=out)

    def get_coordinate_selection(self, selection: Any, *, out: AnyArray | None = None) -> Any:
        """zarr-python's name for ``vindex``."""
        return self._get(indexing.coordinate(selection, self._meta.shape), out=out)

    def get_mask_selection(self, mask: Any, *, out: AnyArray | None = None) -> Any:
        """zarr-python's name for ``a[mask]``."""
        return self._get(indexing.mask(mask, self._meta.shape), out=out)

    def get_block_selection(self, selection: Any, *, out: AnyArray | None = None) -> Any:
        """zarr-python's name for ``blocks``."""
        return self._get(
            indexing.block(selection, self._meta.chunk_grid.dims, self._meta.shape), out=out
        )

    def _get(
        self,
        selection: indexing.Selection,
        *,
        fields: str | list[str] | None = None,
        out: AnyArray | None = None,
    ) -> Any:
        source = self._bound
        plan = make_plan(selection, source.dims, source.shape)
        if out is not None:
            return self._get_out(selection, plan, source, fields, out)
        if isinstance(selection, indexing.GridSelection):
            result: AnyArray = np.empty(selection.result_shape, source.dtype)
            read(source, plan, selection.to_work(result))
        else:
            work: AnyArray = np.empty(plan.work_shape, source.dtype)
            read(source, plan, work)
            result = selection.from_work(work)
        if fields is not None:
            result = result[fields].copy()
        return result[()] if selection.scalar else result

    def _get_out(
        self,
        selection: indexing.Selection,
        plan: Any,
        source: ChunkSource,
        fields: str | list[str] | None,
        out: AnyArray,
    ) -> AnyArray:
        if not isinstance(out, np.ndarray):
            raise ArgumentError(f"out must be a NumPy array, not {type(out).__name__}")
        if out.shape != selection.result_shape:
            raise ArgumentError(f"out has shape {out.shape}, the selection {selection.result_shape}")
        if not out.flags.writeable:
            raise ArgumentError("out is read-only")
        wanted = source.dtype if fields is None else np.empty(0, source.dtype)[fields].dtype
        if out.dtype != wanted and not np.can_cast(wanted, out.dtype, "same_kind"):
            raise ArgumentError(f"out has data type {out.dtype}, which {wanted} does not convert to")
        if fields is None and isinstance(selection, indexing.GridSelection):
            read(source, plan, selection.to_work(out))
        else:
            out[...] = self._get(selection, fields=fields)
        return out

    # -- writing -------------------------------------------------------------------

    def __setitem__(self, selection: Any, value: Any) -> None:
        """Write a scalar, or anything that broadcasts to the selection's shape."""
        fields, selection = _fields(selection)
        self._set(indexing.basic(selection, self._meta.shape), value, fields)

    def set_basic_selection(self, selection: Any, value: Any) -> None:
        """zarr-python's name for ``a[selection] = value``."""
        self[selection] = value

    def set_orthogonal_selection(self, selection: Any, value: Any) -> None:
        """zarr-python's name for ``oindex``."""
        self.oindex[selection] = value

    def set_coordinate_selection(self, selection: Any, value: Any) -> None:
        """zarr-python's name for ``vindex``."""
        self.vindex[selection] = value

    def set_mask_selection(self, mask: Any, value: Any) -> None:
        """zarr-python's name for ``a[mask] = value``."""
        self._set(indexing.mask(mask, self._meta.shape), value)

    def set_block_selection(self, selection: Any, value: Any) -> None:
        """zarr-python's name for ``blocks``."""
        self.blocks[selection] = value

    def _set(self, selection: indexing.Selection, value: Any, fields: str | list[str] | None = None) -> None:
        self._require_writable()
        if isinstance(fields, list):
            values = np.asarray(value)
            for field in fields:
                self._set(selection, values[field], field)
            return
        source = self._bound
        dtype = source.dtype if fields is None else _field_dtype(source.dtype, fields)
        shape = selection.result_shape
        values = _as_values(value, dtype)
        try:
            values = np.broadcast_to(values, shape)
        except ValueError:
            raise SelectionError(
                f"a value of shape {np.shape(value)} cannot be broadcast to the selection's shape {shape}"
            ) from None
        plan = make_plan(selection, source.dims, source.shape)
        write(source, plan, selection.to_work(values), field=fields, write_empty=self._write_empty)

    # -- explaining ----------------------------------------------------------------

    @property
    def explain(self) -> Explainer:
        """What reading a selection would cost: ``print(a.explain[0:100, 3])``. Reads only sizes."""
        return Explainer(self)

    def _explain(self, selection: indexing.Selection) -> Explanation:
        source = self._bound
        return explain(source, make_plan(selection, source.dims, source.shape))

    @property
    def nchunks_initialized(self) -> int:
        """How many chunks (inner chunks, where there are shards) are stored."""
        from exzarr.info import stored_chunks

        return stored_chunks(self._bound).chunks

    @property
    def nbytes_stored(self) -> int:
        """Bytes of all stored chunks (shards)."""
        from exzarr.info import stored_chunks

        return stored_chunks(self._bound).nbytes

    @property
    def info(self) -> ArrayInfo:
        """The facts, printed nicely; what needs a look into the store is left out."""
        from exzarr.info import array_info

        return array_info(self)

    def info_complete(self) -> ArrayInfo:
        """`info`, with the number and size of stored chunks (lists the array's keys)."""
        from exzarr.info import array_info

        return array_info(self, complete=True)

    # -- changing shape --------------------------------------------------------------

    def resize(self, shape: int | Sequence[int]) -> None:
        """Change the shape. Chunks stay where they are.

        What lies outside the new shape is deleted before the metadata document is
        written: growing again shows the fill value, never old data.
        """
        self._require_writable()
        self.refresh()
        from exzarr.resize import resize

        self._meta = resize(self._location, self._bound, self._meta, shape)
        self._source = None

    def append(self, data: Any, axis: int = 0) -> tuple[int, ...]:
        """Add `data` at the end of dimension `axis`; returns the new shape.

        The chunks are written first and the metadata document last, so that readers see
        all of the new data or none of it.
        """
        self._require_writable()
        self.refresh()
        from exzarr.resize import append

        self._meta = append(self._location, self._meta, data, axis, self._rebound)
        self._source = None
        return self._meta.shape

    def refresh(self) -> Array:
        """Read the metadata document again; returns the array itself."""
        meta = hierarchy.load_array(self._location, self._meta.zarr_format)
        if meta is not self._meta:
            self._meta = meta
            self._source = None
        return self

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
        """The items along the first dimension. Each chunk is read once."""
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
        """The same array: same store, same path, same metadata (not: the same data)."""
        if not isinstance(other, Array):
            return NotImplemented
        return self._location == other._location and hierarchy.same(self._meta, other._meta)

    def __hash__(self) -> int:
        return hash(self._location)

    def __reduce__(self) -> tuple[Any, ...]:
        options = {
            "read_only": self._read_only,
            "missing": self._missing,
            "write_empty_chunks": self._write_empty,
        }
        return _reopen, (self._location.store, self._location.path, self._meta.zarr_format, options)

    def __repr__(self) -> str:
        shape = ", ".join(str(n) for n in self.shape)
        names = self._meta.dimension_names
        if names and any(names):
            shape = ", ".join(
                f"{name}: {n}" if name else str(n) for name, n in zip(names, self.shape, strict=True)
            )
        grid = self._meta.chunk_grid
        parts = [f"({shape})", str(self.dtype), f"chunks={self.chunks if grid.regular else 'rectilinear'}"]
        if self.shards is not None:
            parts.append(f"shards={self.shards}")
        return f"<exzarr.Array {self._location} {' '.join(parts)} v{self.zarr_format}>"

    def _repr_html_(self) -> str:
        from exzarr.html import array_html

        return array_html(self)

    # -- inside --------------------------------------------------------------------

    @property
    def _bound(self) -> ChunkSource:
        source = self._source
        if source is None:
            source = self._source = self._rebound(self._meta)
        return source

    def _rebound(self, meta: ArrayMetadata) -> ChunkSource:
        location = self._location
        return open_source(location.store, location.path, meta, missing_error=self._missing == "error")

    def _change_attributes(self, change: Any) -> None:
        self._require_writable()
        meta = hierarchy.load_array(self._location, self._meta.zarr_format)
        attributes = dict(meta.attributes)
        change(attributes)
        meta = meta.with_(attributes=attributes)
        hierarchy.save(self._location, meta)
        if meta.shape != self._meta.shape:
            self._source = None
        self._meta = meta

    def _require_writable(self) -> None:
        if self.read_only:
            raise ReadOnlyError(f"array {self.name!r} in {self.store} is read-only: open it with mode='r+'")


class Indexer:
    """`Array.oindex`, `.vindex` and `.blocks`: brackets that select in another way."""

    __slots__ = ("_array", "_select")

    def __init__(self, array: Array, select: Any) -> None:
        self._array = array
        self._select = select

    def __getitem__(self, selection: Any) -> Any:
        fields, selection = _fields(selection)
        return self._array._get(self._select(selection), fields=fields)

    def __setitem__(self, selection: Any, value: Any) -> None:
        fields, selection = _fields(selection)
        self._array._set(self._select(selection), value, fields)


class Explainer:
    """`Array.explain`: brackets that say what reading would cost."""

    __slots__ = ("_array",)

    def __init__(self, array: Array) -> None:
        self._array = array

    def __getitem__(self, selection: Any) -> Explanation:
        _, selection = _fields(selection)
        return self._array._explain(indexing.basic(selection, self._array.shape))

    def oindex(self, *selection: Any) -> Explanation:
        """For ``a.oindex[...]``."""
        return self._array._explain(indexing.orthogonal(selection, self._array.shape))

    def vindex(self, *selection: Any) -> Explanation:
        """For ``a.vindex[...]``."""
        return self._array._explain(indexing.coordinate(selection, self._array.shape))


def _fields(selection: Any) -> tuple[str | list[str] | None, Any]:
    """Part field names from the rest of a selection."""
    if isinstance(selection, str):
        return selection, Ellipsis
    if isinstance(selection, list) and selection and all(isinstance(item, str) for item in selection):
        return selection, Ellipsis
    if isinstance(selection, tuple) and selection:
        fields = [item for item in selection if isinstance(item, str)]
        if fields:
            rest = tuple([item for item in selection if not isinstance(item, str)])
            return fields[0] if len(fields) == 1 else fields, rest or Ellipsis
    return None, selection


def _field_dtype(dtype: np.dtype[Any], field: str) -> np.dtype[Any]:
    if dtype.names is None or field not in dtype.names:
        known = ", ".join(repr(name) for name in dtype.names or ()) or "none"
        raise SelectionError(f"there is no field {field!r}; fields of {dtype}: {known}")
    return np.empty(0, dtype)[field].dtype


def _as_values(value: Any, dtype: np.dtype[Any]) -> AnyArray:
    """What a user gives, as an array of `dtype` (or one that NumPy converts on assignment)."""
    try:
        if dtype == object and not isinstance(value, np.ndarray):
            if isinstance(value, (str, bytes, dict)) or not hasattr(value, "__len__"):
                holder: AnyArray = np.empty((), object)
                holder[()] = value
                return holder
            return np.asarray(value, dtype=object)
        values = np.asarray(value)
        if values.dtype == dtype:
            return values
        if not isinstance(value, np.ndarray) or values.dtype == object or dtype.kind in "TOSUVMm":
            # Python numbers convert as NumPy converts them on assignment: loudly, if they don't fit.
            return np.asarray(value, dtype=dtype)
        if not np.can_cast(values.dtype, dtype, "unsafe"):
            raise TypeError(f"{values.dtype} does not convert to {dtype}")
        return values
    except (TypeError, ValueError, OverflowError) as error:
        raise ArgumentError(f"cannot store this in an array of {dtype}: {error}") from error


def _reopen(store: Store, path: str, zarr_format: Literal[2, 3], options: dict[str, Any]) -> Array:
    location = Location(store, path)
    return Array(location, hierarchy.load_array(location, zarr_format), **options)
