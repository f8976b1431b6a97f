"""Append rows to several arrays of a group in one commit, each append at most once per key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from exzarr._engine.planning import indexing
from exzarr._engine.source import ChunkSource, open_source
from exzarr._format.appends import Reach
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._format.nodes import consolidated_node
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.joint_commit import Nodes, commit_together
from exzarr._nodes.resize import extended
from exzarr._nodes.selection_io import write_selection
from exzarr._spelling import no_dimension
from exzarr.errors import ArgumentError, MetadataError, SelectionError, UnsupportedError
from exzarr.stores.base import Store

__all__ = ["ATTRIBUTE", "Appended", "NewRows", "append_rows", "stored_append"]

ATTRIBUTE = "exzarr_append_keys"
"""Name of the group's attribute with the keys of appends: an object of ``[start, stop]`` by key."""


@dataclass(frozen=True, slots=True)
class Appended:
    """The result of a joint append.

    Attributes
    ----------
    start, stop
        The rows that the append has added, along the dimension that grows.
    stored
        False if an earlier append with the same key had stored them: this one changed nothing.
    """

    start: int
    stop: int
    stored: bool


class NewRows:
    """The rows that a joint append adds to one array. Assignments write them: ``rows[0:10, :] = values``.

    Positions count from the first new row. Threads and other processes may write concurrently. A pickle contains the
    store and the metadata.

    Attributes
    ----------
    shape
        Shape of the new rows.
    dtype
        Data type of the array.
    start, axis
        Position of the first new row, and the dimension that grows.
    """

    def __init__(
        self, store: Store, path: str, meta: ArrayMetadata, start: int, axis: int, write_empty: bool
    ) -> None:
        self._store = store
        self._path = path
        self._meta = meta
        self._write_empty = write_empty
        self._source: ChunkSource | None = None
        self.start = start
        self.axis = axis
        self.dtype: np.dtype[Any] = meta.data_type.dtype
        rows = meta.shape[axis] - start
        self.shape = (*meta.shape[:axis], rows, *meta.shape[axis + 1 :])

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def chunk_sizes(self) -> tuple[tuple[int, ...], ...]:
        """Length of the part of every stored chunk that the new rows cover, along each dimension."""
        sizes = []
        for axis, (dim, n) in enumerate(zip(self._meta.chunk_grid.dims, self._meta.shape, strict=True)):
            begin = self.start if axis == self.axis else 0
            ends = [min(n, dim.offset(i) + dim.size(i)) for i in range(dim.count(n))]
            starts = [max(begin, dim.offset(i)) for i in range(dim.count(n))]
            sizes.append(tuple([end - at for at, end in zip(starts, ends, strict=True) if end > at]))
        return tuple(sizes)

    def __setitem__(self, selection: Any, value: Any) -> None:
        """Write a value that broadcasts to the selection, which consists of slices with step 1.

        Raises
        ------
        SelectionError
            The selection is of another kind.
        ArgumentError
            The conversion to the array's data type would lose values; see `Array.set`.
        """
        region = _region(selection, self.shape)
        grown = region[self.axis]
        region[self.axis] = slice(self.start + grown.start, self.start + grown.stop)
        if self._source is None:
            self._source = open_source(self._store, self._path, self._meta)
        whole = indexing.basic(tuple(region), self._meta.shape)
        write_selection(self._source, whole, value, write_empty=self._write_empty)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_source": None}


def append_rows(
    location: Location,
    group: GroupMetadata,
    names: Sequence[str],
    count: int,
    write: Callable[[Mapping[str, NewRows]], object],
    *,
    dimension: str,
    path: str = "",
    key: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    consolidated: bool = True,
    write_empty: bool = False,
) -> Appended:
    """Append `count` rows to the arrays `names`, which are in the group at `path` below `location`.

    See `Group.append_together`, whose parameters these are.
    """
    _check_arguments(names, count, key, group, consolidated or group.consolidated is not None)
    request = _Request(path, tuple(names), count, dimension, key, attributes, consolidated)
    done = Appended(0, 0, False)

    def plan(known: Nodes, reach: Reach) -> Nodes | None:
        nonlocal done
        done, changed = request.plan(known, reach)
        return changed

    def write_chunks(_: Nodes, changed: Nodes, at: Location) -> None:
        # An existing chunk makes a late conditional put of another writer fail.
        empty = write_empty or not at.store.traits.exclusive_update
        rows = {}
        for name in names:
            place, meta = at.child(request.path_of(name)), changed[request.path_of(name)]
            assert isinstance(meta, ArrayMetadata)
            rows[name] = NewRows(place.store, place.path, meta, done.start, _axis(meta, dimension), empty)
        write(rows)

    commit_together(location, group, plan, write_chunks, consolidated=consolidated)
    return done


def stored_append(group: GroupMetadata, path: str, key: str) -> Appended | None:
    """Return the rows of the committed append with this key, or None. See `Group.appended`."""
    found: Any = group
    if path:
        found = None if group.consolidated is None else consolidated_node(group.consolidated, path)
    keys = _keys_of(found) if isinstance(found, GroupMetadata) else {}
    return Appended(*keys[key], False) if key in keys else None


@dataclass(frozen=True, slots=True)
class _Request:
    """What an append wants to change."""

    path: str
    names: tuple[str, ...]
    count: int
    dimension: str
    key: str | None
    attributes: Mapping[str, Any] | None
    consolidated: bool

    def path_of(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def plan(self, known: Nodes, reach: Reach) -> tuple[Appended, Nodes | None]:
        """Return the result of the append, and the nodes that it changes (None if its key is stored)."""
        group = known.get(self.path)
        if not isinstance(group, GroupMetadata):
            raise ArgumentError(f"there is no group {self.path!r} any more: another program has removed it")
        keys = _keys_of(group)
        if self.key is not None and self.key in keys:
            start, stop = keys[self.key]
            return Appended(start, stop, False), None
        arrays = {name: self._array(known, name) for name in self.names}
        self._check_complete(known)
        start = self._length(arrays, reach)
        changed: dict[str, Any] = {}
        for name, meta in arrays.items():
            axis = _axis(meta, self.dimension)
            added = (*meta.shape[:axis], self.count, *meta.shape[axis + 1 :])
            begun = (*meta.shape[:axis], start, *meta.shape[axis + 1 :])
            changed[self.path_of(name)] = extended(meta.with_(shape=begun), added, axis)
        result = Appended(start, start + self.count, True)
        wanted = self._attributes(group, keys, result)
        if wanted != group.attributes:
            changed[self.path] = group.with_(attributes=wanted)
        return result, changed

    def _attributes(self, group: GroupMetadata, keys: Mapping[str, Any], result: Appended) -> dict[str, Any]:
        """Return the new attributes of the group. Those that exzarr keeps there remain."""
        if self.attributes is None:
            wanted = {**group.attributes}
        else:
            kept = {name: group.attributes[name] for name in _KEPT if name in group.attributes}
            wanted = {**self.attributes, **kept}
        if self.key is not None:
            wanted[ATTRIBUTE] = {**keys, self.key: [result.start, result.stop]}
        return wanted

    def _array(self, known: Nodes, name: str) -> ArrayMetadata:
        meta = known.get(self.path_of(name))
        if not isinstance(meta, ArrayMetadata):
            raise ArgumentError(f"there is no array {name!r} in group {self.path or '/'!r}")
        return meta

    def _check_complete(self, known: Nodes) -> None:
        """Raise ArgumentError if the group has other arrays with the dimension, which would stay behind."""
        for path, meta in known.items():
            parent, _, name = path.rpartition("/")
            if not isinstance(meta, ArrayMetadata) or parent != self.path or name in self.names:
                continue
            if self.dimension in (meta.dimension_names or ()):
                raise ArgumentError(
                    f"array {name!r} has the dimension {self.dimension!r}, too, and would stay behind: append to all "
                    "arrays with this dimension together, or delete this one"
                )

    def _length(self, arrays: Mapping[str, ArrayMetadata], reach: Reach) -> int:
        """Return the common length of the arrays. Without consolidated metadata, rows of a killed writer don't count."""
        lengths = {name: meta.shape[_axis(meta, self.dimension)] for name, meta in arrays.items()}
        shortest = min(lengths.values())
        longer = {name: n for name, n in lengths.items() if n != shortest}
        if longer and not all(reach.get(self.path_of(name)) == arrays[name].shape for name in longer):
            raise ArgumentError(
                f"the arrays differ in length along {self.dimension!r} already, {lengths}: one of them was changed "
                "separately. Resize them to one length, and call exzarr.consolidate_metadata, before you append more"
            )
        return shortest


_KEPT = (ATTRIBUTE, "exzarr_ingest")


def _check_arguments(
    names: Sequence[str], count: int, key: str | None, group: GroupMetadata, consolidated: bool
) -> None:
    if not names:
        raise ArgumentError("names is empty: an append needs an array")
    if type(count) is not int or count < 0:
        raise ArgumentError(f"count is a number of rows, not {count!r}")
    if key is None:
        return
    if not isinstance(key, str) or not key:
        raise ArgumentError(f"key names the append and must be a string that is not empty, not {key!r}")
    if group.zarr_format == 2 or not consolidated:
        raise UnsupportedError(
            "key requires a group of Zarr format 3 with consolidated metadata: there, one put stores the key and all "
            "new lengths. Leave out consolidated=False; exzarr.convert converts a group of format 2"
        )


def _keys_of(group: GroupMetadata) -> dict[str, tuple[int, int]]:
    json = group.attributes.get(ATTRIBUTE, {})
    try:
        keys = {key: (int(start), int(stop)) for key, (start, stop) in json.items()}
    except (AttributeError, TypeError, ValueError):
        raise MetadataError(
            f"attribute {ATTRIBUTE!r} is invalid: it has the rows of each append by key, as [start, stop], not {json!r}"
        ) from None
    return keys


def _axis(meta: ArrayMetadata, dimension: str) -> int:
    names = meta.dimension_names or ()
    if dimension not in names:
        raise ArgumentError(no_dimension(dimension, names))
    return names.index(dimension)


def _region(selection: Any, shape: tuple[int, ...]) -> list[slice]:
    """Return the slices of a selection, with their ends."""
    parts = list(selection) if isinstance(selection, tuple) else [selection]
    if parts.count(Ellipsis) == 1:
        at = parts.index(Ellipsis)
        parts[at : at + 1] = [slice(None)] * (len(shape) - len(parts) + 1)
    parts += [slice(None)] * (len(shape) - len(parts))
    if len(parts) != len(shape) or any(not isinstance(p, slice) or p.step not in (None, 1) for p in parts):
        raise SelectionError(f"new rows are written by slices with step 1, not by {selection!r}")
    ranges = [range(*part.indices(n)) for part, n in zip(parts, shape, strict=True)]
    return [slice(r.start, max(r.start, r.stop)) for r in ranges]
