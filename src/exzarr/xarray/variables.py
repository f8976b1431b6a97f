"""Variables of xarray from arrays of exzarr: dimensions, attributes, encoding, and values that are read on demand.

Attributes and encoding are those of ``engine="zarr"``, so that datasets go through either engine unchanged. How xarray
stores dimensions in Zarr: https://docs.xarray.dev/en/stable/internals/zarr-encoding-spec.html
"""

from __future__ import annotations

from typing import Any

from xarray import Variable
from xarray.core.indexing import LazilyIndexedArray

import exzarr
from exzarr.errors import MissingDimensionsError
from exzarr.xarray.fill_values import decode_fill_value
from exzarr.xarray.lazy import StoredValues
from exzarr.xarray.stored_codecs import stored_codecs

__all__ = ["DIMENSIONS", "variable"]

DIMENSIONS = "_ARRAY_DIMENSIONS"
"""The attribute of v2 arrays that holds the names of the dimensions."""


def variable(array: exzarr.Array, *, fill_value_as_mask: bool, prefer_shards: bool) -> Variable:
    """Return `array` as a variable, not decoded. Nothing is read.

    Parameters
    ----------
    array
        The array.
    fill_value_as_mask
        True makes the array's fill value the attribute ``_FillValue``, so that decoding masks it.
    prefer_shards
        True makes shards the preferred chunks.

    Raises
    ------
    MissingDimensionsError
        The array has no dimension names.
    """
    dimensions, attributes = _dimensions(array), _attributes(array)
    values = StoredValues(array, coordinate=dimensions == (array.basename,))
    encoding = _encoding(array, dimensions, prefer_shards)
    if values.dtype.kind == "T":
        encoding["dtype"] = values.dtype
    if fill_value_as_mask:
        if array.fill_value is not None:
            attributes["_FillValue"] = array.fill_value
    elif array.zarr_format == 3:
        encoding["fill_value"] = array.fill_value
    if not fill_value_as_mask and "_FillValue" in attributes:
        attributes["_FillValue"] = decode_fill_value(attributes["_FillValue"], array.dtype, array.name)
    return Variable(dimensions, LazilyIndexedArray(values), attributes, encoding, fastpath=True)


def _dimensions(array: exzarr.Array) -> tuple[Any, ...]:
    names = array.dimension_names or ()
    if len(names) == array.ndim:
        return names
    if array.zarr_format == 3:
        raise _missing(array, "its document lacks the member `dimension_names`")
    nczarr = array.metadata.extra.get("_NCZARR_ARRAY")
    if isinstance(nczarr, dict) and isinstance(nczarr.get("dimrefs"), list):
        return tuple([str(name).rpartition("/")[2] for name in nczarr["dimrefs"]])
    raise _missing(array, f"it lacks the attribute `{DIMENSIONS}` and the member `_NCZARR_ARRAY`")


def _missing(array: exzarr.Array, why: str) -> MissingDimensionsError:
    return MissingDimensionsError(
        f"array {array.name!r} in {array.store} has no dimension names, which are required for xarray to determine "
        f"variable dimensions: {why}. Leave the array out with drop_variables=[{array.basename!r}]"
    )


def _attributes(array: exzarr.Array) -> dict[str, Any]:
    attributes = array.attrs.asdict()
    if array.zarr_format == 3:
        return attributes
    return {
        name: value
        for name, value in attributes.items()
        if name != DIMENSIONS and not name.lower().startswith("_nc")
    }


def _encoding(array: exzarr.Array, dimensions: tuple[Any, ...], prefer_shards: bool) -> dict[str, Any]:
    regular = array.metadata.chunk_grid.regular
    chunks = array.chunks if regular else _compact(array.read_chunk_sizes)
    shards = array.shards if regular else _compact(array.write_chunk_sizes)
    preferred = shards if prefer_shards and shards is not None else chunks
    return {
        "chunks": chunks,
        "preferred_chunks": dict(zip(dimensions, preferred, strict=True)),
        "shards": shards,
        **stored_codecs(array),
    }


def _compact(sizes: tuple[tuple[int, ...], ...]) -> tuple[int | tuple[int, ...], ...]:
    """Return the lengths of chunks along each dimension: one number where all but the last are equal."""
    return tuple([_length(lengths) for lengths in sizes])


def _length(lengths: tuple[int, ...]) -> int | tuple[int, ...]:
    if not lengths:
        return (0,)
    return lengths[0] if {*lengths[:-1]} <= {lengths[0]} and lengths[-1] <= lengths[0] else lengths
