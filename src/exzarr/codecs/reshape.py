"""The codec reshape: the same elements in the same order, in another shape.

https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/reshape
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from exzarr.codecs._config import Configured
from exzarr.codecs.base import AnyArray, ArrayArrayCodec, ChunkSpec
from exzarr.errors import ArgumentError, MetadataError

__all__ = ["Reshape"]


@dataclass(frozen=True)
class Reshape(Configured, ArrayArrayCodec):
    """A reshape in C order.

    Parameters
    ----------
    shape
        One item per dimension of the result: its size, a list of the chunk's dimensions that are
        merged into it, or −1 (once) for the remaining elements.
    """

    name: ClassVar[str] = "reshape"
    required: ClassVar[tuple[str, ...]] = ("shape",)
    shape: tuple[int | tuple[int, ...], ...]

    def __init__(self, shape: Iterable[int | Iterable[int]]) -> None:
        try:
            parsed = tuple(
                int(item.__index__())
                if hasattr(item, "__index__")
                else tuple(int(d.__index__()) for d in item)
                for item in shape
            )
        except (TypeError, AttributeError):
            raise ArgumentError(
                f"codec {self.name!r}: shape must consist of sizes and lists of dimensions"
            ) from None
        if any(isinstance(item, int) and item < 1 and item != -1 for item in parsed) or parsed.count(-1) > 1:
            raise ArgumentError(
                f"codec {self.name!r}: sizes must be positive, and at most one may be -1; got {parsed}"
            )
        dims = [d for item in parsed if isinstance(item, tuple) for d in item]
        if dims != sorted(set(dims)) or any(d < 0 for d in dims):
            raise ArgumentError(f"codec {self.name!r}: input dimensions must increase, got {dims}")
        object.__setattr__(self, "shape", parsed)

    def to_config(self) -> dict[str, Any]:
        return {"shape": [list(item) if isinstance(item, tuple) else item for item in self.shape]}

    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        return spec.with_(shape=self.output_shape(spec.shape))

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the encoded shape of a chunk of `shape`; raise MetadataError if it is impossible."""
        out: list[int] = []
        for item in self.shape:
            if isinstance(item, tuple):
                if any(d >= len(shape) for d in item):
                    raise MetadataError(
                        f"codec {self.name!r}: a chunk of shape {shape} does not have the dimensions {item}"
                    )
                out.append(math.prod(shape[d] for d in item))
            else:
                out.append(item)
        if -1 in out:
            others = math.prod(n for n in out if n != -1)
            out[out.index(-1)] = math.prod(shape) // others if others else 0
        if math.prod(out) != math.prod(shape):
            raise MetadataError(
                f"codec {self.name!r}: a chunk of shape {shape} cannot be reshaped to {self.to_config()['shape']}"
            )
        for i, item in enumerate(self.shape):
            if isinstance(item, tuple) and item:
                before, after = math.prod(shape[: item[0]]), math.prod(shape[item[-1] + 1 :])
                if math.prod(out[:i]) != before or math.prod(out[i + 1 :]) != after:
                    raise MetadataError(
                        f"codec {self.name!r}: dimensions {item} cannot become dimension {i}, because the elements' order would change"
                    )
        return tuple(out)

    def encode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        return np.asarray(array).reshape(self.output_shape(spec.shape))

    def decode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        return np.asarray(array).reshape(spec.shape)
