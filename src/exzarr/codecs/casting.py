"""Casting numbers with a say in rounding and in what does not fit, as `cast_value` defines it.

Rounding comes first, as if the target had no bounds; then the result either fits or it does not.
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
    """Whether `dtype` is an integer, NumPy's own or one of ``ml_dtypes``."""
    return dtype.kind in "iu" or (is_ml(dtype) and "int" in dtype.name)


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether `dtype` is a real float, NumPy's own or one of ``ml_dtypes``."""
    return (dtype.kind == "f" and dtype.itemsize <= 8) or (is_ml(dtype) and "float" in dtype.name)


def cast_values(
    array: AnyArray,
    target: np.dtype[Any],
    rounding: str,
    out_of_range: str | None,
    pairs: Sequence[tuple[Any, Any]] = (),
) -> AnyArray:
    """`array` cast to `target`.

    Parameters
    ----------
    array
        Integers or floats, of any shape and strides.
    rounding
        One of `ROUNDINGS`.
    out_of_range
        ``"error"``, ``"clamp"`` or ``"wrap"``.
    pairs
        Values to be replaced, and by what.

    Raises
    ------
    CodecError
        A value does not fit, or is NaN where the target has none.
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
    # Of two pairs with the same value the first counts
    for mask, new in reversed(masks):
        result[mask] = new
    return result


def _equal(array: AnyArray, value: Any) -> AnyArray:
    mask: AnyArray = array == value if value == value else array != array
    return mask


def _wide(array: AnyArray) -> AnyArray:
    return array.astype(np.int64) if is_ml(array.dtype) else array


def _rounded(values: AnyArray, rounding: str) -> AnyArray:
    """float64 values rounded to integers."""
    if rounding == "nearest-even":
        return np.rint(values)
    if rounding == "towards-positive":
        return np.ceil(values)
    if rounding == "towards-negative":
        return np.floor(values)
    whole = np.trunc(values)
    if rounding == "nearest-away":
        # The difference is exact, which values + 0.5 would not be
        whole += np.copysign(np.abs(values - whole) >= 0.5, values)
    return whole


def _to_integer(values: AnyArray, target: np.dtype[Any], out_of_range: str | None) -> AnyArray:
    """Whole numbers, as integers or float64, to an integer type."""
    bits = ML_BITS[target.name] if is_ml(target) else 8 * target.itemsize
    signed = target.kind == "i" or target.name.startswith("int")
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if values.dtype.kind == "f":
        if np.isnan(values).any():
            raise CodecError(f"cast_value: NaN has no value in {target}; a scalar_map can give it one")
        # high + 1 is a power of two, which float64 has where high may be missing
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
    raise CodecError(f"cast_value: {first} does not fit into {target}; out_of_range may be 'clamp' or 'wrap'")


def _wrapped(values: AnyArray, bits: int, signed: bool, target: np.dtype[Any]) -> AnyArray:
    if values.dtype.kind == "f":
        rest = np.fmod(values, 2.0**64)
        words = np.abs(rest).astype(np.uint64)
        words = np.where(rest < 0, ~words + np.uint64(1), words)
    else:
        words = values.astype(np.uint64)
    words &= np.uint64((1 << bits) - 1)
    if signed:
        # Shift the sign to the top and back again
        gap = np.int64(64 - bits)
        return ((words.view(np.int64) << gap) >> gap).astype(target)
    return words.astype(target)


def _to_float(array: AnyArray, target: np.dtype[Any], rounding: str, out_of_range: str | None) -> AnyArray:
    source = array.dtype
    exact = not is_integer(source) or source.itemsize < 8
    info = _finfo(target)
    low, high = float(info.min), float(info.max)
    has_inf, has_nan = _specials(target)
    if exact and target == np.float64:
        return array.astype(target)  # float64 holds every value of all other types
    values = array.astype(np.float64)
    if not has_nan and np.isnan(values).any():
        raise CodecError(f"cast_value: {target} has no NaN; a scalar_map can give it a value")
    if not exact and high > _EXACT:
        near = array.astype(target)
        truth, back = array.astype(object), _integers(near)
    else:
        near = np.clip(values, low, high).astype(target)
        truth, back = np.clip(values, low, high), near.astype(np.float64)
    result = _directed(near, truth, back, rounding, info)
    outside = _beyond(values, info, rounding)
    if outside.any():
        if out_of_range != "clamp":
            first = values[outside].reshape(-1)[0]
            raise CodecError(f"cast_value: {first} does not fit into {target}; out_of_range may be 'clamp'")
        if has_inf:
            result[outside] = np.copysign(np.inf, values[outside]).astype(target)
        else:
            result[outside] = np.where(values[outside] > 0, high, low).astype(target)
    infinite = np.isinf(values)
    if infinite.any():
        if not has_inf and out_of_range != "clamp":
            raise CodecError(f"cast_value: {target} has no infinity; out_of_range may be 'clamp'")
        result[infinite] = (values[infinite] if has_inf else np.clip(values[infinite], low, high)).astype(
            target
        )
    return result


def _directed(near: AnyArray, truth: AnyArray, back: AnyArray, rounding: str, info: Any) -> AnyArray:
    """`near`, the nearest of the target's values (`back` in wider numbers), moved as `rounding` has it."""
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


def _beyond(values: AnyArray, info: Any, rounding: str) -> AnyArray:
    """Which finite values lie outside of the target after rounding as if it had no bounds."""
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


def _specials(dtype: np.dtype[Any]) -> tuple[bool, bool]:
    """Whether the type has infinities, and whether it has NaN."""
    if not is_ml(dtype):
        return True, True
    if dtype.name.startswith(("float4", "float6")):
        return False, False
    return bool(np.isinf(np.array([np.inf]).astype(dtype).astype(np.float64))[0]), True
