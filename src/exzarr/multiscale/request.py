"""What the caller of `write` says about the image as a whole. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from exzarr._format.multiscales.model import (
    Axis,
    Channel,
    Convention,
    LabelInfo,
    LevelMetadata,
    Multiscale,
    Window,
)
from exzarr.errors import ArgumentError
from exzarr.multiscale.levels import LevelPlan
from exzarr.multiscale.methods import Method, method_name

__all__ = ["Request"]


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller says about the image as a whole."""

    convention: Convention
    version: str
    name: str | None
    crs: str | Mapping[str, Any] | None
    label: LabelInfo | None
    channels: tuple[str | Channel, ...]

    def checked(self, version: str | None) -> Request:
        """Raise ArgumentError if the convention cannot state what is given."""
        if self.convention not in ("ome-zarr", "multiscales"):
            raise ArgumentError(f"convention is 'ome-zarr' or 'multiscales', not {self.convention!r}")
        if self.convention == "ome-zarr":
            if self.version not in ("0.4", "0.5", "0.6"):
                raise ArgumentError(f"exzarr writes OME-Zarr 0.4, 0.5 and 0.6, not {self.version!r}")
            if self.crs is not None:
                raise ArgumentError(
                    "OME-Zarr has no coordinate reference systems: crs requires 'multiscales'"
                )
            return self
        given = [
            what
            for what, value in (
                ("version", version),
                ("name", self.name),
                ("label", self.label),
                ("channels", self.channels),
            )
            if value
        ]
        if given:
            raise ArgumentError(
                f"the convention 'multiscales' has no {given[0]}: leave it out, or use 'ome-zarr'"
            )
        return self

    @property
    def zarr_format(self) -> Literal[2, 3]:
        return 2 if self.convention == "ome-zarr" and self.version == "0.4" else 3

    def multiscale(
        self,
        axes: tuple[Axis, ...],
        plans: Sequence[LevelPlan],
        paths: Sequence[str],
        method: Method,
        nodata: Any,
        dtype: np.dtype[Any],
    ) -> Multiscale:
        """Return the metadata of the pyramid."""
        from exzarr import __version__

        kept = {} if nodata is None else {"nodata": _as_json(nodata)}
        details = {
            "description": "each level is a reduction of the level before it, block by block",
            "method": "exzarr.multiscale.write",
            "version": __version__,
            "kwargs": {"method": method_name(method), **kept},
        }
        levels = [
            LevelMetadata(path, plan.scale, plan.translation) for path, plan in zip(paths, plans, strict=True)
        ]
        return Multiscale(
            self.convention,
            "0.1" if self.convention == "multiscales" else self.version,
            axes,
            tuple(levels),
            self.name,
            method_name(method),
            details,
            self._channels(axes, plans[0].shape, dtype),
            self.label,
            _crs(self.crs),
        )

    def _channels(
        self, axes: Sequence[Axis], shape: Sequence[int], dtype: np.dtype[Any]
    ) -> tuple[Channel, ...]:
        if not self.channels:
            return ()
        counts = [n for n, axis in zip(shape, axes, strict=True) if axis.type == "channel"] or [1]
        if len(self.channels) != counts[0]:
            raise ArgumentError(f"channels has {len(self.channels)} entries for {counts[0]} channels")
        found = []
        for one in self.channels:
            channel = one if isinstance(one, Channel) else Channel(str(one))
            found.append(channel if channel.window is not None else replace(channel, window=_window(dtype)))
        return tuple(found)


def _window(dtype: np.dtype[Any]) -> Window:
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return Window(info.min, info.max, info.min, info.max)
    return Window(0, 1, 0, 1)


def _as_json(value: Any) -> Any:
    plain = value.item() if isinstance(value, np.generic) else value
    return str(plain) if plain != plain or not isinstance(plain, int | float | bool) else plain


def _crs(crs: str | Mapping[str, Any] | None) -> Mapping[str, Any]:
    if crs is None:
        return {}
    if isinstance(crs, Mapping):
        return {"projjson": dict(crs)}
    return {"wkt2" if "[" in crs else "code": crs}
