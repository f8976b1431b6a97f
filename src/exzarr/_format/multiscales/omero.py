"""Channels, their colors and windows: the transitional "omero" metadata of OME-Zarr.

https://ngff.openmicroscopy.org/0.5/index.html#omero-md. Files in the wild have parts of it, or more; what exzarr cannot
use is ignored, since the metadata only helps viewers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from exzarr._format.multiscales.documents import text_in
from exzarr._format.multiscales.model import Channel, Window

__all__ = ["format_channels", "parse_channels"]


def parse_channels(omero: Any) -> tuple[Channel, ...]:
    """Parse "omero" metadata; return nothing if it is missing or unusable."""
    channels = omero.get("channels") if isinstance(omero, Mapping) else None
    if not isinstance(channels, list | tuple):
        return ()
    return tuple([_channel(one) for one in channels if isinstance(one, Mapping)])


def _channel(one: Mapping[str, Any]) -> Channel:
    return Channel(
        text_in(one, "label"),
        text_in(one, "color"),
        _window(one.get("window")),
        one.get("active") is not False,
    )


def _window(value: Any) -> Window | None:
    if not isinstance(value, Mapping):
        return None
    low, high = value.get("min"), value.get("max")
    found = []
    for number in (value.get("start", low), value.get("end", high), low, high):
        if not isinstance(number, int | float) or isinstance(number, bool):
            return None
        found.append(float(number))
    return Window(*found)


def format_channels(channels: Sequence[Channel]) -> list[dict[str, Any]]:
    """Return the array "channels" of "omero" metadata. The specification requires color and window."""
    found = []
    for channel in channels:
        one: dict[str, Any] = {} if channel.label is None else {"label": channel.label}
        one["color"] = channel.color or "FFFFFF"
        window = channel.window or Window(0, 1, 0, 1)
        one["window"] = {name: getattr(window, name) for name in ("start", "end", "min", "max")}
        one["active"] = channel.active
        found.append(one)
    return found
