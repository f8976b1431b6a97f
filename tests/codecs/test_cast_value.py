"""cast_value agrees with exact arithmetic, and with zarr-python's backend if that is installed."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr._format.dtypes import from_numpy
from exzarr.codecs.casting import ROUNDINGS, cast_values
from exzarr.errors import CodecError, MetadataError
from tests.breadth import examples
from tests.codecs.tools import LITTLE, bound, codec, spec_of

INTEGERS = ["int8", "uint8", "int16", "uint32", "int64", "uint64", "int4", "uint4", "int2"]
FLOATS = [
    "float16",
    "float32",
    "float64",
    "bfloat16",
    "float8_e4m3fn",
    "float8_e5m2",
    "float4_e2m1fn",
    "float6_e3m2fn",
]


def whole(value: Fraction, rounding: str) -> int:
    """Round `value` to an integer."""
    low = math.floor(value)
    rest = value - low
    match rounding:
        case "towards-negative":
            return low
        case "towards-positive":
            return low + (rest > 0)
        case "towards-zero":
            return low + (rest > 0 and value < 0)
        case "nearest-even":
            return low + (rest > Fraction(1, 2) or (rest == Fraction(1, 2) and low % 2 == 1))
    return low + (rest > Fraction(1, 2) or (rest == Fraction(1, 2) and value > 0))


def bounds(dtype: str) -> tuple[int, int]:
    bits = int(dtype.lstrip("uint"))
    return (0, 2**bits - 1) if dtype.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def to_integer(value: Any, dtype: str, rounding: str, out_of_range: str) -> int | None:
    low, high = bounds(dtype)
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, float) and math.isinf(value):
        return (high if value > 0 else low) if out_of_range == "clamp" else None
    number = whole(Fraction(value), rounding)
    if low <= number <= high:
        return number
    if out_of_range == "clamp":
        return min(max(number, low), high)
    return (number - low) % (high - low + 1) + low if out_of_range == "wrap" else None


def grid(dtype: str) -> tuple[int, int, float]:
    """Return the bits of the significand, the exponent of the smallest step, and the largest value."""
    info = ml_dtypes.finfo(from_numpy(dtype).dtype)
    step = Fraction(float(info.smallest_subnormal))
    return info.nmant + 1, step.numerator.bit_length() - step.denominator.bit_length(), float(info.max)


def to_float(value: Any, dtype: str, rounding: str, out_of_range: str) -> float | None:
    has_inf = dtype not in ("float8_e4m3fn", "float4_e2m1fn", "float6_e3m2fn")
    has_nan = not dtype.startswith(("float4", "float6"))
    digits, least, largest = grid(dtype)
    if isinstance(value, float) and math.isnan(value):
        return value if has_nan else None
    if isinstance(value, float) and math.isinf(value):
        return value if has_inf else math.copysign(largest, value) if out_of_range == "clamp" else None
    exact = Fraction(value)
    if exact == 0:
        return float(value)
    magnitude = abs(exact)
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    if Fraction(2) ** exponent > magnitude:
        exponent -= 1
    step = Fraction(2) ** max(exponent - digits + 1, least)
    rounded = whole(exact / step, rounding) * step
    if abs(rounded) > Fraction(largest):
        if out_of_range != "clamp":
            return None
        return math.copysign(math.inf if has_inf else largest, value)
    return math.copysign(float(rounded), value)


def values_for(source: str) -> st.SearchStrategy[Any]:
    if "int" in source:
        low, high = bounds(source)
        return st.one_of(st.integers(low, high), st.sampled_from([low, high, 0, 1, high // 2]))
    if source == "float64":
        near = st.integers(-600, 600).map(lambda n: n / 4)
        edges = st.sampled_from(
            [65519.0, 65520.0, 65504.5, 3.4e38, 3.5e38, 1e300, -1e-300, 448.0, 464.0, 480.0, 2.0**63]
        )
        return st.one_of(st.floats(), near, edges, st.floats(-1e5, 1e5))
    return st.one_of(st.floats(width=32), st.integers(-600, 600).map(lambda n: n / 4))


@pytest.mark.slow
@given(
    st.sampled_from([*INTEGERS, "float32", "float64"]),
    st.sampled_from([*INTEGERS, *FLOATS]),
    st.sampled_from(ROUNDINGS),
    st.sampled_from(["error", "clamp", "wrap"]),
    st.data(),
)
@examples(333)
def test_values_are_cast_exactly(
    source: str, target: str, rounding: str, out_of_range: str, draw: st.DataObject
) -> None:
    if out_of_range == "wrap" and target not in INTEGERS:
        return
    dtype = from_numpy(source).dtype
    raw = draw.draw(st.lists(values_for(source), min_size=1, max_size=4))
    with np.errstate(all="ignore"):
        array = np.array(raw, "f8" if "float" in source else "u8" if source == "uint64" else "i8").astype(
            dtype
        )
    # 64-bit integers are cast to bfloat16 and to eight-bit floats through float64.
    if source in ("int64", "uint64") and target == "bfloat16":
        return
    values = [float(v) if "float" in source else int(v) for v in array.tolist()]
    cast = to_integer if target in INTEGERS else to_float
    expected = [cast(value, target, rounding, out_of_range) for value in values]
    if None in expected:
        with pytest.raises(CodecError, match="cast_value"):
            cast_values(array, from_numpy(target).dtype, rounding, out_of_range)
        return
    result = cast_values(array, from_numpy(target).dtype, rounding, out_of_range)
    assert result.dtype == from_numpy(target).dtype
    found = [float(v) if "float" in target else int(v) for v in result]
    assert [repr(v) for v in found] == [repr(v) for v in expected]


@given(
    st.sampled_from(["int8", "uint16", "int64", "uint64", "float32", "float64"]),
    st.sampled_from(["int8", "uint8", "int32", "int64", "uint64", "float16", "float32", "float64"]),
    st.sampled_from(ROUNDINGS),
    st.sampled_from(["error", "clamp", "wrap"]),
    st.data(),
)
@examples(100)
def test_cast_value_agrees_with_zarr_pythons_backend(
    source: str, target: str, rounding: str, out_of_range: str, draw: st.DataObject
) -> None:
    backend = pytest.importorskip("cast_value_rs")
    if out_of_range == "wrap" and "float" in target:
        return
    raw = draw.draw(st.lists(values_for(source), min_size=1, max_size=4))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        array = np.array(raw, "f8" if "float" in source else "u8" if source == "uint64" else "i8").astype(
            source
        )
    if np.isinf(array).any() and "float" not in target:
        return  # it rejects infinities that the specification clamps
    mode = None if out_of_range == "error" else out_of_range
    try:
        expected = backend.cast_array(
            array, target_dtype=target, rounding_mode=rounding, out_of_range_mode=mode
        )
    except ValueError:
        with pytest.raises(CodecError):
            cast_values(array, np.dtype(target), rounding, out_of_range)
        return
    np.testing.assert_array_equal(cast_values(array, np.dtype(target), rounding, out_of_range), expected)


def test_scalar_map_is_applied_before_the_cast() -> None:
    spec = spec_of((5,), "float32")
    pipeline = bound(
        spec,
        codec(
            "cast_value",
            data_type="uint8",
            out_of_range="clamp",
            scalar_map={
                "encode": [["NaN", 255], ["Infinity", 254], [1.5, 7]],
                "decode": [[255, "NaN"], [254, "Infinity"]],
            },
        ),
        LITTLE,
    )
    array = np.array([math.nan, math.inf, 1.5, 2.4, 300], "f4")
    encoded = bytes(pipeline.encode(array))
    assert list(encoded) == [255, 254, 7, 2, 255]
    np.testing.assert_array_equal(
        pipeline.decode(encoded), np.array([math.nan, math.inf, 7, 2, math.nan], "f4")
    )
    assert np.isinf(array[1]), "the caller's array does not change"


def test_cast_value_after_scale_offset_equals_fixedscaleoffset() -> None:
    spec = spec_of((4,), "float32", np.float32(10))
    pipeline = bound(
        spec, codec("scale_offset", offset=10, scale=10), codec("cast_value", data_type="uint8"), LITTLE
    )
    assert list(bytes(pipeline.encode(np.array([10, 10.1, 12.34, 35.5], "f4")))) == [0, 1, 23, 255]


@pytest.mark.parametrize(
    ("dtype", "fill", "config"),
    [
        ("f4", None, {"data_type": "string"}),
        ("f4", None, {"data_type": "complex64"}),
        ("f4", None, {"data_type": "bool"}),
        ("f4", None, {"data_type": 5}),
        ("f4", None, {"data_type": "nope"}),
        ("f4", None, {"data_type": "float16", "out_of_range": "wrap"}),
        ("f4", None, {"data_type": "int8", "out_of_range": "nope"}),
        ("f4", None, {"data_type": "int8", "rounding": "up"}),
        ("f4", None, {}),
        ("f4", np.float32("nan"), {"data_type": "int8"}),
        ("f4", np.float32(300), {"data_type": "uint8"}),
        ("c8", None, {"data_type": "float32"}),
        ("S3", None, {"data_type": "uint8"}),
        ("f4", None, {"data_type": "uint8", "scalar_map": []}),
        ("f4", None, {"data_type": "uint8", "scalar_map": {"both": []}}),
        ("f4", None, {"data_type": "uint8", "scalar_map": {"encode": [[1]]}}),
        ("f4", None, {"data_type": "uint8", "scalar_map": {"encode": [["NaN", 300]]}}),
        ("f4", None, {"data_type": "uint8", "scalar_map": {"decode": [["NaN", 3]]}}),
        ("f4", None, {"data_type": "uint8", "scalar_map": {"encode": 5}}),
        ("f4", None, {"data_type": "uint8", "extra": 1}),
    ],
)
def test_invalid_configurations_raise_metadata_error(dtype: str, fill: Any, config: dict[str, Any]) -> None:
    with pytest.raises(MetadataError):
        bound(spec_of((2,), dtype, fill), codec("cast_value", **config), LITTLE)


def test_values_out_of_range_raise_codec_error() -> None:
    pipeline = bound(spec_of((2,), "f4"), codec("cast_value", data_type="uint8"), LITTLE)
    for bad in (300, -1, math.nan, math.inf):
        with pytest.raises(CodecError):
            pipeline.encode(np.array([0, bad], "f4"))
