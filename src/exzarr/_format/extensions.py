"""Data types, chunk key encodings and chunk grids of other packages.

Each is a class with a name, `from_config` and `to_config`, as codecs have them. A package declares it as an entry point
of the group ``exzarr.data_types``, ``exzarr.chunk_key_encodings`` or ``exzarr.chunk_grids``; the entry point's name is
the name in v3 documents.

Zarr v3 core, "Extension points", https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html#extension-points
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from exzarr._plugins import ExtensionPoint, configured
from exzarr.errors import ArgumentError

__all__ = [
    "CHUNK_GRIDS",
    "CHUNK_KEY_ENCODINGS",
    "DATA_TYPES",
    "ChunkGridExtension",
    "ChunkKeyEncodingExtension",
    "DataTypeExtension",
    "made",
]


class Extension(Protocol):
    """What the three kinds have in common."""

    name: ClassVar[str]
    """The name in v3 documents."""

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the extension from the ``configuration`` of a document; raise MetadataError if that is invalid."""
        return cls(**configuration)

    def to_config(self) -> dict[str, Any]:
        """Return the ``configuration`` for the document; an empty dict if there is none."""
        return {}


class DataTypeExtension(Extension, Protocol):
    """A data type whose elements are elements of a NumPy dtype of fixed size.

    The dtype says how elements look in memory and, through the codecs, on disk. The extension gives it a name, and
    says how fill values look in documents.
    """

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of chunk arrays: of fixed size, in native byte order, without Python objects."""
        ...

    def default_fill(self) -> Any:
        """Return the fill value of new arrays that have no other: zero, unless you define another."""
        return np.zeros((), self.dtype)[()]

    def fill_from_json(self, json: Any) -> Any:
        """Return the fill value of a document, a scalar of `dtype`; raise MetadataError if it is invalid.

        The default reads the JSON that exzarr writes for `dtype`.
        """
        from exzarr._format.fill_values import fixed_from_json

        return fixed_from_json(json, self.dtype)

    def fill_to_json(self, value: Any) -> Any:
        """Return the JSON of a fill value."""
        from exzarr._format.fill_values import fixed_to_json

        return fixed_to_json(value, self.dtype)


class ChunkKeyEncodingExtension(Extension, Protocol):
    """A conversion between chunk indexes and keys relative to the array."""

    def encode(self, index: tuple[int, ...]) -> str:
        """Return the key of chunk `index`; the index is empty for a 0-dimensional array."""
        ...

    def decode(self, key: str, ndim: int) -> tuple[int, ...] | None:
        """Return the index of the chunk with this key in an array of `ndim` dimensions; None if no chunk has it."""
        ...


class ChunkGridExtension(Extension, Protocol):
    """A division of an array into chunks, dimension by dimension."""

    def chunk_sizes(self, shape: tuple[int, ...]) -> Sequence[int | Sequence[int | tuple[int, int]]]:
        """Return the sizes of the chunks along each dimension of an array of `shape`, in elements.

        An entry is one size for all chunks, or a list of sizes and of pairs ``(size, count)`` that covers the
        dimension. For another shape, chunks that exist in both arrays must have the same sizes.
        """
        ...


def _checker(base: str, methods: tuple[str, ...]) -> Any:
    def check(name: str, extension: Any) -> type[Any]:
        missing = [one for one in ("from_config", "to_config", *methods) if not hasattr(extension, one)]
        if not isinstance(extension, type) or missing:
            raise ArgumentError(
                f"{name!r}: {extension!r} must be a class with the interface of exzarr.registry.{base}"
                + (f"; it has no {', '.join(missing)}" if isinstance(extension, type) else "")
            )
        if getattr(extension, "name", None) != name:
            raise ArgumentError(
                f"{name!r}: the attribute 'name' of the class {extension.__name__} is "
                f"{getattr(extension, 'name', None)!r}; it must be {name!r}"
            )
        return extension

    return check


def _data_type_names() -> frozenset[str]:
    from exzarr._format.dtypes_v3 import NAMES

    return NAMES


DATA_TYPES: ExtensionPoint[type[Any]] = ExtensionPoint(
    "data type",
    "exzarr.data_types",
    _checker("DataTypeExtension", ("dtype", "default_fill", "fill_from_json", "fill_to_json")),
    _data_type_names,
)
CHUNK_KEY_ENCODINGS: ExtensionPoint[type[Any]] = ExtensionPoint(
    "chunk key encoding",
    "exzarr.chunk_key_encodings",
    _checker("ChunkKeyEncodingExtension", ("encode", "decode")),
    lambda: frozenset(("default", "v2")),
)
CHUNK_GRIDS: ExtensionPoint[type[Any]] = ExtensionPoint(
    "chunk grid",
    "exzarr.chunk_grids",
    _checker("ChunkGridExtension", ("chunk_sizes",)),
    lambda: frozenset(("regular", "rectilinear")),
)


def made(point: ExtensionPoint[type[Any]], name: str, configuration: Mapping[str, Any]) -> Any:
    """Return the extension `name` with its configuration; None if no package provides the name."""
    cls = point.find(name)
    return None if cls is None else configured(point.what, name, cls.from_config, configuration)
