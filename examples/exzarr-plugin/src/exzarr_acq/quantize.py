"""The codec ``acq.quantize``: floats are stored as multiples of a step.

The error of each element is at most half a step, plus the rounding of the array's own data type. NaN is kept. Values that
the integers cannot hold are refused: nothing is clipped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from exzarr.codecs.base import AnyArray, ArrayArrayCodec, ChunkSpec
from exzarr.errors import CodecError, MetadataError

__all__ = ["Quantize"]


@dataclass(frozen=True)
class Quantize(ArrayArrayCodec):
    """Floats as integers: ``round(x / step)``. The lowest integer stands for NaN.

    Parameters
    ----------
    step
        The distance of stored values, greater than 0, in the units of the array.
    dtype
        The integers: ``"int8"``, ``"int16"`` or ``"int32"``.
    """

    name: ClassVar[str] = "acq.quantize"
    step: float
    dtype: str = "int16"

    def __post_init__(self) -> None:
        number = isinstance(self.step, int | float) and not isinstance(self.step, bool)
        if not number or not 0 < self.step < math.inf:
            raise MetadataError(f"codec 'acq.quantize': step must be a positive number, not {self.step!r}")
        if self.dtype not in ("int8", "int16", "int32"):
            raise MetadataError(
                f"codec 'acq.quantize': dtype must be int8, int16 or int32, not {self.dtype!r}"
            )

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        unknown = configuration.keys() - {"step", "dtype"}
        if unknown or "step" not in configuration:
            raise MetadataError(
                f"codec 'acq.quantize': give step, and dtype if you like, not {dict(configuration)}"
            )
        return cls(**configuration)

    def to_config(self) -> dict[str, Any]:
        return {"step": self.step, "dtype": self.dtype}

    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        if spec.dtype not in (np.dtype("f4"), np.dtype("f8")):
            raise MetadataError(f"codec 'acq.quantize' stores float32 and float64, not {spec.data_type.name}")
        try:
            fill = self.encode(np.full((), spec.fill_value, spec.dtype), spec)[()]
        except CodecError:
            fill = 0  # no chunk can hold it
        return spec.with_dtype(self.dtype, fill)

    def encode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        limits = np.iinfo(self.dtype)
        missing = np.isnan(array)
        with np.errstate(over="ignore"):  # an overflow is infinity, which is refused
            steps = np.rint(np.where(missing, 0, array).astype(np.float64) / self.step)
        if steps.size and not (steps.min() > limits.min and steps.max() <= limits.max):
            reach = self.step * limits.max
            raise CodecError(
                f"acq.quantize: with step {self.step}, {self.dtype} holds values up to {reach:g} only"
            )
        return np.where(missing, limits.min, steps).astype(self.dtype)

    def decode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        values = (array * np.float64(self.step)).astype(spec.dtype)
        return np.where(array == np.iinfo(self.dtype).min, spec.dtype.type(np.nan), values)
