"""Codecs can be given as names, dicts, and objects of exzarr, numcodecs and zarr-python."""

from __future__ import annotations

from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr.codecs as zc
import zarr.codecs.numcodecs as zn

import exzarr.codecs as ec
from exzarr._format.metadata import CodecConfig
from exzarr.codecs.parse import parse_codec, v2_codecs, v3_codecs
from exzarr.codecs.pipeline import ChunkPipeline
from exzarr.codecs.registry import from_config
from exzarr.errors import ArgumentError, UnsupportedError
from tests.codecs.tools import data_of, spec_of

LITTLE = ("bytes", {"endian": "little"})


def v3(spec: Any = None, **options: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(item.name, item.configuration) for item in v3_codecs(spec or spec_of((4, 6)), **options)]


def test_default_codecs_include_a_checksum() -> None:
    assert v3() == [LITTLE, ("zstd", {"level": 3, "checksum": True})]
    assert v3(spec_of((4,), str)) == [("vlen-utf8", {}), ("zstd", {"level": 3, "checksum": True})]
    assert v3(spec_of((4,), bytes))[0] == ("vlen-bytes", {})
    assert v3(spec_of((4,), "u1"))[0] == ("bytes", {})


BLOSC = {"typesize": 4, "cname": "lz4", "clevel": 5, "shuffle": "shuffle", "blocksize": 0}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, []),
        ([], []),
        ("zstd", [("zstd", {"level": 3, "checksum": True})]),
        ("gzip", [("gzip", {"level": 5})]),
        ("crc32c", [("crc32c", {})]),
        ("lzma", [("numcodecs.lzma", {"format": 1, "check": -1, "preset": None, "filters": None})]),
        ("numcodecs.lz4", [("numcodecs.lz4", {"acceleration": 1})]),
        ({"name": "zstd", "configuration": {"level": 9}}, [("zstd", {"level": 9, "checksum": False})]),
        ({"name": "blosc", "configuration": {"cname": "lz4", "clevel": 5}}, [("blosc", BLOSC)]),
        ({"id": "blosc"}, [("blosc", BLOSC)]),
        ({"id": "zlib", "level": 2}, [("numcodecs.zlib", {"level": 2})]),
        (CodecConfig("gzip", {"level": 2}), [("gzip", {"level": 2})]),
        (ec.Zstd(5, checksum=False), [("zstd", {"level": 5, "checksum": False})]),
        (ec.Blosc("lz4"), [("blosc", BLOSC)]),
        (ec.Blosc("lz4", shuffle="noshuffle", typesize=8), [("blosc", {**BLOSC, "shuffle": "noshuffle", "typesize": 8})]),
        (numcodecs.Zstd(5), [("zstd", {"level": 5, "checksum": False})]),
        (numcodecs.GZip(2), [("gzip", {"level": 2})]),
        (numcodecs.Blosc(), [("blosc", BLOSC)]),
        (numcodecs.Blosc(shuffle=-1), [("blosc", BLOSC)]),
        (numcodecs.CRC32C(), [("crc32c", {})]),
        (numcodecs.CRC32C(location="start"), [("numcodecs.crc32c", {"location": "start"})]),
        (numcodecs.BZ2(3), [("numcodecs.bz2", {"level": 3})]),
        (zc.ZstdCodec(level=2), [("zstd", {"level": 2, "checksum": False})]),
        (zc.GzipCodec(level=2), [("gzip", {"level": 2})]),
        (zc.BloscCodec(cname="lz4"), [("blosc", BLOSC)]),
        (zc.BloscCodec(cname="lz4", typesize=2, shuffle="noshuffle"), [("blosc", {**BLOSC, "typesize": 2, "shuffle": "noshuffle"})]),
        (zc.Crc32cCodec(), [("crc32c", {})]),
        (zn.LZMA(preset=3), [("numcodecs.lzma", {"format": 1, "check": -1, "preset": 3, "filters": None})]),
        (["gzip", numcodecs.CRC32()], [("gzip", {"level": 5}), ("numcodecs.crc32", {})]),
        ((numcodecs.Shuffle(4), "zstd"), [("numcodecs.shuffle", {"elementsize": 4}), ("zstd", {"level": 3, "checksum": True})]),
    ],

)  # fmt: skip
def test_compressors(given: Any, expected: list[Any]) -> None:
    assert v3(compressors=given) == [LITTLE, *expected]


def test_filters_and_serializers() -> None:
    spec = spec_of((4, 6), "f8")
    assert v3(spec, compressors=None, filters=zc.TransposeCodec(order=(1, 0))) == [
        ("transpose", {"order": [1, 0]}),
        LITTLE,
    ]
    assert v3(spec, compressors=None, filters=ec.Transpose("F"))[0] == ("transpose", {"order": [1, 0]})
    assert v3(spec, compressors=None, serializer=zc.BytesCodec(endian="big")) == [
        ("bytes", {"endian": "big"})
    ]
    assert v3(spec, compressors=None, serializer=ec.Bytes()) == [LITTLE]
    assert v3(spec, compressors=None, serializer="packbits") == [("packbits", {})]
    assert v3(spec, compressors=None, endian="big") == [("bytes", {"endian": "big"})]
    assert v3(
        spec,
        compressors=None,
        filters=[numcodecs.FixedScaleOffset(1, 10, "f8", "i2"), {"id": "delta", "dtype": "i2"}],
    )[:2] == [
        ("numcodecs.fixedscaleoffset", {"scale": 10, "offset": 1, "dtype": "<f8", "astype": "<i2"}),
        ("numcodecs.delta", {"dtype": "<i2", "astype": "<i2"}),
    ]
    # The codec gets the array's data type.
    assert v3(spec, compressors=None, filters={"name": "numcodecs.quantize", "configuration": {"digits": 2}})[
        0
    ] == (
        "numcodecs.quantize",
        {"digits": 2, "dtype": "<f8", "astype": "<f8"},
    )
    casts = [ec.ScaleOffset(offset=0, scale=10), ec.CastValue("int16", out_of_range="clamp")]
    assert [name for name, _ in v3(spec, compressors=None, filters=casts)] == [
        "scale_offset",
        "cast_value",
        "bytes",
    ]


def test_shard_shape_wraps_the_chain_in_sharding() -> None:
    ((name, config),) = v3(
        spec_of((2, 3), "i2"), shard_shape=(4, 6), index_location="start", compressors="gzip"
    )
    assert name == "sharding_indexed"
    assert config == {
        "chunk_shape": [2, 3],
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "gzip", "configuration": {"level": 5}},
        ],
        "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
        "index_location": "start",
    }
    explicit = ec.Sharding((2, 3), [ec.Bytes("little"), ec.Gzip()])
    ((_, same),) = v3(spec_of((4, 6), "i2"), serializer=explicit, compressors=None)
    assert same == {**config, "index_location": "end"}


@pytest.mark.parametrize(
    "given", ["zstd", "lz4", numcodecs.Blosc(), zc.BloscCodec(), ["numcodecs.shuffle", "gzip"]]
)
def test_parsed_codecs_encode_and_decode(given: Any) -> None:
    spec = spec_of((4, 6), "f4")
    pipeline = ChunkPipeline([from_config(item) for item in v3_codecs(spec, compressors=given)]).bind(spec)
    np.testing.assert_array_equal(pipeline.decode(pipeline.encode(data_of(spec))), data_of(spec))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"compressors": "nope"}, UnsupportedError, "nope"),
        ({"compressors": {"id": "nope"}}, UnsupportedError, "nope"),
        ({"compressors": 5}, ArgumentError, "exzarr.codecs.Zstd"),
        ({"compressors": ec.Zstd}, ArgumentError, r"use Zstd\("),
        ({"compressors": {"level": 5}}, ArgumentError, "'name'"),
        ({"compressors": "bytes"}, ArgumentError, "serializer="),
        ({"compressors": ec.Transpose([1, 0])}, ArgumentError, "filters="),
        ({"filters": "zstd"}, ArgumentError, "compressors="),
        ({"serializer": "zstd"}, ArgumentError, "compressors="),
        ({"filters": "transpose"}, ArgumentError, "configuration"),
        ({"filters": ec.Transpose([0])}, ArgumentError, "dimensions"),
        ({"compressors": {"id": "zlib", "level": 77}}, ArgumentError, "level"),
        ({"compressors": {"name": "zstd", "configuration": {"level": 77}}}, ArgumentError, "level"),
        ({"shard_shape": (5, 6)}, ArgumentError, "divide"),
        ({"serializer": "vlen-utf8"}, ArgumentError, "strings"),
        ({"serializer": None}, ArgumentError, "codec"),
    ],
)
def test_invalid_options_raise_an_explaining_error(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        v3(**options)


def test_constructors_raise_on_invalid_arguments() -> None:
    for make in (lambda: ec.Zstd(99), lambda: ec.Gzip(-1), lambda: ec.Blosc("nope"), lambda: ec.Transpose([0, 0]),
                 lambda: ec.Bytes("middle"), lambda: ec.BitRound(-1), lambda: ec.Reshape([0]), lambda: ec.CastValue("nope"),
                 lambda: ec.Sharding([0], [ec.Bytes()]), lambda: ec.PackBits("x"), lambda: ec.ScaleOffset([1])):  # fmt: skip
        with pytest.raises(ArgumentError):
            make()


# -- v2 ------------------------------------------------------------------------------


def v2(spec: Any = None, **options: Any) -> Any:
    return v2_codecs(spec or spec_of((4, 6), "f4", zarr_format=2), **options)


@pytest.mark.parametrize(
    ("given", "filters", "compressor"),
    [
        (None, (), None),
        ("auto", (), {"id": "zstd", "level": 3}),
        ("zstd", (), {"id": "zstd", "level": 3}),
        ("lz4", (), {"id": "lz4", "acceleration": 1}),
        ({"id": "zlib"}, (), {"id": "zlib", "level": 1}),
        (
            numcodecs.Blosc("zstd"),
            (),
            {"id": "blosc", "cname": "zstd", "clevel": 5, "shuffle": 1, "blocksize": 0},
        ),
        (ec.Blosc("lz4"), (), {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": -1, "blocksize": 0}),
        (ec.Zstd(5), (), {"id": "zstd", "level": 5, "checksum": True}),
        (zc.GzipCodec(level=3), (), {"id": "gzip", "level": 3}),
        ([numcodecs.Shuffle(4), "bz2"], ({"id": "shuffle", "elementsize": 4},), {"id": "bz2", "level": 1}),
    ],
)
def test_compressors_of_v2(given: Any, filters: Any, compressor: Any) -> None:
    assert v2(compressors=given) == (filters, compressor)


def test_filters_of_v2() -> None:
    assert v2(spec_of((3,), str), compressors=None) == (({"id": "vlen-utf8"},), None)
    assert v2(spec_of((3,), bytes), compressors=None) == (({"id": "vlen-bytes"},), None)
    assert v2(spec_of((3,), str), filters=[numcodecs.VLenUTF8()], compressors=None) == (
        ({"id": "vlen-utf8"},),
        None,
    )
    spec = spec_of((3,), ">f8", zarr_format=2)
    assert v2(spec, filters=[numcodecs.Delta(">f8", "<f4")], compressors=None)[0] == (
        {"id": "delta", "dtype": ">f8", "astype": "<f4"},
    )
    assert v2(spec, filters={"id": "quantize", "digits": 1}, compressors=None)[0] == (
        {"id": "quantize", "digits": 1, "dtype": ">f8", "astype": ">f8"},
    )


@pytest.mark.parametrize(
    "options",
    [
        {"filters": ec.Transpose([1, 0])},
        {"compressors": "bytes"},
        {"filters": ec.Reshape([24])},
        {"filters": "nope"},
    ],
)
def test_codecs_that_v2_lacks_raise_argument_error(options: dict[str, Any]) -> None:
    with pytest.raises((ArgumentError, UnsupportedError)):
        v2(**options)


def test_parse_codec_prefers_v3_names() -> None:
    assert parse_codec(numcodecs.VLenUTF8()) == ec.VLenUTF8()
    assert parse_codec({"id": "vlen-bytes"}) == ec.VLenBytes()
    assert parse_codec(ec.Gzip(2)) is not None
