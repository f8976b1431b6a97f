"""Items as arrays of awkward (https://awkward-array.org), and the reverse."""

from __future__ import annotations

from typing import Any

import numpy as np

from exzarr._format.ragged import Layout
from exzarr._typing import AnyArray, IntArray
from exzarr.errors import ArgumentError, MissingDependencyError
from exzarr.ragged.items import Items

__all__ = ["from_awkward", "to_awkward"]


def to_awkward(items: Items) -> Any:
    """Return an ``awkward.Array`` that shares the memory of `items`."""
    try:
        import awkward
    except ImportError:
        raise MissingDependencyError("to_awkward requires awkward: pip install 'exzarr[awkward]'") from None
    offsets = awkward.index.Index64(items.offsets)

    def content(values: AnyArray) -> Any:
        return awkward.from_numpy(values, regulararray=True, highlevel=False)

    lists = {
        name: awkward.contents.ListOffsetArray(offsets, content(values))
        for name, values in items.fields.items()
    }
    if len(lists) == 1 and not items.item_fields:
        return awkward.Array(next(iter(lists.values())))
    columns = lists | {name: content(values) for name, values in items.item_fields.items()}
    return awkward.Array(awkward.contents.RecordArray([*columns.values()], [*columns], length=len(items)))


def from_awkward(data: Any, layout: Layout) -> Items:
    """Return the items of an ``awkward.Array`` of lists, or of records of lists."""
    import awkward

    columns = {name: data[name] for name in awkward.fields(data)} or {layout.fields[0]: data}
    fields: dict[str, AnyArray] = {}
    item_fields: dict[str, AnyArray] = {}
    lengths: IntArray | None = None
    for name, column in columns.items():
        try:
            if name in layout.item_fields:
                item_fields[name] = awkward.to_numpy(column, allow_missing=False)
                continue
            counts = awkward.to_numpy(awkward.num(column, axis=1), allow_missing=False).astype(np.int64)
            fields[name] = awkward.to_numpy(awkward.flatten(column, axis=1), allow_missing=False)
        except (ValueError, TypeError) as error:
            raise ArgumentError(
                f"field {name!r} of the awkward array is not a list of values per item: {error}"
            ) from None
        if lengths is not None and not np.array_equal(counts, lengths):
            raise ArgumentError(
                f"field {name!r} of the awkward array has other lengths than the fields before it"
            )
        lengths = counts
    if lengths is None:
        raise ArgumentError(f"the awkward array has none of the fields {sorted(layout.fields)}")
    return Items(fields, lengths, item_fields)
