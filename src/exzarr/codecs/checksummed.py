"""The option ``checksum=``: which chains of codecs detect a flipped bit in a stored chunk.

=========  ========================================================================================
"auto"     the default compressor, zstd, has its checksum in v3; chosen codecs stay as they are
True       the chain ends with a checksum of all stored bytes: crc32c in v3, crc32 or zstd's own in v2
False      none is added, and zstd is written without its own
=========  ========================================================================================

In shards the chain of the inner chunks counts, and the chain of the index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from exzarr.codecs import registry
from exzarr.codecs.base import Codec
from exzarr.errors import ArgumentError

__all__ = [
    "ChecksumLike",
    "checksummed",
    "checksummed_shards",
    "detects_damage",
    "named_zstd",
    "parse_checksum",
    "without_checksum",
]

ChecksumLike = Literal["auto"] | bool

_SUMS = (
    "crc32c",
    "numcodecs.crc32",
    "numcodecs.crc32c",
    "numcodecs.adler32",
    "numcodecs.fletcher32",
    "numcodecs.jenkins_lookup3",
)
_ZSTD = ("zstd", "numcodecs.zstd")


def parse_checksum(checksum: Any) -> ChecksumLike:
    """`checksum` itself; ArgumentError if it is no value of this option."""
    if checksum is True or checksum is False:
        return bool(checksum)
    if isinstance(checksum, str) and checksum == "auto":
        return "auto"
    raise ArgumentError(
        f"checksum is 'auto', True or False, not {checksum!r}. To choose the algorithm, give it as a compressor: "
        "compressors=['zstd', 'crc32c']"
    )


def named_zstd(checksum: ChecksumLike, zarr_format: Literal[2, 3]) -> dict[str, Any]:
    """The codec that the bare name ``"zstd"`` means: with its own checksum by default in v3, without in v2.

    Readers of v2 that are older than numcodecs 0.13 know no option for it.
    """
    own = zarr_format == 3 if checksum == "auto" else checksum
    if zarr_format == 3:
        return {"name": "zstd", "configuration": {"level": 3, "checksum": own}}
    return {"id": "zstd", "level": 3, "checksum": True} if own else {"id": "zstd", "level": 3}


def checksummed(codecs: Sequence[Any], checksum: ChecksumLike, zarr_format: Literal[2, 3]) -> list[Any]:
    """The bytes → bytes codecs of a new array, with what `checksum` adds.

    In v3 that is a crc32c at the end, also behind a codec with a checksum of the elements (zstd, gzip): only a checksum
    of the stored bytes detects a flip of bits that decoders pass over. In v2 there is one compressor, which more readers
    open than a list of filters: zstd's own checksum is enough there. Others get numcodecs' crc32: numcodecs has crc32c
    only where another package is installed, and zarr-python opens no array whose codec is missing.

    ArgumentError where ``checksum=False`` contradicts a codec that was chosen.
    """
    if checksum is True and not (codecs and _ends(codecs[-1], zarr_format)):
        return [*codecs, registry.get("crc32c" if zarr_format == 3 else "numcodecs.crc32")()]
    if checksum is False:
        for codec in codecs:
            if codec.name in _SUMS or _own(codec):
                raise ArgumentError(
                    f"checksum=False contradicts the compressor {codec!r}, which has a checksum; leave one of the two out"
                )
    return [*codecs]


def checksummed_shards(serializer: Any) -> Any:
    """A sharding codec that a user gave, with checksums for its inner chunks and for its index."""
    from exzarr.codecs.pipeline import ChunkPipeline
    from exzarr.codecs.sharding import Sharding

    inner, index = ChunkPipeline(serializer.codecs), ChunkPipeline(serializer.index_codecs)
    middle, after = inner.array_bytes, list(inner.bytes_bytes)
    if isinstance(middle, Sharding) and not after:
        middle = checksummed_shards(middle)
    else:
        after = checksummed(after, True, 3)
    index_after = checksummed(index.bytes_bytes, True, 3)
    return Sharding(
        serializer.chunk_shape,
        (*inner.array_array, middle, *after),
        (*index.array_array, index.array_bytes, *index_after),
        serializer.index_location,
    )


def without_checksum(codecs: Sequence[Any]) -> list[Any]:
    """The codecs of another array, as ``checksum=False`` has them."""
    return [
        replace(codec, checksum=False) if codec.name in _ZSTD else codec
        for codec in codecs
        if codec.name not in _SUMS
    ]


def detects_damage(codecs: Sequence[Any]) -> bool:
    """Whether a chain detects every flipped bit that changes an element (in shards: of an inner chunk or the index)."""
    for codec in codecs:
        if codec.name == "sharding_indexed":
            return detects_damage(codec.codecs) and detects_damage(codec.index_codecs)
    return any(getattr(codec, "checks", False) for codec in codecs)


def _ends(codec: Codec, zarr_format: Literal[2, 3]) -> bool:
    """Whether a chain that ends with `codec` needs no other checksum."""
    return codec.name in _SUMS or (zarr_format == 2 and _own(codec))


def _own(codec: Codec) -> bool:
    """Whether it is zstd with its own checksum, which is optional."""
    return codec.name in _ZSTD and bool(getattr(codec, "checksum", False))
