"""The codec packbits: elements of a few bits, stored without gaps.

https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/packbits
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from exzarr.codecs._config import Configured, choice, integer
from exzarr.codecs.base import AnyArray, ArrayBytesCodec, Buffer, ChunkSpec
from exzarr.errors import CodecError, MetadataError

__all__ = ["PackBits"]


@dataclass(frozen=True)
class PackBits(Configured, ArrayBytesCodec):
    """Consecutive bits `first_bit` to `last_bit` of each element, or of each part of a complex element.

    Parameters
    ----------
    padding_encoding
        Position of a byte that holds the number of unused bits of the last byte: ``"none"``,
        ``"first_byte"``, ``"last_byte"``.
    first_bit, last_bit
        The range of stored bits, counted from the least significant one. None: the first and the last
        bit of the element. Other bits decode to zeros, or to the sign above a signed integer.
    """

    name: ClassVar[str] = "packbits"
    padding_encoding: str = "none"
    first_bit: int | None = None
    last_bit: int | None = None

    def __post_init__(self) -> None:
        choice(self.name, "padding_encoding", self.padding_encoding, ("none", "first_byte", "last_byte"))
        if self.first_bit is not None:
            integer(self.name, "first_bit", self.first_bit, 0, 63)
        if self.last_bit is not None:
            integer(self.name, "last_bit", self.last_bit, self.first_bit or 0, 63)

    def to_config(self) -> dict[str, Any]:
        config: dict[str, Any] = {}
        if self.padding_encoding != "none":
            config["padding_encoding"] = self.padding_encoding
        if self.first_bit is not None:
            config["first_bit"] = self.first_bit
        if self.last_bit is not None:
            config["last_bit"] = self.last_bit
        return config

    def evolve(self, spec: ChunkSpec) -> Self:
        self._bits(spec)
        return self

    def encoded_size(self, spec: ChunkSpec) -> int | None:
        first, last, _, parts = self._bits(spec)
        packed = -(-spec.size * parts * (last - first + 1) // 8)
        return packed + (self.padding_encoding != "none")

    def encode(self, array: AnyArray, spec: ChunkSpec) -> Buffer:
        first, last, _, _ = self._bits(spec)
        width = _part_dtype(spec.dtype).itemsize
        raw = np.ascontiguousarray(array, _little(spec.dtype)).reshape(-1).view(np.uint8)
        if spec.dtype.kind == "b" and (first, last) == (0, 0):
            packed = np.packbits(raw, bitorder="little")
        else:
            bits = np.unpackbits(raw.reshape(-1, width), axis=1, bitorder="little")
            packed = np.packbits(bits[:, first : last + 1], bitorder="little")
        padding = bytes([packed.size * 8 - self._total(spec)])
        if self.padding_encoding == "first_byte":
            return padding + packed.tobytes()
        return packed.tobytes() + (padding if self.padding_encoding == "last_byte" else b"")

    def decode(self, data: Buffer, spec: ChunkSpec) -> AnyArray:
        size = self.encoded_size(spec)
        if len(data) != size:
            raise CodecError(f"packbits: a chunk has {len(data)} bytes, expected {size}")
        raw = np.frombuffer(data, np.uint8) if size else np.empty(0, np.uint8)
        total = self._total(spec)
        if self.padding_encoding != "none":
            first_byte = self.padding_encoding == "first_byte"
            declared, raw = (raw[0], raw[1:]) if first_byte else (raw[-1], raw[:-1])
            if declared != raw.size * 8 - total:
                raise CodecError(f"packbits: the padding byte is {declared}, expected {raw.size * 8 - total}")
        first, last, signed, _ = self._bits(spec)
        bits = np.unpackbits(raw, count=total, bitorder="little")
        if spec.dtype.kind == "b":
            return bits.view(bool).reshape(spec.shape)
        kept = bits.reshape(-1, last - first + 1)
        part = _part_dtype(spec.dtype)
        whole = np.zeros((len(kept), 8 * part.itemsize), np.uint8)
        whole[:, first : last + 1] = kept
        if signed:
            whole[:, last + 1 :] = kept[:, -1:]
        packed = np.packbits(whole, axis=1, bitorder="little")
        return packed.reshape(-1).view(_little(spec.dtype)).astype(spec.dtype, copy=False).reshape(spec.shape)

    def _bits(self, spec: ChunkSpec) -> tuple[int, int, bool, int]:
        """Return the first and last bit of each part, a flag for signed parts, and the parts per element."""
        dtype = spec.dtype
        if spec.data_type.variable_length or dtype.names is not None or dtype.kind in "SUmM":
            raise MetadataError(
                f"codec {self.name!r} stores bools and numbers; the array has data type {spec.data_type.v3!r}"
            )
        parts = 2 if dtype.kind == "c" else 1
        width = spec.data_type.bits // parts
        first = self.first_bit or 0
        last = width - 1 if self.last_bit is None else self.last_bit
        if not first <= last < width:
            raise MetadataError(
                f"codec {self.name!r}: first_bit {first} and last_bit {last} are invalid for elements of {width} bits"
            )
        signed = dtype.kind == "i" or dtype.name in ("int2", "int4")
        return first, last, signed, parts

    def _total(self, spec: ChunkSpec) -> int:
        first, last, _, parts = self._bits(spec)
        return spec.size * parts * (last - first + 1)


def _part_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(f"V{dtype.itemsize // 2}") if dtype.kind == "c" else dtype


def _little(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype.newbyteorder("<")
