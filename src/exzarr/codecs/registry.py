"""Codecs by name.

Built-in codecs are imported when first asked for. Others are registered with
`register`, or by a package that declares an entry point in the group ``exzarr.codecs``
whose name is the codec's and whose object is its class.
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
    """The names of all codecs there are, sorted."""
    from exzarr.codecs.numcodecs import NAMES

    return sorted({*BUILTIN, *NAMES, *_classes, *(point.name for point in _entry_points())})


def register(name: str, codec: type[Codec]) -> None:
    """Make `codec` the class for `name` in metadata documents, instead of any other.

    Raises
    ------
    ArgumentError
        It is no codec, or has another name.
    """
    from exzarr.codecs.base import ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec

    bases = (ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec)
    if not isinstance(codec, type) or not any(base in codec.__mro__ for base in bases):
        raise ArgumentError(
            f"codec {name!r}: {codec!r} must be a class that derives from one of "
            + ", ".join(f"exzarr.codecs.base.{base.__name__}" for base in bases)
        )
    if getattr(codec, "name", None) != name:
        raise ArgumentError(f"codec {name!r}: the class calls itself {getattr(codec, 'name', None)!r}")
    global _registered
    with _lock:
        _classes[name] = codec
        _registered += 1


def generation() -> int:
    """Another number after each `register`: what was made of codecs before may be made of others now."""
    return _registered


def get(name: str) -> type[Any]:
    """The class of the codec called `name`.

    Raises
    ------
    UnsupportedError
        There is none; the message names those there are.
    """
    found = _classes.get(name)
    if found is None:
        found = _find(name)
        with _lock:
            found = _classes.setdefault(name, found)
    return found


def from_config(config: CodecConfig) -> Codec:
    """The codec that an entry of a document's ``codecs`` describes."""
    codec: Codec = get(config.name).from_config(config.configuration)
    return codec


def from_json(json: Any) -> Codec:
    """The codec that an entry of a ``codecs`` list inside a configuration describes."""
    if isinstance(json, str):
        json = {"name": json}
    if not isinstance(json, Mapping) or not isinstance(json.get("name"), str):
        raise MetadataError(f"a codec must be an object with a 'name', got {json!r}")
    configuration = json.get("configuration", {})
    if not isinstance(configuration, Mapping):
        raise MetadataError(
            f"codec {json['name']!r}: its configuration must be an object, got {configuration!r}"
        )
    codec: Codec = get(json["name"]).from_config(configuration)
    return codec


def to_json(codec: Codec) -> dict[str, Any]:
    """The entry of a ``codecs`` list that describes `codec`."""
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
        + (f"; {where}" if where else did_you_mean(name, known()) or f"; known are {', '.join(known())}")
        + " (exzarr.codecs.register(name, cls) adds one)"
    )


def _entry_points() -> list[Any]:
    from importlib.metadata import entry_points

    return list(entry_points(group=_GROUP))
