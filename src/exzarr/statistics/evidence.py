"""The statistics of an array that are proved now: those of chunks that have not changed, and of chunks that are not stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from exzarr._nodes.array import Array
from exzarr._stream.chunks.grid import Region, StreamGrid
from exzarr._typing import AnyArray
from exzarr.statistics.layout import announced, load
from exzarr.statistics.survey import Prover, Survey, survey
from exzarr.statistics.table import VALUES, Table

__all__ = ["Evidence", "gather", "nan_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Statistics of chunks, without reading any chunk. All arrays have the shape of the chunk grid.

    Attributes
    ----------
    grid
        The chunk grid.
    columns
        The statistics, by the names of `table.VALUES`. They mean nothing where `proved` is False.
    proved
        True where the statistics are those of the chunk as it is stored now. Chunks that are not stored have the fill value.
    has_entry
        True where there is an entry, proved or not.
    survey
        What the listing of the stored values told.
    fill, nan
        The fill value and NaN (NaT), as arrays of one element; None if the fill value is NaN, or if there is no NaN.
    """

    grid: StreamGrid
    columns: dict[str, AnyArray]
    proved: AnyArray
    has_entry: AnyArray
    survey: Survey
    fill: AnyArray | None
    nan: AnyArray | None


def gather(array: Array, region: Region | None = None) -> Evidence:
    """Ask for the versions of an array's stored values, and return what is proved.

    Without statistics, these are the missing chunks. If `region` is given, the result is about the chunks that it touches,
    and means nothing elsewhere.
    """
    source = array.chunk_source
    grid = StreamGrid(source)
    dtype = source.dtype.newbyteorder("=")
    entries = Table(grid.counts, dtype)
    if announced(array):
        load(array, entries)
    found = survey(source, Prover(source, array.metadata, entries), region)
    fill = np.array([source.fill], dtype)
    nan = nan_of(dtype)
    fill_is_nan = bool(nan is not None and fill[0] != fill[0])
    columns = dict(entries)
    missing, empty = ~found.stored, Table((1,) * len(grid.counts), dtype).columns
    for name in VALUES:
        columns[name][missing] = empty[name].ravel()[0]
    if fill_is_nan:
        columns["nans"][missing] = grid.sizes()[missing]
    proved = np.asarray(found.proved & found.stored if source.missing_error else found.proved | missing)
    return Evidence(
        grid,
        columns,
        proved,
        np.asarray(columns["digest"].any(axis=-1)),
        found,
        None if fill_is_nan else fill,
        nan,
    )


def nan_of(dtype: np.dtype[Any]) -> AnyArray | None:
    """Return NaN, or NaT, as an array of one element; None if the data type has none."""
    if dtype.kind in "mM":
        return np.array(["NaT"], dtype)
    return np.array([np.nan], dtype) if dtype.kind == "f" else None
