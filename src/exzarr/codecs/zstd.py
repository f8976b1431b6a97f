"""zstd: Zstandard, with the frame's own checksum where asked for.

https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/zstd; the frame
format is RFC 8878.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import zstandard

from exzarr.codecs._config import boolean, build, integer
from exzarr.codecs.base import AnyArray, Buffer, BytesBytesCodec
from exzarr.codecs.expansion import ANYWAY, ZSTD, impossible
from exzarr.errors import ChecksumError, CodecError

__all__ = ["Zstd", "decompress", "decompress_each", "decompress_into"]

# Contexts are large and not to be shared by threads: each thread keeps its own.
_local = threading.local()
_SMALL = 1 << 16
# What RFC 8878 asks every decoder to support; only frames that do not tell their size need it.
_WINDOW = 1 << 23
_MAX_WINDOW_LOG = 31  # what libzstd takes on 64-bit machines
_LARGE = 1 << 16
_SIZE = struct.Struct("=Q")
_numcodecs: Any = None
_frame_size = zstandard.frame_content_size


@dataclass(frozen=True)
class Zstd(BytesBytesCodec):
    """Zstandard.

    Parameters
    ----------
    level
        −131072 (fastest) to 22 (smallest); 0 is Zstandard's default, 3.
    checksum
        Whether each frame ends with a checksum of the data, which every decoder verifies.
    """

    name: ClassVar[str] = "zstd"
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
        return build(cls, {"checksum": False, **configuration}, ("level",), ("checksum",))

    def to_config(self) -> dict[str, Any]:
        return {"level": self.level, "checksum": self.checksum}

    def max_encoded_size(self, size: int) -> int:
        # ZSTD_compressBound, and the frame's header and checksum
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
    """The frames in `data`, decompressed: `size` bytes, or up to `limit` where that is None."""
    if size is not None and size > len(data) * ZSTD + ANYWAY:
        raise impossible("zstd", len(data), size)
    try:
        told = _frame_size(data)
        if told == size and size <= limit:
            # One frame that holds just what is wanted, and nothing behind it
            if size >= _LARGE:
                return _large(data)  # type: ignore[no-any-return]
            return _decompressor().decompress(data, 0, False, False)  # type: ignore[no-any-return]
        return _stream(data, size, limit)
    except (zstandard.ZstdError, RuntimeError) as exc:
        raise _failed(exc) from None


def decompress_each(datas: Sequence[Buffer], size: int) -> Sequence[Buffer] | None:
    """Several single frames of `size` bytes each, decompressed in one call; None where not all are such frames."""
    decompressor = _decompressor()
    try:
        for data in datas:
            # libzstd would not notice what lies behind the first frame.
            if _frame_size(data) != size or _whole_frames(data) != 1:
                return None
        sizes = _SIZE.pack(size) * len(datas)
        return decompressor.multi_decompress_to_buffer(datas, decompressed_sizes=sizes, threads=0)  # type: ignore[no-any-return]
    except (zstandard.ZstdError, RuntimeError, AttributeError):  # zstandard on cffi has no such call
        return None


def decompress_into(data: Buffer, out: memoryview | AnyArray) -> None:
    """The frames in `data`, decompressed to exactly ``out.nbytes`` bytes."""
    size = out.nbytes
    if size > len(data) * ZSTD + ANYWAY:
        raise impossible("zstd", len(data), size)
    try:
        if size >= _LARGE and _frame_size(data) == size:
            _large(data, out)
            return
        if size > _SMALL and _frame_size(data) == size and _whole_frames(data) == 1:
            # The whole frame is there and `out` has room for it: libzstd then decodes in one
            # go, straight into `out`, and verifies the checksum.
            if _decompressor().stream_reader(data).readinto(out) != size:
                raise CodecError(f"zstd: the frame holds less than the {size} bytes it promises")
            return
    except (zstandard.ZstdError, RuntimeError) as exc:
        raise _failed(exc) from None
    decoded = decompress(data, size, size)
    if size:
        memoryview(out).cast("B")[:] = decoded


def _failed(exc: Exception) -> CodecError:
    """What the libraries say of bad data; they have no exception of its own for a wrong checksum."""
    return (ChecksumError if "match checksum" in str(exc) else CodecError)(f"zstd: {exc}")


def _large(data: Buffer, out: Any = None) -> Any:
    """One large frame that tells its size, decompressed by numcodecs.

    Its build of libzstd is 5 to 8 % faster than zstandard's; a context made anew for each
    chunk, which costs some microseconds, makes up for that where chunks are small.
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


def _whole_frames(data: Buffer) -> int:
    """How many complete frames `data` is; 0 where something is missing (a checksum, say) or left over."""
    end = len(data)
    position = frames = 0
    while position < end:
        start = position
        if end - start >= 8 and data[start + 1 : start + 4] == b"\x2a\x4d\x18" and data[start] >> 4 == 5:
            # A skippable frame: its size follows the magic number
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
            # A run-length block holds one byte, however long the run
            position += 3 + (1 if header >> 1 & 3 == 1 else header >> 3)
        position += data[start + 4] & 4  # bit 2 of the descriptor: four bytes of checksum
        frames += 1
    return frames if position == end else 0


def _stream(data: Buffer, size: int | None, limit: int) -> bytes:
    """Any number of frames, of which some may not tell their size."""
    if not _whole_frames(data):
        raise CodecError("zstd: the data is cut short, or more than frames")
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
            raise CodecError(f"zstd: more than the expected {most} bytes came out")
    if size is not None and total != size:
        raise CodecError(f"zstd: {total} bytes came out where {size} were expected")
    return b"".join(parts)
