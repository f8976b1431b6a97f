"""Number casts with a choice of rounding and of out-of-range behaviour, as `cast_value` defines them.

Values are rounded first, as if the target had no bounds. Then the range is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from exzarr._format.data_type import ML_BITS, is_ml
from exzarr.codecs.base import AnyArray
from exzarr.errors import CodecError

__all__ = ["ROUNDINGS", "cast_values", "is_float", "is_integer"]

ROUNDINGS = ("nearest-even", "towards-zero", "towards-positive", "towards-negative", "nearest-away")
_EXACT = 2**53


def is_integer(dtype: np.dtype[Any]) -> bool:
    """Return True if `dtype` is an integer type of NumPy or ``ml_dtypes``."""
    return dtype.kind in "iu" or (is_ml(dtype) and "int" in dtype.name)


def is_float(dtype: np.dtype[Any]) -> bool:
    """Return True if `dtype` is a real float type of NumPy or ``ml_dtypes``."""
    return (dtype.kind == "f" and dtype.itemsize <= 8) or (is_ml(dtype) and "float" in dtype.name)


def cast_values(
    array: AnyArray,
    target: np.dtype[Any],
    rounding: str,
    out_of_range: str | None,
    pairs: Sequence[tuple[Any, Any]] = (),
) -> AnyArray:
    """Cast `array` to `target`.

    Parameters
    ----------
    array
        Integers or floats, of any shape and strides.
    rounding
        One of `ROUNDINGS`.
    out_of_range
        ``"error"``, ``"clamp"`` or ``"wrap"``.
    pairs
        Pairs of a value and its replacement.

    Raises
    ------
    CodecError
        A value is outside the target's range, or is NaN and the target has no NaN.
    """
    masks = [(_equal(array, value), new) for value, new in pairs]
    if masks:
        array = array.copy()
        for mask, _ in masks:
            array[mask] = 1  # fits anywhere
    with np.errstate(all="ignore"):
        if is_integer(target):
            if is_integer(array.dtype):
                result = _to_integer(_wide(array), target, out_of_range)
            else:
                result = _to_integer(_rounded(array.astype(np.float64), rounding), target, out_of_range)
        else:
            result = _to_float(array, target, rounding, out_of_range)
    # If two pairs have the same value, the first one is used.
    for mask, new in reversed(masks):
        result[mask] = new
    return result


def _equal(array: AnyArray, value: Any) -> AnyArray:
    mask: AnyArray = array == value if value == value else array != array
    return mask


def _wide(array: AnyArray) -> AnyArray:
    return array.astype(np.int64) if is_ml(array.dtype) else array


def _rounded(values: AnyArray, rounding: str) -> AnyArray:
    """Round float64 values to whole numbers."""
    if rounding == "nearest-even":
        return np.rint(values)
    if rounding == "towards-positive":
        return np.ceil(values)
    if rounding == "towards-negative":
        return np.floor(values)
    whole = np.trunc(values)
    if rounding == "nearest-away":
        # The difference is exact; values + 0.5 is not.
        whole += np.copysign(np.abs(values - whole) >= 0.5, values)
    return whole


def _to_integer(values: AnyArray, target: np.dtype[Any], out_of_range: str | None) -> AnyArray:
    """Convert whole numbers (integers or float64) to an integer type."""
    bits = ML_BITS[target.name] if is_ml(target) else 8 * target.itemsize
    signed = target.kind == "i" or target.name.startswith("int")
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if values.dtype.kind == "f":
        if np.isnan(values).any():
            raise CodecError(f"cast_value: {target} has no NaN; replace NaN with scalar_map")
        # float64 represents high + 1, a power of two, exactly, but not always high.
        below, above = values < low, values >= float(high + 1)
    else:
        below, above = values < low, values > high
    outside = below | above
    if not outside.any():
        return values.astype(target)
    if out_of_range == "clamp":
        result = np.where(outside, values.dtype.type(0), values).astype(target)
        result[below] = low
        result[above] = high
        return result
    if out_of_range == "wrap" and np.isfinite(values).all():
        return _wrapped(values, bits, signed, target)
    first = values[outside].reshape(-1)[0]
    raise CodecError(f"cast_value: {first} does not fit into {target}; set out_of_range to 'clamp' or 'wrap'")


def _wrapped(values: AnyArray, bits: int, signed: bool, target: np.dtype[Any]) -> AnyArray:
    if values.dtype.kind == "f":
        rest = np.fmod(values, 2.0**64)
        words = np.abs(rest).astype(np.uint64)
        words = np.where(rest < 0, ~words + np.uint64(1), words)
    else:
        words = values.astype(np.uint64)
    words &= np.uint64((1 << bits) - 1)
    if signed:
        # Shift the sign bit to the top and back, to extend it.
        gap = np.int64(64 - bits)
        return ((words.view(np.int64) << gap) >> gap).astype(target)
    return words.astype(target)


def _to_float(array: AnyArray, target: np.dtype[Any], rounding: str, out_of_range: str | None) -> AnyArray:
    source = array.dtype
    exact = not is_integer(source) or source.itemsize < 8
    info = _finfo(target)
    low, high = float(info.min), float(info.max)
    has_inf, has_nan = _has_inf_nan(target)
    if exact and target == np.float64:
        return array.astype(target)  # float64 holds every value of all other types
    values = array.astype(np.float64)
    if not has_nan and np.isnan(values).any():
        raise CodecError(f"cast_value: {target} has no NaN; replace NaN with scalar_map")
    if not exact and high > _EXACT:
        near = array.astype(target)
        truth, back = array.astype(object), _integers(near)
    else:
        near = np.clip(values, low, high).astype(target)
        truth, back = np.clip(values, low, high), near.astype(np.float64)
    result = _round_directed(near, truth, back, rounding, info)
    outside = _out_of_range_mask(values, info, rounding)
    if outside.any():
        if out_of_range != "clamp":
            first = values[outside].reshape(-1)[0]
            raise CodecError(f"cast_value: {first} does not fit into {target}; set out_of_range to 'clamp'")
        if has_inf:
            result[outside] = np.copysign(np.inf, values[outside]).astype(target)
        else:
            result[outside] = np.where(values[outside] > 0, high, low).astype(target)
    infinite = np.isinf(values)
    if infinite.any():
        if not has_inf and out_of_range != "clamp":
            raise CodecError(f"cast_value: {target} has no infinity; set out_of_range to 'clamp'")
        result[infinite] = (values[infinite] if has_inf else np.clip(values[infinite], low, high)).astype(
            target
        )
    return result


def _round_directed(near: AnyArray, truth: AnyArray, back: AnyArray, rounding: str, info: Any) -> AnyArray:
    """Correct the nearest values to the direction of `rounding`.

    `near` holds the nearest values of the target type, `back` the same in a wider type, and `truth` the exact values.
    """
    if rounding == "nearest-even":
        return near
    less, more = (back < truth).astype(bool), (back > truth).astype(bool)
    up, down = np.nextafter(near, info.max), np.nextafter(near, info.min)
    if rounding == "towards-positive":
        return np.where(less, up, near)
    if rounding == "towards-negative":
        return np.where(more, down, near)
    positive = (truth > 0).astype(bool)
    if rounding == "towards-zero":
        return np.where(more & positive, down, np.where(less & ~positive, up, near))
    other = np.where(less, up, down)
    wide = _integers(other) if truth.dtype == object else other.astype(np.float64)
    tie = ((less | more) & (np.abs(truth - back) == np.abs(wide - truth))).astype(bool)
    away = tie & np.where(positive, less, more)
    return np.where(away, other, near)


def _out_of_range_mask(values: AnyArray, info: Any, rounding: str) -> AnyArray:
    """Return a mask of the finite values that are out of range after rounding without bounds."""
    outside = np.zeros(values.shape, bool)
    for sign, bound in ((1.0, float(info.max)), (-1.0, -float(info.min))):
        magnitude = values * sign
        beyond = (magnitude > bound) & np.isfinite(values)
        if bound <= 0 or not beyond.any():
            outside |= beyond
            continue
        step = bound - float(np.nextafter(info.max, info.dtype.type(0)))
        middle = bound + step / 2
        if rounding == "nearest-even":
            even = int(bound / step) % 2 == 0
            beyond &= magnitude > middle if even else magnitude >= middle
        elif rounding == "nearest-away":
            beyond &= magnitude >= middle
        elif rounding == "towards-zero" or (rounding == "towards-negative") == (sign > 0):
            beyond &= magnitude >= bound + step
        outside |= beyond
    return outside


def _integers(array: AnyArray) -> AnyArray:
    out = np.empty(array.shape, object)
    out[...] = np.vectorize(int, otypes=[object])(array.astype(np.float64)) if array.size else 0
    return out


def _finfo(dtype: np.dtype[Any]) -> Any:
    if is_ml(dtype):
        import ml_dtypes

        return ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]
    return np.finfo(dtype)


def _has_inf_nan(dtype: np.dtype[Any]) -> tuple[bool, bool]:
    """Return two flags: the type has infinities, the type has NaN."""
    if not is_ml(dtype):
        return True, True
    if dtype.name.startswith(("float4", "float6")):
        return False, False
    return bool(np.isinf(np.array([np.inf]).astype(dtype).astype(np.float64))[0]), True
