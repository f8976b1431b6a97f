"""Compare the metadata and attributes of two nodes.

The content of a node is what `exzarr.checksum` covers: kind, shape, data type, dimension names and attributes. How it is
stored (format, chunks, codecs, fill value) is listed, and counts only on request.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from exzarr._format.metadata import ArrayMetadata
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import Location, Metadata
from exzarr._tools.checksum.canonical import Encoder, attributes_of, canonical_json, dimension_names_of
from exzarr._tools.copy_plan import same_fill
from exzarr._tools.diff.report import ABSENT, Difference

__all__ = ["compare_metadata"]


def compare_metadata(
    left: tuple[Location, Metadata], right: tuple[Location, Metadata], counted: Collection[str]
) -> tuple[Difference, ...]:
    """Return the differences of two nodes. Those of the aspects in `counted` count."""
    here, there = _facts(*left), _facts(*right)
    found = [
        Difference(aspect, here[aspect], there[aspect], aspect in counted)
        for aspect in here
        if aspect in there and canonical_json(here[aspect]) != canonical_json(there[aspect])
    ]
    (_, one), (_, other) = left, right
    if isinstance(one, ArrayMetadata) and isinstance(other, ArrayMetadata) and not _same_fill(one, other):
        fill = "fill_value"
        found.append(Difference(fill, one.fill_value, other.fill_value, fill in counted))
    return (*found, *_attributes(one, other, "attributes" in counted))


def _same_fill(one: ArrayMetadata, other: ArrayMetadata) -> bool:
    try:
        return same_fill(one, other)
    except (TypeError, ValueError):  # values of different kinds, such as text and structures
        return False


def _facts(location: Location, meta: Metadata) -> dict[str, Any]:
    if not isinstance(meta, ArrayMetadata):
        return {"kind": "group", "zarr_format": meta.zarr_format}
    array = Array(location, meta, read_only=True)
    regular = meta.chunk_grid.regular
    return {
        "kind": "array",
        "shape": [*meta.shape],
        "data_type": Encoder(meta.data_type).name,
        "dimension_names": dimension_names_of(meta),
        "zarr_format": meta.zarr_format,
        "chunks": [*array.chunks] if regular else [[*sizes] for sizes in array.write_chunk_sizes],
        "shards": None if array.shards is None else [*array.shards],
        "codecs": _codecs(meta),
    }


def _codecs(meta: ArrayMetadata) -> Any:
    if meta.zarr_format == 3:
        return [codec.to_json() for codec in meta.codecs]
    return {
        "order": meta.order,
        "data_type": meta.data_type.v2,  # it has the byte order
        "filters": [*meta.filters],
        "compressor": meta.compressor,
    }


def _attributes(left: Metadata, right: Metadata, counts: bool) -> Iterator[Difference]:
    here, there = [
        attributes_of(meta) if isinstance(meta, ArrayMetadata) else meta.attributes for meta in (left, right)
    ]
    for key in sorted({*here, *there}):
        one, other = here.get(key, ABSENT), there.get(key, ABSENT)
        if one is ABSENT or other is ABSENT or canonical_json(one) != canonical_json(other):
            yield Difference("attributes", one, other, counts, key)
