"""Every codec of exzarr passes the suite that authors of codecs run."""

from __future__ import annotations

from typing import Any

import numcodecs
import numpy as np

from exzarr.codecs.registry import from_json
from exzarr.testing.codec_suite import CodecSuite
from tests.codecs.tools import BIG, CRC, LITTLE, ZSTD, blosc, codec

NUMBERS = ("bool", "u1", "i4", "f2", "f4", "c8", "M8[s]", "S3", "U2", [("x", "f4"), ("n", "u2")])
SMALL = {"shapes": ((), (7,), (3, 5), (64,)), "huge": 1 << 18}


def suite(json: Any, **settings: Any) -> type[CodecSuite]:
    """Return the tests of one codec."""
    if isinstance(json, str):
        json = codec(json)
    return type("Suite", (CodecSuite,), {"make_codec": lambda self: from_json(json), **SMALL, **settings})


def peer(id_: str, **options: Any) -> dict[str, Any]:
    """Return hooks that decode and encode with numcodecs, for codecs of bytes."""
    theirs = numcodecs.get_codec({"id": id_, **options})

    def decode_elsewhere(self: Any, data: bytes, spec: Any) -> Any:
        raw = theirs.decode(data)
        return np.frombuffer(raw, spec.dtype).reshape(spec.shape) if spec.size else None

    def encoded_elsewhere(self: Any) -> Any:
        for array in (np.arange(60, dtype="<i4").reshape(5, 12), np.zeros(1000, "<f4")):
            yield bytes(theirs.encode(array.tobytes())), array

    return {
        "decode_elsewhere": decode_elsewhere,
        "encoded_elsewhere": encoded_elsewhere,
        "v2": {"id": id_, **options},
    }


class TestBytes(suite("bytes", data_types=NUMBERS)):  # type: ignore[misc]
    def make_codec(self) -> Any:
        return from_json(LITTLE)


class TestBytesBigEndian(suite(BIG, data_types=NUMBERS)): ...  # type: ignore[misc]


class TestCrc32c(suite(CRC, **peer("crc32c"))): ...  # type: ignore[misc]


class TestZstd(suite(ZSTD, data_types=NUMBERS, **peer("zstd", level=1))): ...  # type: ignore[misc]


class TestZstdWithoutChecksum(suite(codec("zstd", level=1))): ...  # type: ignore[misc]


class TestGzip(suite(codec("gzip", level=1), **peer("gzip", level=1))): ...  # type: ignore[misc]


class TestBlosc(suite(blosc("lz4"), data_types=NUMBERS, **peer("blosc", cname="lz4", shuffle=1))): ...  # type: ignore[misc]


class TestBloscZstd(suite(blosc("zstd", "bitshuffle"))): ...  # type: ignore[misc]


class TestBloscBlosclz(suite(blosc("blosclz"))): ...  # type: ignore[misc]


class TestBloscZlib(suite(blosc("zlib"))): ...  # type: ignore[misc]


class TestBloscSnappy(suite(blosc("lz4hc"))): ...  # type: ignore[misc]


class TestVLenUTF8(suite("vlen-utf8", data_types=(str,), detects_tail=False)): ...  # type: ignore[misc]


class TestVLenBytes(suite("vlen-bytes", data_types=(bytes,), detects_tail=False)): ...  # type: ignore[misc]


class TestPackBits(
    suite(codec("packbits", padding_encoding="first_byte"), data_types=("bool", "u1", "i4"))  # type: ignore[misc]
): ...  # type: ignore[misc]


class TestTranspose(suite(codec("transpose", order=[1, 0]), data_types=NUMBERS, shapes=((3, 5), (8, 8)))): ...  # type: ignore[misc]


class TestReshape(suite(codec("reshape", shape=[-1]))): ...  # type: ignore[misc]


SHARDS = codec("sharding_indexed", chunk_shape=[3, 11], codecs=[LITTLE, ZSTD], index_codecs=[LITTLE, CRC])
RAW_SHARDS = codec("sharding_indexed", chunk_shape=[4, 8], codecs=[LITTLE], index_codecs=[LITTLE])


class TestSharding(suite(SHARDS)):  # type: ignore[misc]
    shapes = ((9, 11), (3, 22))


class TestShardingOfRawChunks(suite(RAW_SHARDS)):  # type: ignore[misc]
    shapes = ((8, 8), (4, 16))
    detects_tail = False  # the inner chunks are found by their offsets
    detects_truncation = False  # an index without a checksum may be any of the bytes


class TestScaleOffset(suite(codec("scale_offset", offset=1, scale=4), refuses_values=True)):  # type: ignore[misc]
    exact = False  # floats are rounded twice

    def error_bound(self, array: Any) -> Any:
        if array.dtype.kind != "f":
            return 0
        rounded = 2 * np.finfo(array.dtype).eps * (1 + np.abs(array.astype(np.longdouble)))
        return np.where(np.abs(array) > np.finfo(array.dtype).max / 8, np.inf, rounded)


class TestCastValue(
    suite(codec("cast_value", data_type="float64"), data_types=("i4",), refuses_values=True)  # type: ignore[misc]
): ...  # type: ignore[misc]


class TestBitRound(suite(codec("bitround", keepbits=8), data_types=("f4", "f8"))):  # type: ignore[misc]
    exact = False

    def error_bound(self, array: Any) -> Any:
        if array.dtype.kind != "f":
            return np.abs(array.astype("c16")) * 2.0**-8 + 1
        rounded = np.abs(array.astype(np.longdouble)) * 2.0**-9 + np.finfo(array.dtype).tiny
        return np.where(np.abs(array) > np.finfo(array.dtype).max * 0.99, np.inf, rounded)


class TestZlib(suite("numcodecs.zlib", **peer("zlib"))): ...  # type: ignore[misc]


class TestBZ2(suite("numcodecs.bz2", **peer("bz2"))): ...  # type: ignore[misc]


class TestLZMA(suite("numcodecs.lzma", bomb=1 << 24, **peer("lzma"))): ...  # type: ignore[misc]


class TestLZ4(suite("numcodecs.lz4", **peer("lz4"))): ...  # type: ignore[misc]


class TestBase64(suite("numcodecs.base64", **peer("base64"))): ...  # type: ignore[misc]


class TestShuffle(suite(codec("numcodecs.shuffle", elementsize=4), **peer("shuffle", elementsize=4))): ...  # type: ignore[misc]


class TestCRC32(suite("numcodecs.crc32", **peer("crc32"))): ...  # type: ignore[misc]


class TestAdler32(suite("numcodecs.adler32", **peer("adler32"))): ...  # type: ignore[misc]


class TestFletcher32(suite("numcodecs.fletcher32", **peer("fletcher32"))): ...  # type: ignore[misc]


class TestJenkins(suite("numcodecs.jenkins_lookup3", **peer("jenkins_lookup3"))): ...  # type: ignore[misc]


class TestNumcodecsZstd(suite("numcodecs.zstd")): ...  # type: ignore[misc]


class TestNumcodecsGzip(suite("numcodecs.gzip")): ...  # type: ignore[misc]


class TestNumcodecsBlosc(suite("numcodecs.blosc")): ...  # type: ignore[misc]


class TestNumcodecsCrc32c(suite("numcodecs.crc32c")): ...  # type: ignore[misc]


class TestDelta(suite(codec("numcodecs.delta", dtype="<i4"), data_types=("i4",))): ...  # type: ignore[misc]


class TestNumcodecsPackBits(suite("numcodecs.packbits", data_types=("bool",))): ...  # type: ignore[misc]


class TestJSON(suite("numcodecs.json2", data_types=("i4",))): ...  # type: ignore[misc]


class TestMsgPack(suite("numcodecs.msgpack2", data_types=("i4",), shapes=((7,), (3, 5)))): ...  # type: ignore[misc]


class TestPCodec(suite("numcodecs.pcodec", data_types=("i4", "f4", "f8"), detects_tail=False)): ...  # type: ignore[misc]


class TestQuantize(suite(codec("numcodecs.quantize", digits=2, dtype="<f8"), data_types=("f8",))):  # type: ignore[misc]
    exact = False

    def error_bound(self, array: Any) -> Any:
        rounded = 0.005 + np.abs(array.astype(np.longdouble)) * 1e-15
        return np.where(np.abs(array) > 1e300, np.inf, rounded)  # they overflow


def test_every_codec_has_a_suite() -> None:
    from exzarr.codecs.numcodecs import NAMES
    from exzarr.codecs.registry import BUILTIN

    tested = {
        found().make_codec().name
        for found in globals().values()
        if isinstance(found, type) and issubclass(found, CodecSuite) and found is not CodecSuite
    }
    elsewhere = {
        "numcodecs." + name
        for name in (
            "astype", "categorize", "fixedscaleoffset", "bitround", "pickle", "vlen-array", "vlen-utf8", "vlen-bytes",
            "hdf5_bitshuffle", "imagecodecs_lz4h5", "zfpy",
        )
    }  # fmt: skip
    assert {*BUILTIN, *NAMES} - tested - elsewhere == set()
    assert not elsewhere & tested
