"""Hostile chunks of particular formats raise only CodecError. `test_suite.py` has what all codecs share."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import struct
import zlib
from typing import Any

import msgpack
import numcodecs
import numpy as np
import pytest
import zstandard

from exzarr.codecs.pipeline import BoundPipeline
from exzarr.codecs.registry import from_json
from exzarr.errors import CodecError
from tests.codecs.tools import CRC, GZIP, LITTLE, ZSTD, blosc, bound, codec, data_of, spec_of

SPEC = spec_of((9, 11), "i4")
SHARDS = codec("sharding_indexed", chunk_shape=[3, 11], codecs=[LITTLE, ZSTD], index_codecs=[LITTLE, CRC])
BARE_SHARDS = codec("sharding_indexed", chunk_shape=[3, 11], codecs=[LITTLE], index_codecs=[LITTLE])

PIPELINES: dict[str, BoundPipeline] = {
    "raw": bound(SPEC, LITTLE),
    "crc32c": bound(SPEC, LITTLE, CRC),
    "zstd": bound(SPEC, LITTLE, ZSTD),
    "zstd without checksum": bound(SPEC, LITTLE, codec("zstd", level=1)),
    "gzip": bound(SPEC, LITTLE, GZIP),
    "blosc": bound(SPEC, LITTLE, blosc("lz4")),
    "blosc zstd": bound(SPEC, LITTLE, blosc("zstd", "bitshuffle")),
    "blosc blosclz": bound(SPEC, LITTLE, blosc("blosclz")),
    "blosc zlib": bound(SPEC, LITTLE, blosc("zlib")),
    "blosc snappy": bound(SPEC, LITTLE, blosc("lz4hc")),
    "shards": bound(SPEC, SHARDS),
    "bare shards": bound(SPEC, BARE_SHARDS),
    "packbits": bound(SPEC, codec("packbits", padding_encoding="first_byte", last_bit=6)),
    "vlen-utf8": bound(spec_of((5,), str), "vlen-utf8"),
    "vlen-utf8 zstd": bound(spec_of((5,), str), "vlen-utf8", ZSTD),
    "vlen-bytes": bound(spec_of((5,), bytes), "vlen-bytes"),
    "scale_offset": bound(SPEC, codec("scale_offset", offset=1, scale=3), LITTLE),
    "cast_value": bound(SPEC, codec("cast_value", data_type="float64", scalar_map={"decode": [["NaN", 7]]}), LITTLE),
    "numcodecs.packbits": bound(spec_of((5, 3), bool), codec("numcodecs.packbits"), LITTLE),
    "numcodecs.delta": bound(SPEC, codec("numcodecs.delta", dtype="<i4", astype="<i2"), LITTLE),
    "numcodecs.json2": bound(SPEC, codec("numcodecs.json2")),
    "numcodecs.msgpack2": bound(SPEC, codec("numcodecs.msgpack2")),
} | {
    f"numcodecs.{name}": bound(SPEC, LITTLE, codec(f"numcodecs.{name}"))
    for name in (
        "blosc", "zstd", "zlib", "gzip", "bz2", "lzma", "lz4", "base64", "shuffle", "crc32", "crc32c", "adler32",
        "fletcher32", "jenkins_lookup3",
    )
}  # fmt: skip


def decodes(pipeline: BoundPipeline, data: bytes) -> np.ndarray[Any, Any] | None:
    """Return the decoded array or None for a CodecError. `decode` and `decode_into` must agree."""
    out = np.empty(pipeline.spec.shape, pipeline.spec.dtype)
    try:
        array = pipeline.decode(data)
    except CodecError:
        with pytest.raises(CodecError):
            pipeline.decode_into(data, out)
        return None
    assert array.shape == pipeline.spec.shape
    assert array.dtype == pipeline.spec.dtype
    pipeline.decode_into(data, out)
    return array


@pytest.mark.parametrize(
    "name", ["crc32c", "zstd", "gzip", "numcodecs.zlib", "numcodecs.bz2", "numcodecs.crc32"]
)
def test_checksum_detects_every_single_flipped_bit(name: str) -> None:
    pipeline = PIPELINES[name]
    array = data_of(pipeline.spec)
    encoded = bytes(pipeline.encode(array))
    for bit in range(8 * len(encoded)):
        damaged = bytearray(encoded)
        damaged[bit // 8] ^= 1 << bit % 8
        decoded = decodes(pipeline, bytes(damaged))
        assert decoded is None or np.array_equal(decoded, array)


def test_large_zstd_frames_are_verified_like_small_ones() -> None:
    spec = spec_of((300, 300), "f4")
    pipeline, array = bound(spec, LITTLE, ZSTD), data_of(spec)
    encoded = bytes(pipeline.encode(array))
    out = np.empty_like(array)
    for damaged in (
        encoded[:-1],
        encoded[:-4],
        encoded[:-400],
        encoded + b"x",
        encoded[:-1] + bytes([encoded[-1] ^ 1]),
    ):
        with pytest.raises(CodecError):
            pipeline.decode_into(damaged, out)
        with pytest.raises(CodecError):
            pipeline.decode(damaged)


def test_zstd_frames_of_all_encoders_decode() -> None:
    spec = spec_of((300, 300), "f4")
    pipeline, array = bound(spec, LITTLE, ZSTD), data_of(spec)
    raw = array.tobytes()
    plain = zstandard.ZstdCompressor(write_content_size=False, write_checksum=True)
    stream = plain.compressobj()
    halves = zstandard.ZstdCompressor().compress(raw[:1000]) + plain.compress(raw[1000:])
    skippable = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"
    out = np.empty_like(array)
    for data in (
        plain.compress(raw),
        stream.compress(raw) + stream.flush(),
        halves,
        skippable + zstandard.ZstdCompressor(level=19).compress(raw) + skippable,
        zstandard.ZstdCompressor(level=22).compress(raw),
        zstandard.ZstdCompressor(level=-5).compress(raw),
    ):
        np.testing.assert_array_equal(pipeline.decode(data), array)
        pipeline.decode_into(data, out)
        np.testing.assert_array_equal(out, array)


def test_gzip_files_of_all_encoders_decode() -> None:
    spec = spec_of((30, 30), "f4")
    pipeline, array = bound(spec, LITTLE, GZIP), data_of(spec)
    raw = array.tobytes()
    for data in (
        gzip.compress(raw),
        gzip.compress(raw[:100]) + gzip.compress(raw[100:], 9),
        gzip.compress(raw) + bytes(512),
        gzip.compress(b"") + gzip.compress(raw) + gzip.compress(b""),
        b"\x1f\x8b\x08\x08" + gzip.compress(raw)[4:10] + b"name\0" + gzip.compress(raw)[10:],
    ):
        np.testing.assert_array_equal(pipeline.decode(data), array)


def test_many_gzip_members_decode_in_linear_time() -> None:
    pipeline = bound(spec_of((4,), "u1"), LITTLE, GZIP)
    empty = gzip.compress(b"")
    data = empty * 20_000 + gzip.compress(b"abcd")
    assert pipeline.decode(data).tobytes() == b"abcd"


BOMBS: dict[str, tuple[str, str]] = {
    "gzip": ("gzip", "gzip.compress(zeros)"),
    "gzip with a false size": ("gzip", "gzip.compress(zeros)[:-4] + (4000).to_bytes(4, 'little')"),
    "numcodecs.zlib": ("numcodecs.zlib", "zlib.compress(zeros)"),
    "numcodecs.bz2": ("numcodecs.bz2", "bz2.compress(zeros)"),
    "numcodecs.lzma": ("numcodecs.lzma", "lzma.compress(zeros, preset=9)"),
    "zstd": ("zstd", "zstandard.ZstdCompressor().compress(zeros)"),
    "zstd, undeclared size": ("zstd", "zstandard.ZstdCompressor(write_content_size=False).compress(zeros)"),
    "zstd, many frames": ("zstd", "zstandard.ZstdCompressor(write_content_size=False).compress(zeros) * 2"),
    "zstd, false size": (
        "zstd",
        "b'\\x28\\xb5\\x2f\\xfd\\xa4\\xa0\\x0f\\x00\\x00\\x02\\x00\\x10' + b'\\x00' * 9",
    ),
    "numcodecs.lz4": ("numcodecs.lz4", "numcodecs.LZ4().encode(zeros)"),
    "blosc": ("blosc", "numcodecs.Blosc('zstd').encode(zeros)"),
}
BOMB = """
import bz2, gzip, lzma, resource, sys, zlib
import numcodecs, numpy as np, zstandard
from exzarr.errors import CodecError
from tests.codecs.tools import LITTLE, blosc, bound, codec, spec_of
name, expression = sys.argv[1:]
zeros = bytes(1 << 27)
bomb = eval(expression)
del zeros
config = {"zstd": {"level": 1}, "gzip": {"level": 1}}.get(name, {})
pipeline = bound(spec_of((1000,)), LITTLE, blosc() if name == "blosc" else codec(name, **config))
chained = bound(spec_of((1000,)), LITTLE, codec("numcodecs.lz4"), blosc() if name == "blosc" else codec(name, **config))
pipeline.encode(np.zeros(1000, "f4"))
# The limit applies to memory in addition to what is in use now.
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (100 << 20), -1))
for each in (pipeline, chained):
    try:
        each.decode(bomb)
    except CodecError as error:
        assert len(str(error)) < 500
    else:
        sys.exit("no error")
    try:
        each.decode_into(bomb, np.empty(1000, "f4"))
    except CodecError:
        pass
    else:
        sys.exit("no error")
"""


@pytest.mark.parametrize("name", BOMBS)
def test_decompression_bomb_raises_codec_error(name: str, run_python: Any) -> None:
    done = run_python("import sys; sys.path[:0] = ['src', '.']\n" + BOMB, *BOMBS[name])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<I", 0xFFFFFFFF),
        struct.pack("<II", 0xFFFFFFFF, 1) + b"a",
        struct.pack("<II", 5, 0xFFFFFFFF),
        struct.pack("<IIIIII", 5, 0, 0, 0, 0, 0xFFFFFFF0),
    ],
)
@pytest.mark.parametrize("name", ["vlen-utf8", "vlen-bytes"])
def test_false_lengths_raise_codec_error(name: str, data: bytes) -> None:
    assert decodes(PIPELINES[name], data) is None


@pytest.mark.parametrize("shape", [[10**12], [9], [9, 12], "99", [-1, 11], [[9], 11], [], None])
@pytest.mark.parametrize("dtype", ["<i4", "V1000000000", "O", 5, "|O"])
def test_object_chunks_with_another_shape_raise_codec_error(shape: Any, dtype: Any) -> None:
    items = [[1] * 11] * 9
    if (shape, dtype) == ([9, 11], "<i4"):
        pytest.fail("this chunk is valid")
    text = json.dumps([*items, dtype, shape]).encode()
    assert decodes(PIPELINES["numcodecs.json2"], text) is None
    packed = msgpack.packb([*items, dtype, shape])
    assert decodes(PIPELINES["numcodecs.msgpack2"], packed) is None


def test_deeply_nested_json_raises_codec_error() -> None:
    assert decodes(PIPELINES["numcodecs.json2"], b"[" * 200_000) is None
    assert decodes(PIPELINES["numcodecs.msgpack2"], b"\x91" * 200_000) is None


def test_configuration_cannot_replace_the_codec_id() -> None:
    from exzarr.errors import MetadataError

    for name in ("numcodecs.delta", "numcodecs.json2"):
        try:
            made: Any = from_json(codec(name, id="pickle", dtype="<f4"))
        except MetadataError:
            continue
        assert type(made._codec) is not numcodecs.Pickle


@pytest.mark.parametrize("seed", range(20))
def test_blosc_headers_with_false_sizes_raise_or_decode(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name in ("blosc", "blosc zstd", "blosc blosclz", "blosc zlib", "blosc snappy"):
        pipeline = PIPELINES[name]
        encoded = bytes(pipeline.encode(data_of(pipeline.spec)))
        for _ in range(20):
            damaged = bytearray(encoded)
            damaged[int(rng.integers(16))] = int(rng.integers(256))
            damaged[int(rng.integers(16, len(damaged)))] = int(rng.integers(256))
            decodes(pipeline, bytes(damaged))


def test_standard_library_decodes_stored_chunks() -> None:
    raw = data_of(SPEC).tobytes()
    for name, decode in (("zlib", zlib.decompress), ("bz2", bz2.decompress), ("lzma", lzma.decompress)):
        assert decode(bytes(PIPELINES[f"numcodecs.{name}"].encode(data_of(SPEC)))) == raw
    assert gzip.decompress(bytes(PIPELINES["gzip"].encode(data_of(SPEC)))) == raw
    assert zstandard.ZstdDecompressor().decompress(bytes(PIPELINES["zstd"].encode(data_of(SPEC)))) == raw
