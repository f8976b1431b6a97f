"""The netCDF files as one Zarr v3 hierarchy: a group for each file, an array for each variable."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from exzarr._cli.demo.data import AIR, SST, Source, Variable
from exzarr._tools.xarray_fill import FILL_ATTRIBUTE, as_attribute
from exzarr.errors import NodeExistsError

if TYPE_CHECKING:
    from pathlib import Path

    from exzarr._nodes.group import Group

__all__ = ["CHUNKS", "MARK", "new_root", "stored_attributes", "write_source"]

CHUNKS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    SST: ((12, 18, 144), (24, 18, 432)),
    AIR: ((24, 37, 49), (120, 37, 49)),
}
"""Chunks and shards of the large variables. A chunk is a year of a third of the tropics, or 24 years."""

MARK = {"created_by": "exzarr demo"}
"""What tells a hierarchy of ours: only that is ever replaced."""


def new_root(path: Path) -> Group:
    """An empty group at `path`, in place of what an earlier demo left there; NodeExistsError for anything else."""
    import exzarr

    if path.exists():
        try:
            attributes = dict(exzarr.open_group(path, mode="r").attrs)
        except exzarr.ExzarrError:
            attributes = {}
        if attributes.get("created_by") != MARK["created_by"] and any(path.iterdir()):
            raise NodeExistsError(
                f"{path} was not made by this demo, and is left alone: give another --output"
            )
    attributes = {**MARK, "title": "Two climate data sets from netCDF, as Zarr"}
    return exzarr.create_group(path, overwrite=True, attributes=attributes)


def write_source(root: Group, source: Source) -> float:
    """Write one file as a group of `root`; returns the seconds that the values took, without the metadata."""
    attributes = {**source.attributes, "title": source.about, "source_file": source.path.name}
    group = root.create_group(source.name, attributes=attributes)
    return sum([write_variable(group, variable) for variable in source.variables])


def write_variable(group: Group, variable: Variable) -> float:
    """Write one variable as an array of `group`; returns the seconds that the values took."""
    values = variable.values
    chunks, shards = CHUNKS.get(variable.name, (values.shape, None))
    array = group.create_array(
        variable.name,
        shape=values.shape,
        dtype=values.dtype,
        chunks=chunks,
        shards=shards,
        fill_value=_fill(variable),
        dimension_names=variable.dimensions,
        attributes=stored_attributes(variable),
    )
    started = time.perf_counter()
    array[...] = values
    return time.perf_counter() - started


def stored_attributes(variable: Variable) -> dict[str, Any]:
    """The attributes that the array has: the file's, and the mark of missing values where xarray looks for it."""
    if variable.fill_value is None:
        return variable.attributes
    return {**variable.attributes, FILL_ATTRIBUTE: as_attribute(variable.fill_value, variable.values.dtype)}


def _fill(variable: Variable) -> Any:
    if variable.fill_value is not None:
        return variable.fill_value
    return np.nan if variable.values.dtype.kind == "f" else 0
