"""packbits, bitround, scale_offset, reshape and transpose agree with models of their specifications."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numcodecs
import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr.codecs.registry import from_json, to_json
from exzarr.errors import CodecError, MetadataError
from tests.breadth import examples
from tests.codecs.tools import LITTLE, bound, codec, data_of, shapes, spec_of

# -- packbits ------------------------------------------------------------------------


def packed(values: list[int], width: int, first: int, last: int, padding: str) -> bytes:
    """Encode as the specification does, with Python integers: element i has bits [i * k, (i + 1) * k)."""
    k = last - first + 1
    sequence = 0
    for i, value in enumerate(values):
        sequence |= (((value & ((1 << width) - 1)) >> first) & ((1 << k) - 1)) << (i * k)
    size = -(-len(values) * k // 8)
    body, rest = sequence.to_bytes(size, "little"), bytes([size * 8 - len(values) * k])
    return rest + body if padding == "first_byte" else body + rest if padding == "last_byte" else body


WIDTHS = {"bool": 1, "int2": 2, "int4": 4, "uint4": 4, "int8": 8, "uint16": 16, "int32": 32, "uint64": 64}


@given(
    st.sampled_from(list(WIDTHS)),
    st.integers(1, 20),
    st.sampled_from(["none", "first_byte", "last_byte"]),
    st.data(),
)
@examples(33)
def test_packbits(dtype: str, n: int, padding: str, draw: st.DataObject) -> None:
    width = WIDTHS[dtype]
    first = draw.draw(st.integers(0, width - 1))
    last = draw.draw(st.integers(first, width - 1))
    signed = dtype.startswith("int")
    low, high = (-(1 << width - 1), (1 << width - 1) - 1) if signed else (0, (1 << width) - 1)
    values = draw.draw(st.lists(st.integers(low, high), min_size=n, max_size=n))
    spec = spec_of((n,), dtype)
    array = np.array(values, object).astype("u8" if high > 2**62 else "i8").astype(spec.dtype)
    pipeline = bound(spec, codec("packbits", padding_encoding=padding, first_bit=first, last_bit=last))
    encoded = bytes(pipeline.encode(array))
    assert encoded == packed(values, width, first, last, padding)
    assert pipeline.encoded_size == len(encoded)

    def kept(value: int) -> int:
        bits = (value & ((1 << width) - 1)) >> first & ((1 << last - first + 1) - 1)
        result = bits << first
        return result - (1 << last + 1) if signed and result >> last & 1 else result

    decoded = pipeline.decode(encoded)
    assert decoded.dtype == spec.dtype
    assert [int(value) for value in decoded] == [kept(value) for value in values]


# The same chunks by zarrs 0.2.3 (Rust)
@pytest.mark.parametrize(
    ("dtype", "values", "config", "expected"),
    [
        ("bool", [1, 0, 1, 1, 0, 0, 0, 0, 1, 1], {}, "0d03"),
        ("bool", [1, 0, 1, 1, 0, 0, 0, 0, 1, 1], {"padding_encoding": "first_byte"}, "060d03"),
        ("bool", [1, 0, 1, 1, 0, 0, 0, 0, 1, 1], {"padding_encoding": "last_byte"}, "0d0306"),
        ("int16", [-1, 2, 3], {"first_bit": 0, "last_bit": 8}, "ff050c00"),
        (
            "uint8",
            [1, 2, 3, 255],
            {"first_bit": 1, "last_bit": 5, "padding_encoding": "last_byte"},
            "20840f04",
        ),
        ("float32", [1.5, -2], {"first_bit": 16}, "c03f00c0"),
    ],
)
def test_packbits_reads_chunks_of_zarrs(
    dtype: str, values: list[float], config: dict[str, Any], expected: str
) -> None:
    pipeline = bound(spec_of((len(values),), dtype), codec("packbits", **config))
    assert bytes(pipeline.encode(np.array(values, dtype))).hex() == expected


@pytest.mark.parametrize(
    "dtype", ["complex64", "float64", "bfloat16", "float4_e2m1fn", "float8_e5m2", "int2"]
)
def test_packbits_of_all_bits_is_lossless(dtype: str) -> None:
    spec = spec_of((3, 5), dtype)
    array = np.arange(-7, 8).reshape(3, 5).astype(spec.dtype)
    pipeline = bound(spec, codec("packbits"))
    decoded = pipeline.decode(pipeline.encode(np.asfortranarray(array)))
    assert decoded.dtype == array.dtype
    np.testing.assert_array_equal(decoded, array)


@pytest.mark.parametrize("dtype", ["S3", "U2", "datetime64[s]", str, [("a", "i4")]])
def test_packbits_rejects_other_types_than_numbers(dtype: Any) -> None:
    with pytest.raises(MetadataError):
        bound(spec_of((2,), dtype), codec("packbits"))


# -- bitround ------------------------------------------------------------------------


@given(st.sampled_from(["f2", "f4", "f8"]), st.integers(0, 10), st.integers(0, 2**32))
@examples(20)
def test_bitround_of_floats_equals_numcodecs(dtype: str, keepbits: int, seed: int) -> None:
    spec = spec_of((50,), dtype)
    array = np.frombuffer(np.random.default_rng(seed).bytes(50 * spec.dtype.itemsize), dtype)
    for name in ("bitround", "numcodecs.bitround"):
        pipeline = bound(spec, codec(name, keepbits=keepbits), LITTLE)
        assert bytes(pipeline.encode(array)) == numcodecs.BitRound(keepbits).encode(array).tobytes()


@given(st.integers(1, 64), st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20))
@examples(20)
def test_bitround_of_integers_starts_at_the_highest_bit(keepbits: int, values: list[int]) -> None:
    def rounded(value: int) -> int:
        drop = value.bit_length() - keepbits
        if drop <= 0:
            return value
        unit = 1 << drop
        down, rest = value - value % unit, value % unit
        up = rest > unit // 2 or (rest == unit // 2 and down // unit % 2 == 1)
        result = down + unit if up else down
        return result if result < 2**64 else (2**64 - 1) // unit * unit

    pipeline = bound(spec_of((len(values),), "u8"), codec("bitround", keepbits=keepbits), LITTLE)
    decoded = pipeline.decode(pipeline.encode(np.array(values, "u8")))
    assert decoded.tolist() == [rounded(value) for value in values]


def test_bitround_of_bfloat16_and_complex() -> None:
    spec = spec_of((4,), "bfloat16")
    array = np.array([1.0, 1.0078125, 1.015625, 1.0234375]).astype(ml_dtypes.bfloat16)
    pipeline = bound(spec, codec("bitround", keepbits=6), LITTLE)
    assert pipeline.decode(pipeline.encode(array)).astype("f8").tolist() == [1.0, 1.0, 1.015625, 1.03125]
    spec = spec_of((3,), "c8")
    array = data_of(spec)
    parts = numcodecs.BitRound(4).encode(array.view("f4")).view("c8")
    np.testing.assert_array_equal(
        bound(spec, codec("bitround", keepbits=4), LITTLE).decode(parts.tobytes()), parts
    )
    assert bytes(bound(spec, codec("bitround", keepbits=4), LITTLE).encode(array)) == parts.tobytes()


def test_bitround_does_not_change_its_input() -> None:
    spec = spec_of((4,), "f4")
    array = np.array([0.1, 0.2, 0.3, 0.4], "f4")
    before = array.copy()
    bound(spec, codec("bitround", keepbits=1), LITTLE).encode(array)
    np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize(("dtype", "keepbits"), [("f4", 24), ("S3", 1), ("bool", 1), ("f2", 11)])
def test_bitround_rejects_unsupported_types_and_bits(dtype: str, keepbits: int) -> None:
    with pytest.raises(MetadataError):
        bound(spec_of((2,), dtype), codec("bitround", keepbits=keepbits), LITTLE)


# -- scale_offset --------------------------------------------------------------------


@given(
    st.sampled_from(["i1", "u1", "i4", "u8", "i8"]),
    st.integers(-5, 5).filter(bool),
    st.integers(-(2**63), 2**64 - 1),
    st.lists(st.integers(-(2**63), 2**64 - 1), min_size=1, max_size=5),
)
@examples(50)
def test_scale_offset_of_integers_is_exact_or_an_error(
    dtype: str, scale: int, offset: int, values: list[int]
) -> None:
    info = np.iinfo(dtype)
    span = int(info.max) - int(info.min) + 1
    values = [value % span + int(info.min) for value in values]
    offset = offset % span + int(info.min)
    if not info.min <= scale <= info.max:
        return
    spec = spec_of((len(values),), dtype, np.dtype(dtype).type(min(max(offset, info.min), info.max)))
    pipeline = bound(spec, codec("scale_offset", offset=offset, scale=scale), LITTLE)
    exact = [(value - offset) * scale for value in values]
    array = np.array(values, dtype)
    if all(info.min <= value <= info.max for value in exact):
        encoded = pipeline.encode(array)
        assert np.frombuffer(encoded, dtype).tolist() == exact
        assert pipeline.decode(encoded).tolist() == values
    else:
        with pytest.raises(CodecError, match="does not fit"):
            pipeline.encode(array)


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2"])
def test_scale_offset_of_floats_keeps_their_precision(dtype: str) -> None:
    array = data_of(spec_of((20,), dtype))
    pipeline = bound(spec_of((20,), dtype), codec("scale_offset", offset=5, scale=0.1), LITTLE)
    encoded = pipeline.encode(array)
    kind = np.dtype(dtype).type
    expected = (array - kind(5)) * kind(0.1)
    np.testing.assert_array_equal(np.frombuffer(encoded, dtype), expected)
    np.testing.assert_array_equal(pipeline.decode(encoded), expected / kind(0.1) + kind(5))


def test_scale_offset_raises_on_indivisible_integers() -> None:
    pipeline = bound(spec_of((2,), "i4"), codec("scale_offset", offset=0, scale=3), LITTLE)
    with pytest.raises(CodecError, match="divisible"):
        pipeline.decode(np.array([3, 4], "i4").tobytes())


@pytest.mark.parametrize(
    ("dtype", "config"),
    [
        ("f4", {"scale": 0}), ("f4", {"scale": "x"}), ("i4", {"scale": 1.5}), ("u1", {"offset": -1}), ("S2", {}),
        ("f4", {"scale": True}), ("f4", {"offset": [1]}), ("f4", {"extra": 1}), ("c8", {"scale": 2}),
    ],
)  # fmt: skip
def test_scale_offset_rejects_invalid_configurations(dtype: str, config: dict[str, Any]) -> None:
    with pytest.raises(MetadataError):
        bound(spec_of((2,), dtype), codec("scale_offset", **config), LITTLE)


# -- reshape and transpose -----------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "into", "result"),
    [
        ((100, 5, 4, 3), [[0, 1], [2], 3], (500, 4, 3)),
        ((2, 3, 4), [[0, 1, 2]], (24,)),
        ((2, 3, 4), [-1], (24,)),
        ((2, 3, 4), [[0], 12], (2, 12)),
        ((2, 3, 4), [6, -1, 2], (6, 2, 2)),
        ((6,), [2, 3, 1], (2, 3, 1)),
        ((), [1, 1], (1, 1)),
        ((1,), [], ()),
        ((2, 3), [[0], [], [1]], (2, 1, 3)),
    ],
)
def test_reshape(shape: tuple[int, ...], into: list[Any], result: tuple[int, ...]) -> None:
    spec = spec_of(shape, "i4")
    reshape = from_json(codec("reshape", shape=into))
    assert reshape.resolve(spec).shape == result  # type: ignore[attr-defined]
    array = data_of(spec)
    pipeline = bound(spec, codec("reshape", shape=into), LITTLE)
    assert bytes(pipeline.encode(np.asfortranarray(array))) == array.tobytes()
    np.testing.assert_array_equal(pipeline.decode(array.tobytes()), array)


def test_reshape_and_transpose_together() -> None:
    spec = spec_of((4, 6), "i2")
    pipeline = bound(
        spec,
        codec("reshape", shape=[2, 2, 6]),
        codec("transpose", order=[2, 0, 1]),
        codec("reshape", shape=[-1]),
        LITTLE,
    )
    array = data_of(spec)
    encoded = bytes(pipeline.encode(array))
    assert encoded == array.reshape(2, 2, 6).transpose(2, 0, 1).tobytes()
    np.testing.assert_array_equal(pipeline.decode(encoded), array)


@pytest.mark.parametrize(
    ("shape", "into"),
    [
        ((2, 3), [5]), ((2, 3), [[1], [0]]), ((2, 3), [[1, 0]]), ((2, 3), [-1, -1]), ((2, 3), [[0, 5]]), ((2, 3), [0]),
        ((2, 3, 4), [[1], -1]), ((2, 3), [4, -1]), ((2, 3), ["2", 3]), ((2, 3), 6), ((2, 3), [[-1], 3]), ((2, 3), [None]),
    ],
)  # fmt: skip
def test_reshape_rejects_impossible_shapes(shape: tuple[int, ...], into: Any) -> None:
    with pytest.raises(MetadataError):
        bound(spec_of(shape), codec("reshape", shape=into), LITTLE)


@given(shapes, st.data())
@examples(13)
def test_transpose_equals_numpy(shape: tuple[int, ...], draw: st.DataObject) -> None:
    orders = [draw.draw(st.permutations(range(len(shape)))) for _ in range(draw.draw(st.integers(1, 3)))]
    spec = spec_of(shape, "i2")
    array = data_of(spec)
    pipeline = bound(spec, *(codec("transpose", order=list(order)) for order in orders), LITTLE)
    expected = array
    for order in orders:
        expected = expected.transpose(order)
    encoded = bytes(pipeline.encode(array))
    assert encoded == expected.tobytes()
    np.testing.assert_array_equal(pipeline.decode(encoded), array)


@pytest.mark.parametrize(
    "order", [[0], [0, 0], [0, 2], [1, 0, 2], "X", 5, [0, "1"], [-1, 0], None, [0.0, 1.0]]
)
def test_transpose_rejects_invalid_permutations(order: Any) -> None:
    with pytest.raises(MetadataError):
        bound(spec_of((2, 3)), codec("transpose", order=order), LITTLE)


# -- all -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "config",
    [
        codec("packbits", padding_encoding="first_byte", first_bit=1, last_bit=3),
        {"name": "packbits"},
        codec("bitround", keepbits=3),
        codec("scale_offset", offset=1, scale=0.5),
        codec("scale_offset", offset="0x7fc00000", scale="Infinity"),
        codec("reshape", shape=[[0, 1], -1, 3]),
        codec("transpose", order=[1, 0]),
        codec("bytes", endian="big"),
        {"name": "bytes"},
        {"name": "crc32c"},
        {"name": "vlen-utf8"},
        codec("gzip", level=3),
        codec("zstd", level=-3, checksum=False),
        codec("blosc", typesize=2, cname="zstd", clevel=1, shuffle="bitshuffle", blocksize=3),
        codec("cast_value", data_type="uint8", rounding="towards-zero", out_of_range="clamp"),
        codec("cast_value", data_type="int8", scalar_map={"encode": [["NaN", 0]], "decode": [[0, "NaN"]]}),
        codec("numcodecs.shuffle", elementsize=2),
        codec("numcodecs.delta", dtype="<i4", astype="<i2"),
    ],
    ids=repr,
)
def test_configurations_round_trip(config: dict[str, Any]) -> None:
    made = from_json(config)
    assert to_json(made) == config
    assert made == from_json(to_json(made))
    assert repr(made)


@pytest.mark.parametrize(
    "config",
    [
        codec("gzip"), codec("gzip", level=10), codec("gzip", level="1"), codec("gzip", level=True), codec("gzip", level=1, x=1),
        codec("zstd", level=23), codec("zstd", level=1, checksum=1), codec("zstd"), codec("bytes", endian="middle"),
        codec("crc32c", level=1), codec("blosc", cname="lz4"), codec("blosc", cname="lz4", clevel=5, shuffle=1),
        codec("blosc", cname="lz4", clevel=5, typesize=0), codec("packbits", first_bit=3, last_bit=2),
        codec("packbits", padding_encoding=None), codec("bitround"), codec("bitround", keepbits=-1),
    ],
    ids=repr,
)  # fmt: skip
def test_invalid_configurations_raise_metadata_error(config: dict[str, Any]) -> None:
    with pytest.raises(MetadataError, match=config["name"]):
        bound(spec_of((2,)), config, *([] if config["name"] in ("bytes", "packbits") else [LITTLE]))
