"""An array's metadata said in the other version of the format.

Most chunks are the same bytes in both versions: a v2 chunk is the memory of its elements, filtered
and compressed, and v3 has codecs for each of these steps. `translate` says whether they are, for
the array at hand; what moves or re-encodes chunks goes by its answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from exzarr._format.nodes import without_consolidated
from exzarr.errors import ArgumentError

if TYPE_CHECKING:
    from exzarr._format.metadata import ArrayMetadata, GroupMetadata

__all__ = ["Translation", "translate", "translate_group"]


@dataclass(frozen=True)
class Translation:
    """What an array is in the version that was asked for.

    Attributes
    ----------
    metadata
        Its metadata there. Chunk keys stay as they are where that version can name them so.
    same_bytes
        Whether every stored chunk is right as it is, byte for byte (under its new key, where
        that differs). Otherwise chunks must be decoded and encoded.
    notes
        What differs that a user would want to know: sentences, few.
    """

    metadata: ArrayMetadata
    same_bytes: bool = True
    notes: tuple[str, ...] = ()


def translate(metadata: ArrayMetadata, zarr_format: Literal[2, 3]) -> Translation:
    """`metadata` in `zarr_format`.

    Raises
    ------
    ArgumentError
        That version cannot say it: it lacks the data type, a codec, or chunks that vary in shape.
    """
    if zarr_format not in (2, 3):
        raise ArgumentError(f"zarr_format is 2 or 3, not {zarr_format!r}")
    if metadata.zarr_format == zarr_format:
        return Translation(metadata)
    if zarr_format == 3:
        from exzarr._tools.to_v3 import to_v3

        return to_v3(metadata)
    from exzarr._tools.to_v2 import to_v2

    return to_v2(metadata)


def translate_group(metadata: GroupMetadata, zarr_format: Literal[2, 3]) -> GroupMetadata:
    """A group's metadata in `zarr_format`, without what is consolidated in it."""
    if metadata.zarr_format == zarr_format:
        return without_consolidated(metadata)
    return metadata.with_(zarr_format=zarr_format, consolidated=None, extra={})
