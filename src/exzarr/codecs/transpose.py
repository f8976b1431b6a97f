"""The codec transpose: another order of the dimensions.

https://zarr-specs.readthedocs.io/en/latest/v3/codecs/transpose/index.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from exzarr.codecs._config import Configured
from exzarr.codecs.base import AnyArray, ArrayArrayCodec, ChunkSpec
from exzarr.errors import ArgumentError, MetadataError

__all__ = ["Transpose"]


@dataclass(frozen=True)
class Transpose(Configured, ArrayArrayCodec):
    """A transpose: dimension ``order[i]`` of the chunk becomes stored dimension ``i``.

    Parameters
    ----------
    order
        A permutation of ``range(ndim)``. Early Zarr v3 documents have ``"C"`` and ``"F"``, which
        are replaced once the number of dimensions is known.
    """

    name: ClassVar[str] = "transpose"
    required: ClassVar[tuple[str, ...]] = ("order",)
    order: tuple[int, ...] | str

    def __init__(self, order: Iterable[int] | str) -> None:
        if not isinstance(order, str):
            try:
                order = tuple(int(axis.__index__()) for axis in order)
            except (AttributeError, TypeError):
                raise ArgumentError(
                    f"codec 'transpose': order must be a list of integers, got {order!r}"
                ) from None
            if sorted(order) != list(range(len(order))):
                raise ArgumentError(
                    f"codec 'transpose': order must be a permutation of 0..{len(order) - 1}, got {order}"
                )
        elif order not in ("C", "F"):
            raise ArgumentError(f"codec 'transpose': order must be a permutation, got {order!r}")
        object.__setattr__(self, "order", order)

    def to_config(self) -> dict[str, Any]:
        return {"order": self.order if isinstance(self.order, str) else list(self.order)}

    def evolve(self, spec: ChunkSpec) -> Self:
        return type(self)(self.axes(len(spec.shape))) if isinstance(self.order, str) else self

    def axes(self, ndim: int) -> tuple[int, ...]:
        """Return the permutation for chunks of `ndim` dimensions."""
        order = self.order
        if isinstance(order, str):
            return tuple(range(ndim)) if order == "C" else tuple(reversed(range(ndim)))
        if len(order) != ndim:
            raise MetadataError(
                f"codec 'transpose': order {list(order)} does not match an array of {ndim} dimensions"
            )
        return order

    def permutation(self, ndim: int) -> tuple[int, ...] | None:
        return self.axes(ndim)

    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        return spec.with_(shape=tuple(spec.shape[axis] for axis in self.axes(len(spec.shape))))

    def encode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        return array.transpose(self.axes(array.ndim))

    def decode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        axes = self.axes(array.ndim)
        return array.transpose(sorted(range(len(axes)), key=axes.__getitem__))
