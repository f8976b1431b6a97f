"""A chain of codecs, bound once per array to the one chunk shape it works on.

`ChunkPipeline` is the chain as the metadata has it. `ChunkPipeline.bind` computes everything
that does not depend on a chunk's data - specs, sizes, limits, strides - and gives a
`BoundPipeline`, whose `decode`, `decode_into` and `encode` are what the engine calls for
each chunk. `exzarr.codecs.flat` has the short way for the chains that nearly all arrays have.
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
# What a foreign encoder may need over the bound that ours keeps to
_SLACK = 1 << 16


class BoundPipeline:
    """A chain of codecs for chunks of one shape; every size known, nothing left to look up.

    Safe to use from any number of threads at once.

    Attributes
    ----------
    spec
        The chunk: its shape, data type and fill value.
    raw
        Whether the stored bytes are simply the C-contiguous memory of the chunk array.
    encoded_size
        Bytes of an encoded chunk, where it is always the same; None where it varies.
    max_encoded_size
        Bytes that encoded chunks normally fit in: what a scratch buffer should have.
    quick
        Whether decoding runs at about the speed of copying.
    checks
        Whether decoding notices any damage to the bytes (there is a checksum).
    shards
        The way to a shard's inner chunks, where the chain is one ``sharding_indexed``; else None.
    plain
        Whether decoding gives the C-contiguous memory of the chunk array: there is `decode_bytes`.
    decode_bytes
        ``decode_bytes(data) -> bytes-like``: that memory. Only where `plain` is true.
    decode_each
        ``decode_each(datas) -> bytes-likes``: that memory of several chunks, by one call; None (no
        result) where one of them needs a closer look. None (no function) for most chains, and for
        all chunks that are not small.
    decode
        ``decode(data) -> array``: of ``spec.shape`` and ``spec.dtype``; may be a read-only
        view of `data`. CodecError where `data` is not an encoded chunk.
    decode_into
        ``decode_into(data, out)``: the same, into `out`: of ``spec.shape`` and ``spec.dtype``, any
        strides. Decodes in place where `out` is C-contiguous and the chain allows it; in case
        of an error the contents of `out` are undefined.
    encode
        ``encode(array) -> bytes-like``: `array` of ``spec.shape`` and any strides. The result shares
        memory with `array` only where `raw` is true.
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
    """A chain of codecs: array → array ones, then one array → bytes, then bytes → bytes ones.

    Raises
    ------
    MetadataError
        The chain is not of this form.
    """

    __slots__ = ("array_array", "array_bytes", "bytes_bytes")

    def __init__(self, codecs: Sequence[Any]) -> None:
        kinds = [codec.kind for codec in codecs]
        n = kinds.count("array_array")
        if kinds.count("array_bytes") != 1:
            raise MetadataError(
                f"a chain of codecs needs exactly one that turns the array into bytes, got {_names(codecs)}"
            )
        if kinds[:n] != ["array_array"] * n or kinds[n] != "array_bytes":
            raise MetadataError(
                "array → array codecs come first, then the array → bytes codec, then bytes → bytes codecs; "
                f"got {_names(codecs)}"
            )
        self.array_array: tuple[ArrayArrayCodec, ...] = tuple(codecs[:n])
        self.array_bytes: ArrayBytesCodec = codecs[n]
        self.bytes_bytes: tuple[BytesBytesCodec, ...] = tuple(codecs[n + 1 :])

    @property
    def codecs(self) -> tuple[Any, ...]:
        """The chain, in the order of encoding."""
        return (*self.array_array, self.array_bytes, *self.bytes_bytes)

    def evolve(self, spec: ChunkSpec) -> ChunkPipeline:
        """The chain with what its codecs leave open settled for chunks of `spec`."""
        codecs: list[Any] = []
        for codec in self.array_array:
            codecs.append(codec.evolve(spec))
            spec = codecs[-1].resolve(spec)
        codecs.append(self.array_bytes.evolve(spec))
        if self.bytes_bytes:
            # Elements are a notion only of the codec that sees the array's own memory
            plain = spec if codecs[-1].stored_dtype(spec) is not None else spec.with_(data_type=_BYTE)
            for i, filter_ in enumerate(self.bytes_bytes):
                codecs.append(filter_.evolve(plain if i == 0 else spec.with_(data_type=_BYTE)))
        return ChunkPipeline(codecs)

    def bind(self, spec: ChunkSpec) -> BoundPipeline:
        """The chain for chunks of `spec`; MetadataError where a codec cannot work on such chunks."""
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
    raise CodecError("the decoded bytes of this chunk are not its memory: see BoundPipeline.plain")


def _bind(
    chain: ChunkPipeline, specs: list[ChunkSpec], stages: list[tuple[BytesBytesCodec, int | None, int]]
) -> dict[str, Any]:
    """Any chain, codec by codec."""
    spec, inner = specs[0], specs[-1]
    serializer = chain.array_bytes
    forward = list(zip(chain.array_array, specs[:-1], strict=True))
    backward, unstages = forward[::-1], stages[::-1]
    shape, dtype = spec.shape, spec.dtype

    def decode(data: Buffer) -> AnyArray:
        at: Any = serializer
        try:
            for at, size, limit in unstages:
                data = at.decode(data, size, limit)
            at = serializer
            array: AnyArray = at.decode(data, inner)
            for at, before in backward:
                array = at.decode(array, before)
            if array.shape != shape:
                raise CodecError(f"a chunk of shape {array.shape} came out where {shape} was expected")
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
        # A view may be one of the caller's array: the codecs do not tell.
        return data if isinstance(data, bytes | bytearray) else bytes(data)

    return {"decode": decode, "decode_into": decode_into, "encode": encode}


def v3_pipeline(meta: ArrayMetadata) -> ChunkPipeline:
    """The chain in a v3 document; MetadataError or UnsupportedError where it is none that exzarr has."""
    from exzarr.codecs.registry import from_config

    return ChunkPipeline([from_config(config) for config in meta.codecs])


def pipeline_for(meta: ArrayMetadata) -> ChunkPipeline:
    """The chain of codecs of any array.

    Raises
    ------
    MetadataError
        The chain is invalid.
    UnsupportedError
        It has a codec that exzarr does not know, or refuses (``pickle``, see `exzarr.config`).
    """
    if meta.zarr_format == 3:
        return v3_pipeline(meta)
    from exzarr.codecs.v2 import v2_pipeline

    return v2_pipeline(meta)


def _names(codecs: Sequence[Any]) -> list[str]:
    return [codec.name for codec in codecs]
