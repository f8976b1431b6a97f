"""The metadata of a node, for both versions of the format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np

from exzarr._format.chunk_grids import ChunkGrid
from exzarr._format.chunk_keys import AnyKeyEncoding
from exzarr._format.consolidated import Consolidated
from exzarr._format.dtypes import DataType
from exzarr.errors import MetadataError

__all__ = ["ARRAY_DIMENSIONS", "ArrayMetadata", "CodecConfig", "GroupMetadata", "v2_dimension_names"]

ARRAY_DIMENSIONS = "_ARRAY_DIMENSIONS"
"""The attribute with the dimension names of v2 arrays, introduced by xarray."""


@dataclass(frozen=True, slots=True)
class CodecConfig:
    """One codec of a v3 document.

    Attributes
    ----------
    name
        The codec's name, such as ``"zstd"``.
    configuration
        The member ``configuration``; empty if it is missing.
    extra
        All other members (``must_understand``), kept for a rewrite.
    """

    name: str
    configuration: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the codec's entry in a document, without an empty ``configuration``.

        numcodecs' codecs keep an empty one, because zarr-python requires it for them.
        """
        json: dict[str, Any] = {"name": self.name}
        if self.configuration or self.name.startswith("numcodecs."):
            json["configuration"] = self.configuration
        return {**json, **self.extra} if self.extra else json


@dataclass(frozen=True, eq=False)
class ArrayMetadata:
    """All metadata of an array.

    Attributes
    ----------
    zarr_format
        2 or 3.
    shape
        Lengths in elements.
    data_type, chunk_grid, chunk_key_encoding
        The type of the elements, their division into chunks, and the keys of chunks.
    fill_value
        The value of elements that were never written: a NumPy scalar of ``data_type.dtype``, a ``str``,
        ``bytes`` or another object. None only in v2 (``null``: undefined).
    codecs
        v3: the codec chain of the document, in order of encoding. Empty in v2.
    order, filters, compressor
        v2: the memory order of chunks, ``"C"`` or ``"F"``, and numcodecs' configurations.
    dimension_names
        One name (or None) per dimension. v2: from the attribute ``_ARRAY_DIMENSIONS``.
    attributes
        The user's attributes, as stored.
    extra
        Members of the document that exzarr does not know, kept for a rewrite.
    """

    zarr_format: Literal[2, 3]
    shape: tuple[int, ...]
    data_type: DataType
    chunk_grid: ChunkGrid
    chunk_key_encoding: AnyKeyEncoding
    fill_value: Any
    codecs: tuple[CodecConfig, ...] = ()
    order: Literal["C", "F"] = "C"
    filters: tuple[dict[str, Any], ...] = ()
    compressor: dict[str, Any] | None = None
    dimension_names: tuple[str | None, ...] | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __eq__(self, other: object) -> bool:
        """Return True if both are the same metadata. As fill values, NaNs with the same bits are equal."""
        if not isinstance(other, ArrayMetadata):
            return NotImplemented
        return _same(self.fill_value, other.fill_value) and all(
            getattr(self, one.name) == getattr(other, one.name)
            for one in fields(self)
            if one.name != "fill_value"
        )

    __hash__ = None  # type: ignore[assignment]  # attributes are a dict

    def with_(self, **changes: Any) -> ArrayMetadata:
        """Return a copy with `changes`.

        A new ``shape`` also changes the chunk grid. New attributes of a v2 array also change the
        dimension names. Pass the grid or the names to set them explicitly.
        """
        if "shape" in changes:
            changes["shape"] = tuple(changes["shape"])
            if "chunk_grid" not in changes:
                changes["chunk_grid"] = self.chunk_grid.with_shape(changes["shape"], _inner_shape(self))
        if self.zarr_format == 2 and "attributes" in changes:
            ndim = len(changes.get("shape", self.shape))
            changes.setdefault("dimension_names", v2_dimension_names(changes["attributes"], ndim))
        return replace(self, **changes)

    def with_attributes(self, attributes: dict[str, Any]) -> ArrayMetadata:
        """Return a copy with `attributes` that shares all other parts, faster than `with_`."""
        made = object.__new__(ArrayMetadata)
        made.__dict__.update(self.__dict__, attributes=attributes)
        return made


def _inner_shape(meta: ArrayMetadata) -> list[int] | None:
    """Return the shape of the inner chunks, in the order of the array's dimensions; None without shards.

    The result is also None if a codec is invalid. Creating the codec raises the error.
    """
    axes = [*range(meta.ndim)]
    for codec in meta.codecs:
        if codec.name == "transpose":
            order = codec.configuration.get("order")
            if not isinstance(order, list | tuple) or not all(type(axis) is int for axis in order):
                return None
            if sorted(order) != [*range(meta.ndim)]:
                return None
            axes = [axes[axis] for axis in order]
        if codec.name == "sharding_indexed":
            inner = codec.configuration.get("chunk_shape")
            if not isinstance(inner, list | tuple) or len(inner) != meta.ndim:
                return None
            sizes = dict(zip(axes, inner, strict=True))
            units = [sizes[axis] for axis in range(meta.ndim)]
            return units if all(type(n) is int and n > 0 for n in units) else None
    return None


def _same(a: Any, b: Any) -> bool:
    """Return True if two fill values have the same bits."""
    if isinstance(a, np.generic) and isinstance(b, np.generic):
        return type(a) is type(b) and a.tobytes() == b.tobytes()
    return bool(a == b)


def v2_dimension_names(attributes: Mapping[str, Any], ndim: int) -> tuple[str, ...] | None:
    """Return the dimension names in a v2 array's attributes, or None if they are missing or do not fit."""
    names = attributes.get(ARRAY_DIMENSIONS)
    if isinstance(names, list | tuple) and len(names) == ndim and all(type(name) is str for name in names):
        return tuple(names)
    return None


@dataclass(frozen=True)
class GroupMetadata:
    """All metadata of a group.

    Attributes
    ----------
    zarr_format
        2 or 3.
    attributes
        The user's attributes, as stored.
    consolidated
        The documents of the nodes below, if the group has consolidated metadata.
    extra
        Members of the document that exzarr does not know, kept for a rewrite.
    broken
        The error in the consolidated metadata of the group's own document, or None.
    """

    zarr_format: Literal[2, 3]
    attributes: dict[str, Any] = field(default_factory=dict)
    consolidated: Consolidated | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    broken: MetadataError | None = field(default=None, compare=False, repr=False)

    @property
    def consolidated_metadata(self) -> Consolidated | None:
        """`consolidated`, by zarr-python's name."""
        return self.consolidated

    def with_(self, **changes: Any) -> GroupMetadata:
        """Return a copy with `changes`."""
        return replace(self, **changes)
