"""Translate the metadata of an array to the other version of the format.

Most chunks have the same bytes in both versions: a v2 chunk is the memory of its elements, filtered and compressed, and
v3 has codecs for each of these steps. `translate` determines whether this holds for an array. The caller then moves or
re-encodes its chunks.
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
    """An array in the requested version of the format.

    Attributes
    ----------
    metadata
        Its metadata in that version. Chunk keys stay the same if that version allows them.
    same_bytes
        True if every stored chunk is valid byte for byte, possibly under a new key. Otherwise chunks must be decoded
        and encoded.
    notes
        Differences that users should know, one sentence each.
    """

    metadata: ArrayMetadata
    same_bytes: bool = True
    notes: tuple[str, ...] = ()


def translate(metadata: ArrayMetadata, zarr_format: Literal[2, 3]) -> Translation:
    """Translate `metadata` to `zarr_format`.

    Raises
    ------
    ArgumentError
        That version lacks the data type, a codec, or chunks of varying shape.
    """
    if zarr_format not in (2, 3):
        raise ArgumentError(f"zarr_format must be 2 or 3, not {zarr_format!r}")
    if metadata.zarr_format == zarr_format:
        return Translation(metadata)
    if zarr_format == 3:
        from exzarr._tools.to_v3 import to_v3

        return to_v3(metadata)
    from exzarr._tools.to_v2 import to_v2

    return to_v2(metadata)


def translate_group(metadata: GroupMetadata, zarr_format: Literal[2, 3]) -> GroupMetadata:
    """Translate a group's metadata to `zarr_format`, without consolidated metadata."""
    if metadata.zarr_format == zarr_format:
        return without_consolidated(metadata)
    return metadata.with_(zarr_format=zarr_format, consolidated=None, extra={})
