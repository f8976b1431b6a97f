"""zarr-python's keywords as keywords of exzarr's functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exzarr.errors import ArgumentError
from exzarr.zarr.dtype import native
from exzarr.zarr.errors import ZarrDeprecationWarning, ZarrUserWarning, warn
from exzarr.zarr.settings import access_options, config as settings

__all__ = ["creating", "current", "opening", "zarr_format"]

_WITHOUT_EFFECT = (
    "cache_attrs",
    "cache_metadata",
    "chunk_store",
    "meta_array",
    "object_codec",
    "prototype",
    "read_only",
    "synchronizer",
)


def zarr_format(given: Any) -> Any:
    """Return the format of a new node: by default that of the settings."""
    return settings.get("default_zarr_format") if given is None else given


def current(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords with ``zarr_format`` in the place of its former name ``zarr_version``."""
    given = dict(options)
    old, new = given.pop("zarr_version", None), given.get("zarr_format")
    if old is None:
        return given
    if new not in (None, old):
        raise ArgumentError(f"zarr_format {new!r} does not match zarr_version {old!r}: pass only zarr_format")
    warn("zarr_version is deprecated: use zarr_format", ZarrDeprecationWarning)
    return {**given, "zarr_format": old}


def opening(options: Mapping[str, Any], config: Any) -> dict[str, Any]:
    """Return the keywords for `exzarr.open` and `exzarr.open_array`."""
    return {**_known(options), **dict(access_options(config))}


def creating(
    options: Mapping[str, Any], config: Any, *, casting: str | None = "unsafe", compressor: str | None = None
) -> dict[str, Any]:
    """Return the keywords for `exzarr.create_array`, without those of missing chunks."""
    given = _known(options)
    if "compressor" in given and "compressors" not in given and compressor is not None:
        warn("compressor is deprecated: use compressors", ZarrUserWarning)
        given[compressor] = given.pop("compressor")
    given.update({name: value for name, value in access_options(config) if name != "missing"})
    if casting is not None:
        given.setdefault("casting", casting)
    return given


def _known(options: Mapping[str, Any]) -> dict[str, Any]:
    given = current(options)
    for name in _WITHOUT_EFFECT:
        if given.pop(name, None) is not None:
            warn(f"{name} has no effect in exzarr", RuntimeWarning)
    if given.get("write_empty_chunks", ...) is None:
        del given["write_empty_chunks"]
    if "dtype" in given:
        given["dtype"] = native(given["dtype"])
    return given
