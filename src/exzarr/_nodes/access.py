"""Reading and writing an array by selections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from exzarr._engine.planning import indexing
from exzarr._engine.planning.plan import make_plan
from exzarr._engine.planning.selections import GridSelection, Selection
from exzarr._engine.reading.read import read
from exzarr._engine.source import ChunkSource, open_source
from exzarr._engine.writing.write import write
from exzarr._nodes.casting import Casting, as_values
from exzarr._nodes.facts import ArrayFacts
from exzarr._nodes.indexers import Explainer, Indexer, field_dtype, split_fields
from exzarr._nodes.node import AccessOptions
from exzarr._spelling import no_dimension
from exzarr.errors import ArgumentError, ReadOnlyError, SelectionError

if TYPE_CHECKING:
    from exzarr._engine.planning.explain import Explanation
    from exzarr._format.metadata import ArrayMetadata
    from exzarr._nodes.hierarchy import Location

__all__ = ["ArrayAccess", "Missing"]

AnyArray = npt.NDArray[Any]
Missing = Literal["fill", "error"]


class ArrayAccess(ArrayFacts):
    """The methods of `exzarr.array.Array` that read and write elements."""

    __slots__ = ("_missing", "_source", "_write_empty")

    def __init__(
        self,
        location: Location,
        meta: ArrayMetadata,
        *,
        read_only: bool = False,
        missing: Missing = "fill",
        write_empty_chunks: bool = False,
        memory_order: Literal["C", "F"] | None = None,
    ) -> None:
        if missing not in ("fill", "error"):
            raise ArgumentError(f"missing is 'fill' or 'error', not {missing!r}")
        if memory_order not in (None, "C", "F"):
            raise ArgumentError(f"memory_order is 'C', 'F' or None, not {memory_order!r}")
        self._memory_order = memory_order
        self._location = location
        self._meta = meta
        self._read_only = read_only
        self._missing: Missing = missing
        self._write_empty = write_empty_chunks
        self._source: tuple[ArrayMetadata, ChunkSource] | None = None

    # -- reading -------------------------------------------------------------------

    def __getitem__(self, selection: Any) -> Any:
        """Read a selection, by NumPy's indexing rules. Field names select fields of a structured type."""
        fields, selection = split_fields(selection)
        return self._get(indexing.basic(selection, self._meta.shape), fields=fields)

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
        return self._get(indexing.basic(selection, self._meta.shape), fields=fields, out=out)

    def isel(self, indexers: Mapping[str, Any] | None = None, **by_name: Any) -> Any:
        """Read by dimension name: ``a.isel(time=0, x=slice(10, 20), y=[1, 5])``.

        Dimensions that are not named are read completely. Index arrays are orthogonal, as in `oindex`.
        """
        return self.oindex[self._by_name({**(indexers or {}), **by_name})]

    def _by_name(self, indexers: Mapping[str, Any]) -> tuple[Any, ...]:
        names = self._meta.dimension_names or ()
        for name in indexers:
            if name not in names:
                raise SelectionError(no_dimension(name, names))
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
        """Indexing by chunk (by shard, if the array has shards), for reading and writing."""
        return Indexer(self, lambda s: indexing.block(s, self._meta.chunk_grid.dims, self._meta.shape))

    def _get(
        self,
        selection: Selection,
        *,
        fields: str | list[str] | None = None,
        out: AnyArray | None = None,
    ) -> Any:
        source = self.chunk_source
        if fields is not None:
            field_dtype(source.dtype, fields)  # before anything is read
        plan = make_plan(selection, source.dims, source.shape)
        if out is not None:
            return self._get_out(selection, plan, source, fields, out)
        order = self.memory_order if len(selection.result_shape) > 1 else "C"
        if isinstance(selection, GridSelection):
            result: AnyArray = np.empty(selection.result_shape, source.dtype, order)
            read(source, plan, selection.to_work(result))
        else:
            work: AnyArray = np.empty(plan.work_shape, source.dtype)
            read(source, plan, work)
            result = selection.from_work(work)
        if fields is not None:
            result = result[fields].copy(order)
        return result[()] if selection.scalar else result

    def _get_out(
        self,
        selection: Selection,
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
        wanted = source.dtype if fields is None else field_dtype(source.dtype, fields)
        if out.dtype != wanted and not np.can_cast(wanted, out.dtype, "same_kind"):
            raise ArgumentError(f"out has data type {out.dtype}, which {wanted} does not convert to")
        if fields is None and isinstance(selection, GridSelection):
            read(source, plan, selection.to_work(out))
        else:
            out[...] = self._get(selection, fields=fields)
        return out

    # -- writing -------------------------------------------------------------------

    def __setitem__(self, selection: Any, value: Any) -> None:
        """Write a scalar, or a value that broadcasts to the selection's shape.

        Raises
        ------
        ArgumentError
            The conversion to the array's data type would lose values; see `set`.
        """
        self.set(selection, value)

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
        self,
        selection: Selection,
        value: Any,
        fields: str | list[str] | None = None,
        *,
        casting: Casting = "same_kind",
    ) -> None:
        self._require_writable()
        source = self.chunk_source
        if isinstance(fields, list):
            field_dtype(source.dtype, fields)
            values = np.asarray(value)
            if values.dtype.names is None or not set(fields) <= set(values.dtype.names):
                raise ArgumentError(f"several fields are written from a structured value that has {fields}")
            for field in fields:
                self._set(selection, values[field], field, casting=casting)
            return
        wanted = source.spec.data_type if fields is None else field_dtype(source.dtype, fields)
        shape = selection.result_shape
        values = as_values(value, wanted, casting=casting, one=not shape, where=f"array {self.name!r}")
        if values.shape != shape:
            values = _broadcast(values, shape, one=selection.scalar)
        plan = make_plan(selection, source.dims, source.shape)
        write(source, plan, selection.to_work(values), field=fields, write_empty=self._write_empty)

    # -- explaining ----------------------------------------------------------------

    @property
    def explain(self) -> Explainer:
        """Explanation of the cost of reading a selection: ``print(a.explain[0:100, 3])``. It reads only sizes."""
        return Explainer(self)

    def _explain(self, selection: Selection) -> Explanation:
        from exzarr._engine.planning.explain import explain

        source = self.chunk_source
        return explain(source, make_plan(selection, source.dims, source.shape))

    # -- inside --------------------------------------------------------------------

    @property
    def chunk_source(self) -> ChunkSource:
        """The array's chunks for the engine, opened on first use and again when the metadata has changed.

        Internal: exzarr's own packages read chunks through it.
        """
        meta, bound = self._meta, self._source
        if bound is None or bound[0] is not meta:
            bound = self._source = meta, self._rebound(meta)
        return bound[1]

    @property
    def access(self) -> AccessOptions:
        """Options that the array was opened with. Internal: for exzarr's own packages."""
        return {
            "read_only": self._read_only,
            "missing": self._missing,
            "write_empty_chunks": self._write_empty,
            "memory_order": self._memory_order,
        }

    def _rebound(self, meta: ArrayMetadata) -> ChunkSource:
        location = self._location
        return open_source(location.store, location.path, meta, missing_error=self._missing == "error")

    def _require_writable(self) -> None:
        if self.read_only:
            raise ReadOnlyError(f"array {self.name!r} in {self.store} is read-only: open it with mode='r+'")


def _broadcast(values: AnyArray, shape: tuple[int, ...], *, one: bool) -> AnyArray:
    """Broadcast `values` to `shape` by NumPy's rules for assignment.

    Surplus leading dimensions of length 1 are allowed, unless the value is for `one` element.
    """
    extra = 0 if one else max(0, values.ndim - len(shape))
    try:
        if values.shape[:extra] != (1,) * extra:
            raise ValueError
        return np.broadcast_to(values.reshape(values.shape[extra:]), shape)
    except ValueError:
        raise ArgumentError(
            f"a value of shape {values.shape} cannot be broadcast to the selection's shape {shape}"
        ) from None
