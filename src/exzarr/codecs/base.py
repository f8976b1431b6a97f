"""What a codec is.

A codec belongs to one of three kinds (Zarr v3 core, "Codecs",
https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html#codecs): *array → array*,
*array → bytes*, *bytes → bytes*. A codec is a small frozen object, made from its
configuration by `from_config` and turned back by `to_config`. It keeps no state
that belongs to a chunk, so any number of threads may use it at once.

A codec never sees a store. What it is to work on is told by a `ChunkSpec`, which is
the same for all chunks of an array (of a regular grid), so everything that can be
computed from it is computed once, when `codecs.pipeline` binds the chain.

A codec is written by deriving from one of the three protocols below; what has a body
there is a default. Every codec may raise `CodecError` for data it cannot work on and
`MetadataError` from `from_config` and `resolve`; whatever else a compiled library
raises is turned into a `CodecError` by the pipeline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from exzarr._format.dtypes import DataType
from exzarr.errors import CodecError

__all__ = [
    "VARIABLE_LIMIT",
    "AnyArray",
    "ArrayArrayCodec",
    "ArrayBytesCodec",
    "Buffer",
    "BytesBytesCodec",
    "ChunkSpec",
    "Codec",
]

AnyArray = npt.NDArray[Any]
Buffer = bytes | bytearray | memoryview
"""Bytes a codec takes and gives: C-contiguous, one-dimensional, format ``B``."""

VARIABLE_LIMIT = 1 << 30
"""The most bytes one chunk may decode to where its metadata does not tell (strings, JSON)."""


@dataclass(frozen=True, slots=True)
class ChunkSpec:
    """One chunk as a codec sees it.

    Attributes
    ----------
    shape
        Shape of the chunk array, always the whole chunk, also at the array's edge.
    data_type
        The Zarr data type; ``data_type.dtype`` is the NumPy dtype of the chunk array.
    fill_value
        A NumPy scalar (or ``str``, ``bytes``, object) of that dtype; never ``None``.
    """

    shape: tuple[int, ...]
    data_type: DataType
    fill_value: Any

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.data_type.dtype

    @property
    def size(self) -> int:
        """Number of elements."""
        n = 1
        for length in self.shape:
            n *= length
        return n

    @property
    def nbytes(self) -> int:
        """Bytes of the chunk array in memory (pointers, for variable-length types)."""
        return self.size * self.dtype.itemsize

    def with_(self, **changes: Any) -> ChunkSpec:
        return replace(self, **changes)


@runtime_checkable
class Codec(Protocol):
    """Common to all kinds."""

    name: ClassVar[str]
    """The name in the metadata document."""
    kind: ClassVar[str]
    """``"array_array"``, ``"array_bytes"`` or ``"bytes_bytes"``."""

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec from its ``configuration``; MetadataError where that is invalid."""
        ...

    def to_config(self) -> dict[str, Any]:
        """The canonical ``configuration``; empty where there is none."""
        ...


class ArrayArrayCodec(Codec, Protocol):
    """array → array: transposes, filters, casts."""

    kind: ClassVar[str] = "array_array"

    def evolve(self, spec: ChunkSpec) -> Self:
        """The codec with what the user left open settled for chunks of `spec`."""
        return self

    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        """The spec of what `encode` gives for a chunk of `spec`; MetadataError if it cannot be."""
        return spec

    def permutation(self, ndim: int) -> tuple[int, ...] | None:
        """The order it puts `ndim` dimensions into, where it does nothing else; None otherwise."""
        return None

    def encode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        """`array` is a chunk of `spec`, of any strides. May return a view of it."""
        ...

    def decode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        """Undo `encode`. `spec` is the spec of the result. May return a view of `array`."""
        ...


class ArrayBytesCodec(Codec, Protocol):
    """array → bytes: exactly one in each chain."""

    kind: ClassVar[str] = "array_bytes"

    def evolve(self, spec: ChunkSpec) -> Self:
        """The codec with what the user left open settled for chunks of `spec`."""
        return self

    def encoded_size(self, spec: ChunkSpec) -> int | None:
        """The exact number of bytes of an encoded chunk; None where it varies."""
        return None

    def max_encoded_size(self, spec: ChunkSpec) -> int:
        """The most bytes an encoded chunk may have."""
        size = self.encoded_size(spec)
        return VARIABLE_LIMIT if size is None else size

    def stored_dtype(self, spec: ChunkSpec) -> np.dtype[Any] | None:
        """The dtype of which the encoded bytes are the C-contiguous memory; None where they are not."""
        return None

    def encode(self, array: AnyArray, spec: ChunkSpec) -> Buffer:
        """`array` may have any strides. The result may be a view of its memory."""
        ...

    def decode(self, data: Buffer, spec: ChunkSpec) -> AnyArray:
        """An array of ``spec.shape``, often a read-only view of `data`. CodecError if it cannot be."""
        ...


class BytesBytesCodec(Codec, Protocol):
    """bytes → bytes: compressors and checksums."""

    kind: ClassVar[str] = "bytes_bytes"

    @property
    def quick(self) -> bool:
        """Whether decoding runs at about the speed of copying."""
        return False

    checks: ClassVar[bool] = False
    """Whether decoding notices any flipped bit (a checksum is part of the encoding)."""

    def evolve(self, spec: ChunkSpec) -> Self:
        """The codec with what the user left open settled for the array that was turned into bytes."""
        return self

    def encoded_size(self, size: int | None) -> int | None:
        """The exact encoded size of `size` bytes; None where it varies."""
        return None

    def max_encoded_size(self, size: int) -> int:
        """An upper bound of what `encode` gives for `size` bytes."""
        return size + size // 64 + 1024

    def encode(self, data: Buffer) -> Buffer: ...

    def decode(self, data: Buffer, size: int | None, limit: int) -> Buffer:
        """Undo `encode`.

        `size` is the exact number of bytes that must come out, None where it is not known;
        `limit` is the most that may be allocated. CodecError where either is not met: no
        input makes a codec allocate more.
        """
        ...

    def decode_each(self, datas: Sequence[Buffer], size: int) -> Sequence[Buffer] | None:
        """Undo `encode` for several at once, each of `size` bytes decoded, and each small.

        For codecs whose library does that in one call: where chunks are small, letting go of the
        interpreter lock and winning it back costs about as much as decoding one of them. None where
        the codec has no such call, or where one of `datas` is not what it should be: then
        `decode` says what is wrong with which.
        """
        return None

    def decode_into(self, data: Buffer, out: memoryview | AnyArray) -> None:
        """Like `decode`, with the result of exactly ``out.nbytes`` bytes put into `out`.

        `out` is writable and C-contiguous, and exports its buffer (no datetime64 array).
        """
        size = out.nbytes
        decoded = self.decode(data, size, size)
        if len(decoded) != size:
            raise CodecError(f"codec {self.name!r} gave {len(decoded)} bytes, {size} were expected")
        if size:
            memoryview(out).cast("B")[:] = decoded
