"""The codec protocols.

A codec belongs to one of three kinds (Zarr v3 core, "Codecs",
https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html#codecs): *array → array*,
*array → bytes*, *bytes → bytes*. A codec is a small frozen object. `from_config` makes it from
its configuration; `to_config` returns the configuration. A codec keeps no state between
chunks, so any number of threads may use it concurrently.

A codec never sees a store. A `ChunkSpec` describes its input. The spec is the same for all
chunks of a regular grid. Everything that depends only on the spec is therefore
computed once, when `codecs.pipeline` binds the chain.

To write a codec, derive from one of the three protocols below. Methods with a body are
defaults. Every codec may raise `CodecError` for invalid data, and `MetadataError` from
`from_config` and `resolve`. The pipeline converts all other exceptions of compiled libraries
to `CodecError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np

from exzarr._format.dtypes import DataType
from exzarr._typing import AnyArray
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

Buffer = bytes | bytearray | memoryview
"""Bytes that codecs accept and return: C-contiguous, one-dimensional, format ``B``."""

VARIABLE_LIMIT = 1 << 30
"""Maximum decoded size of a chunk whose metadata does not determine it (strings, JSON), in bytes."""


@dataclass(frozen=True, slots=True)
class ChunkSpec:
    """Shape, data type and fill value of a chunk.

    Attributes
    ----------
    shape
        Shape of the whole chunk, also for chunks at the array's edge.
    data_type
        The Zarr data type; ``data_type.dtype`` is the NumPy dtype of the chunk array.
    fill_value
        A NumPy scalar (or ``str``, ``bytes``, object) of that dtype. Never ``None``.
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
        """Bytes of the chunk array in memory; for variable-length types, bytes of the pointers."""
        return self.size * self.dtype.itemsize

    def with_(self, **changes: Any) -> ChunkSpec:
        return replace(self, **changes)

    def with_dtype(self, dtype: Any, fill_value: Any) -> ChunkSpec:
        """Return the spec of a chunk of another data type, for `ArrayArrayCodec.resolve`.

        Parameters
        ----------
        dtype
            As for ``dtype=`` of `exzarr.create_array`.
        fill_value
            The fill value as the codec encodes it.
        """
        from exzarr._format.dtypes import from_numpy

        data_type = from_numpy(dtype)
        return replace(self, data_type=data_type, fill_value=np.array(fill_value, data_type.dtype)[()])


@runtime_checkable
class Codec(Protocol):
    """Members that all kinds of codecs have."""

    name: ClassVar[str]
    """The name in the metadata document."""
    kind: ClassVar[str]
    """``"array_array"``, ``"array_bytes"`` or ``"bytes_bytes"``."""

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec from its `configuration`; raise MetadataError if that is invalid."""
        ...

    def to_config(self) -> dict[str, Any]:
        """Return the canonical configuration, an empty dict if the codec has none."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return name and configuration, as in a v3 document; zarr-python's codecs have this method."""
        return {"name": self.name, "configuration": self.to_config()}


class ArrayArrayCodec(Codec, Protocol):
    """An array → array codec: a transpose, a filter, a cast."""

    kind: ClassVar[str] = "array_array"

    def evolve(self, spec: ChunkSpec) -> Self:
        """Return the codec with all unset parameters chosen for chunks of `spec`."""
        return self

    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        """Return the spec of an encoded chunk; raise MetadataError if chunks of `spec` cannot be encoded."""
        return spec

    def permutation(self, ndim: int) -> tuple[int, ...] | None:
        """Return the new order of `ndim` dimensions, or None if the codec does more than reorder them."""
        return None

    def encode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        """Encode `array`, a chunk of `spec` with any strides. May return a view of it."""
        ...

    def decode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        """Undo `encode`. `spec` is the spec of the result. May return a view of `array`."""
        ...


class ArrayBytesCodec(Codec, Protocol):
    """An array → bytes codec. Each chain has exactly one."""

    kind: ClassVar[str] = "array_bytes"

    def evolve(self, spec: ChunkSpec) -> Self:
        """Return the codec with all unset parameters chosen for chunks of `spec`."""
        return self

    def encoded_size(self, spec: ChunkSpec) -> int | None:
        """Return the exact number of bytes of an encoded chunk, or None if it varies."""
        return None

    def max_encoded_size(self, spec: ChunkSpec) -> int:
        """Return the maximum number of bytes of an encoded chunk."""
        size = self.encoded_size(spec)
        return VARIABLE_LIMIT if size is None else size

    def stored_dtype(self, spec: ChunkSpec) -> np.dtype[Any] | None:
        """Return the dtype of the encoded bytes if they are a C-contiguous array, else None."""
        return None

    def encode(self, array: AnyArray, spec: ChunkSpec) -> Buffer:
        """Encode `array`, which may have any strides. The result may share its memory."""
        ...

    def decode(self, data: Buffer, spec: ChunkSpec) -> AnyArray:
        """Return an array of ``spec.shape``, often a read-only view of `data`; raise CodecError if `data` is invalid."""
        ...


class BytesBytesCodec(Codec, Protocol):
    """A bytes → bytes codec: a compressor or a checksum."""

    kind: ClassVar[str] = "bytes_bytes"

    @property
    def quick(self) -> bool:
        """True if decoding is about as fast as copying."""
        return False

    checks: ClassVar[bool] = False
    """True if decoding detects any flipped bit (the encoding contains a checksum)."""

    def evolve(self, spec: ChunkSpec) -> Self:
        """Return the codec with all unset parameters chosen for bytes that were a chunk of `spec`."""
        return self

    def encoded_size(self, size: int | None) -> int | None:
        """Return the exact encoded size of `size` bytes, or None if it varies."""
        return None

    def max_encoded_size(self, size: int) -> int:
        """Return an upper bound of the encoded size of `size` bytes."""
        return size + size // 64 + 1024

    def encode(self, data: Buffer) -> Buffer:
        """Encode `data`, the bytes of a chunk."""
        ...

    def decode(self, data: Buffer, size: int | None, limit: int) -> Buffer:
        """Undo `encode`.

        Parameters
        ----------
        data
            The encoded bytes.
        size
            Exact number of decoded bytes, or None if unknown.
        limit
            Maximum number of bytes to allocate, whatever the input.

        Raises
        ------
        CodecError
            `data` is invalid, or its decoded size contradicts `size` or `limit`.
        """
        ...

    def decode_each(self, datas: Sequence[Buffer], size: int) -> Sequence[Buffer] | None:
        """Undo `encode` for several small chunks, each of `size` decoded bytes, in one library call.

        Releasing and reacquiring the interpreter lock costs about as much as decoding one small
        chunk. The default returns None: the codec has no such call. A codec also returns None if one
        of `datas` is invalid. The caller then uses `decode`, which raises the error for that chunk.
        """
        return None

    def decode_into(self, data: Buffer, out: memoryview | AnyArray) -> None:
        """Decode exactly ``out.nbytes`` bytes into `out`.

        `out` is writable, C-contiguous, and exports its buffer (a datetime64 array does not).
        """
        size = out.nbytes
        decoded = self.decode(data, size, size)
        if len(decoded) != size:
            raise CodecError(f"codec {self.name!r} decoded to {len(decoded)} bytes, expected {size}")
        if size:
            memoryview(out).cast("B")[:] = decoded
