"""Zarr v2 chunks: a memory order, filters, a compressor.

https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html#chunks. v2 has no kinds of codecs: a filter
may be any numcodecs codec. Nearly all chains still have the v3 form: array filters, optionally
a filter that serializes objects, compressors. They become a `ChunkPipeline`. If no filter
serializes the array, its memory is the serialization.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from exzarr.codecs import numcodecs
from exzarr.codecs._config import Configured
from exzarr.codecs.base import AnyArray, ArrayBytesCodec, Buffer, ChunkSpec, Codec
from exzarr.codecs.memory import as_buffer, from_buffer
from exzarr.codecs.pipeline import ChunkPipeline
from exzarr.codecs.transpose import Transpose
from exzarr.errors import CodecError, MetadataError

if TYPE_CHECKING:
    from exzarr._format.metadata import ArrayMetadata

__all__ = ["Memory", "from_id", "to_id", "v2_pipeline"]


@dataclass(frozen=True)
class Memory(Configured, ArrayBytesCodec):
    """The C-contiguous memory of the array, in the byte order of its dtype."""

    name: ClassVar[str] = "memory"

    def encoded_size(self, spec: ChunkSpec) -> int | None:
        return spec.nbytes

    def stored_dtype(self, spec: ChunkSpec) -> np.dtype[Any] | None:
        if spec.dtype.hasobject or spec.dtype.kind == "T":
            raise MetadataError(
                f"an array of {spec.data_type.v2!r} requires a filter that encodes objects, such as vlen-utf8 for strings"
            )
        return spec.dtype

    def encode(self, array: AnyArray, spec: ChunkSpec) -> Buffer:
        return as_buffer(np.ascontiguousarray(array, spec.dtype))

    def decode(self, data: Buffer, spec: ChunkSpec) -> AnyArray:
        if len(data) != spec.nbytes:
            raise CodecError(f"a chunk has {len(data)} bytes, expected {spec.nbytes}")
        return from_buffer(data, spec.dtype, spec.shape)


def from_id(configuration: Mapping[str, Any], order: Literal["C", "F"] | None = None) -> Codec:
    """Return the codec for an entry of a v2 document (``{"id": ..., ...}``).

    `order` affects only codecs that exzarr does not have, see `foreign`.

    Raises
    ------
    MetadataError
        The configuration is invalid.
    UnsupportedError
        The codec is not known or not allowed (``pickle``).
    """
    options = dict(configuration)
    id_ = str(options.pop("id"))
    name = numcodecs.PREFIX + id_
    if name not in numcodecs.NAMES:
        from exzarr.codecs.foreign import foreign

        return foreign(id_, options, order)  # type: ignore[no-any-return]
    codec: Codec = numcodecs.get(name).from_config(options)
    return codec


def to_id(codec: Codec) -> dict[str, Any]:
    """Return the entry of a v2 document for `codec`, a codec of `exzarr.codecs.numcodecs`."""
    return {"id": codec.name.removeprefix(numcodecs.PREFIX), **codec.to_config()}


def v2_pipeline(meta: ArrayMetadata) -> ChunkPipeline:
    """Return the codec chain of a v2 array."""
    codecs: list[Any] = []
    serialised = False
    for configuration in (*meta.filters, *([meta.compressor] if meta.compressor is not None else [])):
        codec = from_id(configuration, None if serialised else meta.order)
        if codec.kind == "bytes_bytes" and not serialised:
            codecs.append(Memory())
        serialised = serialised or codec.kind != "array_array"
        codecs.append(codec)
    if not serialised:
        codecs.append(Memory())
    serializer = next(codec for codec in codecs if codec.kind == "array_bytes")
    if meta.order == "F" and meta.ndim > 1 and not getattr(serializer, "keeps_shape", False):
        codecs.insert(0, Transpose("F"))
    return ChunkPipeline(codecs)
