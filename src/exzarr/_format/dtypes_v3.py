"""Data types in v3 documents: JSON to `DataType`, and NumPy dtype to JSON.

Core names and raw bits: https://zarr-specs.readthedocs.io/en/latest/v3/data-types/index.html.
Everything else: https://github.com/zarr-developers/zarr-extensions/tree/main/data-types.
"""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping
from typing import Any

import numpy as np

from exzarr._format import extensions
from exzarr._format.data_type import BYTES, MAX_DEPTH, MAX_ITEMSIZE, ML_BITS, DataType, is_ml, ml_dtype
from exzarr._format.named import named_config, shorten
from exzarr.errors import MetadataError, UnsupportedError

__all__ = ["DATETIME_UNITS", "NAMES", "extended", "parse_v3", "v2_json", "v3_json"]

# Names without configuration from zarr-python, and aliases of complex types from zarr-extensions.
_CORE: dict[str, str] = {
    "bool": "?",
    "int8": "i1",
    "int16": "i2",
    "int32": "i4",
    "int64": "i8",
    "uint8": "u1",
    "uint16": "u2",
    "uint32": "u4",
    "uint64": "u8",
    "float16": "f2",
    "float32": "f4",
    "float64": "f8",
    "complex64": "c8",
    "complex128": "c16",
    "complex_float32": "c8",
    "complex_float64": "c16",
}
_STRING_NAMES = ("string", "variable_length_utf8")
_BYTES_NAMES = ("variable_length_bytes", "bytes")
_CONFIGURED = (
    "null_terminated_bytes",
    "raw_bytes",
    "fixed_length_utf32",
    "numpy.datetime64",
    "numpy.timedelta64",
    "struct",
    "structured",
)
NAMES = frozenset((*_CORE, *_STRING_NAMES, *_BYTES_NAMES, *_CONFIGURED, *ML_BITS))
"""exzarr's own names, except those of raw bits (``r24``)."""

DATETIME_UNITS = frozenset("Y M W D h m s ms us μs ns ps fs as generic".split())

# Data types without configuration, made once, because every opened array needs one.
_KNOWN: dict[str, DataType] = {}


def parse_v3(json: Any) -> DataType:
    """Return the data type in a v3 document.

    Raises
    ------
    MetadataError
        `json` is not a data type.
    UnsupportedError
        exzarr does not have the data type.
    """
    if type(json) is str:
        known = _KNOWN.get(json)
        if known is not None:
            return known
    return _parse(json, 0)


def _parse(json: Any, depth: int) -> DataType:
    name, configuration = named_config(json, "data_type")
    if name in _CONFIGURED:
        return DataType(*_configured(name, configuration, json, depth))
    found = _KNOWN.get(name) or _by_name(name)
    if found is None:
        plugged = extensions.made(extensions.DATA_TYPES, name, configuration)
        if plugged is not None:
            return extended(plugged, json)
        why = _without_numpy(name)
        if why:
            raise UnsupportedError(f"data_type {shorten(name)} is not supported: {why}")
        names = ", ".join([*_CORE, *_STRING_NAMES[:1], *_BYTES_NAMES, *_CONFIGURED, "r<bits>"])
        raise UnsupportedError(
            f"data_type {shorten(name)} is not known; exzarr supports {names}, and with ml_dtypes "
            f"{', '.join(ML_BITS)}"
        )
    if configuration:
        raise MetadataError(f"data_type {name!r} accepts no configuration, got {shorten(configuration)}")
    # The cache holds the bare name, but the document may use an object.
    return found if json is name else DataType(found.dtype, json, found.kind, found.v2)


def extended(extension: Any, document: Any = None) -> DataType:
    """Return the data type of an extension of another package.

    Parameters
    ----------
    extension
        The `DataTypeExtension`.
    document
        Its JSON in the document; None for a new array.
    """
    name, configuration = extension.name, extension.to_config()
    if document is None:
        document = {"name": name, "configuration": configuration} if configuration else name
    dtype = np.dtype(extension.dtype)
    if dtype.hasobject or dtype.kind == "T" or not 0 < dtype.itemsize <= MAX_ITEMSIZE or not _native(dtype):
        raise UnsupportedError(
            f"data_type {name!r}: its package gives the dtype {dtype}; exzarr requires a native one without objects, "
            f"of 1 to {MAX_ITEMSIZE} bytes"
        )
    meaning = json_module.dumps([name, configuration], sort_keys=True, default=repr)
    return DataType(dtype, document, "fixed", None, extension, meaning)


def _native(dtype: np.dtype[Any]) -> bool:
    return is_ml(dtype) or dtype.newbyteorder("=") == dtype


def _without_numpy(name: str) -> str:
    """Return the reason why NumPy has no data type `name`, or an empty string."""
    if name.rpartition(".")[2] == "optional":
        return "NumPy has no data type for elements that may be missing"
    if name.startswith("complex"):
        return "NumPy has only two complex types (complex64, complex128)"
    return ""


def _by_name(name: str) -> DataType | None:
    """Return the cached data type for a name without configuration, or None for an unknown name."""
    if name in _CORE:
        dtype: np.dtype[Any] = np.dtype(_CORE[name])
        made = DataType(dtype, name, "fixed", dtype.str)
    elif name in _STRING_NAMES:
        made = DataType(np.dtypes.StringDType(), name, "string", "|O")
    elif name in _BYTES_NAMES:
        made = DataType(BYTES, name, "bytes", "|O")
    elif name in ML_BITS:
        made = DataType(ml_dtype(name), name, "fixed", name)
    elif name[:1] == "r" and name[1:].isascii() and name[1:].isdigit():
        return _raw_bits(name)
    else:
        return None
    _KNOWN[name] = made
    return made


def _raw_bits(name: str) -> DataType:
    digits = name[1:]
    bits = int(digits) if len(digits) <= 12 else 0
    if bits == 0 or bits % 8 or digits[0] == "0" or bits // 8 > MAX_ITEMSIZE:
        raise MetadataError(
            f"data_type {shorten(name)}: the number of raw bits must be a positive multiple of 8"
        )
    return DataType(np.dtype(f"V{bits // 8}"), name, "fixed", f"|V{bits // 8}")


def _configured(
    name: str, configuration: Mapping[str, Any], json: Any, depth: int
) -> tuple[np.dtype[Any], Any, str, Any]:
    """Return the fields of a DataType with a configuration."""
    if name in ("struct", "structured"):
        dtype = _struct(name, configuration, depth)
        return dtype, json, "fixed", v2_json(dtype)
    dtype = _time(name, configuration) if name.startswith("numpy.") else _fixed_length(name, configuration)
    return dtype, json, "fixed", dtype.str


def _fixed_length(name: str, configuration: Mapping[str, Any]) -> np.dtype[Any]:
    length = configuration.get("length_bytes")
    step = 4 if name == "fixed_length_utf32" else 1
    if type(length) is not int or not 0 < length <= MAX_ITEMSIZE or length % step:
        raise MetadataError(
            f"data_type {name!r}: 'length_bytes' must be a positive integer"
            f"{' and a multiple of 4' if step == 4 else ''}, not {shorten(length)}"
        )
    _only(name, configuration, ("length_bytes",))
    letter = {"null_terminated_bytes": "S", "raw_bytes": "V", "fixed_length_utf32": "U"}[name]
    return np.dtype(f"{letter}{length // step}")


def _time(name: str, configuration: Mapping[str, Any]) -> np.dtype[Any]:
    unit = configuration.get("unit")
    scale = configuration.get("scale_factor", 1)
    if type(unit) is not str or unit not in DATETIME_UNITS:
        raise MetadataError(
            f"data_type {name!r}: 'unit' must be one of {', '.join(sorted(DATETIME_UNITS))}, "
            f"not {shorten(unit)}"
        )
    if type(scale) is not int or not 0 < scale < 2**31:
        raise MetadataError(
            f"data_type {name!r}: 'scale_factor' must be an integer from 1 to 2**31 - 1, not {shorten(scale)}"
        )
    _only(name, configuration, ("unit", "scale_factor"))
    code = "M8" if name == "numpy.datetime64" else "m8"
    if unit == "generic":
        return np.dtype(code)
    return np.dtype(f"{code}[{scale}{'us' if unit == 'μs' else unit}]")


def _struct(name: str, configuration: Mapping[str, Any], depth: int) -> np.dtype[Any]:
    """Return the dtype of a list of fields: objects (``struct``) or pairs (``structured``), for both names."""
    fields = configuration.get("fields")
    if not isinstance(fields, list) or not fields:
        raise MetadataError(f"data_type {name!r}: 'fields' must be a non-empty array, not {shorten(fields)}")
    if depth >= MAX_DEPTH:
        raise MetadataError(f"data_type {name!r}: nested more than {MAX_DEPTH} levels deep")
    _only(name, configuration, ("fields",))
    made: dict[str, np.dtype[Any]] = {}
    for item in fields:
        if isinstance(item, dict):
            label, json = item.get("name"), item.get("data_type")
        elif isinstance(item, list) and len(item) == 2:
            label, json = item
        else:
            raise MetadataError(
                f"data_type {name!r}: a field must be an object with 'name' and 'data_type', not {shorten(item)}"
            )
        if type(label) is not str or not label or label in made:
            raise MetadataError(
                f"data_type {name!r}: field names must be distinct non-empty strings, got {shorten(label)}"
            )
        of_field = _parse(json, depth + 1)
        if of_field.extension is not None:
            raise UnsupportedError(
                f"data_type {name!r}: field {label!r} has the data type {of_field.name} of another package; "
                "exzarr supports those only for whole elements"
            )
        if of_field.variable_length:
            raise MetadataError(f"data_type {name!r}: field {label!r} has no fixed size ({of_field.name})")
        made[label] = of_field.dtype
    if sum(dtype.itemsize for dtype in made.values()) > MAX_ITEMSIZE:
        raise MetadataError(f"data_type {name!r}: one element has more than {MAX_ITEMSIZE} bytes")
    return np.dtype(list(made.items()))


def _only(name: str, configuration: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    for key in configuration:
        if key not in keys:
            raise MetadataError(
                f"data_type {name!r}: configuration key {shorten(key)} is not known; valid keys: {', '.join(keys)}"
            )


def v3_json(dtype: np.dtype[Any]) -> Any:
    """Return the v3 JSON for a NumPy dtype, as zarr-python writes it, or None if v3 has none."""
    if is_ml(dtype):
        return dtype.name
    kind = dtype.kind
    if dtype.name in _CORE and kind in "biufc":
        return dtype.name
    if kind == "S":
        return {"name": "null_terminated_bytes", "configuration": {"length_bytes": dtype.itemsize}}
    if kind == "U":
        return {"name": "fixed_length_utf32", "configuration": {"length_bytes": dtype.itemsize}}
    if kind in "mM":
        unit, scale = np.datetime_data(dtype)
        name = "numpy.datetime64" if kind == "M" else "numpy.timedelta64"
        return {"name": name, "configuration": {"unit": unit, "scale_factor": scale}}
    if kind != "V" or dtype.subdtype is not None:
        return None
    if dtype.names is None:
        return {"name": "raw_bytes", "configuration": {"length_bytes": dtype.itemsize}}
    fields = [{"name": label, "data_type": v3_json(dtype[label])} for label in dtype.names]
    if any(item["data_type"] is None for item in fields):
        return None
    return {"name": "struct", "configuration": {"fields": fields}}


def v2_json(dtype: np.dtype[Any]) -> Any:
    """Return the v2 JSON for a NumPy dtype of fixed size: its ``str``, or a list of fields."""
    if is_ml(dtype):
        return dtype.name  # as TensorStore writes it
    if dtype.names is None:
        return dtype.str
    out: list[list[Any]] = []
    for label in dtype.names:
        of_field = dtype[label]
        item = [label, v2_json(of_field.base)]
        if of_field.shape:
            item.append(list(of_field.shape))
        out.append(item)
    return out
