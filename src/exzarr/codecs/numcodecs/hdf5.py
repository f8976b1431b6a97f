"""Two filters of HDF5 that numcodecs lacks: LZ4 (32004) and bitshuffle (32008).

References to chunks of HDF5 files use them. Both store numbers in big-endian order.
https://github.com/HDFGroup/hdf5_plugins/blob/master/docs/RegisteredFilterPlugins.md
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numcodecs import lz4 as _lz4

from exzarr.codecs import zstd
from exzarr.codecs._config import Configured, choice, integer
from exzarr.codecs.base import Buffer, BytesBytesCodec
from exzarr.codecs.expansion import ALWAYS_ALLOWED, LZ4, ZSTD, size_error
from exzarr.errors import CodecError

__all__ = ["Bitshuffle", "LZ4Blocks"]

_HEADER = 12
"""Bytes of the header: eight for the decoded size, four for the block size."""
_LZ4_BLOCK = 1 << 30
_BITSHUFFLE_BLOCK = 8192
_MULTIPLE = 8
"""Block sizes are multiples of this many elements. The rest of a chunk is stored unchanged."""
_AT_A_TIME = 1 << 20
"""Bytes unpacked in one step. Their bits take eight times the memory."""

_Bytes = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class LZ4Blocks(Configured, BytesBytesCodec):
    """LZ4 blocks, each preceded by its size, as HDF5's filter 32004 writes them.

    imagecodecs provides this codec under the same id.

    Parameters
    ----------
    level
        Accepted for compatibility with imagecodecs and ignored: encoding uses LZ4's fast mode.
    blocksize
        Bytes of a block before compression. None: up to 1 GiB.
    """

    name: ClassVar[str] = "numcodecs.imagecodecs_lz4h5"
    level: int | None = None
    blocksize: int | None = None

    def __post_init__(self) -> None:
        if self.level is not None:
            integer(self.name, "level", self.level, -(2**31), 2**31 - 1)
        if self.blocksize is not None:
            integer(self.name, "blocksize", self.blocksize, 1, 0x7E000000)

    @property
    def quick(self) -> bool:
        return True

    def max_encoded_size(self, size: int) -> int:
        return _HEADER + size + 4 * -(-size // (self.blocksize or _LZ4_BLOCK))

    def encode(self, data: Buffer) -> Buffer:
        view = memoryview(data).cast("B")
        block = min(self.blocksize or _LZ4_BLOCK, max(1, len(view)))
        parts = [len(view).to_bytes(8, "big"), block.to_bytes(4, "big")]
        for start in range(0, len(view), block):
            piece = view[start : start + block]
            packed = _lz4.compress(piece)[4:]
            # A block that compression does not shorten is stored unchanged.
            packed = packed if len(packed) < len(piece) else bytes(piece)
            parts += [len(packed).to_bytes(4, "big"), packed]
        return b"".join(parts)

    def decode(self, data: Buffer, size: int | None, limit: int) -> Buffer:
        view = memoryview(data).cast("B")
        total, block = _header(self.name, view, size, limit, LZ4)
        out = bytearray(total)
        at = _HEADER
        for start in range(0, total, block or 1):
            length = min(block, total - start)
            packed, at = _block(self.name, view, at)
            out[start : start + length] = (
                packed if len(packed) == length else _unpacked_lz4(self.name, packed, length)
            )
        if at != len(view):
            raise CodecError(f"{self.name}: {len(view) - at} bytes follow the last block")
        return out


@dataclass(frozen=True)
class Bitshuffle(Configured, BytesBytesCodec):
    """Shuffled bits in compressed blocks, as HDF5's filter 32008 writes them.

    Parameters
    ----------
    elementsize
        Bytes per element.
    blocksize
        Elements per block, a multiple of 8. 0: as many as fit into 8 KiB, but at least 128.
    compression
        Compression of the blocks: ``"lz4"``, ``"zstd"``, or None.
    """

    name: ClassVar[str] = "numcodecs.hdf5_bitshuffle"
    required: ClassVar[tuple[str, ...]] = ("elementsize",)
    elementsize: int = 1
    blocksize: int = 0
    compression: str | None = None

    def __post_init__(self) -> None:
        integer(self.name, "elementsize", self.elementsize, 1, 2**31 - 1)
        integer(self.name, "blocksize", self.blocksize, 0, 2**31 - 8)
        integer(self.name, "blocksize % 8", self.blocksize % _MULTIPLE, 0, 0)
        if self.compression is not None:
            choice(self.name, "compression", self.compression, ("lz4", "zstd"))

    def encoded_size(self, size: int | None) -> int | None:
        return size if self.compression is None else None

    def max_encoded_size(self, size: int) -> int:
        blocks = 1 + size // (self._blocksize * self.elementsize)
        return _HEADER + size + size // 128 + 132 * blocks

    @property
    def _blocksize(self) -> int:
        if self.blocksize:
            return self.blocksize
        return max(128, _BITSHUFFLE_BLOCK // self.elementsize // _MULTIPLE * _MULTIPLE)

    def encode(self, data: Buffer) -> Buffer:
        flat = np.frombuffer(data, np.uint8)
        spans = [*self._spans(flat.size, self._blocksize)]
        blocks = [_shuffled(flat[start:stop], self.elementsize) for start, stop in spans]
        rest = flat[spans[-1][1] if spans else 0 :].tobytes()
        if self.compression is None:
            return b"".join([*blocks, rest])
        parts = [flat.size.to_bytes(8, "big"), (self._blocksize * self.elementsize).to_bytes(4, "big")]
        for block in blocks:
            packed = (
                _lz4.compress(block)[4:]
                if self.compression == "lz4"
                else bytes(zstd.Zstd(checksum=False).encode(block))
            )
            parts += [len(packed).to_bytes(4, "big"), packed]
        return b"".join([*parts, rest])

    def decode(self, data: Buffer, size: int | None, limit: int) -> Buffer:
        view = memoryview(data).cast("B")
        if self.compression is None:
            if len(view) > limit or (size is not None and len(view) != size):
                raise CodecError(f"{self.name}: got {len(view)} bytes, expected {size or limit}")
            return self._decoded(len(view), self._blocksize, view)
        ratio = LZ4 if self.compression == "lz4" else ZSTD
        total, nbytes = _header(self.name, view, size, limit, ratio)
        elements, odd = divmod(nbytes, self.elementsize)
        if odd or elements % _MULTIPLE or (not elements and total):
            raise CodecError(
                f"{self.name}: blocks of {nbytes} bytes do not fit elements of {self.elementsize} bytes"
            )
        return self._decoded(total, elements or _MULTIPLE, view, _HEADER)

    def _decoded(self, total: int, blocksize: int, view: memoryview, at: int = 0) -> Buffer:
        out = np.empty(total, np.uint8)
        end = 0
        for start, stop in self._spans(total, blocksize):
            block: Buffer
            if self.compression is None:
                block, at = view[start:stop], stop
            else:
                packed, at = _block(self.name, view, at)
                unpack = _unpacked_lz4 if self.compression == "lz4" else _unpacked_zstd
                block = unpack(self.name, packed, stop - start)
            _unshuffle(np.frombuffer(block, np.uint8), self.elementsize, out[start:stop])
            end = stop
        if len(view) - at != total - end:
            raise CodecError(
                f"{self.name}: {len(view) - at} bytes follow the last block, expected {total - end}"
            )
        out[end:] = view[at:]
        return out.data

    def _spans(self, nbytes: int, blocksize: int) -> Iterator[tuple[int, int]]:
        """Yield the start and end of each block of `nbytes` bytes. The last block is shorter."""
        elements = nbytes // self.elementsize // _MULTIPLE * _MULTIPLE
        for start in range(0, elements, blocksize):
            stop = min(start + blocksize, elements)
            yield start * self.elementsize, stop * self.elementsize


def _shuffled(block: _Bytes, elementsize: int) -> bytes:
    bits = np.unpackbits(block.reshape(-1, elementsize), axis=1, bitorder="little")
    return np.packbits(bits.T, axis=1, bitorder="little").tobytes()


def _unshuffle(block: _Bytes, elementsize: int, out: _Bytes) -> None:
    rows = block.reshape(elementsize * 8, -1)
    elements = out.reshape(-1, elementsize)
    step = max(1, _AT_A_TIME // rows.shape[0])
    for start in range(0, rows.shape[1], step):
        bits = np.unpackbits(rows[:, start : start + step], axis=1, bitorder="little")
        elements[8 * start : 8 * (start + step)] = np.packbits(bits.T, axis=1, bitorder="little")


def _header(name: str, view: memoryview, size: int | None, limit: int, ratio: int) -> tuple[int, int]:
    """Return the decoded size and the block size; raise CodecError if they are unexpected or impossible."""
    if len(view) < _HEADER:
        raise CodecError(f"{name}: {len(view)} bytes are too few for a header")
    total, block = int.from_bytes(view[:8], "big"), int.from_bytes(view[8:12], "big")
    if total != size if size is not None else total > limit:
        raise CodecError(
            f"{name}: the header declares {total} bytes, expected {limit if size is None else size}"
        )
    if total > len(view) * ratio + ALWAYS_ALLOWED:
        raise size_error(name, len(view), total)
    if total and not block:
        raise CodecError(f"{name}: the header declares empty blocks")
    return total, block


def _block(name: str, view: memoryview, at: int) -> tuple[memoryview, int]:
    """Return the next block and its end."""
    end = at + 4 + int.from_bytes(view[at : at + 4], "big")
    if at + 4 > len(view) or end > len(view):
        raise CodecError(f"{name}: the data is truncated, it ends inside a block")
    return view[at + 4 : end], end


def _unpacked_lz4(name: str, packed: memoryview, size: int) -> Buffer:
    if size > len(packed) * LZ4 + ALWAYS_ALLOWED:
        raise size_error(name, len(packed), size)
    try:
        return _lz4.decompress(size.to_bytes(4, "little") + packed)  # type: ignore[no-any-return]
    except (RuntimeError, ValueError) as error:
        raise CodecError(f"{name}: {error}") from None


def _unpacked_zstd(name: str, packed: memoryview, size: int) -> Buffer:
    try:
        return zstd.decompress(packed, size, size)
    except CodecError as error:
        raise CodecError(f"{name}: {error}") from None
