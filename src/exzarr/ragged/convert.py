"""Items from what users append: arrays, mappings, and data of awkward and pyarrow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from exzarr._format.ragged import Layout
from exzarr.errors import ArgumentError
from exzarr.ragged.items import Items

__all__ = ["as_items"]


def as_items(data: Any, layout: Layout) -> Items:
    """Return several items from `data`.

    Parameters
    ----------
    data
        `Items`; an ``awkward.Array``; a list array or a table of pyarrow; or an iterable of single items, which are
        arrays, or mappings from field names to arrays.
    layout
        The ragged array, which gives names to fields and says which of them have one element per item.

    Raises
    ------
    ArgumentError
        `data` is not a collection of items.
    """
    if isinstance(data, Items):
        return data
    library = type(data).__module__.partition(".")[0]
    if library == "awkward":
        from exzarr.ragged.awkward import from_awkward

        return from_awkward(data, layout)
    if library == "pyarrow":
        from exzarr.ragged.arrow import from_arrow

        return from_arrow(data, layout)
    if isinstance(data, (str, bytes, Mapping)) or not isinstance(data, Iterable):
        raise ArgumentError(
            f"several items are a sequence of arrays or mappings, exzarr.ragged.Items, or data of awkward or pyarrow, "
            f"not {type(data).__name__}; append(item) appends one item"
        )
    rows = [*data]
    if not rows:
        nothing = dict.fromkeys(layout.fields, np.empty(0))
        return Items(nothing, np.empty(0, np.int64), dict.fromkeys(layout.item_fields, np.empty(0)))
    return Items.of(rows, item_fields=layout.item_fields, name=layout.fields[0])
