"""`Array`: what users hold of an array in a store."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt

from exzarr._nodes import attributes, hierarchy, transactions
from exzarr._nodes.attributes import Attributes
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.streams import ArrayStreams
from exzarr._nodes.unavailable import packed
from exzarr._nodes.unread import Unread, refuse_comparison
from exzarr.stores.locks import ThreadLock

if TYPE_CHECKING:
    from exzarr._format.metadata import ArrayMetadata
    from exzarr._nodes.casting import Casting
    from exzarr._nodes.info import ArrayInfo
    from exzarr.stores.base import Store

__all__ = ["Array"]

AnyArray = npt.NDArray[Any]


class Array(ArrayStreams, Unread):
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

    __slots__ = ()

    # -- attributes ----------------------------------------------------------------

    @property
    def attrs(self) -> Attributes:
        """The attributes: a mapping whose changes are stored at once."""
        return Attributes(lambda: self._meta.attributes, self._change_attributes)

    def update_attributes(self, new_attributes: Mapping[str, Any]) -> Self:
        """zarr-python's name for ``a.attrs.update(...)``; returns the array."""
        self.attrs.update(new_attributes)
        return self

    def _change_attributes(self, change: Callable[[dict[str, Any]], None]) -> None:
        self._require_writable()
        self._transact(lambda meta: attributes.change(meta, change))

    # -- what is stored ------------------------------------------------------------

    @property
    def nchunks_initialized(self) -> int:
        """How many chunks (inner chunks, where there are shards) are stored."""
        from exzarr._nodes.info import stored_chunks

        return stored_chunks(self._bound).chunks

    @property
    def nbytes_stored(self) -> int:
        """Bytes of all stored chunks (shards)."""
        from exzarr._nodes.info import stored_chunks

        return stored_chunks(self._bound).nbytes

    @property
    def info(self) -> ArrayInfo:
        """The facts, printed nicely; what needs a look into the store is left out."""
        from exzarr._nodes.info import array_info

        return array_info(self)

    def info_complete(self) -> ArrayInfo:
        """`info`, with the number and size of stored chunks (lists the array's keys)."""
        from exzarr._nodes.info import array_info

        return array_info(self, complete=True)

    # -- changing shape --------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths in elements. Assigning to it resizes the array."""
        return self._meta.shape

    @shape.setter
    def shape(self, shape: int | Sequence[int]) -> None:
        self.resize(shape)

    def resize(self, shape: int | Sequence[int]) -> None:
        """Change the shape. Chunks stay where they are.

        Growing shows the fill value, never what was there before the array shrank. Of several who append
        and resize at once, each does what it would do after the others.
        """
        self._require_writable()
        from exzarr._nodes.resize import resize

        resize(self._location, shape, self._transact)

    def append(self, data: Any, axis: int | str = 0, *, casting: Casting = "same_kind") -> tuple[int, ...]:
        """Add `data` at the end of dimension `axis` (its number, or its name); returns the new shape.

        `casting` says which conversions to the array's data type are allowed, as for `set`.

        Any number of threads and processes may append at once: all of their data is there afterwards, in
        the order in which their turns came. The chunks are written first and the metadata document last, so
        that readers see all of the new data or none of it.
        """
        self._require_writable()
        from exzarr._nodes.resize import append

        where = f"array {self.name!r}"
        return append(self._meta, data, axis, self._transact, self._write_empty, casting, where)

    def _transact(
        self,
        make: Callable[[ArrayMetadata], ArrayMetadata],
        first: Callable[[ArrayMetadata, ArrayMetadata, Location], object] | None = None,
        **options: bool,
    ) -> ArrayMetadata:
        """`transactions.change` of this array, which knows of it afterwards."""
        # In line, so that of two threads that share the array the later one has the last word.
        with ThreadLock(("metadata", self._location), self._location.path):
            self._meta = meta = transactions.change(self._location, self._meta, make, first=first, **options)
        return meta

    def refresh(self) -> Self:
        """Read the metadata document again, from the store itself; returns the array."""
        self._meta = hierarchy.load_array(self._location.direct, self._meta.zarr_format)
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
        """The same array: same store, same path, same metadata (not: the same data).

        UnreadError for what elements could be compared with, such as a number: ``a[...] == 0`` reads and compares.
        """
        if not isinstance(other, Array):
            refuse_comparison(other, "==")
            return NotImplemented
        return self._location == other._location and hierarchy.same(self._meta, other._meta)

    def __ne__(self, other: object) -> bool:
        if not isinstance(other, Array):
            refuse_comparison(other, "!=")
        return not self == other

    def __hash__(self) -> int:
        return hash(self._location)

    def __reduce__(self) -> tuple[Any, ...]:
        options = {
            "read_only": self._read_only,
            "missing": self._missing,
            "write_empty_chunks": self._write_empty,
            "memory_order": self._memory_order,
        }
        args = self._location.store, self._location.path, self._meta.zarr_format, options
        return (_reopen, args) if self._location.store.picklable else packed(_reopen, *args)

    def __repr__(self) -> str:
        shape = str(self.shape)
        names = self._meta.dimension_names
        if names and any(names):
            named = zip(names, self.shape, strict=True)
            shape = f"({', '.join(f'{name}: {n}' if name else str(n) for name, n in named)})"
        grid = self._meta.chunk_grid
        parts = [shape, str(self.dtype), f"chunks={self.chunks if grid.regular else 'rectilinear'}"]
        if self.shards is not None:
            parts.append(f"shards={self.shards}")
        return f"<exzarr.Array {self._location} {' '.join(parts)} v{self.zarr_format}>"

    def _repr_html_(self) -> str:
        from exzarr._nodes.html import array_html

        return array_html(self)


def _reopen(store: Store, path: str, zarr_format: Literal[2, 3], options: dict[str, Any]) -> Array:
    location = Location(store, path)
    return Array(location, hierarchy.load_array(location, zarr_format), **options)
