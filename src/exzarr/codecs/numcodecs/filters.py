"""Filters of numcodecs: delta, fixedscaleoffset, quantize, bitround, astype, packbits, categorize.

As in zarr-python, a filter gets the chunk's elements in one dimension, in C order (in memory order for
v2 arrays of order F). numcodecs encodes and decodes them.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from exzarr._format.dtypes import DataType, from_numpy
from exzarr.codecs.base import AnyArray, ArrayArrayCodec, ChunkSpec
from exzarr.codecs.numcodecs.wrapped import Wrapped, make
from exzarr.errors import ArgumentError, CodecError, MetadataError

__all__ = ["AsType", "BitRound", "Categorize", "Delta", "FixedScaleOffset", "PackBits", "Quantize"]


class _Filter(Wrapped, ArrayArrayCodec):
    """A numcodecs filter with numcodecs' parameters.

    ``decoded`` and ``encoded`` name the configuration's keys for the data types before and after encoding.
    """

    decoded: ClassVar[str | None] = "dtype"
    encoded: ClassVar[str | None] = "astype"

    def __init__(self, /, **configuration: Any) -> None:
        self._config = configuration
        # If the array's data type is not known yet, `evolve` makes the numcodecs object.
        self._settled = self.decoded is None or configuration.get(self.decoded) is not None
        self._codec = make(self.name, configuration) if self._settled else None

    def to_config(self) -> dict[str, Any]:
        if self._codec is None:
            return dict(self._config)
        return super().to_config()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.to_config().items())})"

    def evolve(self, spec: ChunkSpec) -> Self:
        if self._settled:
            return self
        assert self.decoded is not None
        return type(self)(**{**self._config, self.decoded: spec.dtype.str})

    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        stored = self._encoded_dtype(spec)
        fill = np.zeros((), stored)[()]
        try:
            with np.errstate(all="ignore"):
                one = np.full(1, spec.fill_value, spec.dtype)
                fill = np.asarray(self._codec.encode(one)).reshape(-1).view(stored)[0]
        except (ValueError, TypeError, IndexError, OverflowError):
            pass  # the filter rejects the fill value, so no later codec uses it
        return spec.with_(shape=self._encoded_shape(spec), data_type=_data_type(stored), fill_value=fill)

    def encode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        stored, shape = self._encoded_dtype(spec), self._encoded_shape(spec)
        if not array.size:
            return np.zeros(shape, stored)
        flat = np.ascontiguousarray(array, spec.dtype).reshape(-1)
        with np.errstate(all="ignore"):
            out = np.asarray(self._codec.encode(flat))
        return out.reshape(-1).view(stored).reshape(shape)

    def decode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        if not spec.size:
            return np.empty(spec.shape, spec.dtype)
        flat = np.ascontiguousarray(array).reshape(-1)
        with np.errstate(all="ignore"):
            out = np.asarray(self._codec.decode(flat)).reshape(-1)
        if out.dtype != spec.dtype:
            out = out.view(spec.dtype)
        if out.size != spec.size:
            raise CodecError(f"{self.name}: decoded to {out.size} elements, expected {spec.size}")
        return out.reshape(spec.shape)

    def _encoded_dtype(self, spec: ChunkSpec) -> np.dtype[Any]:
        codec: Any = self._codec
        before = np.dtype(getattr(codec, self.decoded)) if self.decoded is not None else spec.dtype
        if before.itemsize != spec.dtype.itemsize:
            raise MetadataError(
                f"codec {self.name!r} is configured for data type {before}; the array has data type {spec.dtype}"
            )
        return np.dtype(getattr(codec, self.encoded)) if self.encoded is not None else spec.dtype

    def _encoded_shape(self, spec: ChunkSpec) -> tuple[int, ...]:
        return spec.shape


def _data_type(dtype: np.dtype[Any]) -> DataType:
    try:
        return from_numpy(dtype, 2)
    except ArgumentError as exc:
        raise MetadataError(str(exc)) from None


class Delta(_Filter):
    """Differences between neighbouring elements. Parameters: ``dtype``, ``astype``."""

    name: ClassVar[str] = "numcodecs.delta"

    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        # The encoded fill value depends on the neighbours, so there is no single one.
        stored = self._encoded_dtype(spec)
        return spec.with_(data_type=_data_type(stored), fill_value=np.zeros((), stored)[()])


class FixedScaleOffset(_Filter):
    """Fixed-point values ``round((x - offset) * scale)``. Parameters: ``offset``, ``scale``, ``dtype``, ``astype``."""

    name: ClassVar[str] = "numcodecs.fixedscaleoffset"


class Quantize(_Filter):
    """Rounding to fewer decimal digits. Parameters: ``digits``, ``dtype``, ``astype``."""

    name: ClassVar[str] = "numcodecs.quantize"

    def encode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        if spec.dtype.kind != "f":  # numcodecs would round the bits of other types as if they were floats
            raise CodecError(f"codec {self.name!r} rounds floats; the array has data type {spec.dtype}")
        return super().encode(array, spec)


class AsType(_Filter):
    """A cast to another data type. Parameters: ``encode_dtype``, ``decode_dtype``."""

    name: ClassVar[str] = "numcodecs.astype"
    decoded: ClassVar[str | None] = "decode_dtype"
    encoded: ClassVar[str | None] = "encode_dtype"


class BitRound(_Filter):
    """Rounding to fewer bits of the mantissa. Parameter: ``keepbits``."""

    name: ClassVar[str] = "numcodecs.bitround"
    decoded: ClassVar[str | None] = None
    encoded: ClassVar[str | None] = None

    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        keepbits = self.to_config()["keepbits"]
        mantissa = {2: 10, 4: 23, 8: 52}.get(spec.dtype.itemsize, 0)
        if spec.dtype.kind != "f" or not 0 <= keepbits <= mantissa:
            raise MetadataError(f"codec {self.name!r} cannot keep {keepbits} bits of {spec.dtype}")
        return spec

    def encode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        native = spec.dtype.newbyteorder("=")
        rounded = super().encode(array.astype(native, copy=False), spec.with_(data_type=_data_type(native)))
        return rounded.astype(spec.dtype, copy=False)

    def decode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        return array


class PackBits(_Filter):
    """Eight bools per byte, after a byte with the number of unused bits in the last byte."""

    name: ClassVar[str] = "numcodecs.packbits"
    decoded: ClassVar[str | None] = None
    encoded: ClassVar[str | None] = None

    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        if spec.dtype.itemsize != 1:
            raise MetadataError(f"codec {self.name!r} packs bool; the array has data type {spec.dtype}")
        return super().resolve(spec)

    def encode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        if spec.dtype.kind != "b" and array.size and bool((array.view(np.uint8) > 1).any()):
            raise CodecError(
                f"codec {self.name!r} packs bool; the array of {spec.dtype} has other values than 0 and 1"
            )
        return super().encode(array, spec)

    def _encoded_dtype(self, spec: ChunkSpec) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    def _encoded_shape(self, spec: ChunkSpec) -> tuple[int, ...]:
        return (1 + -(-spec.size // 8),)


_OBJECTS = DataType(np.dtype("O"), None, "object", "|O")


class Categorize(_Filter):
    """Strings stored as numbers. Parameters: ``labels``, ``dtype``, ``astype``."""

    name: ClassVar[str] = "numcodecs.categorize"

    def encode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        if spec.dtype.kind == "T":
            array, spec = array.astype(object), spec.with_(data_type=_OBJECTS)
        return super().encode(array, spec)

    def decode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        if spec.dtype.kind != "T":
            return super().decode(array, spec)
        return super().decode(array, spec.with_(data_type=_OBJECTS)).astype(spec.dtype)
