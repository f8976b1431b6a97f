"""The fast path for chains whose decompressed bytes are the chunk's memory.

Such a chain consists of any transposes, then ``bytes``, then any compressors and checksums. Nearly all arrays
have one. A transpose or another byte order only changes the view of the memory. Decoding a chunk is
therefore one call per compressor and one NumPy view. The functions made here run once per chunk, so
they use only local variables and no lookups.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from exzarr.codecs.base import AnyArray, ArrayArrayCodec, ArrayBytesCodec, Buffer, BytesBytesCodec, ChunkSpec
from exzarr.codecs.memory import as_buffer, exports_buffer
from exzarr.errors import CodecError

__all__ = ["Layout", "bind_flat"]

Stage = tuple[BytesBytesCodec, int | None, int]
_BYTE = np.dtype(np.uint8)

EACH_NBYTES = 32 * 1024
"""Chunks of more bytes are decoded one by one, because the overhead per call is small for them."""


class Layout:
    """The memory layout of a chunk array in its decompressed bytes.

    Attributes
    ----------
    shape, dtype
        Shape and dtype of the chunk array.
    stored
        The dtype of the bytes: `dtype`, possibly in the other byte order.
    axes
        The transposition from the chunk array to the stored array, or None.
    strides
        Bytes between neighbours in the stored memory, per dimension of the chunk array.
    size
        Total number of bytes.
    """

    __slots__ = ("axes", "dtype", "shape", "size", "stored", "strides")

    def __init__(self, spec: ChunkSpec, stored: np.dtype[Any], axes: tuple[int, ...]) -> None:
        self.shape = spec.shape
        self.dtype = spec.dtype
        self.stored = stored
        self.size = spec.nbytes
        step = stored.itemsize
        strides = [0] * len(axes)
        for axis in reversed(axes):
            strides[axis] = step
            step *= max(1, spec.shape[axis])
        self.strides = tuple(strides)
        # The position of dimensions of length one does not matter.
        moved = [axis for axis in axes if spec.shape[axis] != 1]
        self.axes = axes if moved != sorted(moved) and self.size else None

    @property
    def plain(self) -> bool:
        """True if the bytes are the C-contiguous memory of the chunk array."""
        return self.axes is None and self.stored == self.dtype

    @staticmethod
    def of(
        array_array: Sequence[ArrayArrayCodec], array_bytes: ArrayBytesCodec, specs: Sequence[ChunkSpec]
    ) -> Layout | None:
        """Return the layout for a chain, or None if its bytes are not the chunk's memory."""
        stored = array_bytes.stored_dtype(specs[-1])
        if stored is None:
            return None
        axes = tuple(range(len(specs[0].shape)))
        for codec in array_array:
            order = codec.permutation(len(axes))
            if order is None:
                return None
            axes = tuple([axes[axis] for axis in order])
        return Layout(specs[0], stored, axes)


def bind_flat(layout: Layout, stages: Sequence[Stage], raw: bool) -> dict[str, Any]:
    """Return the functions of `BoundPipeline` for chunks of `layout`."""
    decode = _decoder(layout, stages, layout.dtype)
    # Copying converts the byte order, so the decoder need not.
    copy_from = decode if layout.dtype == layout.stored else _decoder(layout, stages, layout.stored)
    decode_into = _decoder_into(layout, stages, copy_from)
    return {
        "decode": decode,
        "decode_bytes": _bytes_decoder(layout, stages) if layout.plain else None,
        "decode_each": _each_decoder(layout, stages),
        "decode_into": decode_into,
        "encode": _encoder(layout, stages, raw),
    }


def _bytes_decoder(layout: Layout, stages: Sequence[Stage]) -> Callable[[Buffer], Buffer]:
    total = layout.size
    decoders = [(codec, codec.decode, size, limit) for codec, size, limit in reversed(stages)]

    def decode_bytes(data: Buffer) -> Buffer:
        at: Any = None
        try:
            for at, codec_decode, size, limit in decoders:  # noqa: B007 - named in the error message
                data = codec_decode(data, size, limit)
        except (CodecError, MemoryError):
            raise
        except Exception as exc:
            raise _failed(at, exc) from exc
        if len(data) != total:
            raise CodecError(f"a chunk has {len(data)} bytes, expected {total}")
        return data

    return decode_bytes


def _each_decoder(
    layout: Layout, stages: Sequence[Stage]
) -> Callable[[Sequence[Buffer]], Sequence[Buffer] | None] | None:
    codec, size = stages[0][0] if len(stages) == 1 else None, layout.size
    if codec is None or not layout.plain or not 0 < size <= EACH_NBYTES:
        return None
    if type(codec).decode_each is BytesBytesCodec.decode_each:
        return None
    return lambda datas: codec.decode_each(datas, size)


def _decoder(layout: Layout, stages: Sequence[Stage], wanted: np.dtype[Any]) -> Callable[[Buffer], AnyArray]:
    shape, stored, strides, total = layout.shape, layout.stored, layout.strides, layout.size
    dtype = None if wanted == stored else wanted
    ndarray = np.ndarray
    decoders = [(codec, codec.decode, size, limit) for codec, size, limit in reversed(stages)]

    def view(data: Buffer) -> AnyArray:
        if len(data) != total:
            raise CodecError(f"a chunk has {len(data)} bytes, expected {total}")
        array: AnyArray = ndarray(shape, stored, data, 0, strides)
        return array if dtype is None else array.astype(dtype)

    if not decoders:
        return view

    if len(decoders) == 1:
        codec, codec_decode, _, _ = decoders[0]

        def decode_one(data: Buffer) -> AnyArray:
            try:
                data = codec_decode(data, total, total)
            except (CodecError, MemoryError):
                raise
            except Exception as exc:
                raise _failed(codec, exc) from exc
            if len(data) != total:
                raise CodecError(f"a chunk has {len(data)} bytes, expected {total}")
            array: AnyArray = ndarray(shape, stored, data, 0, strides)
            return array if dtype is None else array.astype(dtype)

        return decode_one

    def decode(data: Buffer) -> AnyArray:
        at = decoders[0][0]
        try:
            for at, codec_decode, size, limit in decoders:  # noqa: B007 - named in the error message
                data = codec_decode(data, size, limit)
        except (CodecError, MemoryError):
            raise
        except Exception as exc:
            raise _failed(at, exc) from exc
        return view(data)

    return decode


def _copier(decode: Callable[[Buffer], AnyArray]) -> Callable[[Buffer, AnyArray], None]:
    def decode_into(data: Buffer, out: AnyArray) -> None:
        out[...] = decode(data)

    return decode_into


def _decoder_into(
    layout: Layout, stages: Sequence[Stage], decode: Callable[[Buffer], AnyArray]
) -> Callable[[Buffer, AnyArray], None]:
    codec = stages[0][0] if stages else None
    if (
        codec is None
        or not layout.plain
        or not layout.size
        or type(codec).decode_into is BytesBytesCodec.decode_into
    ):
        return _copier(decode)
    # The last step of decoding can write directly to a contiguous destination.
    into = codec.decode_into
    before = [(codec, codec.decode, size, limit) for codec, size, limit in reversed(stages[1:])]
    exports = exports_buffer(layout.dtype)

    def decode_into(data: Buffer, out: AnyArray) -> None:
        if not out.flags.c_contiguous:
            out[...] = decode(data)
            return
        at = codec
        try:
            for at, codec_decode, size, limit in before:  # noqa: B007 - named in the error message
                data = codec_decode(data, size, limit)
            at = codec
            into(data, out if exports else out.reshape(-1).view(_BYTE))
        except (CodecError, MemoryError):
            raise
        except Exception as exc:
            raise _failed(at, exc) from exc

    return decode_into


def _encoder(layout: Layout, stages: Sequence[Stage], raw: bool) -> Callable[[AnyArray], Buffer]:
    stored, axes = layout.stored, layout.axes
    ascontiguous = np.ascontiguousarray
    encoders = [(codec, codec.encode) for codec, _, _ in stages]

    if raw:
        return lambda array: as_buffer(ascontiguous(array, stored))

    if not encoders:

        def copy(array: AnyArray) -> Buffer:
            array = array if axes is None else array.transpose(axes)
            return array.astype(stored, copy=False).tobytes()

        return copy

    def encode(array: AnyArray) -> Buffer:
        array = array if axes is None else array.transpose(axes)
        data: Buffer = as_buffer(ascontiguous(array, stored))
        at = encoders[0][0]
        try:
            for at, codec_encode in encoders:  # noqa: B007 - named in the error message
                data = codec_encode(data)
        except (CodecError, MemoryError):
            raise
        except Exception as exc:
            raise CodecError(f"codec {at.name!r} cannot encode the chunk: {exc}") from exc
        return data

    return encode


def _failed(codec: BytesBytesCodec, exc: Exception) -> CodecError:
    return CodecError(f"codec {codec.name!r} cannot decode the chunk: {exc}")
