"""The metadata of a node, whatever version of the format it is stored in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np

from exzarr._format.chunk_grids import ChunkGrid
from exzarr._format.chunk_keys import ChunkKeyEncoding
from exzarr._format.consolidated import Consolidated
from exzarr._format.dtypes import DataType
from exzarr.errors import MetadataError

__all__ = ["ARRAY_DIMENSIONS", "ArrayMetadata", "CodecConfig", "GroupMetadata", "v2_dimension_names"]

ARRAY_DIMENSIONS = "_ARRAY_DIMENSIONS"
"""The attribute in which xarray (and all others after it) keep the dimension names of v2 arrays."""


@dataclass(frozen=True, slots=True)
class CodecConfig:
    """One codec as a v3 document names it.

    Attributes
    ----------
    name
        Its name, such as ``"zstd"``.
    configuration
        What stands under ``configuration``; empty where there is none.
    extra
        Whatever else stands beside it (``must_understand``), kept for a rewrite.
    """

    name: str
    configuration: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The codec as a document names it; without ``configuration`` where that is empty.

        Only numcodecs' codecs keep an empty one: zarr-python does not read them without.
        """
        json: dict[str, Any] = {"name": self.name}
        if self.configuration or self.name.startswith("numcodecs."):
            json["configuration"] = self.configuration
        return {**json, **self.extra} if self.extra else json


@dataclass(frozen=True, eq=False)
class ArrayMetadata:
    """Everything a store says about an array.

    Attributes
    ----------
    zarr_format
        2 or 3.
    shape
        Lengths in elements.
    data_type, chunk_grid, chunk_key_encoding
        What elements are, how they are cut into chunks, and how chunks are named.
    fill_value
        What elements are that were never written: a NumPy scalar of ``data_type.dtype``, a ``str``,
        ``bytes`` or other object. None only in v2 (``null``: it does not matter what they are).
    codecs
        v3: the chain as the document has it, array → array first. Empty in v2.
    order, filters, compressor
        v2: the order of elements in a chunk, ``"C"`` or ``"F"``, and numcodecs' configurations.
    dimension_names
        One name (or None) per dimension. v2: what the attribute ``_ARRAY_DIMENSIONS`` says.
    attributes
        The user's attributes, as stored.
    extra
        Members of the document that exzarr does not know, kept for a rewrite.
    """

    zarr_format: Literal[2, 3]
    shape: tuple[int, ...]
    data_type: DataType
    chunk_grid: ChunkGrid
    chunk_key_encoding: ChunkKeyEncoding
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
        """Whether both say the same; NaN is like the same NaN as a fill value."""
        if not isinstance(other, ArrayMetadata):
            return NotImplemented
        return _same(self.fill_value, other.fill_value) and all(
            getattr(self, one.name) == getattr(other, one.name)
            for one in fields(self)
            if one.name != "fill_value"
        )

    __hash__ = None  # type: ignore[assignment]  # attributes are a dict

    def with_(self, **changes: Any) -> ArrayMetadata:
        """A copy in which `changes` differ.

        A new ``shape`` takes the chunk grid with it, and new attributes of a v2 array the
        dimension names, unless those are given too.
        """
        if "shape" in changes:
            changes["shape"] = tuple(changes["shape"])
            changes.setdefault("chunk_grid", self.chunk_grid.with_shape(changes["shape"]))
        if self.zarr_format == 2 and "attributes" in changes:
            ndim = len(changes.get("shape", self.shape))
            changes.setdefault("dimension_names", v2_dimension_names(changes["attributes"], ndim))
        return replace(self, **changes)


def _same(a: Any, b: Any) -> bool:
    """Whether two fill values are the same to the bit."""
    if isinstance(a, np.generic) and isinstance(b, np.generic):
        return type(a) is type(b) and a.tobytes() == b.tobytes()
    return bool(a == b)


def v2_dimension_names(attributes: Mapping[str, Any], ndim: int) -> tuple[str, ...] | None:
    """The dimension names in a v2 array's attributes; None where there are none that fit."""
    names = attributes.get(ARRAY_DIMENSIONS)
    if isinstance(names, list | tuple) and len(names) == ndim and all(type(name) is str for name in names):
        return tuple(names)
    return None


@dataclass(frozen=True)
class GroupMetadata:
    """Everything a store says about a group.

    Attributes
    ----------
    zarr_format
        2 or 3.
    attributes
        The user's attributes, as stored.
    consolidated
        The documents of the nodes below, where they are kept with the group's own.
    extra
        Members of the document that exzarr does not know, kept for a rewrite.
    broken
        Why the consolidated metadata in the group's own document cannot be read; None where it can.
    """

    zarr_format: Literal[2, 3]
    attributes: dict[str, Any] = field(default_factory=dict)
    consolidated: Consolidated | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    broken: MetadataError | None = field(default=None, compare=False, repr=False)

    def with_(self, **changes: Any) -> GroupMetadata:
        """A copy in which `changes` differ."""
        return replace(self, **changes)
