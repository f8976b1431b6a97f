"""What stands between an array's brackets besides a plain selection, and what is assigned to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from exzarr.engine import indexing
from exzarr.errors import ArgumentError, SelectionError

if TYPE_CHECKING:
    from exzarr.engine.explain import Explanation
    from exzarr.nodes.access import ArrayAccess

__all__ = ["Explainer", "Indexer", "as_values", "field_dtype", "split_fields"]

AnyArray = npt.NDArray[Any]


class Indexer:
    """`Array.oindex`, `.vindex` and `.blocks`: brackets that select in another way."""

    __slots__ = ("_array", "_select")

    def __init__(self, array: ArrayAccess, select: Any) -> None:
        self._array = array
        self._select = select

    def __getitem__(self, selection: Any) -> Any:
        fields, selection = split_fields(selection)
        return self._array._get(self._select(selection), fields=fields)

    def __setitem__(self, selection: Any, value: Any) -> None:
        fields, selection = split_fields(selection)
        self._array._set(self._select(selection), value, fields)


class Explainer:
    """`Array.explain`: brackets that say what reading would cost."""

    __slots__ = ("_array",)

    def __init__(self, array: ArrayAccess) -> None:
        self._array = array

    def __getitem__(self, selection: Any) -> Explanation:
        fields, selection = split_fields(selection)
        if fields is not None:
            field_dtype(self._array.dtype, fields)
        return self._array._explain(indexing.basic(selection, self._array.shape))

    def oindex(self, *selection: Any) -> Explanation:
        """For ``a.oindex[...]``."""
        return self._array._explain(indexing.orthogonal(selection, self._array.shape))

    def vindex(self, *selection: Any) -> Explanation:
        """For ``a.vindex[...]``."""
        return self._array._explain(indexing.coordinate(selection, self._array.shape))


def split_fields(selection: Any) -> tuple[str | list[str] | None, Any]:
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


def field_dtype(dtype: np.dtype[Any], fields: str | list[str]) -> np.dtype[Any]:
    """The data type of one field, or of several, of a structured one; SelectionError where there is none."""
    for field in [fields] if isinstance(fields, str) else fields:
        if dtype.names is None or field not in dtype.names:
            known = ", ".join(repr(name) for name in dtype.names or ()) or "none"
            raise SelectionError(f"there is no field {field!r}; fields of {dtype}: {known}")
    return np.empty(0, dtype)[fields].dtype


def as_values(value: Any, dtype: np.dtype[Any], *, one: bool = False) -> AnyArray:
    """What a user gives, as an array of `dtype` (or one that NumPy converts on assignment).

    `one`: it is for a single element, so that of an array of objects a list is one of them.
    """
    try:
        if dtype.kind == "O" and not isinstance(value, np.ndarray):
            one = one and isinstance(value, (list, tuple))
            if one or isinstance(value, (str, bytes, dict)) or not hasattr(value, "__len__"):
                holder: AnyArray = np.empty((), object)
                holder[()] = value
                return holder
            return np.asarray(value, dtype=object)
        values = np.asarray(value)
        if values.dtype == dtype:
            return values
        if not isinstance(value, np.ndarray) or values.dtype.kind in "TOSU" or dtype.kind in "TOSUVMm":
            # Python numbers convert as NumPy converts them on assignment: loudly, if they don't fit.
            return np.asarray(value, dtype=dtype)
        if not np.can_cast(values.dtype, dtype, "unsafe"):
            raise TypeError(f"{values.dtype} does not convert to {dtype}")
        return values
    except (TypeError, ValueError, OverflowError) as error:
        raise ArgumentError(f"cannot store this in an array of {dtype}: {error}") from error
