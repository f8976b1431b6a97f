"""A data type, a chunk key encoding and a chunk grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from exzarr.errors import MetadataError
from exzarr.registry import ChunkGridExtension, ChunkKeyEncodingExtension, DataTypeExtension

__all__ = ["ADC12", "Runs", "Suffix"]


@dataclass(frozen=True)
class ADC12(DataTypeExtension):
    """Counts of a 12-bit converter, in 16 bits. Documents have the fill value in volts."""

    name: ClassVar[str] = "acq.adc12"
    volts: float = 5.0

    def to_config(self) -> dict[str, Any]:
        return {"volts": self.volts}

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype("u2")

    def fill_from_json(self, json: Any) -> Any:
        if not isinstance(json, int | float) or not 0 <= json <= self.volts:
            raise MetadataError(
                f"fill_value of data type 'acq.adc12' must be from 0 to {self.volts} V, not {json!r}"
            )
        return round(json / self.volts * 4095)

    def fill_to_json(self, value: Any) -> Any:
        return int(value) * self.volts / 4095


@dataclass(frozen=True)
class Suffix(ChunkKeyEncodingExtension):
    """Keys such as ``0.3.acqchunk``, by which other tools know the files."""

    name: ClassVar[str] = "acq.suffix"
    suffix: str = ".acqchunk"

    def __post_init__(self) -> None:
        if not isinstance(self.suffix, str) or not self.suffix.startswith(".") or "/" in self.suffix:
            raise MetadataError(f"acq.suffix: a suffix starts with a period, not {self.suffix!r}")

    def to_config(self) -> dict[str, Any]:
        return {"suffix": self.suffix}

    def encode(self, index: tuple[int, ...]) -> str:
        return ".".join(map(str, index or ("scalar",))) + self.suffix

    def decode(self, key: str, ndim: int) -> tuple[int, ...] | None:
        parts = key.removesuffix(self.suffix).split(".")
        if ndim == 0:
            return () if parts == ["scalar"] else None
        return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else None


@dataclass(frozen=True)
class Runs(ChunkGridExtension):
    """One chunk per run along the first dimension; a run that is longer than all others takes what follows."""

    name: ClassVar[str] = "acq.runs"
    lengths: tuple[int, ...]

    def __init__(self, lengths: Any) -> None:
        good = (
            isinstance(lengths, list | tuple) and lengths and all(type(n) is int and n > 0 for n in lengths)
        )
        if not good:
            raise MetadataError(f"acq.runs: lengths are positive integers, not {lengths!r}")
        object.__setattr__(self, "lengths", tuple(lengths))

    def to_config(self) -> dict[str, Any]:
        return {"lengths": list(self.lengths)}

    def chunk_sizes(self, shape: tuple[int, ...]) -> list[Any]:
        missing = max(0, shape[0] - sum(self.lengths))
        more = [(max(self.lengths), -(-missing // max(self.lengths)))] if missing else []
        return [[*self.lengths, *more], *(max(1, n) for n in shape[1:])]
