"""Items as tables of pyarrow (https://arrow.apache.org), and the reverse.

Arrow stores a list column as values and offsets, as `Items` does. Values of shape ``(n, ...)`` are lists of fixed size.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from exzarr._format.ragged import Layout
from exzarr._typing import AnyArray, IntArray
from exzarr.errors import ArgumentError, MissingDependencyError
from exzarr.ragged.items import Items

__all__ = ["from_arrow", "to_arrow"]


def to_arrow(items: Items) -> Any:
    """Return a ``pyarrow.Table``. Numbers are not copied."""
    try:
        import pyarrow as pa
    except ImportError:
        raise MissingDependencyError("to_arrow requires pyarrow: pip install 'exzarr[parquet]'") from None
    offsets = pa.array(items.offsets)
    columns = {
        name: pa.LargeListArray.from_arrays(offsets, _values(values)) for name, values in items.fields.items()
    }
    return pa.table(columns | {name: _values(values) for name, values in items.item_fields.items()})


def _values(values: AnyArray) -> Any:
    """Return an array of pyarrow with the first dimension of `values`."""
    import pyarrow as pa

    found = pa.array(np.ascontiguousarray(values).reshape(-1))
    for length in reversed(values.shape[1:]):
        found = pa.FixedSizeListArray.from_arrays(found, length)
    return found


def from_arrow(data: Any, layout: Layout) -> Items:
    """Return the items of a list array, or of a table or record batch with list columns."""
    import pyarrow as pa

    if isinstance(data, (pa.Table, pa.RecordBatch)):
        columns = {name: data.column(name) for name in data.column_names}
    elif isinstance(data, (pa.Array, pa.ChunkedArray)):
        columns = {layout.fields[0]: data}
    else:
        raise ArgumentError(
            f"items of pyarrow are a table, a record batch or an array, not {type(data).__name__}"
        )
    fields: dict[str, AnyArray] = {}
    item_fields: dict[str, AnyArray] = {}
    lengths: IntArray | None = None
    for name, column in columns.items():
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if whole.null_count:
            raise ArgumentError(
                f"column {name!r} has {whole.null_count} nulls: a ragged array has no missing items"
            )
        if name in layout.item_fields:
            item_fields[name] = _numpy(whole, name)
            continue
        if not (pa.types.is_list(whole.type) or pa.types.is_large_list(whole.type)):
            raise ArgumentError(
                f"column {name!r} has the type {whole.type}, and must be a list of values per item"
            )
        counts = np.diff(whole.offsets.to_numpy()).astype(np.int64)
        if lengths is not None and not np.array_equal(counts, lengths):
            raise ArgumentError(f"column {name!r} has other lengths than the columns before it")
        lengths = counts
        fields[name] = _numpy(whole.flatten(), name)
    if lengths is None:
        raise ArgumentError(f"the data of pyarrow has none of the columns {sorted(layout.fields)}")
    return Items(fields, lengths, item_fields)


def _numpy(values: Any, name: str) -> AnyArray:
    """Return a NumPy array, with a dimension for each level of lists of fixed size."""
    import pyarrow as pa

    shape = [len(values)]
    while pa.types.is_fixed_size_list(values.type):
        shape.append(values.type.list_size)
        values = values.flatten()
    if values.null_count:
        raise ArgumentError(f"column {name!r} has {values.null_count} nulls among its values")
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        found: AnyArray = np.array(values.to_pylist(), np.dtypes.StringDType())
    else:
        found = values.to_numpy(zero_copy_only=False)
    if found.size != math.prod(shape):
        raise ArgumentError(f"column {name!r} has missing lists of fixed size")
    return found.reshape(shape)
