"""Zarr v2 chunks: an order of memory, filters, a compressor.

https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html#chunks. v2 knows no kinds of codecs: a filter
may be any numcodecs codec. Nearly all chains are nonetheless of the v3 form (filters of
arrays, maybe one that serialises objects, compressors), and become a `ChunkPipeline` of
that form, with the memory of the array as the serialisation where no filter does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from exzarr.codecs import numcodecs
from exzarr.codecs._config import build
from exzarr.codecs.base import AnyArray, ArrayBytesCodec, Buffer, ChunkSpec, Codec
from exzarr.codecs.memory import as_buffer, from_buffer
from exzarr.codecs.pipeline import ChunkPipeline
from exzarr.codecs.transpose import Transpose
from exzarr.errors import CodecError, MetadataError

if TYPE_CHECKING:
    from exzarr._format.metadata import ArrayMetadata

__all__ = ["Memory", "from_id", "to_id", "v2_pipeline"]


@dataclass(frozen=True)
class Memory(ArrayBytesCodec):
    """The memory of the array, C-contiguous, in the byte order of its dtype."""

    name: ClassVar[str] = "memory"

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        return build(cls, configuration)

    def to_config(self) -> dict[str, Any]:
        return {}

    def encoded_size(self, spec: ChunkSpec) -> int | None:
        return spec.nbytes

    def stored_dtype(self, spec: ChunkSpec) -> np.dtype[Any] | None:
        if spec.dtype.hasobject or spec.dtype.kind == "T":
            raise MetadataError(
                f"an array of {spec.data_type.v2!r} needs a filter that encodes objects: vlen-utf8 for strings"
            )
        return spec.dtype

    def encode(self, array: AnyArray, spec: ChunkSpec) -> Buffer:
        return as_buffer(np.ascontiguousarray(array, spec.dtype))

    def decode(self, data: Buffer, spec: ChunkSpec) -> AnyArray:
        if len(data) != spec.nbytes:
            raise CodecError(f"{len(data)} bytes where a chunk of {spec.nbytes} bytes was expected")
        return from_buffer(data, spec.dtype, spec.shape)


def from_id(configuration: Mapping[str, Any], order: Literal["C", "F"] | None = None) -> Codec:
    """The codec that an entry of a v2 document (``{"id": ..., ...}``) describes.

    `order` matters to codecs that exzarr does not know, see `foreign`.

    Raises
    ------
    MetadataError
        The configuration is invalid.
    UnsupportedError
        The codec is not known, or is refused (``pickle``).
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
    """The entry of a v2 document that describes `codec`, one of `exzarr.codecs.numcodecs`."""
    return {"id": codec.name.removeprefix(numcodecs.PREFIX), **codec.to_config()}


def v2_pipeline(meta: ArrayMetadata) -> ChunkPipeline:
    """The codecs of a v2 array as a chain."""
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
