"""Strings and byte strings of any length, and detection of chunks that contain only the fill value."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numcodecs
import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr.codecs.empty import is_fill
from exzarr.errors import CodecError, MetadataError
from tests.breadth import examples
from tests.codecs.tools import LITTLE, ZSTD, bound, codec, data_of, spec_of

text = st.text(st.characters(codec="utf-8"), max_size=8)


@given(st.lists(text, min_size=1, max_size=12), st.sampled_from([[], [ZSTD]]))
@examples(27)
def test_string_chunks_equal_numcodecs(values: list[str], tail: list[Any]) -> None:
    spec = spec_of((len(values),), str)
    pipeline = bound(spec, "vlen-utf8", *tail)
    array = np.array(values, np.dtypes.StringDType())
    encoded = bytes(pipeline.encode(array))
    if not tail:
        assert encoded == bytes(numcodecs.VLenUTF8().encode(np.array(values, object)))
    decoded = pipeline.decode(encoded)
    assert decoded.dtype == np.dtypes.StringDType()
    assert decoded.tolist() == values
    out = np.empty(len(values) * 2, np.dtypes.StringDType())[::2]
    pipeline.decode_into(encoded, out)
    assert out.tolist() == values
    # Users also store strings in object arrays and in arrays of fixed width.
    assert bytes(pipeline.encode(np.array(values, object))) == encoded


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=12))
@examples(13)
def test_byte_string_chunks_equal_numcodecs(values: list[bytes]) -> None:
    spec = spec_of((len(values),), bytes)
    pipeline = bound(spec, "vlen-bytes")
    array = np.empty(len(values), object)
    array[:] = values
    encoded = bytes(pipeline.encode(array))
    assert encoded == bytes(numcodecs.VLenBytes().encode(array))
    assert pipeline.decode(encoded).tolist() == values


def test_invalid_utf8_raises_codec_error() -> None:
    pipeline = bound(spec_of((1,), str), "vlen-utf8")
    with pytest.raises(CodecError, match="utf-8"):
        pipeline.decode(b"\1\0\0\0\1\0\0\0\xff")


@pytest.mark.parametrize(
    ("dtype", "name"), [("i4", "vlen-utf8"), ("f8", "vlen-bytes"), (str, "bytes"), (bytes, "bytes")]
)
def test_serializer_for_another_type_raises_metadata_error(dtype: Any, name: str) -> None:
    with pytest.raises(MetadataError):
        bound(spec_of((2,), dtype), codec(name))


def test_filters_reject_strings() -> None:
    with pytest.raises(MetadataError):
        bound(spec_of((2,), str), codec("bitround", keepbits=2), "vlen-utf8")
    assert bound(spec_of((2, 3), str), codec("transpose", order=[1, 0]), "vlen-utf8").encoded_size is None


STRUCT = np.dtype([("a", "<i4"), ("b", "<f8"), ("c", "S3")])


@pytest.mark.parametrize(
    ("dtype", "fill"),
    [
        ("f4", 0), ("f4", 1.5), ("f4", "nan"), ("f8", "-inf"), ("i2", -7), ("u8", 2**64 - 1), ("bool", True), ("c16", 1 - 2j),
        ("datetime64[s]", "NaT"), ("timedelta64[s]", 5), ("S3", b"ab"), ("U2", "é"), (str, "x"), (bytes, b"x"),
        ("bfloat16", 2), ("int4", -1), ("V3", b"abc"), (STRUCT, (1, 2.5, b"x")),
    ],
    ids=repr,
)  # fmt: skip
def test_is_fill_is_true_for_chunks_of_the_fill_value(dtype: Any, fill: Any) -> None:
    spec = spec_of((3, 4), dtype)
    scalar = fill if spec.data_type.variable_length else np.array(fill, spec.dtype)[()]
    spec = spec.with_(fill_value=scalar)
    array = np.empty((3, 4), spec.dtype)
    array[...] = scalar
    for view in (array, np.asfortranarray(array), np.repeat(array, 2, 1)[:, ::2], array[:, :0]):
        assert is_fill(view, spec)
    different = data_of(spec).reshape(-1)
    for position in ((0, 0), (2, 3)):
        copy = array.copy()
        copy[position] = next(value for value in different if repr(value) != repr(scalar))
        assert not is_fill(copy, spec)


def test_is_fill_distinguishes_signed_zeros_and_nans() -> None:
    spec = spec_of((2,), "f4", np.float32(0))
    assert is_fill(np.array([0.0, 0.0], "f4"), spec)
    assert not is_fill(np.array([0.0, -0.0], "f4"), spec)
    payload = np.array([0x7FC00001, 0x7FC00001], "u4").view("f4")
    spec = spec.with_(fill_value=np.float32("nan"))
    assert not is_fill(payload, spec)
    assert is_fill(payload, spec.with_(fill_value=payload[0]))
    assert not is_fill(np.array([np.nan, 1], "f4"), spec)


def test_is_fill_compares_values_across_byte_orders() -> None:
    spec = spec_of((2,), "i4", np.int32(258))
    assert is_fill(np.array([258, 258], ">i4"), spec)
    assert not is_fill(np.array([258, 33619968], ">i4"), spec)


def test_small_floats_round_trip() -> None:
    for dtype in ("bfloat16", "float8_e4m3fn", "int4", "float4_e2m1fn"):
        spec = spec_of((3,), dtype)
        array = np.array([1, 0, 2]).astype(getattr(ml_dtypes, dtype))
        pipeline = bound(spec, LITTLE, ZSTD)
        np.testing.assert_array_equal(pipeline.decode(pipeline.encode(array)), array)
        out = np.empty_like(array)
        pipeline.decode_into(pipeline.encode(array), out)
        np.testing.assert_array_equal(out, array)
