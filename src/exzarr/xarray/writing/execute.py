"""Carry out a plan: create arrays, and write the values of the variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from xarray import Variable

import exzarr
from exzarr.xarray.writing.grids import aligned
from exzarr.xarray.writing.options import WriteOptions
from exzarr.xarray.writing.plan import RESERVED, GroupPlan
from exzarr.xarray.writing.targets import StoredTarget
from exzarr.xarray.writing.unlisted import ArrayWriter

__all__ = ["append", "prepare", "write"]

Targets = Mapping[str, exzarr.Array]


def prepare(plan: GroupPlan, options: WriteOptions) -> Targets:
    """Store the metadata: attributes of the group, and new arrays. Return the arrays."""
    group = plan.place.group
    if plan.attributes is not None and options.append_dim is None:
        attributes = {name: group.attrs[name] for name in RESERVED if name in group.attrs}
        group.attrs.put({**plan.attributes, **attributes})
    return {
        name: group.create_array(name, write_empty_chunks=array.write_empty_chunks, **array.options)
        for name, (_, array) in plan.new.items()
    }


def write(plan: GroupPlan, arrays: Targets, writer: ArrayWriter, options: WriteOptions) -> None:
    """Write variables that are in memory, and add those of dask to `writer`."""
    for name, (variable, _) in plan.new.items():
        _add(writer, variable, arrays[name], (slice(None),) * variable.ndim, options)
    for variable, array, region in plan.existing.values():
        if options.append_dim is not None and _is_stored(variable, array):
            continue
        if options.write_empty_chunks is not None:
            array = exzarr.open_array(
                array.store, path=array.path, mode="r+", write_empty_chunks=options.write_empty_chunks
            )
        _add(writer, variable, array, region, options)


def append(plan: GroupPlan, options: WriteOptions) -> Any:
    """Append the growing variables in one commit, and write the others before it. Return the result."""
    root, path = plan.place.root, plan.place.path
    done = None if options.key is None else root.appended(options.key, path=path)
    if done is not None:
        return done
    with root.batch():
        arrays = prepare(plan, options)
    dimension = str(options.append_dim)

    def write_rows(rows: Mapping[str, Any]) -> None:
        writer = ArrayWriter()
        write(plan, arrays, writer, options)
        for name, variable in plan.growing.items():
            if options.align_chunks:
                variable = aligned(variable, rows[name].chunk_sizes)
            writer.add(variable.data, rows[name], (slice(None),) * variable.ndim)
        writer.sync(compute=True, chunkmanager_store_kwargs=options.store_kwargs)

    return root.append_together(
        [*plan.growing],
        next(iter(plan.growing.values())).sizes[dimension],
        write_rows,
        dimension=dimension,
        path=path,
        key=options.key,
        attributes=plan.attributes,
        consolidated=options.consolidates,
        write_empty_chunks=options.write_empty_chunks,
    )


def _add(
    writer: ArrayWriter,
    variable: Variable,
    array: exzarr.Array,
    region: tuple[slice, ...],
    options: WriteOptions,
) -> None:
    if options.align_chunks:
        sizes = [
            _covered(lengths, part) for lengths, part in zip(array.write_chunk_sizes, region, strict=True)
        ]
        variable = aligned(variable, sizes)
    writer.add(variable.data, StoredTarget(array), region)


def _covered(lengths: Sequence[int], part: slice) -> list[int]:
    """Return the lengths of the parts of chunks that a slice covers."""
    start, stop, _ = part.indices(sum(lengths))
    ends = pairwise(accumulate(lengths, initial=0))
    return [min(end, stop) - max(begin, start) for begin, end in ends if min(end, stop) > max(begin, start)]


def _is_stored(variable: Variable, array: exzarr.Array) -> bool:
    """Return whether a variable in memory equals what is stored: an append then leaves it alone."""
    if variable.chunks is not None or variable.dtype != array.dtype:
        return False
    values = np.asarray(variable.data)
    return np.array_equal(array[...], values, equal_nan=values.dtype.kind in "fc")
