"""The codec cast_value: values stored in another data type, such as float32 as uint8.

https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/cast_value
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from exzarr._format import fill_values
from exzarr._format.dtypes import DataType, from_numpy, parse_v3
from exzarr.codecs._config import Configured, choice
from exzarr.codecs.base import AnyArray, ArrayArrayCodec, ChunkSpec
from exzarr.codecs.casting import ROUNDINGS, cast_values, is_float, is_integer
from exzarr.errors import ArgumentError, CodecError, MetadataError

__all__ = ["CastValue"]


@dataclass(frozen=True)
class CastValue(Configured, ArrayArrayCodec):
    """Values cast to `data_type` for storage, and cast back when read.

    Parameters
    ----------
    data_type
        An integer or float type: a v3 data type, or anything that NumPy accepts as a dtype.
    rounding
        ``"nearest-even"``, ``"towards-zero"``, ``"towards-positive"``, ``"towards-negative"``
        or ``"nearest-away"``.
    out_of_range
        Treatment of values outside the range of the target: ``"error"``, ``"clamp"`` (to the nearest
        value; floats to infinity if the type has one) or ``"wrap"`` (integers: modulo 2ⁿ).
    scalar_map
        Explicit replacements, for NaN for example:
        ``{"encode": [[from, to], ...], "decode": [[from, to], ...]}``. Values are written
        as in a metadata document: ``"NaN"``, ``"-Infinity"``.
    """

    name: ClassVar[str] = "cast_value"
    required: ClassVar[tuple[str, ...]] = ("data_type",)
    data_type: Any
    rounding: str = "nearest-even"
    out_of_range: str | None = "error"
    scalar_map: Any = None

    def __post_init__(self) -> None:
        choice(self.name, "rounding", self.rounding, ROUNDINGS)
        object.__setattr__(self, "out_of_range", self.out_of_range or "error")
        choice(self.name, "out_of_range", self.out_of_range, ("error", "clamp", "wrap"))
        try:
            target = (
                parse_v3(self.data_type) if isinstance(self.data_type, str) else from_numpy(self.data_type)
            )
        except MetadataError as exc:
            raise ArgumentError(f"codec {self.name!r}: {exc}") from None
        object.__setattr__(self, "data_type", target.v3)
        if not (is_integer(target.dtype) or is_float(target.dtype)):
            raise ArgumentError(f"codec {self.name!r} casts to integers and floats, not to {target.v3!r}")
        if self.out_of_range == "wrap" and not is_integer(target.dtype):
            raise ArgumentError(
                f"codec {self.name!r}: out_of_range 'wrap' is for integers, not for {target.v3!r}"
            )
        object.__setattr__(self, "scalar_map", _normal(self.scalar_map))

    def to_config(self) -> dict[str, Any]:
        config: dict[str, Any] = {"data_type": self.data_type}
        if self.rounding != "nearest-even":
            config["rounding"] = self.rounding
        if self.out_of_range != "error":
            config["out_of_range"] = self.out_of_range
        if self.scalar_map is not None:
            config["scalar_map"] = {way: [list(pair) for pair in pairs] for way, pairs in self.scalar_map}
        return config

    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        if not (is_integer(spec.dtype) or is_float(spec.dtype)):
            raise MetadataError(
                f"codec {self.name!r} casts integers and floats; the array has data type {spec.data_type.v3!r}"
            )
        target = parse_v3(self.data_type)
        self._pairs("decode", target, spec.data_type)
        try:
            fill = self.encode(np.full(1, spec.fill_value, spec.dtype), spec)[0]
        except CodecError as exc:
            raise MetadataError(f"codec {self.name!r} cannot encode the fill value: {exc}") from None
        return spec.with_(data_type=target, fill_value=fill)

    def encode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        target = parse_v3(self.data_type)
        pairs = self._pairs("encode", spec.data_type, target)
        return cast_values(array, target.dtype, self.rounding, self.out_of_range, pairs)

    def decode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        pairs = self._pairs("decode", parse_v3(self.data_type), spec.data_type)
        out_of_range = self.out_of_range
        if out_of_range == "wrap" and not is_integer(spec.dtype):
            out_of_range = "error"
        return cast_values(array, spec.dtype, self.rounding, out_of_range, pairs)

    def _pairs(self, way: str, source: DataType, target: DataType) -> list[tuple[Any, Any]]:
        pairs = dict(self.scalar_map or ()).get(way, ())
        return [(fill_values.parse_v3(a, source), fill_values.parse_v3(b, target)) for a, b in pairs]


def _normal(scalar_map: Any) -> Any:
    """Return the map as nested tuples, so that equal maps compare equal."""
    if scalar_map is None:
        return None
    if not isinstance(scalar_map, Mapping) or not set(scalar_map) <= {"encode", "decode"}:
        raise ArgumentError(
            f"codec 'cast_value': the keys of scalar_map are 'encode' and 'decode', got {scalar_map!r}"
        )
    normal = []
    for way, pairs in scalar_map.items():
        entries = list(pairs.items()) if isinstance(pairs, Mapping) else pairs
        if not isinstance(entries, Sequence) or isinstance(entries, str):
            raise ArgumentError(
                f"codec 'cast_value': scalar_map {way!r} must be a list of pairs, got {pairs!r}"
            )
        for pair in entries:
            if not isinstance(pair, list | tuple) or len(pair) != 2:
                raise ArgumentError(
                    f"codec 'cast_value': scalar_map {way!r} must be a list of pairs; {pair!r} is not a pair"
                )
        normal.append((way, tuple((_scalar(a), _scalar(b)) for a, b in entries)))
    return tuple(normal)


def _scalar(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and value != value:
        return "NaN"
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ArgumentError(f"codec 'cast_value': values of scalar_map must be numbers, got {value!r}")
    return value
