"""The data types of ``zarr.dtype``, by zarr-python's names: NumPy's, or the Zarr name that exzarr's functions take."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "Bool",
    "Complex64",
    "Complex128",
    "DateTime64",
    "FixedLengthUTF32",
    "Float16",
    "Float32",
    "Float64",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "NullTerminatedBytes",
    "RawBytes",
    "TimeDelta64",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
    "VariableLengthBytes",
    "VariableLengthUTF8",
    "native",
    "parse_dtype",
]


def native(dtype: Any) -> Any:
    """Return what exzarr's functions take for `dtype`, which may be an object of ``zarr.dtype`` of zarr-python."""
    if not hasattr(dtype, "to_native_dtype"):
        return dtype
    name = type(dtype).__name__
    if name == "VariableLengthUTF8":
        return "string"
    if name == "VariableLengthBytes":
        return "variable_length_bytes"
    return dtype.to_native_dtype()


def parse_dtype(dtype: Any, *, zarr_format: int = 3) -> Any:  # noqa: ARG001 - of zarr-python
    """Return the data type that `dtype` describes, as `native` does."""
    return native(dtype)


def _fixed(name: str) -> Any:
    def make(*, endianness: str = "little") -> np.dtype[Any]:
        return np.dtype(name).newbyteorder("<" if endianness == "little" else ">")

    return make


Bool = _fixed("?")
Int8, Int16, Int32, Int64 = _fixed("i1"), _fixed("i2"), _fixed("i4"), _fixed("i8")
UInt8, UInt16, UInt32, UInt64 = _fixed("u1"), _fixed("u2"), _fixed("u4"), _fixed("u8")
Float16, Float32, Float64 = _fixed("f2"), _fixed("f4"), _fixed("f8")
Complex64, Complex128 = _fixed("c8"), _fixed("c16")


def FixedLengthUTF32(length: int, *, endianness: str = "little") -> np.dtype[Any]:  # noqa: N802 - a class there
    """Return the type of text of up to `length` characters."""
    return np.dtype(f"{'<' if endianness == 'little' else '>'}U{length}")


def NullTerminatedBytes(length: int) -> np.dtype[Any]:  # noqa: N802
    """Return the type of bytes of up to `length`, without trailing zeros."""
    return np.dtype(f"S{length}")


def RawBytes(length: int) -> np.dtype[Any]:  # noqa: N802
    """Return the type of exactly `length` bytes."""
    return np.dtype(f"V{length}")


def DateTime64(*, scale_factor: int = 1, unit: str = "generic", endianness: str = "little") -> np.dtype[Any]:  # noqa: N802
    """Return the type of points in time, in multiples of `scale_factor` of `unit`."""
    return _time("M8", scale_factor, unit, endianness)


def TimeDelta64(*, scale_factor: int = 1, unit: str = "generic", endianness: str = "little") -> np.dtype[Any]:  # noqa: N802
    """Return the type of differences in time, in multiples of `scale_factor` of `unit`."""
    return _time("m8", scale_factor, unit, endianness)


def _time(kind: str, scale_factor: int, unit: str, endianness: str) -> np.dtype[Any]:
    order = "<" if endianness == "little" else ">"
    return np.dtype(f"{order}{kind}" if unit == "generic" else f"{order}{kind}[{scale_factor}{unit}]")


def VariableLengthUTF8() -> str:  # noqa: N802
    """Return the type of text of any length."""
    return "string"


def VariableLengthBytes() -> str:  # noqa: N802
    """Return the type of bytes of any length."""
    return "variable_length_bytes"
