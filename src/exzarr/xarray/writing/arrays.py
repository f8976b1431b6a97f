"""From an encoded variable to the arguments of `Group.create_array`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from xarray import Variable

from exzarr.errors import ArgumentError, ArgumentTypeError
from exzarr.xarray.writing.grids import chunk_argument
from exzarr.xarray.writing.unlisted import encode_attribute, encode_fill_value, is_text

__all__ = ["NewArray", "checked_attributes", "new_array", "unlabeled"]

_IGNORED = ("source", "original_shape", "preferred_chunks")
"""What xarray keeps in encodings for its own use."""

_PASSED_ON = ("compressors", "filters", "serializer", "chunk_key_encoding")
_KNOWN = {*_PASSED_ON, "chunks", "shards", "cache_metadata", "write_empty_chunks"}


@dataclass(frozen=True, slots=True)
class NewArray:
    """A new array: keywords of `Group.create_array`, and whether to store chunks that hold only the fill value."""

    options: dict[str, Any]
    write_empty_chunks: bool


def new_array(
    variable: Variable, name: Any, *, zarr_format: int, explicit: bool, write_empty_chunks: bool | None
) -> NewArray:
    """Return the array for an encoded variable.

    Parameters
    ----------
    variable
        The variable, encoded by the CF conventions.
    name
        Its name, for errors.
    zarr_format
        2 or 3.
    explicit
        True if the user gave the encoding in this call: unknown members are an error. Otherwise they are those of
        another file format, and left out.
    write_empty_chunks
        The argument of `to_zarr`.
    """
    attributes, fill_value = unlabeled(variable, zarr_format)
    encoding = {key: value for key, value in variable.encoding.items() if key not in _IGNORED}
    if encoding.pop("_FillValue", None) is not None:
        raise ArgumentError(f"variable {name!r}: Zarr does not support _FillValue in encoding")
    known = _KNOWN | {"fill_value"} if zarr_format == 3 else _KNOWN
    if explicit:
        _check_known(encoding, known, name, zarr_format)
    options: dict[str, Any] = {key: encoding[key] for key in _PASSED_ON if key in encoding}
    options["chunks"] = chunk_argument(encoding.get("chunks"), variable, name)
    shards = encoding.get("shards")
    # A rectilinear grid that was read has both, even if it has no shards.
    if shards is not None and not (shards == encoding.get("chunks") and _is_rectilinear(shards)):
        options["shards"] = (
            shards if _is_setting(shards) else chunk_argument(shards, variable, name, "shards")
        )
    return NewArray(
        {
            "shape": variable.shape,
            "dtype": np.dtypes.StringDType() if is_text(variable) else variable.dtype,
            "fill_value": fill_value,
            "attributes": checked_attributes(attributes, f"variable {name!r}"),
            "dimension_names": variable.dims,
            **options,
        },
        _write_empty(encoding.get("write_empty_chunks"), write_empty_chunks, name),
    )


def checked_attributes(attributes: dict[str, Any], owner: str) -> dict[str, Any]:
    """Return the attributes; raise ArgumentTypeError, which is a TypeError, if JSON has no form for a value."""
    for name, value in attributes.items():
        try:
            json.dumps(value, default=_as_python)
        except (TypeError, ValueError) as error:
            raise ArgumentTypeError(
                f"Invalid attribute in Dataset.attrs: {name!r} of {owner}: {value!r} has no form in JSON ({error}). Convert it to numbers, "
                "strings, lists or dicts"
            ) from None
    return attributes


def _as_python(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"it is a {type(value).__name__}")


def unlabeled(variable: Variable, zarr_format: int) -> tuple[dict[str, Any], Any]:
    """Return the attributes to store, and the array's fill value.

    In v2 the attribute ``_FillValue`` is the array's fill value. In v3 they are independent, and the array's is NaN for
    floats by default (https://github.com/pydata/xarray/issues/10646).
    """
    attributes = {**variable.attrs}
    mask = attributes.pop("_FillValue", None)
    if zarr_format == 2:
        fill_value = mask
    else:
        fill_value = variable.encoding.get("fill_value")
        if fill_value is None and variable.dtype.kind == "f":
            fill_value = np.nan
        if mask is not None:
            attributes["_FillValue"] = encode_fill_value(mask, variable.dtype)
    return {key: encode_attribute(value) for key, value in attributes.items()}, fill_value


def _check_known(encoding: Mapping[str, Any], known: set[str], name: Any, zarr_format: int) -> None:
    unknown = [key for key in encoding if key not in known]
    if unknown:
        hint = (
            " Use `_FillValue` to set the array's fill value"
            if zarr_format == 2 and "fill_value" in unknown
            else ""
        )
        raise ArgumentError(
            f"unexpected encoding parameters for zarr backend:  {unknown!r} of variable {name!r}. Zarr format "
            f"{zarr_format} has {sorted(known)}.{hint}"
        )
    if encoding.get("cache_metadata") is False:
        raise ArgumentError(
            f"encoding['cache_metadata']=False of variable {name!r}: an array of exzarr keeps its metadata until it is "
            "refreshed. Leave it out"
        )


def _is_rectilinear(chunks: Any) -> bool:
    return isinstance(chunks, list | tuple) and any(isinstance(entry, list | tuple) for entry in chunks)


def _is_setting(shards: Any) -> bool:
    return isinstance(shards, str | bool | Mapping)


def _write_empty(encoded: bool | None, given: bool | None, name: Any) -> bool:
    if given is not None and encoded is not None and encoded != given:
        raise ArgumentError(
            f'Differing "write_empty_chunks" values in encoding and parameters of variable {name!r}: '
            f"encoding['write_empty_chunks'] = {encoded!r} and write_empty_chunks = {given!r}"
        )
    return bool(encoded if given is None else given)
