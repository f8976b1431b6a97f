"""Translate the metadata of Zarr v3 arrays to Zarr v2.

v2 has neither shards nor chunks of varying shape, and its readers support only the codecs of numcodecs. Inner chunks of
shards become chunks. An array that v2 cannot represent without changing its values is an ArgumentError.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from exzarr._format import dtypes, fill_values, v3
from exzarr._format.chunk_grids import ChunkGrid
from exzarr._format.chunk_keys import ChunkKeyEncoding
from exzarr._format.metadata import ARRAY_DIMENSIONS
from exzarr._tools.translate import Translation
from exzarr._tools.xarray_fill import CONVERTED, FILL_ATTRIBUTE, as_attribute, converted, from_attribute, was
from exzarr.codecs import registry
from exzarr.codecs.base import ChunkSpec
from exzarr.codecs.equivalents import v2_codec
from exzarr.codecs.pipeline import ChunkPipeline
from exzarr.codecs.v2 import to_id
from exzarr.errors import ArgumentError

if TYPE_CHECKING:
    from exzarr._format.dtypes import DataType
    from exzarr._format.metadata import ArrayMetadata, CodecConfig

__all__ = ["innermost", "to_v2", "v2_members"]

_SERIALIZERS = ("bytes", "vlen-utf8", "vlen-bytes")
_REMEDY = "copy the array with other filters (filters=None, compressors='zstd') to remove the codec"


class _Chain:
    """The parts of a v3 codec chain, with their v2 names."""

    def __init__(self, codecs: Sequence[CodecConfig], spec: ChunkSpec) -> None:
        self.order = "C"
        self.endian: str | None = None
        self.same_bytes = True
        self.notes: list[str] = []
        serial: list[dict[str, Any]] = []
        compressors: list[dict[str, Any]] = []
        # Evolved, because v2 filters must name the data types that v3 filters may take from the array.
        for codec in ChunkPipeline([registry.from_config(config) for config in codecs]).evolve(spec).codecs:
            if codec.name == "transpose":
                self._transpose(codec.axes(len(spec.shape)), first=not serial)
            elif codec.kind == "array_bytes":
                serial += self._serializer(codec)
            elif codec.name == "crc32c":
                self.same_bytes = False
                self.notes.append(
                    "the crc32c checksum of each chunk was left out: Zarr v2 does not support it"
                )
            elif codec.kind == "array_array":
                serial.append(_numcodec(codec))
            else:
                compressors.append(_compressor(codec))
        self.compressor = compressors.pop() if compressors else None
        self.filters = (*serial, *compressors)

    def _transpose(self, axes: tuple[int, ...], *, first: bool) -> None:
        plain = tuple(range(len(axes)))
        if axes == plain:
            return
        if axes == plain[::-1] and first and self.order == "C":
            self.order = "F"
        else:  # this is only the order of a chunk's elements, which re-encoding can change
            self.same_bytes = False

    def _serializer(self, codec: Any) -> list[dict[str, Any]]:
        if codec.name not in _SERIALIZERS:
            raise ArgumentError(f"Zarr v2 has no codec {codec.name!r}; {_REMEDY}")
        if codec.name != "bytes":
            return [{"id": codec.name}]
        self.endian = codec.endian
        return []


def to_v2(meta: ArrayMetadata) -> Translation:
    """Translate a v3 array to v2. Raise ArgumentError if v2 cannot represent it."""
    if not meta.chunk_grid.regular:
        raise ArgumentError(
            "Zarr v2 does not support chunks of varying shape: copy the array with chunks=(...) of one shape"
        )
    chunks, codecs, sharded = innermost(meta)
    chain = _Chain(codecs, ChunkSpec(chunks, meta.data_type, meta.fill_value))
    data_type = _data_type(meta.data_type, chain)
    members, notes = v2_members(meta, data_type)
    if sharded:
        shards = (f"shards became separate chunks of shape {chunks}: Zarr v2 has no shards",)
        notes, members["chunk_grid"] = shards + notes, ChunkGrid.from_regular(meta.shape, chunks)
    members.update(order=chain.order, filters=chain.filters, compressor=chain.compressor)
    return Translation(meta.with_(**members), chain.same_bytes and not sharded, (*chain.notes, *notes))


def v2_members(meta: ArrayMetadata, data_type: DataType) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the members of a v3 array's metadata that differ in v2, except the encoding, and notes."""
    attributes, names = dict(meta.attributes), meta.dimension_names
    notes = [
        f"{key!r} of the zarr.json was left out: v2 does not support it"
        for key in meta.extra
        if key != CONVERTED
    ]
    if names is not None and None in names:
        if any(names):
            notes.append(
                f"dimension names {[*names]} were left out: in Zarr v2, either all dimensions have a name or none"
            )
        names = None
    if names is not None:
        attributes[ARRAY_DIMENSIONS] = [*names]
    fill = meta.fill_value
    if isinstance(fill, np.void) and fill.dtype != data_type.dtype:
        fill = np.asarray(fill).astype(data_type.dtype)[()]
    extra: dict[str, Any] = {}
    if names is not None and not was(meta.extra, "kept"):
        marked = FILL_ATTRIBUTE in attributes
        fill = _marking_fill(fill, attributes, meta.data_type)
        if not marked and fill is not None and as_attribute(fill, meta.data_type.dtype) is not None:
            extra = converted("absent")
    return {
        "zarr_format": 2,
        "data_type": data_type,
        "chunk_key_encoding": ChunkKeyEncoding("v2", meta.chunk_key_encoding.separator),
        "fill_value": fill,
        "codecs": (),
        "dimension_names": names,
        "attributes": attributes,
        "extra": extra,
    }, tuple(notes)


def _marking_fill(fill: Any, attributes: dict[str, Any], data_type: DataType) -> Any:
    """Return the fill value for a v2 array, and remove the marker of missing data from `attributes`.

    In v2, xarray uses the fill value as the marker of missing data. v3 arrays have the attribute ``_FillValue`` for this,
    and their fill value (zero by default) marks nothing.
    """
    mark = from_attribute(attributes.get(FILL_ATTRIBUTE), data_type.dtype)
    if mark is not None:
        del attributes[FILL_ATTRIBUTE]
        return mark
    if (
        data_type.kind == "fixed"
        and FILL_ATTRIBUTE not in attributes
        and fill == fill_values.default(data_type)
    ):
        return None  # also reads as zero
    return fill


def innermost(meta: ArrayMetadata) -> tuple[tuple[int, ...], tuple[CodecConfig, ...], bool]:
    """Return shape and codecs of the innermost chunks, and True if they are in shards."""
    chunks, codecs, sharded = meta.chunk_grid.chunk_shape, meta.codecs, False
    while True:
        shard = next((codec for codec in codecs if codec.name == "sharding_indexed"), None)
        if shard is None:
            return chunks, codecs, sharded
        if codecs[0] is not shard:  # transposed shards: the inner chunks have another order of dimensions
            raise ArgumentError(
                f"shards that are encoded after {codecs[0].name!r} cannot be split into chunks; {_REMEDY}"
            )
        sharded = True
        registry.from_config(shard)  # raises MetadataError if it is invalid
        chunks = tuple(shard.configuration["chunk_shape"])
        codecs = tuple([v3.parse_codec(json) for json in shard.configuration["codecs"]])


def _data_type(data_type: DataType, chain: _Chain) -> DataType:
    """Return the v2 data type, in the byte order of the ``bytes`` codec."""
    made = dtypes.from_numpy(data_type, 2)
    if made.kind != "fixed" or chain.endian != "big":
        return made
    if made.dtype.names is not None or chain.filters:
        chain.same_bytes = False  # written in native order; see to_v3
        return made
    swapped = made.dtype.newbyteorder(">")
    return made if swapped == made.dtype else dtypes.from_numpy(swapped, 2)


def _compressor(codec: Any) -> dict[str, Any]:
    config = _numcodec(codec)
    if config["id"] == "zstd":
        # TensorStore rejects this key, and each zstd frame records whether it has a checksum.
        config.pop("checksum", None)
    return config


def _numcodec(codec: Any) -> dict[str, Any]:
    try:
        return to_id(v2_codec(codec))
    except ArgumentError as error:
        raise ArgumentError(f"{error}; {_REMEDY}") from error
