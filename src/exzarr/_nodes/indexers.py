"""Objects with brackets: `Array.oindex`, `vindex`, `blocks`, `explain` and `explain.write`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from exzarr._engine.planning import indexing
from exzarr._engine.planning.plan import make_plan
from exzarr._nodes.selection_io import Fields, field_dtype, split_fields

if TYPE_CHECKING:
    from exzarr._engine.planning.explain import Explanation
    from exzarr._engine.planning.explain_write import WriteExplanation
    from exzarr._engine.planning.plan import SelectionPlan
    from exzarr._engine.planning.selections import Selection
    from exzarr._engine.source import ChunkSource
    from exzarr._labels.index import Method
    from exzarr._nodes.casting import Casting

__all__ = ["Explainer", "Indexer", "WriteExplainer"]


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


E = TypeVar("E")


class _Explainer(Generic[E]):
    """Brackets that return the cost of what would be done with the selection."""

    __slots__ = ("_by_label", "_by_name", "_source")

    def __init__(
        self,
        source: ChunkSource,
        by_name: Callable[[Mapping[str, Any]], tuple[Any, ...]],
        by_label: Callable[..., Mapping[str, Any]],
    ) -> None:
        self._source = source
        self._by_name = by_name
        self._by_label = by_label

    def __getitem__(self, selection: Any) -> E:
        fields, selection = split_fields(selection)
        if fields is not None:
            field_dtype(self._source.dtype, fields)
        return self._explain(self._plan(indexing.basic(selection, self._source.shape)), fields)

    def oindex(self, *selection: Any) -> E:
        """Explain ``a.oindex[...]``."""
        return self._explain(self._plan(indexing.orthogonal(selection, self._source.shape)), None)

    def vindex(self, *selection: Any) -> E:
        """Explain ``a.vindex[...]``."""
        return self._explain(self._plan(indexing.coordinate(selection, self._source.shape)), None)

    def isel(self, indexers: Mapping[str, Any] | None = None, **by_name: Any) -> E:
        """Explain ``a.isel(...)``."""
        return self.oindex(*self._by_name({**(indexers or {}), **by_name}))

    def sel(
        self,
        indexers: Mapping[str, Any] | None = None,
        method: Method | None = None,
        tolerance: Any = None,
        **by_name: Any,
    ) -> E:
        """Explain ``a.sel(...)``. The coordinates are read."""
        return self.isel(self._by_label({**(indexers or {}), **by_name}, method, tolerance))

    def _plan(self, selection: Selection) -> SelectionPlan:
        return make_plan(selection, self._source.dims, self._source.shape)

    def _explain(self, plan: SelectionPlan, fields: Fields) -> E:
        raise NotImplementedError


class Explainer(_Explainer["Explanation"]):
    """`Array.explain`: brackets that return the cost of a read."""

    __slots__ = ()

    @property
    def write(self) -> WriteExplainer:
        """Explanation of the cost of writing to a selection: ``print(a.explain.write[0:100, 3])``."""
        return WriteExplainer(self._source, self._by_name, self._by_label)

    def _explain(self, plan: SelectionPlan, fields: Fields) -> Explanation:
        from exzarr._engine.planning.explain import explain

        return explain(self._source, plan)


class WriteExplainer(_Explainer["WriteExplanation"]):
    """`Array.explain.write`: brackets that return the cost of a write."""

    __slots__ = ()

    def _explain(self, plan: SelectionPlan, fields: Fields) -> WriteExplanation:
        from exzarr._engine.planning.explain_write import explain_write

        return explain_write(self._source, plan, field=fields is not None)
