"""Chunk key encodings: conversion between chunk indexes and keys relative to the array.

``default``: https://zarr-specs.readthedocs.io/en/latest/v3/chunk-key-encodings/default/index.html.
``v2``: https://zarr-specs.readthedocs.io/en/latest/v3/chunk-key-encodings/v2/index.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from exzarr._format import extensions
from exzarr._format.named import named_config, shorten
from exzarr._format.node_names import DOCUMENT_NAMES
from exzarr._plugins import configured
from exzarr.errors import ArgumentError, MetadataError, UnsupportedError

__all__ = ["AnyKeyEncoding", "ChunkKeyEncoding", "ExtendedKeys", "parse_v3"]


@dataclass(frozen=True, slots=True)
class ChunkKeyEncoding:
    """A conversion between chunk indexes and keys.

    Attributes
    ----------
    name
        ``"default"`` (``c/0/1``) or ``"v2"`` (``0.1``, also the encoding of v2 arrays).
    separator
        ``"/"`` or ``"."``.
    prefix
        Text before the first number: ``"c/"``, ``"c."`` or ``""``.
    """

    name: str = "default"
    separator: str = "/"
    prefix: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.name not in ("default", "v2"):
            raise ArgumentError(f"chunk key encoding must be 'default' or 'v2', not {shorten(self.name)}")
        if self.separator not in ("/", "."):
            raise ArgumentError(
                f"the separator in chunk keys must be '/' or '.', not {shorten(self.separator)}"
            )
        object.__setattr__(self, "prefix", "c" + self.separator if self.name == "default" else "")

    def encode(self, index: Sequence[int]) -> str:
        """Return the key of chunk `index`: ``c/0/1``, ``0.1``; ``c`` or ``0`` for a 0-dimensional array."""
        if not index:
            return "c" if self.prefix else "0"
        return self.prefix + self.separator.join(map(str, index))

    def decode(self, key: str, ndim: int | None = None) -> tuple[int, ...] | None:
        """Return the index of the chunk with this key, or None if `key` is not a chunk key.

        With `ndim`, only keys of arrays with that many dimensions are chunk keys. Without it, ``0``
        in the ``v2`` encoding is the first chunk of a 1-dimensional array.
        """
        if ndim == 0:
            return () if key == self.encode(()) else None
        if not key.startswith(self.prefix):
            return () if ndim is None and key == "c" and self.prefix else None
        index: list[int] = []
        for part in key[len(self.prefix) :].split(self.separator):
            # Accept only what `encode` writes: ASCII digits, no sign, no leading zero.
            if not (part.isascii() and part.isdigit()) or len(part) > 19 or (part[0] == "0" and part != "0"):
                return None
            index.append(int(part))
        return tuple(index) if ndim is None or len(index) == ndim else None

    def to_v3(self) -> dict[str, Any]:
        """Return the ``chunk_key_encoding`` of a v3 document."""
        return {"name": self.name, "configuration": {"separator": self.separator}}


class ExtendedKeys:
    """The chunk key encoding of another package.

    Attributes
    ----------
    extension
        Its `ChunkKeyEncodingExtension`.
    name
        The name in the document.
    separator
        The separator of the keys that the array gets if it is converted to Zarr format 2.
    """

    __slots__ = ("extension", "name")
    separator = "."

    def __init__(self, extension: Any) -> None:
        self.extension = extension
        self.name: str = extension.name

    def encode(self, index: Sequence[int]) -> str:
        """Return the key of chunk `index`; raise MetadataError if the package gives a key that no store may have."""
        key = configured(_WHAT, self.name, self.extension.encode, tuple(index))
        parts = key.split("/") if type(key) is str else [""]
        if not {"", ".", ".."}.isdisjoint(parts) or "\0" in key or parts[-1] in DOCUMENT_NAMES:
            raise MetadataError(
                f"chunk_key_encoding {self.name!r}: its package gives chunk {tuple(index)} the key {shorten(key)}; a key "
                "is relative to the array, has no part '', '.' or '..', and is not the name of a metadata document"
            )
        return str(key)

    def decode(self, key: str, ndim: int | None = None) -> tuple[int, ...] | None:
        """Return the index of the chunk with this key, or None if no chunk of `ndim` dimensions has it."""
        assert ndim is not None
        index = configured(_WHAT, self.name, self.extension.decode, key, ndim)
        if index is None:
            return None
        index = tuple(index)
        return index if len(index) == ndim and self.encode(index) == key else None

    def to_v3(self) -> Any:
        """Return the ``chunk_key_encoding`` of a v3 document."""
        configuration = self.extension.to_config()
        return {"name": self.name, "configuration": configuration} if configuration else {"name": self.name}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ExtendedKeys) and self.to_v3() == other.to_v3()

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"ExtendedKeys({self.extension!r})"


AnyKeyEncoding = ChunkKeyEncoding | ExtendedKeys
_WHAT = "chunk_key_encoding"

_DEFAULT_SEPARATOR = {"default": "/", "v2": "."}
# All encodings, so that arrays share the objects.
_ENCODINGS = {(name, sep): ChunkKeyEncoding(name, sep) for name in _DEFAULT_SEPARATOR for sep in "/."}


def parse_v3(json: Any) -> AnyKeyEncoding:
    """Parse the ``chunk_key_encoding`` of a v3 document."""
    name, configuration = named_config(json, "chunk_key_encoding")
    if name not in _DEFAULT_SEPARATOR:
        extension = extensions.made(extensions.CHUNK_KEY_ENCODINGS, name, configuration)
        if extension is not None:
            return ExtendedKeys(extension)
        raise UnsupportedError(
            f"chunk_key_encoding {shorten(name)} is not known; exzarr supports 'default' and 'v2'"
        )
    separator = configuration.get("separator", _DEFAULT_SEPARATOR[name])
    if len(configuration) > ("separator" in configuration):
        raise MetadataError(
            f"chunk_key_encoding {name!r} accepts only 'separator', got {shorten(configuration)}"
        )
    encoding = _ENCODINGS.get((name, separator)) if type(separator) is str else None
    if encoding is None:
        raise MetadataError(f"chunk_key_encoding: 'separator' must be '/' or '.', not {shorten(separator)}")
    return encoding
