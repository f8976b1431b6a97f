"""The registry of codecs.

Built-in codecs are imported on first use. Other codecs are registered with `register`, or by
a package that declares an entry point in the group ``exzarr.codecs``. The name of the entry
point is the codec's name, its object is the class. Codecs that packages declare for zarr-python
(group ``zarr.codecs``) come last; `zarr_python` adapts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from exzarr._plugins import ExtensionPoint, configured
from exzarr._spelling import did_you_mean
from exzarr.errors import ArgumentError, MetadataError, UnsupportedError

if TYPE_CHECKING:
    from exzarr._format.metadata import CodecConfig
    from exzarr.codecs.base import Codec

__all__ = [
    "BUILTIN",
    "CODECS",
    "from_config",
    "from_json",
    "generation",
    "get",
    "known",
    "register",
    "to_json",
]

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

_classes: dict[str, type[Any]] = {}
"""Classes that were found, by name; replaced by `register`."""


def known() -> list[str]:
    """Return the sorted names of all available codecs."""
    from exzarr.codecs import zarr_python

    return sorted({*own_names(), *CODECS.names(), *zarr_python.names()})


def own_names() -> set[str]:
    """Return the names of exzarr's codecs."""
    from exzarr.codecs.numcodecs import NAMES

    return {*BUILTIN, *NAMES}


def register(name: str, codec: type[Codec]) -> None:
    """Register `codec` as the class for `name` in metadata documents. Replaces any other class.

    Parameters
    ----------
    name
        The codec's name in v3 documents.
    codec
        A class that derives from one of the codec protocols in `exzarr.codecs.base`, or a codec class of zarr-python.

    Raises
    ------
    ArgumentError
        `codec` is not a codec class, or its attribute ``name`` is not `name`.
    """
    CODECS.register(name, codec)
    _classes.pop(name, None)


def _codec_class(name: str, codec: Any) -> type[Any]:
    """Return `codec`; raise ArgumentError if it is no codec class, or if its name is not `name`."""
    from exzarr.codecs import zarr_python
    from exzarr.codecs.base import ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec

    if zarr_python.is_codec_class(codec):
        return zarr_python.adapted(name, codec)
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
    return codec


CODECS: ExtensionPoint[type[Any]] = ExtensionPoint(
    "codec", "exzarr.codecs", _codec_class, own_names, replaceable=True
)
"""Codecs of programs and of other packages."""


def generation() -> int:
    """Return a number that changes with each `register`, for caches of objects made from codecs."""
    return CODECS.generation


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
    PluginError
        A package provides the codec, but it cannot be imported, or two packages provide it.
    """
    found = _classes.get(name)
    if found is None:
        found = _classes[name] = _find(name)
    return found


def from_config(config: CodecConfig) -> Codec:
    """Return the codec for an entry of a document's ``codecs``."""
    return _made(config.name, config.configuration)


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
    return _made(json["name"], configuration)


def _made(name: str, configuration: Mapping[str, Any]) -> Codec:
    codec: Codec = configured("codec", name, get(name).from_config, configuration)
    return codec


def to_json(codec: Codec) -> dict[str, Any]:
    """Return the entry of a ``codecs`` list for `codec`."""
    from exzarr._format.metadata import CodecConfig

    configuration = codec.to_config()
    return CodecConfig(codec.name, configuration).to_json()


def _find(name: str) -> type[Any]:
    from importlib import import_module

    registered = CODECS.registered.get(name)
    if registered is not None:
        return registered
    if name in BUILTIN:
        module, _, attribute = BUILTIN[name].partition(":")
        found: type[Any] = getattr(import_module(_PACKAGE + module), attribute)
        return found
    if name.startswith("numcodecs."):
        from exzarr.codecs import numcodecs

        if name in numcodecs.NAMES:
            return numcodecs.get(name)
    from exzarr.codecs import zarr_python
    from exzarr.codecs.packages import where_to_find

    other = CODECS.find(name) or zarr_python.find(name)
    if other is not None:
        return other
    where = where_to_find(name)
    raise UnsupportedError(
        f"codec {name!r} is not known"
        + (f"; {where}" if where else did_you_mean(name, known()) or f"; known codecs: {', '.join(known())}")
        + " (to add a codec, call exzarr.codecs.register(name, cls))"
    )
