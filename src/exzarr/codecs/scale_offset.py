"""The codec scale_offset: ``(x - offset) * scale``, in the arithmetic of the array's data type.

https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/scale_offset
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from exzarr._format import fill_values
from exzarr._format.data_type import is_ml
from exzarr.codecs._config import Configured
from exzarr.codecs.base import AnyArray, ArrayArrayCodec, ChunkSpec
from exzarr.errors import ArgumentError, CodecError, MetadataError

__all__ = ["ScaleOffset"]


@dataclass(frozen=True)
class ScaleOffset(Configured, ArrayArrayCodec):
    """Scaling: encodes ``(x - offset) * scale`` and decodes ``y / scale + offset``.

    Integers that exceed the range of their data type or are not divisible by `scale` raise CodecError.

    Parameters
    ----------
    offset, scale
        Numbers, or the JSON form of a fill value of the data type (``"0x7fc00000"``).
    """

    name: ClassVar[str] = "scale_offset"
    offset: Any = 0
    scale: Any = 1

    def __post_init__(self) -> None:
        for key in ("offset", "scale"):
            value = getattr(self, key)
            if isinstance(value, np.generic):
                object.__setattr__(self, key, value := value.item())
            if isinstance(value, bool) or not isinstance(value, int | float | str):
                raise ArgumentError(f"codec {self.name!r}: {key} must be a number, got {value!r}")

    def to_config(self) -> dict[str, Any]:
        return {"offset": _json(self.offset), "scale": _json(self.scale)}

    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        self._numbers(spec)
        try:
            fill = self.encode(np.full(1, spec.fill_value, spec.dtype), spec)[0]
        except CodecError as exc:
            raise MetadataError(f"codec {self.name!r} cannot encode the fill value: {exc}") from None
        return spec.with_(fill_value=fill)

    def encode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        offset, scale = self._numbers(spec)
        if array.size and spec.dtype.kind in "iu":
            o, s = int(offset), int(scale)
            _check_range([(int(array.min()) - o) * s, (int(array.max()) - o) * s], spec)
        # Intermediate integers may wrap, because the range of the result is already checked.
        with np.errstate(all="ignore"):
            result: AnyArray = (np.asarray(array) - offset) * scale
        return result.astype(spec.dtype, copy=False)

    def decode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        offset, scale = self._numbers(spec)
        with np.errstate(all="ignore"):
            if spec.dtype.kind not in "iu":
                result: AnyArray = np.asarray(array) / scale + offset
                return result.astype(spec.dtype, copy=False)
            if array.size:
                if np.any(array % scale):
                    raise CodecError(f"scale_offset: a stored integer is not divisible by the scale {scale}")
                o, s = int(offset), int(scale)
                _check_range([int(array.min()) // s + o, int(array.max()) // s + o], spec)
            result = array // scale + offset
        return result.astype(spec.dtype, copy=False)

    def _numbers(self, spec: ChunkSpec) -> tuple[Any, Any]:
        dtype = spec.dtype
        if dtype.kind not in "iuf" and not is_ml(dtype):
            raise MetadataError(
                f"codec {self.name!r} scales integers and floats; the array has data type {spec.data_type.v3!r}"
            )
        offset = fill_values.parse_v3(_json(self.offset), spec.data_type)
        scale = fill_values.parse_v3(_json(self.scale), spec.data_type)
        if scale == 0:
            raise MetadataError(f"codec {self.name!r}: scale must not be 0, because decoding divides by it")
        return offset, scale


def _check_range(extremes: list[int], spec: ChunkSpec) -> None:
    info = np.iinfo(spec.dtype)
    for value in extremes:
        if not info.min <= value <= info.max:
            raise CodecError(f"scale_offset: {value} does not fit into {spec.dtype}")


def _json(value: Any) -> Any:
    if isinstance(value, float):
        if value != value:
            return "NaN"
        if value in (float("inf"), float("-inf")):
            return "Infinity" if value > 0 else "-Infinity"
    return value
