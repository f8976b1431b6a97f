"""Chains of codecs, bound once per array to its chunk shape.

`ChunkPipeline` is the chain from the metadata. `ChunkPipeline.bind` computes everything that
does not depend on a chunk's data: specs, sizes, limits, strides. It returns a `BoundPipeline`.
The engine calls its `decode`, `decode_into` and `encode` for each chunk. `exzarr.codecs.flat`
has the fast path for the chains of nearly all arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from exzarr._format.dtypes import parse_v3
from exzarr.codecs.base import AnyArray, ArrayArrayCodec, ArrayBytesCodec, Buffer, BytesBytesCodec, ChunkSpec
from exzarr.codecs.flat import Layout, bind_flat
from exzarr.errors import CodecError, MetadataError

if TYPE_CHECKING:
    from exzarr._format.metadata import ArrayMetadata
    from exzarr.codecs.shards import BoundShards

__all__ = ["BoundPipeline", "ChunkPipeline", "pipeline_for", "v3_pipeline"]

_BYTE = parse_v3("uint8")
# Margin for encoders of other libraries, which may exceed the bound of exzarr's encoders.
_SLACK = 1 << 16


class BoundPipeline:
    """A chain of codecs for chunks of one shape, with all sizes computed.

    Any number of threads may use it concurrently.

    Attributes
    ----------
    spec
        Shape, data type and fill value of the chunk.
    raw
        True if the stored bytes are the C-contiguous memory of the chunk array.
    encoded_size
        Bytes of an encoded chunk, or None if the size varies.
    max_encoded_size
        Recommended size of a scratch buffer: encoded chunks normally fit into this many bytes.
    quick
        True if decoding is about as fast as copying.
    checks
        True if decoding detects any damage to the bytes (the chain has a checksum).
    shards
        Access to the inner chunks of a shard if the chain is one ``sharding_indexed``, else None.
    plain
        True if the decoded bytes are the C-contiguous memory of the chunk array, so that `decode_bytes` works.
    decode_bytes
        ``decode_bytes(data) -> bytes-like`` returns that memory. Requires `plain`.
    decode_each
        ``decode_each(datas) -> bytes-likes`` returns that memory for several chunks in one call. It
        returns None if one of them must be decoded on its own. The attribute is None for most chains
        and for all chunks over 32 KiB.
    decode
        ``decode(data) -> array`` returns an array of ``spec.shape`` and ``spec.dtype``, possibly a
        read-only view of `data`. Raises CodecError if `data` is not an encoded chunk.
    decode_into
        ``decode_into(data, out)`` decodes into `out`, which has ``spec.shape``, ``spec.dtype`` and any
        strides. It decodes in place if `out` is C-contiguous and the chain allows it. After an
        error, the contents of `out` are undefined.
    encode
        ``encode(array) -> bytes-like`` encodes an array of ``spec.shape`` and any strides. The result
        shares memory with `array` only if `raw` is true.
    """

    __slots__ = (
        "checks",
        "decode",
        "decode_bytes",
        "decode_each",
        "decode_into",
        "encode",
        "encoded_size",
        "max_encoded_size",
        "plain",
        "quick",
        "raw",
        "shards",
        "spec",
    )

    def __init__(
        self,
        spec: ChunkSpec,
        *,
        decode: Callable[[Buffer], AnyArray],
        decode_into: Callable[[Buffer, AnyArray], None],
        encode: Callable[[AnyArray], Buffer],
        encoded_size: int | None,
        max_encoded_size: int,
        decode_bytes: Callable[[Buffer], Buffer] | None = None,
        decode_each: Callable[[Sequence[Buffer]], Sequence[Buffer] | None] | None = None,
        raw: bool = False,
        quick: bool = False,
        checks: bool = False,
        shards: BoundShards | None = None,
    ) -> None:
        self.spec = spec
        self.decode = decode
        self.plain = decode_bytes is not None
        self.decode_bytes: Callable[[Buffer], Buffer] = decode_bytes or _no_bytes
        self.decode_each = decode_each
        self.decode_into = decode_into
        self.encode = encode
        self.encoded_size = encoded_size
        self.max_encoded_size = max_encoded_size
        self.raw = raw
        self.quick = quick
        self.checks = checks
        self.shards = shards


class ChunkPipeline:
    """A chain: array → array codecs, then one array → bytes codec, then bytes → bytes codecs.

    Raises
    ------
    MetadataError
        The chain does not have this form.
    """

    __slots__ = ("array_array", "array_bytes", "bytes_bytes")

    def __init__(self, codecs: Sequence[Any]) -> None:
        kinds = [codec.kind for codec in codecs]
        n = kinds.count("array_array")
        if kinds.count("array_bytes") != 1:
            raise MetadataError(
                f"a chain of codecs requires exactly one array → bytes codec, got {_names(codecs)}"
            )
        if kinds[:n] != ["array_array"] * n or kinds[n] != "array_bytes":
            raise MetadataError(
                "a chain of codecs must be ordered: array → array codecs, then the array → bytes codec, "
                f"then bytes → bytes codecs; got {_names(codecs)}"
            )
        self.array_array: tuple[ArrayArrayCodec, ...] = tuple(codecs[:n])
        self.array_bytes: ArrayBytesCodec = codecs[n]
        self.bytes_bytes: tuple[BytesBytesCodec, ...] = tuple(codecs[n + 1 :])

    @property
    def codecs(self) -> tuple[Any, ...]:
        """The codecs in the order of encoding."""
        return (*self.array_array, self.array_bytes, *self.bytes_bytes)

    def evolve(self, spec: ChunkSpec) -> ChunkPipeline:
        """Return the chain with all unset parameters chosen for chunks of `spec`."""
        codecs: list[Any] = []
        for codec in self.array_array:
            codecs.append(codec.evolve(spec))
            spec = codecs[-1].resolve(spec)
        codecs.append(self.array_bytes.evolve(spec))
        if self.bytes_bytes:
            # Only a codec that gets the array's own memory can use the size of its elements.
            plain = spec if codecs[-1].stored_dtype(spec) is not None else spec.with_(data_type=_BYTE)
            for i, filter_ in enumerate(self.bytes_bytes):
                codecs.append(filter_.evolve(plain if i == 0 else spec.with_(data_type=_BYTE)))
        return ChunkPipeline(codecs)

    def bind(self, spec: ChunkSpec) -> BoundPipeline:
        """Bind the chain to chunks of `spec`; raise MetadataError if a codec cannot encode them."""
        chain = self.evolve(spec)
        specs = [spec]
        for codec in chain.array_array:
            specs.append(codec.resolve(specs[-1]))
        serializer, inner = chain.array_bytes, specs[-1]
        sizes = [serializer.encoded_size(inner)]
        most = serializer.max_encoded_size(inner)
        limits = [most]
        for filter_ in chain.bytes_bytes:
            size = filter_.encoded_size(sizes[-1])
            sizes.append(size)
            most = filter_.max_encoded_size(most)
            limits.append(most + _SLACK if size is None else size)
        common: dict[str, Any] = {
            "encoded_size": sizes[-1],
            "max_encoded_size": most if sizes[-1] is None else sizes[-1],
            "quick": all(codec.quick for codec in chain.bytes_bytes),
            "checks": any(codec.checks for codec in chain.bytes_bytes),
        }
        stages = list(zip(chain.bytes_bytes, sizes[:-1], limits[:-1], strict=True))
        layout = Layout.of(chain.array_array, serializer, specs)
        if layout is not None:
            raw = layout.plain and not stages
            common.update(bind_flat(layout, stages, raw))
            return BoundPipeline(spec, raw=raw, **common)
        bind_shards = getattr(serializer, "bind", None)
        if bind_shards is None or chain.array_array or stages:
            common.update(_bind(chain, specs, stages))
            return BoundPipeline(spec, **common)
        shards = bind_shards(spec)
        common.update(decode=shards.decode, decode_into=shards.decode_into, encode=shards.encode)
        return BoundPipeline(spec, shards=shards, **common)


def _no_bytes(_: Buffer) -> Buffer:
    raise CodecError("decode_bytes is only available if BoundPipeline.plain is true")


def _bind(
    chain: ChunkPipeline, specs: list[ChunkSpec], stages: list[tuple[BytesBytesCodec, int | None, int]]
) -> dict[str, Any]:
    """Return the functions of `BoundPipeline` for any chain, codec by codec."""
    spec, inner = specs[0], specs[-1]
    serializer = chain.array_bytes
    forward = list(zip(chain.array_array, specs[:-1], strict=True))
    backward, reversed_stages = forward[::-1], stages[::-1]
    shape, dtype = spec.shape, spec.dtype

    def decode(data: Buffer) -> AnyArray:
        at: Any = serializer
        try:
            for at, size, limit in reversed_stages:
                data = at.decode(data, size, limit)
            at = serializer
            array: AnyArray = at.decode(data, inner)
            for at, before in backward:
                array = at.decode(array, before)
            if array.shape != shape:
                raise CodecError(f"a chunk decoded to shape {array.shape}, expected {shape}")
            return array if array.dtype == dtype else array.astype(dtype)
        except (CodecError, MemoryError):
            raise
        except Exception as exc:
            raise CodecError(f"codec {at.name!r} cannot decode the chunk: {exc}") from exc

    def decode_into(data: Buffer, out: AnyArray) -> None:
        out[...] = decode(data)

    def encode(array: AnyArray) -> Buffer:
        at: Any = serializer
        try:
            for at, before in forward:
                array = at.encode(array, before)
            at = serializer
            data = at.encode(array, inner)
            for at, _, _ in stages:
                data = at.encode(data)
        except (CodecError, MemoryError):
            raise
        except Exception as exc:
            raise CodecError(f"codec {at.name!r} cannot encode the chunk: {exc}") from exc
        # Copy views, because they may share memory with the caller's array.
        return data if isinstance(data, bytes | bytearray) else bytes(data)

    return {"decode": decode, "decode_into": decode_into, "encode": encode}


def v3_pipeline(meta: ArrayMetadata) -> ChunkPipeline:
    """Return the chain of a v3 document; raise MetadataError or UnsupportedError if exzarr cannot use it."""
    from exzarr.codecs.registry import from_config

    return ChunkPipeline([from_config(config) for config in meta.codecs])


def pipeline_for(meta: ArrayMetadata) -> ChunkPipeline:
    """Return the codec chain of an array of either format.

    Raises
    ------
    MetadataError
        The chain is invalid.
    UnsupportedError
        It has a codec that exzarr does not know or does not allow (``pickle``, see `exzarr.config`).
    """
    if meta.zarr_format == 3:
        return v3_pipeline(meta)
    from exzarr.codecs.v2 import v2_pipeline

    return v2_pipeline(meta)


def _names(codecs: Sequence[Any]) -> list[str]:
    return [codec.name for codec in codecs]
