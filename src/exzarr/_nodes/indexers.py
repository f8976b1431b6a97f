"""Indexers (`oindex`, `vindex`, `blocks`, `explain`) and field names in selections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from exzarr._engine.planning import indexing
from exzarr.errors import SelectionError

if TYPE_CHECKING:
    from exzarr._engine.planning.explain import Explanation
    from exzarr._nodes.access import ArrayAccess
    from exzarr._nodes.casting import Casting

__all__ = ["Explainer", "Indexer", "field_dtype", "split_fields"]

AnyArray = npt.NDArray[Any]


class Indexer:
    """`Array.oindex`, `.vindex` and `.blocks`: other kinds of indexing with brackets."""

    __slots__ = ("_array", "_select")

    def __init__(self, array: ArrayAccess, select: Any) -> None:
        self._array = array
        self._select = select

    def __getitem__(self, selection: Any) -> Any:
        fields, selection = split_fields(selection)
        return self._array._get(self._select(selection), fields=fields)

    def __setitem__(self, selection: Any, value: Any) -> None:
        self.set(selection, value)

    def set(self, selection: Any, value: Any, *, casting: Casting = "same_kind") -> None:
        """Assign with a rule for conversions: ``a.oindex.set(selection, value, casting="unsafe")``."""
        fields, selection = split_fields(selection)
        self._array._set(self._select(selection), value, fields, casting=casting)


class Explainer:
    """`Array.explain`: brackets that return the cost of a read."""

    __slots__ = ("_array",)

    def __init__(self, array: ArrayAccess) -> None:
        self._array = array

    def __getitem__(self, selection: Any) -> Explanation:
        fields, selection = split_fields(selection)
        if fields is not None:
            field_dtype(self._array.dtype, fields)
        return self._array._explain(indexing.basic(selection, self._array.shape))

    def oindex(self, *selection: Any) -> Explanation:
        """Explain ``a.oindex[...]``."""
        return self._array._explain(indexing.orthogonal(selection, self._array.shape))

    def vindex(self, *selection: Any) -> Explanation:
        """Explain ``a.vindex[...]``."""
        return self._array._explain(indexing.coordinate(selection, self._array.shape))


def split_fields(selection: Any) -> tuple[str | list[str] | None, Any]:
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
