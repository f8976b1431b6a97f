"""The codec pcodec: Pco, lossless compression of numbers. Requires the package ``pcodec``."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar, Self

import numpy as np

from exzarr.codecs.base import AnyArray, Buffer, ChunkSpec
from exzarr.codecs.numcodecs.wrapped import WrappedNumbers
from exzarr.errors import CodecError, MetadataError

__all__ = ["PCodec"]


class PCodec(WrappedNumbers):
    """Compression with Pco. Parameters: those of numcodecs (``level``, ``mode_spec``, ``delta_spec``, ...)."""

    name: ClassVar[str] = "numcodecs.pcodec"

    def evolve(self, spec: ChunkSpec) -> Self:
        if spec.dtype.kind not in "iuf" or not spec.dtype.isnative:
            raise MetadataError(
                f"codec {self.name!r} compresses native integers and floats, not {spec.dtype}"
            )
        return self

    def decode(self, data: Buffer, spec: ChunkSpec) -> AnyArray:
        standalone: Any = import_module("pcodec.standalone")
        # One element more than expected detects too many. This is the only allocation.
        try:
            out = np.empty(spec.size + 1, spec.dtype)
            progress = standalone.simple_decompress_into(bytes(data), out)
        except BaseException as exc:  # a panic of the Rust library is not an Exception
            if isinstance(exc, KeyboardInterrupt | SystemExit):
                raise
            raise CodecError(f"pcodec: {exc}") from None
        if progress.n_processed != spec.size or not progress.finished:
            raise CodecError(f"pcodec: decoded to {progress.n_processed} numbers, expected {spec.size}")
        return out[: spec.size].reshape(spec.shape)
