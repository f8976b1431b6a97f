"""Numeric fill values: integers, floats of every kind, complex numbers.

A float is a JSON number, ``"NaN"``, ``"Infinity"``, ``"-Infinity"``, or in v3 its bits, as in
``"0x7fc00001"``. Only the bits can express NaNs with another payload than the default
(https://zarr-specs.readthedocs.io/en/latest/v3/data-types/index.html, "Fill value list").
"""

from __future__ import annotations

from typing import Any

import numpy as np

from exzarr._format.data_type import ML_BITS, is_ml
from exzarr._format.named import shorten
from exzarr.errors import MetadataError

__all__ = ["complex_of", "complex_to", "float_bits", "float_of", "float_to", "int_of", "int_range"]

_SPECIAL = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_HEX = frozenset("0123456789abcdefABCDEF")


def int_range(dtype: np.dtype[Any]) -> tuple[int, int]:
    """Return the smallest and the largest value of an integer dtype of NumPy or ``ml_dtypes``."""
    if is_ml(dtype):
        bits, signed = ML_BITS[dtype.name], dtype.name[0] == "i"
    else:
        bits, signed = 8 * dtype.itemsize, dtype.kind == "i"
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


def int_of(json: Any, dtype: np.dtype[Any]) -> Any:
    """Convert JSON to an integer. As in zarr-python, ``1.0`` is an integer."""
    value = json
    if type(json) is float and json.is_integer():
        value = int(json)
    low, high = int_range(dtype)
    if type(value) is not int or not low <= value <= high:
        raise MetadataError(
            f"'fill_value' of data type {dtype.name} must be an integer from {low} to {high}, not {shorten(json)}"
        )
    return dtype.type(value)


def float_of(json: Any, dtype: np.dtype[Any], version: int) -> Any:
    """Convert JSON to a float of `dtype`, in native byte order. `version` is the Zarr format."""
    if type(json) is float or type(json) is int:
        try:
            number = float(json)
        except OverflowError:
            raise _bad(json, dtype) from None
        if number - number == 0:
            return _rounded(number if number == json else json, dtype)
        # NaN and Infinity are not JSON, but documents of both formats contain them.
        json = "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"
    if type(json) is str:
        if json in _SPECIAL:
            value = dtype.type(_SPECIAL[json])
            # Some small floats lack them, and a saturated value would be a silent change.
            if str(float(value)) == str(_SPECIAL[json]):
                return value
        elif version == 3 and json[:2] == "0x":
            return _from_hex(json, dtype)
    raise _bad(json, dtype)


def _rounded(number: float, dtype: np.dtype[Any]) -> Any:
    """Round to the nearest value of `dtype`, ties to even (v3, "Fill value list")."""
    if is_ml(dtype) or type(number) is int:
        return _nearest(number, dtype)
    if abs(number) <= 65504.0 or dtype.itemsize == 8:
        return dtype.type(number)
    with np.errstate(over="ignore"):  # overflow gives infinity, as in zarr-python
        return dtype.type(number)


def _nearest(number: float, dtype: np.dtype[Any]) -> Any:
    """Round `number` once; correct types whose conversion rounds twice, through another type."""
    with np.errstate(over="ignore"):
        guess = dtype.type(float(number))
    if not np.isfinite(np.float64(guess)):
        return guess
    native = dtype if is_ml(dtype) else dtype.newbyteorder("=")
    bits = float_bits(guess, native)
    sign = 1 << (ML_BITS[dtype.name] if is_ml(dtype) else 8 * dtype.itemsize) - 1
    from fractions import Fraction  # slow to import

    exact, best = Fraction(number), None
    for other in (bits, bits - 1, bits + 1):
        if other < 0 or (other ^ bits) & sign or other >= 2 * sign:
            continue
        value = np.array(other, f"u{dtype.itemsize}").view(native)[()]
        if not np.isfinite(np.float64(value)):
            continue
        rank = abs(Fraction(float(value)) - exact), other & 1
        if best is None or rank < best[0]:
            best = rank, value
    return guess if best is None else best[1]


def _from_hex(text: str, dtype: np.dtype[Any]) -> Any:
    digits = text[2:]
    size = dtype.itemsize
    if len(digits) != 2 * size or not _HEX.issuperset(digits) or size > 8:
        raise _bad(text, dtype)
    bits = int(digits, 16)
    if is_ml(dtype) and bits >> ML_BITS[dtype.name]:
        raise _bad(text, dtype)
    native = dtype if is_ml(dtype) else dtype.newbyteorder("=")
    return np.array(bits, f"u{size}").view(native)[()]


def float_bits(value: Any, dtype: np.dtype[Any]) -> int:
    """Return the bits of a float of `dtype` as an integer, with the sign as the highest bit."""
    native = dtype if is_ml(dtype) else dtype.newbyteorder("=")
    return int(np.array(value, native).view(f"u{dtype.itemsize}"))


def float_to(value: Any, dtype: np.dtype[Any]) -> float | str:
    """Convert a float to JSON."""
    number = float(value)
    if number - number == 0:
        return number
    if number == number:
        return "Infinity" if number > 0 else "-Infinity"
    if dtype.itemsize > 8:
        return "NaN"
    bits = float_bits(value, dtype)
    return "NaN" if bits == float_bits(float("nan"), dtype) else f"0x{bits:0{2 * dtype.itemsize}x}"


def complex_of(json: Any, dtype: np.dtype[Any], version: int) -> Any:
    """Convert JSON ``[real, imaginary]`` to a complex number."""
    part = np.dtype(f"f{dtype.itemsize // 2}")
    if version == 2 and type(json) in (int, float, str):
        json = [json, 0.0]
    if type(json) is not list or len(json) != 2:
        raise MetadataError(
            f"'fill_value' of data type {dtype.name} must be [real, imaginary], not {shorten(json)}"
        )
    out = np.empty((), dtype.newbyteorder("="))
    out.real = float_of(json[0], part, version)
    out.imag = float_of(json[1], part, version)
    return out[()]


def complex_to(value: Any, dtype: np.dtype[Any]) -> list[float | str]:
    """Convert a complex number to JSON."""
    part = np.dtype(f"f{dtype.itemsize // 2}")
    return [float_to(value.real, part), float_to(value.imag, part)]


def _bad(json: Any, dtype: np.dtype[Any]) -> MetadataError:
    return MetadataError(
        f"'fill_value' of data type {dtype.name} must be a number in its range, 'NaN', 'Infinity', '-Infinity', "
        f"or in Zarr format 3 its bits in hexadecimal, not {shorten(json)}"
    )
