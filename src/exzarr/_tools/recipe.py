"""The layout and codecs of a copy: the user's changes, applied to the metadata of the source."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from exzarr._format import dtypes, fill_values
from exzarr._format.chunk_grids import ChunkGrid
from exzarr._format.metadata import CodecConfig
from exzarr._tools.sizes import AS_SOURCE, AsSource, Sizes, inner_chunks, new_layout
from exzarr._tools.to_v2 import innermost, v2_members
from exzarr._tools.to_v3 import v3_members
from exzarr._tools.translate import Translation, translate
from exzarr.codecs import registry
from exzarr.codecs.base import ChunkSpec
from exzarr.codecs.checksummed import ChecksumLike, parse_checksum, without_checksum
from exzarr.codecs.equivalents import native_filter
from exzarr.codecs.pipeline import pipeline_for
from exzarr.errors import ArgumentError

if TYPE_CHECKING:
    from exzarr._format.dtypes import DataType
    from exzarr._format.metadata import ArrayMetadata

__all__ = ["AS_SOURCE", "AsSource", "Recipe", "apply"]


@dataclass(frozen=True)
class Recipe:
    """The properties that a copy changes. Properties that are `AS_SOURCE` stay as in the source.

    Attributes
    ----------
    chunks
        `Sizes` of the chunks (inner chunks, if there are shards). The entry of a dimension may be a list with the length
        of each chunk (v3, without shards).
    shards
        `Sizes` of the shards; None for no shards.
    filters, serializer, compressors, checksum
        As for `exzarr.create_array`. ``checksum=False`` also removes the checksums of the source's codecs.
    dtype
        The new data type of the elements.
    zarr_format
        2 or 3.
    """

    chunks: Sizes | AsSource = AS_SOURCE
    shards: Sizes | AsSource | None = AS_SOURCE
    filters: Any = AS_SOURCE
    serializer: Any = AS_SOURCE
    compressors: Any = AS_SOURCE
    dtype: Any = AS_SOURCE
    zarr_format: Literal[2, 3] | AsSource = AS_SOURCE
    checksum: ChecksumLike | AsSource = AS_SOURCE

    def __post_init__(self) -> None:
        if self.zarr_format not in (2, 3, AS_SOURCE):
            raise ArgumentError(f"zarr_format must be 2 or 3, not {self.zarr_format!r}")
        if self.checksum is not AS_SOURCE:
            parse_checksum(self.checksum)

    @property
    def only_format(self) -> bool:
        """True if chunks, data type and codecs stay the same."""
        return all(
            getattr(self, field.name) is AS_SOURCE for field in fields(self) if field.name != "zarr_format"
        )


def apply(recipe: Recipe, meta: ArrayMetadata) -> Translation:
    """Return the metadata of the copy. Raise ArgumentError if the recipe cannot be applied to the array."""
    zarr_format = meta.zarr_format if recipe.zarr_format is AS_SOURCE else recipe.zarr_format
    if recipe.only_format:
        return translate(meta, zarr_format)
    data_type = dtypes.from_numpy(meta.data_type if recipe.dtype is AS_SOURCE else recipe.dtype, zarr_format)
    members, notes = _members(meta, data_type, zarr_format)
    if recipe.dtype is not AS_SOURCE:
        members.update(data_type=data_type, fill_value=_fill(meta, data_type, zarr_format))
    codecs = _Codecs(meta, recipe, zarr_format)
    layout = new_layout(meta, recipe.chunks, recipe.shards, data_type, zarr_format)
    members["chunk_grid"] = layout.grid
    fill = members.get("fill_value", meta.fill_value)
    spec = ChunkSpec(layout.chunks, data_type, fill_values.default(data_type) if fill is None else fill)
    if zarr_format == 3:
        from exzarr.codecs.parse import v3_codecs

        members["codecs"] = v3_codecs(
            spec,
            **codecs.v3(),
            shard_shape=layout.shards,
            index_location=layout.index_location,
            endian=codecs.endian,
        )
    else:
        from exzarr.codecs.parse import v2_codecs

        members["order"] = codecs.order
        members["filters"], members["compressor"] = v2_codecs(spec, **codecs.v2())
    made = meta.with_(**members)
    return Translation(made, made.zarr_format == meta.zarr_format and _same_encoding(made, meta), notes)


_IMPLIED = ("bytes", "memory", "vlen-utf8", "vlen-bytes")
"""Array-to-bytes codecs that are implicit in v2 arrays."""


class _Codecs:
    """The codecs of the source, with the user's replacements."""

    def __init__(self, meta: ArrayMetadata, recipe: Recipe, zarr_format: int) -> None:
        chain = pipeline_for(_unsharded(meta) if meta.zarr_format == 3 else meta)
        spec = ChunkSpec(inner_chunks(meta), meta.data_type, fill_values.default(meta.data_type))
        chain = chain.evolve(spec)
        self.transposes: list[Any] = [codec for codec in chain.array_array if codec.name == "transpose"]
        rest: list[Any] = [codec for codec in chain.array_array if codec.name != "transpose"]
        reverse = tuple(reversed(range(meta.ndim)))
        self.order: Literal["C", "F"] = meta.order
        if any(codec.axes(meta.ndim) == reverse for codec in self.transposes):
            self.order = "F"
        if zarr_format == 3 and meta.zarr_format == 2:
            configs = [CodecConfig(codec.name, codec.to_config()) for codec in rest]
            rest = [registry.from_config(native_filter(config)) for config in configs]
        self.filters = rest if recipe.filters is AS_SOURCE else recipe.filters
        self.keeps_filters = recipe.filters is AS_SOURCE
        # A new data type may need another serializer (strings), and changes the size of elements.
        kept: Any = (
            "auto"
            if recipe.dtype is not AS_SOURCE or chain.array_bytes.name == "memory"
            else chain.array_bytes
        )
        self.serializer = kept if recipe.serializer is AS_SOURCE else recipe.serializer
        compressors: list[Any] = list(chain.bytes_bytes)
        if recipe.dtype is not AS_SOURCE:
            compressors = [replace(c, typesize=None) if hasattr(c, "typesize") else c for c in compressors]
        if recipe.checksum is False:
            compressors = without_checksum(compressors)
        self.compressors = compressors if recipe.compressors is AS_SOURCE else recipe.compressors
        self.checksum: ChecksumLike = "auto" if recipe.checksum is AS_SOURCE else recipe.checksum
        self.endian = (
            "big" if meta.data_type.dtype.byteorder == ">" and recipe.dtype is AS_SOURCE else "little"
        )

    def v3(self) -> dict[str, Any]:
        filters = [*self.transposes, *self.filters] if self.keeps_filters else self.filters
        return {
            "filters": filters,
            "serializer": self.serializer,
            "compressors": self.compressors,
            "checksum": self.checksum,
        }

    def v2(self) -> dict[str, Any]:
        filters = self.filters
        if self.keeps_filters and getattr(self.serializer, "name", "bytes") not in _IMPLIED:
            filters = [*filters, self.serializer]  # in v2, the serializer is a filter
        return {"filters": filters, "compressors": self.compressors, "checksum": self.checksum}


def _unsharded(meta: ArrayMetadata) -> ArrayMetadata:
    if meta.chunk_grid.regular:
        chunks, codecs, sharded = innermost(meta)
        if sharded:
            return meta.with_(codecs=codecs, chunk_grid=ChunkGrid.from_regular(meta.shape, chunks))
    return meta


def _members(
    meta: ArrayMetadata, data_type: DataType, zarr_format: int
) -> tuple[dict[str, Any], tuple[str, ...]]:
    if zarr_format == meta.zarr_format:
        return {}, ()
    return v3_members(meta, data_type) if zarr_format == 3 else v2_members(meta, data_type)


def _fill(meta: ArrayMetadata, data_type: DataType, zarr_format: int) -> Any:
    if meta.fill_value is None:
        return None if zarr_format == 2 else fill_values.default(data_type)
    if meta.data_type.variable_length != data_type.variable_length:
        return fill_values.default(data_type)
    return fill_values.cast(meta.fill_value, data_type)


def _same_encoding(one: ArrayMetadata, other: ArrayMetadata) -> bool:
    """Return True if two arrays of one version encode chunks to the same bytes."""
    if one.chunk_grid.to_v3() != other.chunk_grid.to_v3() or one.data_type != other.data_type:
        return False
    if one.zarr_format == 3:
        return [codec.to_json() for codec in one.codecs] == [codec.to_json() for codec in other.codecs]
    return (one.order, one.filters, one.compressor) == (other.order, other.filters, other.compressor)
