"""Read and write a selection of an array, in the types and shapes that users give and get."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from exzarr._engine.planning.plan import make_plan
from exzarr._engine.planning.selections import GridSelection, Selection
from exzarr._engine.reading.read import read
from exzarr._engine.source import ChunkSource
from exzarr._engine.writing.write import write
from exzarr._nodes.casting import Casting, as_values
from exzarr._typing import AnyArray
from exzarr.errors import ArgumentError, SelectionError

__all__ = ["Fields", "field_dtype", "read_into", "read_selection", "split_fields", "write_selection"]

Fields = str | list[str] | None
"""One field of a structured type, several, or all of the element."""


def read_selection(
    source: ChunkSource, selection: Selection, fields: Fields = None, order: Literal["C", "F"] = "C"
) -> Any:
    """Return the elements of `selection` as a new array with memory order `order`, or as a scalar."""
    if fields is not None:
        field_dtype(source.dtype, fields)  # before anything is read
    plan = make_plan(selection, source.dims, source.shape)
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


def read_into(source: ChunkSource, selection: Selection, fields: Fields, out: AnyArray) -> AnyArray:
    """Read the elements of `selection` into `out`, an array of its shape, and return `out`."""
    wanted = source.dtype if fields is None else field_dtype(source.dtype, fields)
    if not isinstance(out, np.ndarray):
        raise ArgumentError(f"out must be a NumPy array, not {type(out).__name__}")
    if out.shape != selection.result_shape:
        raise ArgumentError(f"out has shape {out.shape}, the selection {selection.result_shape}")
    if not out.flags.writeable:
        raise ArgumentError("out is read-only")
    if out.dtype != wanted and not np.can_cast(wanted, out.dtype, "same_kind"):
        raise ArgumentError(f"out has data type {out.dtype}, which {wanted} does not convert to")
    if fields is None and isinstance(selection, GridSelection):
        read(source, make_plan(selection, source.dims, source.shape), selection.to_work(out))
    else:
        out[...] = read_selection(source, selection, fields)
    return out


def write_selection(
    source: ChunkSource,
    selection: Selection,
    value: Any,
    fields: Fields = None,
    *,
    casting: Casting = "same_kind",
    write_empty: bool = False,
) -> None:
    """Write `value`, which is converted by the rule `casting` and broadcast, to the elements of `selection`."""
    if isinstance(fields, list):
        field_dtype(source.dtype, fields)
        values = np.asarray(value)
        if values.dtype.names is None or not set(fields) <= set(values.dtype.names):
            raise ArgumentError(f"several fields are written from a structured value that has {fields}")
        for field in fields:
            write_selection(source, selection, values[field], field, casting=casting, write_empty=write_empty)
        return
    wanted = source.spec.data_type if fields is None else field_dtype(source.dtype, fields)
    shape = selection.result_shape
    where = f"array '/{source.path}'"
    values = as_values(value, wanted, casting=casting, one=not shape, where=where)
    if values.shape != shape:
        values = _broadcast(values, shape, one=selection.scalar)
    plan = make_plan(selection, source.dims, source.shape)
    write(source, plan, selection.to_work(values), field=fields, write_empty=write_empty)


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


# -- fields of structured types --------------------------------------------------------


def split_fields(selection: Any) -> tuple[Fields, Any]:
    """Separate field names from the rest of a selection."""
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


def field_dtype(dtype: np.dtype[Any], fields: str | list[str]) -> np.dtype[Any]:
    """Return the data type of one or several fields. Raise SelectionError if a field does not exist."""
    for field in [fields] if isinstance(fields, str) else fields:
        if dtype.names is None or field not in dtype.names:
            known = ", ".join(repr(name) for name in dtype.names or ()) or "none"
            raise SelectionError(f"there is no field {field!r}; fields of {dtype}: {known}")
    return np.empty(0, dtype)[fields].dtype
