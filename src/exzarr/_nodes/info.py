"""Properties of an array or a group, for printing or as a dict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._html.fragments import facts, framed
from exzarr._nodes import hierarchy
from exzarr._nodes.chunk_sizes import chunk_counts, chunk_shape, shard_shape
from exzarr._nodes.codec_parts import configurations
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.stored import StoredChunks
from exzarr._nodes.words import value_words
from exzarr.telemetry.units import human_bytes

__all__ = ["ArrayInfo", "GroupInfo", "array_info", "group_info"]


class Info:
    """Properties by name, printed one per line."""

    __slots__ = ()

    def lines(self) -> list[tuple[str, str]]:
        """Return pairs of name and value, as text."""
        raise NotImplementedError

    def __str__(self) -> str:
        lines = self.lines()
        width = max([len(name) for name, _ in lines])
        return "\n".join([f"{name:<{width}}  {text}" for name, text in lines])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return framed(facts(self.lines()))


@dataclass(frozen=True, slots=True, repr=False)
class ArrayInfo(Info):
    """The properties of an array.

    Attributes
    ----------
    path, store
        The path in the store, and the store.
    zarr_format, shape, dimension_names, dtype, fill_value, order
        As on the array.
    chunks, shards
        Their shapes; None if the array has no shards, or a rectilinear grid.
    nchunks
        Number of chunks in the grid (inner chunks, if the array has shards).
    filters, serializer, compressors
        The codecs, as in the metadata document.
    nbytes
        Size of all elements in memory, in bytes.
    read_only
        True if the array was opened for reading only.
    nbytes_stored, nchunks_initialized
        Size in bytes and number of stored chunks; None unless requested (`Array.info_complete`).
    """

    path: str
    store: str
    zarr_format: int
    shape: tuple[int, ...]
    dimension_names: tuple[str | None, ...] | None
    dtype: str
    fill_value: Any
    order: str
    chunks: tuple[int, ...] | None
    shards: tuple[int, ...] | None
    nchunks: int
    filters: tuple[Mapping[str, Any], ...]
    serializer: Mapping[str, Any] | None
    compressors: tuple[Mapping[str, Any], ...]
    nbytes: int
    read_only: bool
    nbytes_stored: int | None = None
    nchunks_initialized: int | None = None

    @property
    def ratio(self) -> float | None:
        """Size of the elements in memory divided by the size of the stored chunks; None if unknown."""
        return self.nbytes / self.nbytes_stored if self.nbytes_stored else None

    def asdict(self) -> dict[str, Any]:
        """Return the properties as a plain dict, including the ratio."""
        facts = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**facts, "ratio": self.ratio}

    def lines(self) -> list[tuple[str, str]]:
        names = self.dimension_names
        shape = str(self.shape)
        if names is not None:
            shape += " (" + ", ".join([str(name) if name else "-" for name in names]) + ")"
        lines = [
            ("Type", "Array"),
            ("Path", "/" + self.path),
            ("Store", self.store),
            ("Zarr format", str(self.zarr_format)),
            ("Data type", self.dtype),
            ("Fill value", value_words(self.fill_value)),
            ("Shape", shape),
            *([("Shards", str(self.shards))] if self.shards is not None else []),
            ("Chunks", "varying in shape" if self.chunks is None else str(self.chunks)),
            ("No. of chunks", f"{self.nchunks:,}"),
            *([("Order", self.order)] if self.zarr_format == 2 else []),
            ("Filters", _codecs(self.filters)),
            *([("Serializer", _codecs((self.serializer,)))] if self.serializer is not None else []),
            ("Compressors", _codecs(self.compressors)),
            ("Read-only", str(self.read_only)),
            ("Bytes", _bytes(self.nbytes)),
        ]
        if self.nbytes_stored is not None:
            lines.append(("Bytes stored", _bytes(self.nbytes_stored)))
        if self.ratio is not None:
            lines.append(("Storage ratio", f"{self.ratio:.3g}"))
        if self.nchunks_initialized is not None:
            share = f" ({self.nchunks_initialized / self.nchunks:.0%})" if self.nchunks else ""
            lines.append(("Chunks stored", f"{self.nchunks_initialized:,}{share}"))
        return lines


@dataclass(frozen=True, slots=True, repr=False)
class GroupInfo(Info):
    """The properties of a group.

    Attributes
    ----------
    path, store, zarr_format, read_only
        As on the group.
    consolidated
        True if the group was opened with consolidated metadata.
    arrays, groups
        Number of arrays and groups below it, at any depth; None unless requested (`Group.info_complete`).
    """

    path: str
    store: str
    zarr_format: int
    read_only: bool
    consolidated: bool
    arrays: int | None = None
    groups: int | None = None

    def asdict(self) -> dict[str, Any]:
        """Return the properties as a plain dict."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def lines(self) -> list[tuple[str, str]]:
        return [
            ("Type", "Group"),
            ("Path", "/" + self.path),
            ("Store", self.store),
            ("Zarr format", str(self.zarr_format)),
            ("Read-only", str(self.read_only)),
            ("Consolidated", str(self.consolidated)),
            *([("Arrays", str(self.arrays))] if self.arrays is not None else []),
            *([("Groups", str(self.groups))] if self.groups is not None else []),
        ]


def array_info(
    location: Location, meta: ArrayMetadata, *, read_only: bool, stored: StoredChunks | None = None
) -> ArrayInfo:
    """Return the properties of an array; with `stored`, also of its stored chunks."""
    filters, serializer, compressors = configurations(meta)
    regular, dtype, size = meta.chunk_grid.regular, meta.data_type.dtype, math.prod(meta.shape)
    return ArrayInfo(
        path=location.path,
        store=str(location.store),
        zarr_format=meta.zarr_format,
        shape=meta.shape,
        dimension_names=meta.dimension_names,
        dtype=str(dtype) if meta.data_type.extension is None else meta.data_type.name,
        fill_value=meta.fill_value,
        order=meta.order,
        chunks=chunk_shape(meta) if regular else None,
        shards=shard_shape(meta) if regular else None,
        nchunks=math.prod(chunk_counts(meta)),
        filters=filters,
        serializer=serializer,
        compressors=compressors,
        nbytes=size * dtype.itemsize,
        read_only=read_only,
        nbytes_stored=None if stored is None else stored.nbytes,
        nchunks_initialized=None if stored is None else stored.chunks,
    )


def group_info(
    location: Location, meta: GroupMetadata, *, read_only: bool, complete: bool = False
) -> GroupInfo:
    """Return the properties of a group; with `complete`, also the number of nodes below it."""
    arrays = groups = None
    if complete:
        below = [isinstance(meta, ArrayMetadata) for _, meta in hierarchy.nodes_below(location)]
        arrays, groups = below.count(True), below.count(False)
    return GroupInfo(
        path=location.path,
        store=str(location.store),
        zarr_format=meta.zarr_format,
        read_only=read_only,
        consolidated=location.root is not None,
        arrays=arrays,
        groups=groups,
    )


def _codecs(configurations: tuple[Mapping[str, Any], ...]) -> str:
    """Format codecs as ``zstd(level=0, checksum=True)``."""
    return " → ".join([_codec(configuration) for configuration in configurations]) or "none"


def _codec(configuration: Mapping[str, Any]) -> str:
    options = configuration.get("configuration")
    if options is None:
        options = {key: value for key, value in configuration.items() if key not in ("id", "name")}
    name = configuration.get("name") or configuration.get("id")
    return f"{name}({', '.join([f'{key}={value!r}' for key, value in options.items()])})"


def _bytes(n: int) -> str:
    return f"{n:,} ({human_bytes(n)})" if n >= 1024 else f"{n}"
