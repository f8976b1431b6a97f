"""The codec bitround: rounds numbers to fewer significant bits, so that they compress better.

https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/bitround; Klöwer et al. 2021,
https://www.nature.com/articles/s43588-021-00156-2
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from exzarr.codecs._config import Configured, integer
from exzarr.codecs.base import AnyArray, ArrayArrayCodec, ChunkSpec
from exzarr.errors import MetadataError

__all__ = ["BitRound"]

_MANTISSA = {"float16": 10, "bfloat16": 7, "float32": 23, "float64": 52, "complex64": 23, "complex128": 52}


@dataclass(frozen=True)
class BitRound(Configured, ArrayArrayCodec):
    """Rounding to `keepbits` significant bits, ties to even; decoding does nothing.

    In floats, these are bits of the mantissa (of both parts of a complex number). In integers
    and datetimes, they start at the highest set bit.
    """

    name: ClassVar[str] = "bitround"
    required: ClassVar[tuple[str, ...]] = ("keepbits",)
    keepbits: int

    def __post_init__(self) -> None:
        integer(self.name, "keepbits", self.keepbits, 0, 64)

    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        dtype = spec.dtype
        if dtype.name not in _MANTISSA and (dtype.kind not in "iumM" or dtype.itemsize > 8):
            raise MetadataError(
                f"codec {self.name!r} rounds numbers; the array has data type {spec.data_type.v3!r}"
            )
        if self.keepbits > _MANTISSA.get(dtype.name, 64):
            raise MetadataError(
                f"codec {self.name!r}: keepbits is {self.keepbits}, but {dtype} has only {_MANTISSA[dtype.name]} bits"
            )
        # Missing chunks read as the fill value, so it is not rounded.
        return spec

    def encode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        dtype = spec.dtype
        flat = np.array(array, dtype.newbyteorder("="), order="C").reshape(-1)  # a copy, changed in place
        width = dtype.itemsize // 2 if dtype.kind == "c" else dtype.itemsize
        words = flat.view(f"u{width}")
        if dtype.name in _MANTISSA:
            _round_floats(words, _MANTISSA[dtype.name] - self.keepbits)
        else:
            words[...] = _round_integers(words, self.keepbits)
        return flat.reshape(array.shape).astype(dtype, copy=False)

    def decode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        return array


def _round_floats(words: AnyArray, drop: int) -> None:
    if drop <= 0:
        return
    one = words.dtype.type(1)
    odd = (words >> words.dtype.type(drop)) & one
    words += odd
    words += words.dtype.type((1 << (drop - 1)) - 1)
    words &= ~words.dtype.type((1 << drop) - 1)


def _round_integers(words: AnyArray, keep: int) -> AnyArray:
    """Round each integer to its `keep` highest bits."""
    kind = words.dtype.type
    top = np.iinfo(words.dtype).max
    length = np.zeros(words.shape, np.uint8)
    rest = words.copy()
    while rest.any():
        length += rest != 0
        rest >>= kind(1)
    drop = np.maximum(length.astype(np.int64) - keep, 0)
    rounds = drop > 0
    shift = np.maximum(drop, 1).astype(words.dtype)
    bits = words.dtype.itemsize * 8
    # A shift by all bits is undefined: those words become 0 or the largest power of two.
    safe = np.minimum(shift, kind(bits - 1))
    odd = np.where(shift >= bits, kind(0), (words >> safe) & kind(1))
    add = odd + ((kind(1) << (shift - kind(1))) - kind(1))
    total = np.where(words > top - add, kind(top), words + add)
    mask = np.where(shift >= bits, kind(0), ~((kind(1) << safe) - kind(1)))
    return np.where(rounds, total & mask, words)
