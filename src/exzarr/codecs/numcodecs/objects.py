"""Codecs for arrays of Python objects: json2, msgpack2, pickle, vlen-array.

json2 and msgpack2 store the array's items, its dtype and its shape. Dtype and shape
are checked against the metadata before any allocation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from exzarr.codecs.base import AnyArray, ArrayBytesCodec, Buffer, ChunkSpec
from exzarr.codecs.numcodecs.wrapped import Wrapped
from exzarr.codecs.vlen import check_count, flat_writable
from exzarr.errors import CodecError, MetadataError, UnsupportedError

__all__ = ["JSON", "MsgPack", "Pickle", "VLenArray"]


class _Objects(Wrapped, ArrayBytesCodec):
    """A numcodecs codec with numcodecs' parameters."""

    keeps_shape: ClassVar[bool] = True
    """True if the encoding includes the array's shape and is therefore independent of the memory order."""

    def encode(self, array: AnyArray, spec: ChunkSpec) -> Buffer:
        if array.dtype.names is not None:  # numcodecs would encode it, and could not decode it
            raise CodecError(f"codec {self.name!r} cannot encode structured data types such as {array.dtype}")
        if array.dtype.kind == "T":
            array = array.astype(object)
        encoded: Buffer = self._codec.encode(array)
        return encoded

    def _array(self, items: object, spec: ChunkSpec) -> AnyArray:
        """Return the array in the decoded list of items, dtype and shape."""
        if not isinstance(items, list) or len(items) < 2 or not isinstance(items[-1], list | tuple):
            raise CodecError(f"{self.name}: the chunk is not a list of items, dtype and shape")
        *values, dtype, shape = items
        if tuple(shape) != spec.shape:
            raise CodecError(f"{self.name}: a chunk has shape {tuple(shape)}, expected {spec.shape}")
        wanted = np.dtype("O") if spec.dtype.kind == "T" else spec.dtype
        if dtype != wanted.str:
            raise CodecError(f"{self.name}: a chunk has dtype {dtype!r}, expected {wanted.str!r}")
        out = np.empty(spec.shape, wanted)
        if not spec.shape:
            out[()] = values[0] if values else None
        elif out.size:
            _fill(out, values)
        return out.astype(spec.dtype, copy=False)


def _fill(out: AnyArray, values: list[Any]) -> None:
    """Put nested lists into `out`, whose items may be lists themselves."""
    if len(values) != len(out):
        raise CodecError(f"a list has {len(values)} items, expected {len(out)}")
    for i, value in enumerate(values):
        if out.ndim == 1:
            out[i] = value
        elif isinstance(value, list):
            _fill(out[i], value)
        else:
            raise CodecError("a list of items is missing")


class JSON(_Objects):
    """JSON text. Parameters: those of ``json.JSONEncoder``, ``encoding``, ``strict``."""

    name: ClassVar[str] = "numcodecs.json2"

    def decode(self, data: Buffer, spec: ChunkSpec) -> AnyArray:
        try:
            text = str(data, self._codec._text_encoding)
            items = self._codec._decoder.decode(text)
        except (ValueError, LookupError, RecursionError) as exc:
            raise CodecError(f"{self.name}: {exc}") from None
        return self._array(items, spec)


class MsgPack(_Objects):
    """MessagePack. Parameters: ``use_single_float``, ``use_bin_type``, ``raw``."""

    name: ClassVar[str] = "numcodecs.msgpack2"

    def decode(self, data: Buffer, spec: ChunkSpec) -> AnyArray:
        import msgpack

        try:
            items = msgpack.unpackb(data, raw=self._codec.raw, strict_map_key=False)
        except (ValueError, RecursionError, msgpack.UnpackException) as exc:
            raise CodecError(f"{self.name}: {exc}") from None
        if self._codec.raw and isinstance(items, list) and len(items) > 1 and isinstance(items[-2], bytes):
            items[-2] = items[-2].decode("ascii", "replace")
        return self._array(items, spec)


class Pickle(_Objects):
    """Python's pickle. Reading a pickle can run any code that its writer put into it."""

    name: ClassVar[str] = "numcodecs.pickle"

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        from exzarr import config

        if not config.get().allow_pickle:
            raise UnsupportedError(
                "codec 'pickle' is not allowed, because reading a pickle can run any code. "
                "If you trust the store, use: with exzarr.config.override(allow_pickle=True): ..."
            )
        return cls(**configuration)

    def decode(self, data: Buffer, spec: ChunkSpec) -> AnyArray:
        import pickle

        array = np.asarray(pickle.loads(data))  # noqa: S301 - only with allow_pickle
        if array.size != spec.size:
            raise CodecError(f"{self.name}: a chunk has {array.size} elements, expected {spec.size}")
        return array.reshape(spec.shape).astype(spec.dtype, copy=False)


class VLenArray(_Objects):
    """One-dimensional arrays of any length as elements. Parameter: their ``dtype``."""

    name: ClassVar[str] = "numcodecs.vlen-array"
    keeps_shape: ClassVar[bool] = False

    def evolve(self, spec: ChunkSpec) -> Self:
        if spec.dtype != object:
            raise MetadataError(
                f"codec {self.name!r} stores arrays as elements; the array has data type {spec.dtype}"
            )
        return self

    def encode(self, array: AnyArray, spec: ChunkSpec) -> Buffer:
        return super().encode(flat_writable(array), spec)

    def decode(self, data: Buffer, spec: ChunkSpec) -> AnyArray:
        check_count(self.name, data, spec)
        if not spec.size:
            return np.empty(spec.shape, spec.dtype)
        try:
            array: AnyArray = self._codec.decode(data)
        except (ValueError, TypeError) as exc:
            raise CodecError(f"{self.name}: {exc}") from None
        return array.reshape(spec.shape)
