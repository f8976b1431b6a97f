"""The registry of codecs.

Built-in codecs are imported on first use. Other codecs are registered with `register`, or by
a package that declares an entry point in the group ``exzarr.codecs``. The name of the entry
point is the codec's name, its object is the class.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from exzarr._spelling import did_you_mean
from exzarr.errors import ArgumentError, MetadataError, UnsupportedError

if TYPE_CHECKING:
    from exzarr._format.metadata import CodecConfig
    from exzarr.codecs.base import Codec

__all__ = ["BUILTIN", "from_config", "from_json", "generation", "get", "known", "register", "to_json"]

BUILTIN = {
    "bitround": "bitround:BitRound",
    "blosc": "blosc:Blosc",
    "bytes": "bytes:Bytes",
    "cast_value": "cast_value:CastValue",
    "crc32c": "crc32c:Crc32c",
    "gzip": "gzip:Gzip",
    "packbits": "packbits:PackBits",
    "reshape": "reshape:Reshape",
    "scale_offset": "scale_offset:ScaleOffset",
    "sharding_indexed": "sharding:Sharding",
    "transpose": "transpose:Transpose",
    "vlen-bytes": "vlen:VLenBytes",
    "vlen-utf8": "vlen:VLenUTF8",
    "zstd": "zstd:Zstd",
}
_PACKAGE = "exzarr.codecs."
_GROUP = "exzarr.codecs"

_classes: dict[str, type[Any]] = {}
_lock = threading.Lock()
_registered = 0


def known() -> list[str]:
    """Return the sorted names of all available codecs."""
    from exzarr.codecs.numcodecs import NAMES

    return sorted({*BUILTIN, *NAMES, *_classes, *(point.name for point in _entry_points())})


def register(name: str, codec: type[Codec]) -> None:
    """Register `codec` as the class for `name` in metadata documents. Replaces any other class.

    Parameters
    ----------
    name
        The codec's name in v3 documents.
    codec
        A class that derives from one of the codec protocols in `exzarr.codecs.base`.

    Raises
    ------
    ArgumentError
        `codec` is not a codec class, or its attribute ``name`` is not `name`.
    """
    from exzarr.codecs.base import ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec

    bases = (ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec)
    if not isinstance(codec, type) or not any(base in codec.__mro__ for base in bases):
        raise ArgumentError(
            f"codec {name!r}: {codec!r} must be a class that derives from one of "
            + ", ".join(f"exzarr.codecs.base.{base.__name__}" for base in bases)
        )
    if getattr(codec, "name", None) != name:
        raise ArgumentError(
            f"codec {name!r}: the attribute 'name' of the class is {getattr(codec, 'name', None)!r}; it must be {name!r}"
        )
    global _registered
    with _lock:
        _classes[name] = codec
        _registered += 1


def generation() -> int:
    """Return a number that changes with each `register`, for caches of objects made from codecs."""
    return _registered


def get(name: str) -> type[Any]:
    """Return the class of the codec `name`.

    Parameters
    ----------
    name
        The codec's name in v3 documents.

    Returns
    -------
    type
        The registered class.

    Raises
    ------
    UnsupportedError
        No codec has this name; the message lists the known ones.
    """
    found = _classes.get(name)
    if found is None:
        found = _find(name)
        with _lock:
            found = _classes.setdefault(name, found)
    return found


def from_config(config: CodecConfig) -> Codec:
    """Return the codec for an entry of a document's ``codecs``."""
    codec: Codec = get(config.name).from_config(config.configuration)
    return codec


def from_json(json: Any) -> Codec:
    """Return the codec for an entry of a ``codecs`` list inside a configuration."""
    if isinstance(json, str):
        json = {"name": json}
    if not isinstance(json, Mapping) or not isinstance(json.get("name"), str):
        raise MetadataError(f"a codec must be an object with a 'name', got {json!r}")
    configuration = json.get("configuration", {})
    if not isinstance(configuration, Mapping):
        raise MetadataError(
            f"codec {json['name']!r}: the configuration must be an object, got {configuration!r}"
        )
    codec: Codec = get(json["name"]).from_config(configuration)
    return codec


def to_json(codec: Codec) -> dict[str, Any]:
    """Return the entry of a ``codecs`` list for `codec`."""
    from exzarr._format.metadata import CodecConfig

    configuration = codec.to_config()
    return CodecConfig(codec.name, configuration).to_json()


def _find(name: str) -> type[Any]:
    from importlib import import_module

    if name in BUILTIN:
        module, _, attribute = BUILTIN[name].partition(":")
        found: type[Any] = getattr(import_module(_PACKAGE + module), attribute)
        return found
    if name.startswith("numcodecs."):
        from exzarr.codecs import numcodecs

        if name in numcodecs.NAMES:
            return numcodecs.get(name)
    for point in _entry_points():
        if point.name == name:
            register(name, point.load())
            return _classes[name]
    from exzarr.codecs.packages import where_to_find

    where = where_to_find(name)
    raise UnsupportedError(
        f"codec {name!r} is not known"
        + (f"; {where}" if where else did_you_mean(name, known()) or f"; known codecs: {', '.join(known())}")
        + " (to add a codec, call exzarr.codecs.register(name, cls))"
    )


def _entry_points() -> list[Any]:
    from importlib.metadata import entry_points

    return list(entry_points(group=_GROUP))
