"""Methods that reduce blocks of elements to one element each. Pure NumPy.

`reduce_blocks` divides an array into blocks of `factors` elements and reduces each block. Blocks at the end of an axis
may be shorter; they are reduced over the elements that they have.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import Any, Literal

import numpy as np

from exzarr._typing import AnyArray
from exzarr.errors import ArgumentError

__all__ = ["Method", "check_method", "method_name", "reduce_blocks", "reduced_shape"]

Method = Literal["mean", "mode", "nearest", "min", "max"] | Callable[..., Any]
"""A name, or a function such as `numpy.median`, called as ``f(values, axis=axes)``."""

Windows = list[AnyArray]
"""The elements of all blocks: one view for each position in a block, all of the shape of the result."""


def reduced_shape(shape: Sequence[int], factors: Sequence[int]) -> tuple[int, ...]:
    """Return the number of blocks along each axis."""
    return tuple([-(-n // f) for n, f in zip(shape, factors, strict=True)])


def method_name(method: Method) -> str:
    """Return the name of a method, for metadata."""
    return method if isinstance(method, str) else str(getattr(method, "__name__", type(method).__name__))


def check_method(method: Method, dtype: np.dtype[Any]) -> None:
    """Raise ArgumentError if elements of `dtype` cannot be reduced by this method."""
    if callable(method):
        return
    if method not in _METHODS:
        raise ArgumentError(f"method is one of {', '.join(_METHODS)}, or a function, not {method!r}")
    kinds = {"nearest": None, "mode": "biufcmM", "mean": "biufcmM", "min": "biufmM", "max": "biufmM"}[method]
    if kinds is not None and dtype.kind not in kinds:
        raise ArgumentError(f"method {method!r} is not for elements of type {dtype}: use method='nearest'")


def reduce_blocks(
    values: AnyArray,
    factors: Sequence[int],
    method: Method,
    *,
    nodata: Any = None,
    out: AnyArray | None = None,
) -> AnyArray:
    """Reduce each block of `values` to one element.

    Parameters
    ----------
    values
        The array.
    factors
        Length of a block along each axis, in elements.
    method
        ``"mean"``: the mean; of integers, rounded to the nearest integer, and halves to the even one. ``"mode"``: the
        most frequent value; of several, the smallest. ``"nearest"``: the first element. ``"min"``, ``"max"``. Or a
        function that reduces given axes, as NumPy's do; its result is converted to the data type of `values`.
    nodata
        A value that stands for missing elements. Like NaN and NaT, such elements are left out, and a block that has no
        other elements becomes this value. The method "nearest" and functions treat it as any other value.
    out
        An array for the result.

    Returns
    -------
    numpy.ndarray
        The result, of the data type of `values` and the shape `reduced_shape`.
    """
    shape = reduced_shape(values.shape, factors)
    if out is None:
        out = np.empty(shape, values.dtype)
    if method == "nearest" or math.prod(factors) == 1:
        out[...] = values[tuple([slice(None, None, f) for f in factors])]
        return out
    reduce = _METHODS[method] if isinstance(method, str) else partial(_apply, method)
    parts = [_parts(n, f) for n, f in zip(values.shape, factors, strict=True)]
    for part in product(*parts):  # whole blocks, and the shorter ones at the end of axes
        source = tuple([one for one, _, _ in part])
        target = tuple([other for _, other, _ in part])
        if out[target].size:
            reduce(values[source], [length for *_, length in part], nodata, out[target])
    return out


def _parts(length: int, factor: int) -> list[tuple[slice, slice, int]]:
    """Return slices of elements, slices of blocks, and the length of these blocks."""
    whole, rest = divmod(length, factor)
    parts = [(slice(0, whole * factor), slice(0, whole), factor)] if whole else []
    if rest:
        parts.append((slice(whole * factor, length), slice(whole, whole + 1), rest))
    return parts


def _windows(values: AnyArray, lengths: Sequence[int]) -> Windows:
    steps = [[slice(start, None, length) for start in range(length)] for length in lengths]
    return [values[place] for place in product(*steps)]


def _apply(
    function: Callable[..., Any], values: AnyArray, lengths: Sequence[int], _nodata: Any, out: AnyArray
) -> None:
    split: list[int] = []
    for n, length in zip(values.shape, lengths, strict=True):
        split += [n // length, length]
    result = np.asarray(function(values.reshape(split), axis=tuple(range(1, len(split), 2))))
    if result.shape != out.shape:
        raise ArgumentError(
            f"the function {method_name(function)!r} returned the shape {result.shape} for {out.shape} blocks: it must "
            "reduce the axes that it is given"
        )
    out[...] = result


# -- minimum and maximum ---------------------------------------------------------------


def _extreme(
    name: Literal["min", "max"], values: AnyArray, lengths: Sequence[int], nodata: Any, out: AnyArray
) -> None:
    # fmin and fmax return the other value if one is NaN or NaT.
    ufunc: np.ufunc = np.fmin if name == "min" else np.fmax
    if nodata is None or _is_missing(nodata):
        _fold(ufunc, values, lengths, out)
        return
    info = _limits(values.dtype)
    worst = info[1] if name == "min" else info[0]
    missing = values == nodata
    _fold(ufunc, np.where(missing, worst, values), lengths, out)
    out[_all_true(missing, lengths)] = nodata


def _fold(ufunc: np.ufunc, values: AnyArray, lengths: Sequence[int], out: AnyArray) -> None:
    """Combine the elements of each block with `ufunc`, axis by axis: the first axes are contiguous, and fastest."""
    axes = [axis for axis, length in enumerate(lengths) if length > 1]
    if not axes:
        out[...] = values
        return
    for axis in axes:
        before = (slice(None),) * axis
        parts = [values[(*before, slice(start, None, lengths[axis]))] for start in range(lengths[axis])]
        result = out if axis == axes[-1] and out.dtype == values.dtype else None
        folded = ufunc(parts[0], parts[1], out=result)
        for part in parts[2:]:
            ufunc(folded, part, out=folded)
        values = folded
    if values is not out:
        out[...] = values


def _all_true(mask: AnyArray, lengths: Sequence[int]) -> AnyArray:
    result = np.empty([n // length for n, length in zip(mask.shape, lengths, strict=True)], bool)
    _fold(np.logical_and, mask, lengths, result)
    return result


def _limits(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    if dtype.kind == "f":
        return -np.inf, np.inf
    if dtype.kind == "b":
        return False, True
    if dtype.kind in "mM":
        whole = np.iinfo(np.int64)
        return np.array(whole.min + 1).view(dtype), np.array(whole.max).view(dtype)
    info = np.iinfo(dtype)
    return info.min, info.max


def _is_missing(value: Any) -> bool:
    """Return True for NaN and NaT."""
    return bool(value != value)


# -- mean ------------------------------------------------------------------------------


def _mean(values: AnyArray, lengths: Sequence[int], nodata: Any, out: AnyArray) -> None:
    if values.dtype.kind in "mM":
        whole, missing = np.iinfo(np.int64).min, nodata
        if nodata is None or _is_missing(nodata):
            missing = whole  # NaT
        else:
            missing = np.array(nodata, values.dtype).view(np.int64)[()]
        _mean_of_integers(values.view(np.int64), lengths, missing, out.view(np.int64))
    elif values.dtype.kind in "biu":
        _mean_of_integers(values, lengths, nodata, out)
    else:
        _mean_of_floats(values, lengths, nodata, out)


def _mean_of_floats(values: AnyArray, lengths: Sequence[int], nodata: Any, out: AnyArray) -> None:
    wide = np.promote_types(values.dtype, np.float32)
    total = np.empty(out.shape, wide)
    with np.errstate(invalid="ignore", over="ignore"):
        _sum(values, lengths, total)
        total /= wide.type(math.prod(lengths))
        out[...] = total
    missing = np.isnan(values) if np.isnan(total).any() else None
    if nodata is not None and not _is_missing(nodata):
        equal = values == nodata
        if equal.any():
            missing = equal if missing is None else missing | equal
    if missing is None:
        return
    counts = np.empty(out.shape, np.int64)
    _sum(~missing, lengths, counts)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        _sum(np.where(missing, wide.type(0), values), lengths, total)
        total /= counts
        out[...] = total
    empty = counts == 0
    if empty.any():
        out[empty] = np.nan if nodata is None else nodata


def _mean_of_integers(values: AnyArray, lengths: Sequence[int], nodata: Any, out: AnyArray) -> None:
    count: Any = math.prod(lengths)
    missing = None if nodata is None else values == nodata
    if missing is not None and not missing.any():
        missing = None
    if missing is not None:
        count = np.empty(out.shape, np.int64)
        _sum(~missing, lengths, count)
        values = np.where(missing, values.dtype.type(0), values)
    divisor = count if missing is None else np.maximum(count, 1)
    quotient, rest = _divided_sum(values, lengths, divisor)
    # Round half to even, as numpy.rint does, without a detour through floating-point numbers.
    twice = rest + rest
    up = (twice > divisor) | ((twice == divisor) & (quotient & 1).astype(bool))
    out[...] = quotient + up
    if missing is not None:
        out[count == 0] = nodata


def _divided_sum(values: AnyArray, lengths: Sequence[int], divisor: Any) -> tuple[AnyArray, AnyArray]:
    """Return quotient and remainder of the sum of each block and `divisor`, without overflow."""
    shape = [n // length for n, length in zip(values.shape, lengths, strict=True)]
    most = math.prod(lengths)
    if values.dtype.itemsize < 8:
        bits = 8 * values.dtype.itemsize + most.bit_length() + 1
        total = np.empty(shape, np.int16 if bits <= 16 else np.int32 if bits <= 32 else np.int64)
        _sum(values, lengths, total)
        quotient = total // divisor
        return quotient, total - quotient * divisor
    # 64-bit integers: sum quotients and remainders by the block's length separately.
    wide = values.dtype
    high, low = np.empty(shape, wide), np.empty(shape, wide)
    if isinstance(divisor, int):
        parts = values // wide.type(divisor)
        _sum(parts, lengths, high)
        _sum(values - parts * wide.type(divisor), lengths, low)
        more = low // wide.type(divisor)
        return high + more, low - more * wide.type(divisor)
    spread = _repeated(divisor.astype(wide), lengths)
    parts = values // spread
    _sum(parts, lengths, high)
    _sum(values - parts * spread, lengths, low)
    more = low // divisor.astype(wide)
    return high + more, low - more * divisor.astype(wide)


def _repeated(values: AnyArray, lengths: Sequence[int]) -> AnyArray:
    for axis, length in enumerate(lengths):
        if length > 1:
            values = np.repeat(values, length, axis)
    return values


def _sum(values: AnyArray, lengths: Sequence[int], out: AnyArray) -> None:
    """Sum the elements of each block in the data type of `out`."""
    axes = [axis for axis, length in enumerate(lengths) if length > 1]
    if not axes:
        out[...] = values
        return
    for axis in axes:
        before = (slice(None),) * axis
        parts = [values[(*before, slice(start, None, lengths[axis]))] for start in range(lengths[axis])]
        total = np.add(parts[0], parts[1], dtype=out.dtype, out=out if axis == axes[-1] else None)
        for part in parts[2:]:
            np.add(total, part, out=total, dtype=out.dtype)
        values = total


# -- mode ------------------------------------------------------------------------------


def _mode(values: AnyArray, lengths: Sequence[int], nodata: Any, out: AnyArray) -> None:
    windows = _windows(values, lengths)
    first = windows[0]
    out[...] = first
    if len(windows) == 1:
        return
    uniform = windows[1] == first
    for window in windows[2:]:
        uniform &= window == first
    mixed = np.nonzero(~uniform)
    if not len(mixed[0]):
        return
    candidates = np.stack([window[mixed] for window in windows])
    candidates.sort(axis=0)
    best, most = candidates[0].copy(), np.zeros(candidates.shape[1], np.intp)
    run = np.zeros_like(most)
    before: AnyArray | None = None
    for value in candidates:
        run = np.where(value == before, run + 1, 1) if before is not None else run + 1
        found = _weights(run, value, nodata) > most
        most[found], best[found] = run[found], value[found]
        before = value
    if nodata is not None:
        best[most == 0] = nodata
    out[mixed] = best


def _weights(run: AnyArray, value: AnyArray, nodata: Any) -> AnyArray:
    """Return the frequencies, and 0 for missing values, which never win."""
    missing = (
        np.isnan(value) if value.dtype.kind in "fc" else np.isnat(value) if value.dtype.kind in "mM" else None
    )
    if nodata is not None:
        equal = value == nodata
        missing = equal if missing is None else missing | equal
    return run if missing is None else np.where(missing, 0, run)


_METHODS: dict[str, Callable[[AnyArray, Sequence[int], Any, AnyArray], None]] = {
    "mean": _mean,
    "mode": _mode,
    "nearest": lambda values, lengths, nodata, out: None,  # noqa: ARG005 - `reduce_blocks` takes every nth element
    "min": partial(_extreme, "min"),
    "max": partial(_extreme, "max"),
}
