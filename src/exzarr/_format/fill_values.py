"""Conversion of fill values from and to the JSON of documents.

v3: https://zarr-specs.readthedocs.io/en/latest/v3/data-types/index.html, "Fill value list", and
each type's page in zarr-extensions. v2: https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html,
"Fill value encoding". `fill_casts.cast` converts a user's value.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from exzarr._format.data_type import NAT, DataType, is_ml
from exzarr._format.dtypes_v3 import v3_json
from exzarr._format.fill_casts import cast, native_dtype
from exzarr._format.fill_numbers import complex_of, complex_to, float_of, float_to, int_of
from exzarr._format.named import is_utf8, shorten
from exzarr._plugins import configured
from exzarr.errors import MetadataError

__all__ = ["cast", "default", "fixed_from_json", "fixed_to_json", "parse_v2", "parse_v3", "to_v2", "to_v3"]


def parse_v3(json: Any, data_type: DataType) -> Any:
    """Return the fill value of a v3 document, a NumPy scalar, ``str`` or ``bytes``; raise MetadataError if invalid."""
    if data_type.extension is not None:
        return _from_extension(data_type, "fill_from_json", json)
    if data_type.kind == "fixed":
        return _fixed(json, data_type.dtype, 3)
    if data_type.kind == "string" and type(json) is str and is_utf8(json):
        return json
    if data_type.kind == "bytes":
        return _bytes(json, "bytes")
    raise _bad(json, data_type.name, "a string")


def parse_v2(json: Any, data_type: DataType) -> Any:
    """Return the fill value of a v2 document, or None for ``null``, which means undefined.

    For an array of objects, the fill value is any JSON.
    """
    if json is None:
        return None
    kind = data_type.kind
    if kind == "fixed":
        return _fixed(json, data_type.dtype, 2)
    if kind == "string":
        if type(json) is str and is_utf8(json):
            return json
        if type(json) in (int, float):  # zarr-python 2 wrote 0 for strings, and reads "0"
            return str(json)
        raise _bad(json, data_type.name, "a string")
    if kind == "bytes":
        return b"" if type(json) is int and json == 0 else _bytes(json, "bytes")
    return json


def to_v3(value: Any, data_type: DataType) -> Any:
    """Return the JSON of the fill value `value` in a v3 document."""
    if data_type.extension is not None:
        return data_type.extension.fill_to_json(value)
    if data_type.kind == "fixed":
        return _fixed_to_v3(value, data_type.dtype, data_type.v3)
    return str(value) if data_type.kind == "string" else _base64(bytes(value))


def to_v2(value: Any, data_type: DataType) -> Any:
    """Return the JSON of the fill value `value` in a v2 document; ``null`` for None."""
    if value is None or data_type.kind == "object":
        return value
    if data_type.kind == "string":
        return str(value)
    if data_type.kind == "bytes":
        return _base64(bytes(value))
    dtype = data_type.dtype
    if dtype.kind in "SV" and not is_ml(dtype):
        return _base64(np.array(value, dtype).tobytes() if dtype.kind == "V" else bytes(value))
    json = _fixed_to_v3(value, dtype, None)
    # v2 has no hexadecimal form of NaN.
    if isinstance(json, str) and json[:2] == "0x" and dtype.kind != "U":
        return "NaN"
    if isinstance(json, list):
        return ["NaN" if isinstance(part, str) and part[:2] == "0x" else part for part in json]
    return json


def default(data_type: DataType) -> Any:
    """Return the default fill value: zero, empty or not-a-time, as in zarr-python."""
    if data_type.extension is not None:
        return _from_extension(data_type, "default_fill")
    if data_type.kind == "fixed":
        dtype = data_type.dtype
        return _time(NAT, dtype) if dtype.kind in "mM" else np.zeros((), native_dtype(dtype))[()]
    return {"string": "", "bytes": b"", "object": None}[data_type.kind]


def fixed_from_json(json: Any, dtype: np.dtype[Any]) -> Any:
    """Return the value of a fixed-size dtype from the JSON of v3 documents."""
    return _fixed(json, dtype, 3)


def fixed_to_json(value: Any, dtype: np.dtype[Any]) -> Any:
    """Return the JSON of a value of a fixed-size dtype in v3 documents."""
    return _fixed_to_v3(value, dtype, v3_json(dtype))


def _from_extension(data_type: DataType, method: str, *args: Any) -> Any:
    """Return a fill value that another package makes, as a scalar of the dtype."""
    value = configured("data type", data_type.name, getattr(data_type.extension, method), *args)
    try:
        return np.array(value, data_type.dtype)[()]
    except (TypeError, ValueError, OverflowError) as error:
        raise MetadataError(
            f"data type {data_type.name!r}: its package gives the fill value {shorten(value)}, which is no "
            f"{data_type.dtype}: {error}"
        ) from error


def _fixed(json: Any, dtype: np.dtype[Any], version: int) -> Any:
    """Convert JSON to a value of a fixed-size type."""
    kind = dtype.kind
    if is_ml(dtype):
        kind = "i" if "int" in dtype.name else "f"
    if kind == "f":
        return float_of(json, dtype, version)
    if kind in "iu":
        return int_of(json, dtype)
    if kind == "b":
        if type(json) is bool or (version == 2 and type(json) is int and json in (0, 1)):
            return np.bool_(json)
        raise _bad(json, "bool", "true or false")
    if kind == "c":
        return complex_of(json, dtype, version)
    if kind in "mM":
        if json == "NaT":
            return _time(NAT, dtype)
        if type(json) is int and NAT <= json < 2**63:
            return _time(json, dtype)
        raise _bad(json, str(dtype), "a 64-bit integer or 'NaT'")
    if kind == "U":
        if type(json) is str and len(json) * 4 <= dtype.itemsize:
            return np.str_(json)
        raise _bad(json, str(dtype), f"a string of at most {dtype.itemsize // 4} characters")
    if kind == "S":
        data = _bytes(json, str(dtype))
        if len(data) <= dtype.itemsize:
            return np.bytes_(data)
        raise _bad(json, str(dtype), f"at most {dtype.itemsize} bytes")
    if dtype.names is not None and isinstance(json, dict):
        return _struct(json, dtype, version)
    data = _bytes(json, str(dtype))
    if dtype.names is None:
        data = data.ljust(dtype.itemsize, b"\0")  # zarr-python pads short values, too
    if len(data) != dtype.itemsize:
        raise _bad(json, str(dtype), f"{dtype.itemsize} bytes")
    if dtype.names is None:
        return np.void(data)
    # v3 does not define the byte order; zarr-python reads it as little-endian.
    stored = dtype.newbyteorder("<") if version == 3 else dtype
    return np.frombuffer(data, stored).astype(dtype)[0]


def _struct(json: dict[str, Any], dtype: np.dtype[Any], version: int) -> Any:
    if json.keys() != set(dtype.names or ()):
        raise _bad(json, str(dtype), "an object with exactly one value per field")
    if any(dtype[label].subdtype for label in json):
        raise _bad(json, str(dtype), "base64, because it has fields that are arrays")
    out = np.zeros((), dtype)
    for label, part in json.items():
        out[label] = _fixed(part, dtype[label], version)
    return out[()]


def _bytes(json: Any, name: str) -> bytes:
    """Convert base64 (as all software writes) or an array of integers (the specification of ``r*``) to bytes."""
    if type(json) is str:
        import binascii

        try:
            return binascii.a2b_base64(json, strict_mode=True)
        except ValueError as error:
            raise _bad(json, name, f"base64 ({error})") from None
    if type(json) is list and all(type(n) is int and 0 <= n < 256 for n in json):
        return bytes(json)
    raise _bad(json, name, "base64, or an array of integers from 0 to 255")


def _base64(data: bytes) -> str:
    import binascii

    return binascii.b2a_base64(data, newline=False).decode("ascii")


def _time(count: int, dtype: np.dtype[Any]) -> Any:
    return np.array(count, np.int64).view(native_dtype(dtype))[()]


def _fixed_to_v3(value: Any, dtype: np.dtype[Any], v3: Any) -> Any:
    """Return the JSON of a fixed-size value; `v3` is the JSON of its data type, or None in v2."""
    kind = dtype.kind
    if is_ml(dtype):
        kind = "i" if "int" in dtype.name else "f"
    if kind == "f":
        return float_to(value, dtype)
    if kind in "iu":
        return int(value)
    if kind == "b":
        return bool(value)
    if kind == "c":
        return complex_to(value, dtype)
    if kind in "mM":
        return int(np.array(value, native_dtype(dtype)).view(np.int64))
    if kind == "U":
        return str(value)
    if kind == "S":
        return _base64(bytes(value))
    if dtype.names is None:
        # The specification has raw bits as an array of integers. Only TensorStore and zarrs support
        # raw bits. Both read base64, and TensorStore reads nothing else.
        return _base64(np.array(value, dtype).tobytes())
    if v3["name"] == "structured":  # older zarr-python reads only this name
        return _base64(np.array(value, dtype).astype(dtype.newbyteorder("<")).tobytes())
    fields = v3["configuration"]["fields"]
    inner = [item["data_type"] if isinstance(item, dict) else item[1] for item in fields]
    return {
        label: _fixed_to_v3(value[label], dtype[label], json)
        for label, json in zip(dtype.names, inner, strict=True)
    }


def _bad(json: Any, name: str, wanted: str) -> MetadataError:
    return MetadataError(f"'fill_value' of data type {name} must be {wanted}, not {shorten(json)}")
