"""The codec sharding_indexed: many small chunks in one stored value, with an index of their positions.

https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/index.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from exzarr.codecs._config import build, choice
from exzarr.codecs.base import AnyArray, ArrayBytesCodec, Buffer, ChunkSpec
from exzarr.codecs.pipeline import ChunkPipeline
from exzarr.errors import ArgumentError, MetadataError

if TYPE_CHECKING:
    from exzarr.codecs.shards import BoundShards

__all__ = ["Sharding"]


@dataclass(frozen=True)
class Sharding(ArrayBytesCodec):
    """A shard: a grid of inner chunks, each encoded on its own, and their index.

    Parameters
    ----------
    chunk_shape
        Shape of the inner chunks. It must divide the shape of the shard.
    codecs
        The codec objects for an inner chunk, in order.
    index_codecs
        The codec objects for the index. Its encoded size must be fixed. None: little-endian with crc32c.
    index_location
        Position of the index in the shard, ``"end"`` or ``"start"``.
    """

    name: ClassVar[str] = "sharding_indexed"
    chunk_shape: tuple[int, ...]
    codecs: tuple[Any, ...]
    index_codecs: tuple[Any, ...]
    index_location: str

    def __init__(
        self,
        chunk_shape: Iterable[int],
        codecs: Iterable[Any],
        index_codecs: Iterable[Any] | None = None,
        index_location: str = "end",
    ) -> None:
        shape = tuple(chunk_shape)
        if not all(hasattr(n, "__index__") and not isinstance(n, bool) and n > 0 for n in shape):
            raise ArgumentError(
                f"codec {self.name!r}: chunk_shape must be positive integers, got {list(shape)}"
            )
        choice(self.name, "index_location", index_location, ("start", "end"))
        if index_codecs is None:
            index_codecs = _default_index_codecs()
        object.__setattr__(self, "chunk_shape", tuple(int(n) for n in shape))
        object.__setattr__(self, "codecs", tuple(codecs))
        object.__setattr__(self, "index_codecs", tuple(index_codecs))
        object.__setattr__(self, "index_location", index_location)
        ChunkPipeline(self.codecs)
        ChunkPipeline(self.index_codecs)

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        from exzarr.codecs.registry import from_json

        parsed = dict(configuration)
        for key in ("codecs", "index_codecs"):
            if key in parsed:
                if not isinstance(parsed[key], list | tuple):
                    raise MetadataError(f"codec {cls.name!r}: {key} must be a list, got {parsed[key]!r}")
                parsed[key] = [from_json(item) for item in parsed[key]]
        if not isinstance(parsed.get("chunk_shape", []), list | tuple):
            raise MetadataError(
                f"codec {cls.name!r}: chunk_shape must be a list, got {parsed['chunk_shape']!r}"
            )
        return build(cls, parsed, ("chunk_shape", "codecs"), ("index_codecs", "index_location"))

    def to_config(self) -> dict[str, Any]:
        from exzarr.codecs.registry import to_json

        return {
            "chunk_shape": list(self.chunk_shape),
            "codecs": [to_json(codec) for codec in self.codecs],
            "index_codecs": [to_json(codec) for codec in self.index_codecs],
            "index_location": self.index_location,
        }

    def evolve(self, spec: ChunkSpec) -> Self:
        inner = ChunkPipeline(self.codecs).evolve(spec.with_(shape=self.chunk_shape)).codecs
        return type(self)(self.chunk_shape, inner, self.index_codecs, self.index_location)

    def max_encoded_size(self, spec: ChunkSpec) -> int:
        return self.bind(spec).max_encoded_size

    def bind(self, spec: ChunkSpec) -> BoundShards:
        """Return the `BoundShards` for shards of `spec`."""
        from exzarr.codecs.shards import BoundShards

        return BoundShards(self, spec)

    def encode(self, array: AnyArray, spec: ChunkSpec) -> Buffer:
        return self.bind(spec).encode(array)

    def decode(self, data: Buffer, spec: ChunkSpec) -> AnyArray:
        return self.bind(spec).decode(data)


def _default_index_codecs() -> tuple[Any, ...]:
    from exzarr.codecs.bytes import Bytes
    from exzarr.codecs.crc32c import Crc32c

    return (Bytes("little"), Crc32c())
