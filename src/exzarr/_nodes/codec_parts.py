"""An array's codecs by kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from exzarr.errors import ExzarrError

if TYPE_CHECKING:
    from exzarr._format.metadata import ArrayMetadata

__all__ = ["CodecParts", "codec_parts", "configurations", "is_reversed"]


class CodecParts(NamedTuple):
    """The codecs of an array, by kind.

    Attributes
    ----------
    filters
        The array → array codecs (v3), or the filters (v2).
    serializer
        The array → bytes codec (v3), or None (v2).
    compressors
        The bytes → bytes codecs (v3), or the compressor, if there is one (v2).
    """

    filters: tuple[Any, ...]
    serializer: Any
    compressors: tuple[Any, ...]


def is_reversed(meta: ArrayMetadata) -> bool:
    """Return whether the first codec reverses the dimensions, so that the first dimension varies fastest."""
    if not meta.codecs:
        return False
    first: Any = meta.codecs[0]
    name, configuration = first.name, first.configuration
    if name == "sharding_indexed":
        inner = configuration.get("codecs")
        first = inner[0] if isinstance(inner, list | tuple) and inner else None
        if not isinstance(first, dict):
            return False
        name, configuration = first.get("name"), first.get("configuration") or {}
    return name == "transpose" and [*configuration.get("order", ())] == [*range(meta.ndim)][::-1]


def codec_parts(meta: ArrayMetadata) -> CodecParts:
    """Return the codecs of an array (of its inner chunks, if it has shards).

    Raises UnsupportedError for an unknown codec.
    """
    if meta.zarr_format == 2:
        from exzarr.codecs.v2 import from_id

        compressor = () if meta.compressor is None else (from_id(meta.compressor),)
        return CodecParts(tuple([from_id(filter_) for filter_ in meta.filters]), None, compressor)
    from exzarr.codecs.registry import from_config

    chain: Sequence[Any] = [from_config(config) for config in meta.codecs]
    while len(chain) == 1 and chain[0].name == "sharding_indexed":
        chain = chain[0].codecs
    kinds: dict[str, list[Any]] = {"array_array": [], "array_bytes": [], "bytes_bytes": []}
    for codec in chain:
        kinds[codec.kind].append(codec)
    serializer = kinds["array_bytes"][0] if kinds["array_bytes"] else None
    return CodecParts(tuple(kinds["array_array"]), serializer, tuple(kinds["bytes_bytes"]))


def configurations(meta: ArrayMetadata) -> tuple[tuple[Any, ...], Any, tuple[Any, ...]]:
    """Return the codecs' configurations, also of unknown codecs."""
    if meta.zarr_format == 2:
        return meta.filters, None, () if meta.compressor is None else (meta.compressor,)
    try:
        parts = codec_parts(meta)
    except ExzarrError:
        return (), None, tuple([codec.to_json() for codec in meta.codecs])
    from exzarr.codecs.registry import to_json

    return (
        tuple([to_json(codec) for codec in parts.filters]),
        None if parts.serializer is None else to_json(parts.serializer),
        tuple([to_json(codec) for codec in parts.compressors]),
    )
