"""The codec zstd: Zstandard, optionally with the checksum of its frame format.

https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/zstd. The frame
format is RFC 8878.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import zstandard

from exzarr.codecs._config import Configured, boolean, integer
from exzarr.codecs.base import AnyArray, Buffer, BytesBytesCodec
from exzarr.codecs.expansion import ALWAYS_ALLOWED, ZSTD, size_error
from exzarr.errors import ChecksumError, CodecError

__all__ = ["Zstd", "decompress", "decompress_each", "decompress_into"]

# Contexts are large and cannot be shared between threads, so each thread keeps its own.
_local = threading.local()
_SMALL = 1 << 16
# RFC 8878 requires every decoder to support this window. Only frames without a declared size need it.
_WINDOW = 1 << 23
_MAX_WINDOW_LOG = 31  # libzstd's maximum on 64-bit machines
_LARGE = 1 << 16
_SIZE = struct.Struct("=Q")
_numcodecs: Any = None
_frame_size = zstandard.frame_content_size


@dataclass(frozen=True)
class Zstd(Configured, BytesBytesCodec):
    """Compression with Zstandard.

    Parameters
    ----------
    level
        −131072 (fastest) to 22 (smallest); 0 is Zstandard's default, 3.
    checksum
        True: each frame ends with a checksum of the data, which every decoder verifies.
    """

    name: ClassVar[str] = "zstd"
    required: ClassVar[tuple[str, ...]] = ("level",)
    level: int = 3
    checksum: bool = True

    def __post_init__(self) -> None:
        integer(self.name, "level", self.level, -131072, 22)
        boolean(self.name, "checksum", self.checksum)

    @property
    def checks(self) -> bool:  # type: ignore[override]
        return self.checksum

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        return super().from_config({"checksum": False, **configuration})

    def max_encoded_size(self, size: int) -> int:
        # ZSTD_compressBound plus the frame's header and checksum
        return size + (size >> 8) + 128

    def encode(self, data: Buffer) -> Buffer:
        key = (self.level, self.checksum)
        try:
            compressor = _local.compressors[key]
        except AttributeError:
            _local.compressors = {}
            compressor = _new_compressor(key)
        except KeyError:
            compressor = _new_compressor(key)
        return compressor.compress(data)  # type: ignore[no-any-return]

    def decode(self, data: Buffer, size: int | None, limit: int) -> Buffer:
        return decompress(data, size, limit)

    def decode_each(self, datas: Sequence[Buffer], size: int) -> Sequence[Buffer] | None:
        return decompress_each(datas, size)

    def decode_into(self, data: Buffer, out: memoryview | AnyArray) -> None:
        decompress_into(data, out)


def decompress(data: Buffer, size: int | None, limit: int) -> bytes:
    """Decompress the frames in `data` to `size` bytes, or to at most `limit` bytes if `size` is None."""
    if size is not None and size > len(data) * ZSTD + ALWAYS_ALLOWED:
        raise size_error("zstd", len(data), size)
    try:
        declared = _frame_size(data)
        if declared == size and size <= limit:
            # The first frame holds all the expected bytes.
            if size >= _LARGE:
                return _large(data)  # type: ignore[no-any-return]
            return _decompressor().decompress(data, 0, False, False)  # type: ignore[no-any-return]
        return _stream(data, size, limit)
    except (zstandard.ZstdError, RuntimeError) as exc:
        raise _failed(exc) from None


def decompress_each(datas: Sequence[Buffer], size: int) -> Sequence[Buffer] | None:
    """Decompress several single frames of `size` bytes each in one call; return None if any is not such a frame."""
    decompressor = _decompressor()
    try:
        for data in datas:
            # libzstd ignores bytes after the first frame.
            if _frame_size(data) != size or _count_frames(data) != 1:
                return None
        sizes = _SIZE.pack(size) * len(datas)
        return decompressor.multi_decompress_to_buffer(datas, decompressed_sizes=sizes, threads=0)  # type: ignore[no-any-return]
    except (zstandard.ZstdError, RuntimeError, AttributeError):  # zstandard's cffi backend lacks this call
        return None


def decompress_into(data: Buffer, out: memoryview | AnyArray) -> None:
    """Decompress the frames in `data` to exactly ``out.nbytes`` bytes, into `out`."""
    size = out.nbytes
    if size > len(data) * ZSTD + ALWAYS_ALLOWED:
        raise size_error("zstd", len(data), size)
    try:
        if size >= _LARGE and _frame_size(data) == size:
            _large(data, out)
            return
        if size > _SMALL and _frame_size(data) == size and _count_frames(data) == 1:
            # The frame is complete and fits into `out`: libzstd decodes it in one step,
            # directly into `out`, and verifies the checksum.
            if _decompressor().stream_reader(data).readinto(out) != size:
                raise CodecError(f"zstd: the frame holds fewer than its declared {size} bytes")
            return
    except (zstandard.ZstdError, RuntimeError) as exc:
        raise _failed(exc) from None
    decoded = decompress(data, size, size)
    if size:
        memoryview(out).cast("B")[:] = decoded


def _failed(exc: Exception) -> CodecError:
    """Convert an exception of the libraries, which have no separate one for a wrong checksum."""
    return (ChecksumError if "match checksum" in str(exc) else CodecError)(f"zstd: {exc}")


def _large(data: Buffer, out: Any = None) -> Any:
    """Decompress one large frame of declared size with numcodecs.

    Its build of libzstd is 5 to 8 % faster than zstandard's. For small chunks this gain is lost,
    because numcodecs makes a new context for each chunk, which costs some microseconds.
    """
    global _numcodecs
    if _numcodecs is None:
        from numcodecs.zstd import decompress as _numcodecs
    return _numcodecs(data, out)


def _decompressor() -> Any:
    try:
        return _local.decompressor
    except AttributeError:
        _local.decompressor = made = zstandard.ZstdDecompressor()
        return made


def _new_compressor(key: tuple[int, bool]) -> Any:
    level, checksum = key
    made = zstandard.ZstdCompressor(level=level, write_checksum=checksum, write_content_size=True)
    if len(_local.compressors) >= 4:
        _local.compressors.clear()
    _local.compressors[key] = made
    return made


def _count_frames(data: Buffer) -> int:
    """Return the number of complete frames in `data`, or 0 if bytes are missing or left over."""
    end = len(data)
    position = frames = 0
    while position < end:
        start = position
        if end - start >= 8 and data[start + 1 : start + 4] == b"\x2a\x4d\x18" and data[start] >> 4 == 5:
            # A skippable frame: its size follows the magic number.
            position += 8 + int.from_bytes(data[start + 4 : start + 8], "little")
            frames += 1
            continue
        position += zstandard.frame_header_size(data[start : start + 18] if start else data)
        last = False
        while not last:
            if position + 3 > end:
                return 0
            header = data[position] | data[position + 1] << 8 | data[position + 2] << 16
            last = bool(header & 1)
            # A run-length block holds one byte, whatever the length of the run.
            position += 3 + (1 if header >> 1 & 3 == 1 else header >> 3)
        position += data[start + 4] & 4  # bit 2 of the descriptor: four bytes of checksum
        frames += 1
    return frames if position == end else 0


def _stream(data: Buffer, size: int | None, limit: int) -> bytes:
    """Decompress any number of frames, with or without declared sizes."""
    if not _count_frames(data):
        raise CodecError("zstd: the data is truncated, or has bytes that are not frames")
    most = limit if size is None else min(size, limit)
    window = max(_WINDOW, 1 << min(_MAX_WINDOW_LOG, most.bit_length()))
    decompressor = zstandard.ZstdDecompressor(max_window_size=window)
    reader = decompressor.stream_reader(data, read_across_frames=True)
    parts: list[bytes] = []
    total = 0
    while part := reader.read(min(most - total + 1, 1 << 20)):
        parts.append(part)
        total += len(part)
        if total > most:
            raise CodecError(f"zstd: decompressed to more than the expected {most} bytes")
    if size is not None and total != size:
        raise CodecError(f"zstd: decompressed to {total} bytes, expected {size}")
    return b"".join(parts)
