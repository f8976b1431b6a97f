"""The option ``checksum=``: makes stored chunks detect flipped bits.

=========  ========================================================================================
"auto"     in v3, the default compressor zstd writes its checksum; chosen codecs do not change
True       the chain ends with a checksum of all stored bytes: crc32c in v3, crc32 or zstd's own in v2
False      no checksum is added, and zstd writes none
=========  ========================================================================================

In shards, the option applies to the chain of the inner chunks and to the chain of the index.
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
    """Return `checksum`; raise ArgumentError if it is not a value of this option."""
    if checksum is True or checksum is False:
        return bool(checksum)
    if isinstance(checksum, str) and checksum == "auto":
        return "auto"
    raise ArgumentError(
        f"checksum must be 'auto', True or False, got {checksum!r}. To choose the algorithm, pass it as a compressor: "
        "compressors=['zstd', 'crc32c']"
    )


def named_zstd(checksum: ChecksumLike, zarr_format: Literal[2, 3]) -> dict[str, Any]:
    """Return the codec for the bare name ``"zstd"``: by default with its own checksum in v3, without in v2.

    Readers of v2 that use numcodecs before 0.13 do not know the option.
    """
    own = zarr_format == 3 if checksum == "auto" else checksum
    if zarr_format == 3:
        return {"name": "zstd", "configuration": {"level": 3, "checksum": own}}
    return {"id": "zstd", "level": 3, "checksum": True} if own else {"id": "zstd", "level": 3}


def checksummed(codecs: Sequence[Any], checksum: ChecksumLike, zarr_format: Literal[2, 3]) -> list[Any]:
    """Return the bytes → bytes codecs of a new array, with the checksum that the option adds.

    In v3, True adds crc32c at the end, even after a codec with a checksum of the elements (zstd, gzip). Decoders ignore
    some stored bits, and only a checksum of the stored bytes detects changes to those.

    In v2, True keeps zstd's own checksum if the compressor is zstd: more readers open one compressor than a list of
    filters. Other chains get numcodecs' crc32. numcodecs has crc32c only if another package is installed, and
    zarr-python does not open an array whose codec is missing.

    Raises
    ------
    ArgumentError
        ``checksum=False`` contradicts a chosen codec.
    """
    if checksum is True and not (codecs and _is_final_checksum(codecs[-1], zarr_format)):
        return [*codecs, registry.get("crc32c" if zarr_format == 3 else "numcodecs.crc32")()]
    if checksum is False:
        for codec in codecs:
            if codec.name in _SUMS or _is_zstd_with_checksum(codec):
                raise ArgumentError(
                    f"checksum=False contradicts the compressor {codec!r}, which has a checksum; remove one of the two"
                )
    return [*codecs]


def checksummed_shards(serializer: Any) -> Any:
    """Return the user's sharding codec with checksums for its inner chunks and its index."""
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
    """Return the codecs of another array without checksums, as ``checksum=False`` requires."""
    return [
        replace(codec, checksum=False) if codec.name in _ZSTD else codec
        for codec in codecs
        if codec.name not in _SUMS
    ]


def detects_damage(codecs: Sequence[Any]) -> bool:
    """Return True if decoding detects every flipped bit that changes an element, an inner chunk or a shard's index."""
    for codec in codecs:
        if codec.name == "sharding_indexed":
            return detects_damage(codec.codecs) and detects_damage(codec.index_codecs)
    return any(getattr(codec, "checks", False) for codec in codecs)


def _is_final_checksum(codec: Codec, zarr_format: Literal[2, 3]) -> bool:
    """Return True if a chain that ends with `codec` needs no other checksum."""
    return codec.name in _SUMS or (zarr_format == 2 and _is_zstd_with_checksum(codec))


def _is_zstd_with_checksum(codec: Codec) -> bool:
    """Return True if `codec` is zstd with its optional checksum."""
    return codec.name in _ZSTD and bool(getattr(codec, "checksum", False))
