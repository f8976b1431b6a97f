"""`Array`: the user's handle to an array in a store."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt

from exzarr._nodes import attributes, hierarchy, transactions
from exzarr._nodes.attributes import Attributes
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.node import AccessOptions
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

    Get one from `exzarr.open_array`, `exzarr.create_array`, or a group. Selections follow NumPy's
    indexing rules, and reading returns NumPy arrays::

        a[0:100, ::-2, 5]            # basic
        a.oindex[[3, 1], :, mask]    # each dimension on its own
        a.vindex[rows, cols]         # point by point
        a.blocks[2, 0]               # by chunk
        a.isel(time=0, x=slice(10))  # by dimension name

    An `Array` holds no data. Threads may share it. Its pickle contains the store and the path, not the elements.
    It keeps the metadata that it read when it was opened; `refresh` reads the metadata again.
    """

    __slots__ = ()

    # -- attributes ----------------------------------------------------------------

    @property
    def attrs(self) -> Attributes:
        """User attributes, as a mapping that stores each change immediately."""
        return Attributes(lambda: self._meta.attributes, self._change_attributes)

    def update_attributes(self, new_attributes: Mapping[str, Any]) -> Self:
        """Update the attributes and return the array: zarr-python's name for ``a.attrs.update(...)``."""
        self.attrs.update(new_attributes)
        return self

    def _change_attributes(self, change: Callable[[dict[str, Any]], None]) -> None:
        self._require_writable()
        self._transact(lambda meta: attributes.change(meta, change))

    # -- stored chunks ------------------------------------------------------------

    @property
    def nchunks_initialized(self) -> int:
        """Number of stored chunks (inner chunks, if the array has shards)."""
        from exzarr._nodes.info import stored_chunks

        return stored_chunks(self.chunk_source).chunks

    @property
    def nbytes_stored(self) -> int:
        """Total size of all stored chunks (shards), in bytes."""
        from exzarr._nodes.info import stored_chunks

        return stored_chunks(self.chunk_source).nbytes

    @property
    def info(self) -> ArrayInfo:
        """Properties of the array, formatted for printing, without those that require requests to the store."""
        from exzarr._nodes.info import array_info

        return array_info(self)

    def info_complete(self) -> ArrayInfo:
        """Return `info` with the number and size of the stored chunks. This lists the array's keys."""
        from exzarr._nodes.info import array_info

        return array_info(self, complete=True)

    # -- changing shape --------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the dimensions, in elements. An assignment resizes the array."""
        return self._meta.shape

    @shape.setter
    def shape(self, shape: int | Sequence[int]) -> None:
        self.resize(shape)

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
        from exzarr._nodes.resize import resize

        resize(self._location, shape, self._transact)

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
        from exzarr._nodes.resize import append

        where = f"array {self.name!r}"
        return append(self._meta, data, axis, self._transact, self._write_empty, casting, where)

    def _transact(
        self,
        make: Callable[[ArrayMetadata], ArrayMetadata],
        first: Callable[[ArrayMetadata, ArrayMetadata, Location], object] | None = None,
        **options: bool,
    ) -> ArrayMetadata:
        """Run `transactions.change` on this array and keep the new metadata."""
        # Under a lock: if two threads share the array, `_meta` is what the later change stored.
        with ThreadLock(("metadata", self._location), self._location.path):
            self._meta = meta = transactions.change(self._location, self._meta, make, first=first, **options)
        return meta

    def refresh(self) -> Self:
        """Read the array's own metadata document again and return the array."""
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
            return NotImplemented
        return self._location == other._location and hierarchy.same(self._meta, other._meta)

    def __ne__(self, other: object) -> bool:
        if not isinstance(other, Array):
            refuse_comparison(other, "!=")
        return not self == other

    def __hash__(self) -> int:
        return hash(self._location)

    def __reduce__(self) -> tuple[Any, ...]:
        args = self._location.store, self._location.path, self._meta.zarr_format, self.access
        return (_reopen, args) if self._location.store.traits.picklable else packed(_reopen, *args)

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


def _reopen(store: Store, path: str, zarr_format: Literal[2, 3], access: AccessOptions) -> Array:
    location = Location(store, path)
    return Array(location, hierarchy.load_array(location, zarr_format), **access)
