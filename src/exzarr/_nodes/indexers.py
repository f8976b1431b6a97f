"""Objects with brackets: `Array.oindex`, `vindex`, `blocks` and `explain`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from exzarr._engine.planning import indexing
from exzarr._engine.planning.plan import make_plan
from exzarr._nodes.selection_io import field_dtype, split_fields

if TYPE_CHECKING:
    from exzarr._engine.planning.explain import Explanation
    from exzarr._engine.planning.selections import Selection
    from exzarr._engine.source import ChunkSource
    from exzarr._nodes.casting import Casting

__all__ = ["Explainer", "Indexer"]


class Indexer:
    """`Array.oindex`, `.vindex` and `.blocks`: other kinds of indexing with brackets.

    `select` parses what is between the brackets; `get` and `put` read and write the result.
    """

    __slots__ = ("_get", "_put", "_select")

    def __init__(
        self, select: Callable[[Any], Selection], get: Callable[..., Any], put: Callable[..., None]
    ) -> None:
        self._select = select
        self._get = get
        self._put = put

    def __getitem__(self, selection: Any) -> Any:
        fields, selection = split_fields(selection)
        return self._get(self._select(selection), fields)

    def __setitem__(self, selection: Any, value: Any) -> None:
        fields, selection = split_fields(selection)
        self._put(self._select(selection), value, fields)

    def set(self, selection: Any, value: Any, *, casting: Casting = "same_kind") -> None:
        """Assign with a rule for conversions: ``a.oindex.set(selection, value, casting="unsafe")``."""
        fields, selection = split_fields(selection)
        self._put(self._select(selection), value, fields, casting=casting)


class Explainer:
    """`Array.explain`: brackets that return the cost of a read."""

    __slots__ = ("_source",)

    def __init__(self, source: ChunkSource) -> None:
        self._source = source

    def __getitem__(self, selection: Any) -> Explanation:
        fields, selection = split_fields(selection)
        if fields is not None:
            field_dtype(self._source.dtype, fields)
        return self._explain(indexing.basic(selection, self._source.shape))

    def oindex(self, *selection: Any) -> Explanation:
        """Explain ``a.oindex[...]``."""
        return self._explain(indexing.orthogonal(selection, self._source.shape))

    def vindex(self, *selection: Any) -> Explanation:
        """Explain ``a.vindex[...]``."""
        return self._explain(indexing.coordinate(selection, self._source.shape))

    def _explain(self, selection: Selection) -> Explanation:
        from exzarr._engine.planning.explain import explain

        return explain(self._source, make_plan(selection, self._source.dims, self._source.shape))
