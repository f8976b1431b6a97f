"""The codec zfpy: ZFP, lossy compression of numeric arrays. Requires the package ``zfpy``."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar, Self

import numpy as np

from exzarr.codecs.base import AnyArray, Buffer, ChunkSpec
from exzarr.codecs.numcodecs.wrapped import WrappedNumbers
from exzarr.errors import CodecError, MetadataError

__all__ = ["ZFPY"]


class ZFPY(WrappedNumbers):
    """Compression with ZFP. Parameters: those of numcodecs (``mode``, ``tolerance``, ``rate``, ``precision``)."""

    name: ClassVar[str] = "numcodecs.zfpy"

    def evolve(self, spec: ChunkSpec) -> Self:
        if spec.dtype.str[1:] not in ("f4", "f8", "i4", "i8") or not 1 <= len(spec.shape) <= 4:
            raise MetadataError(
                f"codec {self.name!r} compresses 32- and 64-bit numbers in 1 to 4 dimensions, "
                f"not {spec.dtype} in {len(spec.shape)} dimensions"
            )
        return self

    def decode(self, data: Buffer, spec: ChunkSpec) -> AnyArray:
        zfpy: Any = import_module("zfpy")
        data = bytes(data)
        try:
            header = zfpy.header(data)
            shape = tuple(header[key] for key in ("nw", "nz", "ny", "nx") if header[key])
            if shape != spec.shape or np.dtype(header["type"]) != spec.dtype:
                raise CodecError(
                    f"zfpy: a chunk has shape {shape} and type {np.dtype(header['type'])}, "
                    f"expected {spec.shape} and {spec.dtype}"
                )
            array: AnyArray = zfpy.decompress_numpy(data)
        except (ValueError, TypeError, KeyError, RuntimeError) as exc:
            raise exc if isinstance(exc, CodecError) else CodecError(f"zfpy: {exc}") from None
        return array.reshape(spec.shape)
