"""The codecs of ``zarr.codecs``, by zarr-python's names."""

from enum import StrEnum

from exzarr.codecs import (
    Blosc as BloscCodec,
    Bytes as BytesCodec,
    CastValue,
    Crc32c as Crc32cCodec,
    Gzip as GzipCodec,
    ScaleOffset,
    Sharding as ShardingCodec,
    Transpose as TransposeCodec,
    VLenBytes as VLenBytesCodec,
    VLenUTF8 as VLenUTF8Codec,
    Zstd as ZstdCodec,
)

__all__ = [
    "BloscCname",
    "BloscCodec",
    "BloscShuffle",
    "BytesCodec",
    "CastValue",
    "Crc32cCodec",
    "Endian",
    "GzipCodec",
    "ScaleOffset",
    "ShardingCodec",
    "ShardingCodecIndexLocation",
    "TransposeCodec",
    "VLenBytesCodec",
    "VLenUTF8Codec",
    "ZstdCodec",
]


class BloscShuffle(StrEnum):
    """The values of ``shuffle`` of `BloscCodec`."""

    noshuffle = "noshuffle"
    shuffle = "shuffle"
    bitshuffle = "bitshuffle"


class BloscCname(StrEnum):
    """The values of ``cname`` of `BloscCodec`."""

    lz4 = "lz4"
    lz4hc = "lz4hc"
    blosclz = "blosclz"
    snappy = "snappy"
    zlib = "zlib"
    zstd = "zstd"


class Endian(StrEnum):
    """The values of ``endian`` of `BytesCodec`."""

    big = "big"
    little = "little"


class ShardingCodecIndexLocation(StrEnum):
    """The values of ``index_location`` of `ShardingCodec`."""

    start = "start"
    end = "end"
