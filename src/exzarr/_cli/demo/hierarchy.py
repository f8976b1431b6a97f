"""Write the netCDF files as one Zarr v3 hierarchy: a group per file, an array per variable."""

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
"""Attribute that marks hierarchies of the demo. The demo replaces no other data."""


def new_root(path: Path) -> Group:
    """Create an empty group at `path`. Replace the output of an earlier demo, but no other data.

    Raises
    ------
    NodeExistsError
        If `path` holds data that the demo did not write.
    """
    import exzarr

    if path.exists():
        try:
            attributes = dict(exzarr.open_group(path, mode="r").attrs)
        except exzarr.ExzarrError:
            attributes = {}
        if attributes.get("created_by") != MARK["created_by"] and any(path.iterdir()):
            raise NodeExistsError(
                f"{path} was not written by the demo and is left alone: choose another --output"
            )
    attributes = {**MARK, "title": "Two climate data sets from netCDF, as Zarr"}
    return exzarr.create_group(path, overwrite=True, attributes=attributes)


def write_source(root: Group, source: Source) -> float:
    """Write one file as a group of `root`. Return the seconds for the values, without the metadata."""
    attributes = {**source.attributes, "title": source.about, "source_file": source.path.name}
    group = root.create_group(source.name, attributes=attributes)
    return sum([write_variable(group, variable) for variable in source.variables])


def write_variable(group: Group, variable: Variable) -> float:
    """Write one variable as an array of `group`. Return the seconds for the values."""
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
    """Return the attributes of the file, and the mark of missing values in xarray's convention."""
    if variable.fill_value is None:
        return variable.attributes
    return {**variable.attributes, FILL_ATTRIBUTE: as_attribute(variable.fill_value, variable.values.dtype)}


def _fill(variable: Variable) -> Any:
    if variable.fill_value is not None:
        return variable.fill_value
    return np.nan if variable.values.dtype.kind == "f" else 0
