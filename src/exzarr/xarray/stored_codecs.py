"""The codecs of an array as members of a variable's encoding."""

from __future__ import annotations

import marshal
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numcodecs

import exzarr
from exzarr import codecs
from exzarr.errors import MetadataError

__all__ = ["StoredCodec", "stored_codecs"]


class StoredCodec(dict[str, Any]):
    """Name and configuration of a codec, as in a v3 document.

    zarr-python, xarray and exzarr accept it where they accept a codec. It equals codecs of zarr-python and exzarr that
    have the same name and configuration, and has the members of the configuration as attributes, as these have.
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self["configuration"][name]
        except KeyError:
            raise AttributeError(f"codec {self.get('name')!r} has no attribute {name!r}") from None

    def to_dict(self) -> dict[str, Any]:
        """Return name and configuration, as the codecs of zarr-python do."""
        return dict(self)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, dict):
            return _canonical(self) == _canonical(other)
        to_dict = getattr(other, "to_dict", None)
        return NotImplemented if to_dict is None else _canonical(self) == _canonical(to_dict())

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # it is a dict


def stored_codecs(array: exzarr.Array) -> dict[str, Any]:
    """Return the members ``filters``, ``compressors`` and (v3) ``serializer`` of the encoding of `array`.

    Raises
    ------
    UnsupportedError
        A codec is not known.
    """
    meta = array.metadata
    if meta.zarr_format == 2:
        compressor = () if meta.compressor is None else (numcodecs.get_codec(meta.compressor),)
        return {"filters": tuple(map(numcodecs.get_codec, meta.filters)), "compressors": compressor}
    filters, serializer, compressors = _parts(marshal.dumps([codec.to_json() for codec in meta.codecs], 2))
    return {
        "filters": tuple(map(_copied, filters)),
        "serializer": _copied(serializer),
        "compressors": tuple(map(_copied, compressors)),
    }


def _copied(entry: Mapping[str, Any]) -> StoredCodec:
    return StoredCodec(name=entry["name"], configuration={**entry["configuration"]})


@lru_cache(maxsize=1024)
def _parts(chain: bytes) -> tuple[Sequence[Any], Any, Sequence[Any]]:
    """Return filters, serializer and compressors of a v3 chain (of the inner chunks, if it has shards).

    The argument is the marshalled list of entries, which is faster than JSON and distinguishes 1 from true.
    """
    entries = marshal.loads(chain)  # noqa: S302 - marshalled by this module
    while len(entries) == 1 and _named(entries[0])["name"] == "sharding_indexed":
        entries = _named(entries[0])["configuration"]["codecs"]
    kinds: dict[str, list[dict[str, Any]]] = {"array_array": [], "array_bytes": [], "bytes_bytes": []}
    for entry in map(_named, entries):
        kinds[codecs.get(entry["name"]).kind].append(_canonical(entry))
    return kinds["array_array"], kinds["array_bytes"][0], kinds["bytes_bytes"]


def _named(entry: Any) -> dict[str, Any]:
    """Return an entry of a chain as an object; the specification allows the name alone."""
    return {"name": entry} if isinstance(entry, str) else entry


def _canonical(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return name and configuration with all defaults, so that they can be compared."""
    try:
        made = codecs.get(entry["name"]).from_config(entry.get("configuration") or {})
    except (KeyError, MetadataError):  # a codec that only zarr-python has
        return dict(entry)
    return made.to_dict()  # type: ignore[no-any-return]
