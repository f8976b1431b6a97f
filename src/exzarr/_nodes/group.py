"""`Group`: what users hold of a group in a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

import numpy as np

from exzarr._creation.metadata import ArrayOptions, array_metadata
from exzarr._format.metadata import GroupMetadata
from exzarr._nodes import attributes, consolidation, hierarchy, node_creation, transactions
from exzarr._nodes.array import Array
from exzarr._nodes.attributes import Attributes
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.listing import GroupListing
from exzarr._nodes.new_nodes import AccessOptions, describe, new_array, new_group
from exzarr._nodes.unavailable import packed
from exzarr._spelling import known_arguments
from exzarr.codecs.checksummed import detects_damage
from exzarr.codecs.pipeline import pipeline_for
from exzarr.errors import InvalidKeyError, NodeTypeError, ReadOnlyError
from exzarr.stores.locks import ThreadLock

if TYPE_CHECKING:
    from exzarr._nodes.casting import Casting
    from exzarr._nodes.info import GroupInfo
    from exzarr._nodes.survey import OnError
    from exzarr.stores.base import Store

__all__ = ["Group"]


class Group(GroupListing):
    """A group of arrays and groups in a store.

    Get one from `exzarr.open_group`, `exzarr.create_group`, or another group::

        root = exzarr.open_group("cube.zarr", mode="a")
        root.create_array("ocean/sst", shape=(365, 720, 1440), dtype="f4")
        root["ocean/sst"], root["ocean"]["sst"]     # by path
        for name, array in root["ocean"].arrays(): ...
        root.attrs["title"] = "what it is"
        print(root.tree())

    A `Group` holds no data, may be shared between threads, and pickles to its address.
    """

    __slots__ = ()

    # -- attributes ----------------------------------------------------------------

    @property
    def attrs(self) -> Attributes:
        """The attributes: a mapping whose changes are stored at once."""
        return Attributes(lambda: self._meta.attributes, self._change_attributes)

    def update_attributes(self, new_attributes: Mapping[str, Any]) -> Self:
        """zarr-python's name for ``group.attrs.update(...)``; returns the group."""
        self.attrs.update(new_attributes)
        return self

    def _change_attributes(self, change: Callable[[dict[str, Any]], None]) -> None:
        self._require_writable()
        with ThreadLock(("metadata", self._location), self._location.path):  # as in `Array`
            self._meta = transactions.change(
                self._location, self._meta, lambda meta: attributes.change(meta, change)
            )

    # -- new groups ----------------------------------------------------------------

    @known_arguments
    def create_group(
        self, name: str, *, overwrite: bool = False, attributes: Mapping[str, Any] | None = None
    ) -> Self:
        """A new group at the path `name` below this one; groups in between are made.

        NodeExistsError where there is a node already, unless `overwrite` is true: then that is deleted
        with everything below it.
        """
        location = self._place(name)
        meta = new_group(location, self.zarr_format, attributes, overwrite=overwrite)
        return type(self)(location, meta, **self._access)

    @known_arguments
    def require_group(
        self, name: str, *, overwrite: bool = False, attributes: Mapping[str, Any] | None = None
    ) -> Self:
        """The group at the path `name`, made if it is not there. NodeTypeError where an array is there."""
        if overwrite:
            return self.create_group(name, overwrite=True, attributes=attributes)

        found: Self = node_creation.found_or_made(
            lambda: self._found_group(name), lambda: self.create_group(name, attributes=attributes)
        )
        return found

    def _found_group(self, name: str) -> Self | None:
        found = self._found(name)
        if isinstance(found, Array):
            raise NodeTypeError(f"{found.name!r} in {self.store} is an array, not a group")
        return found

    def _found(self, name: str) -> Array | Self | None:
        """What the store has at `name`, whatever consolidated metadata says."""
        location = self._location.child(name)
        meta = hierarchy.find(location.direct)
        return None if meta is None else self._open(location, meta)

    def require_groups(self, *names: str) -> tuple[Self, ...]:
        """`require_group` for several."""
        return tuple([self.require_group(name) for name in names])

    # -- new arrays ----------------------------------------------------------------

    @known_arguments
    def create_array(
        self,
        name: str,
        *,
        shape: int | Sequence[int] | None = None,
        dtype: Any = None,
        data: Any = None,
        overwrite: bool = False,
        write_data: bool = True,
        write_empty_chunks: bool | None = None,
        memory_order: Literal["C", "F"] | None = None,
        casting: Casting = "same_kind",
        **options: Unpack[ArrayOptions],
    ) -> Array:
        """A new array at the path `name` below this group; groups in between are made.

        Everything is as for `exzarr.create_array`. The array has the group's Zarr format.
        """
        location = self._place(name)
        source = describe(data, shape, dtype, self.zarr_format, casting)
        meta = array_metadata(shape=source.shape, dtype=source.dtype, zarr_format=self.zarr_format, **options)
        access = self._access
        if write_empty_chunks is not None:
            access = {**access, "write_empty_chunks": write_empty_chunks}
        if memory_order is not None:
            access = {**access, "memory_order": memory_order}
        stored = source.data if write_data else None
        return new_array(location, meta, stored, overwrite=overwrite, access=access, casting=source.casting)

    create = create_array

    @known_arguments
    def require_array(
        self,
        name: str,
        *,
        shape: int | Sequence[int],
        dtype: Any = None,
        exact: bool = False,
        **options: Unpack[ArrayOptions],
    ) -> Array:
        """The array at the path `name`, made if it is not there.

        NodeTypeError, a TypeError, where what is there is a group, has another shape, or a data type that
        `dtype` does not convert to safely (with `exact`: another data type), or has no checksum where
        ``checksum=True``.
        """
        return node_creation.found_or_made(
            lambda: self._fitting_array(name, shape, dtype, exact, options.get("checksum") is True),
            lambda: self.create_array(name, shape=shape, dtype="f8" if dtype is None else dtype, **options),
        )

    def _fitting_array(
        self, name: str, shape: int | Sequence[int], dtype: Any, exact: bool, checksum: bool
    ) -> Array | None:
        """The array at the path `name`, None where there is none; NodeTypeError where it does not fit."""
        found = self._found(name)
        if found is None:
            return None
        if not isinstance(found, Array):
            raise NodeTypeError(f"{found.name!r} in {self.store} is a group, not an array")
        wanted = (shape,) if isinstance(shape, int) else tuple(shape)
        if found.shape != wanted:
            raise NodeTypeError(f"{found.name!r} in {self.store} has the shape {found.shape}, not {wanted}")
        if dtype is not None:
            from exzarr._format.dtypes import from_numpy

            given = from_numpy(dtype, self.zarr_format).dtype
            if given != found.dtype and (exact or not np.can_cast(given, found.dtype)):
                raise NodeTypeError(
                    f"{found.name!r} in {self.store} has the data type {found.dtype}, not {given}"
                )
        if checksum and not detects_damage(pipeline_for(found.metadata).codecs):
            raise NodeTypeError(
                f"{found.name!r} in {self.store} has no checksum, and checksum=True asks for one: "
                "exzarr.copy(..., checksum=True) makes a copy that has one"
            )
        return found

    def __setitem__(self, name: str, data: Any) -> None:
        """Store `data` as the array `name`, in place of what is there."""
        self.create_array(name, data=data, overwrite=True)

    # -- removing, copying, moving -------------------------------------------------

    def __delitem__(self, path: str) -> None:
        """Delete the array or group at `path`, with everything below it."""
        location = self._place(path)
        # What consolidated metadata says may be stale: either place counts.
        if path not in self and hierarchy.find(location.direct) is None:
            raise hierarchy.not_found(location)
        hierarchy.delete(location)

    def copy(
        self, source: str, dest: str, *, overwrite: bool = False, on_error: OnError = "raise"
    ) -> Array | Self:
        """Copy the node at path `source`, with everything below it, to path `dest`; returns the copy.

        Both paths are below this group. Chunks are copied as they are stored. To another store, or with
        other chunks or codecs: `exzarr.copy`.

        All keys below the node are copied, also those of nodes that can't be read. What a folder's store does not list
        (links that lead nowhere or in a circle, names that are no keys) is an error; with ``on_error="skip"`` it is left
        out, and a `LeftOutWarning` names it.
        """
        from exzarr._nodes.survey import hidden_obstacles, settle, warn_of

        left_out = settle(hidden_obstacles(self._place(source)), on_error)
        node_creation.copy(self._place(source), self._place(dest), overwrite=overwrite)
        warn_of(left_out)
        return self[dest]

    def move(self, source: str, dest: str, *, overwrite: bool = False) -> Array | Self:
        """Give the node at path `source` the path `dest`; returns it there. Arrays opened before keep the old."""
        moved = self.copy(source, dest, overwrite=overwrite)
        hierarchy.delete(self._place(source))
        return moved

    def _place(self, path: str) -> Location:
        """The place at `path` below this group, to write to."""
        self._require_writable()
        location = self._location.child(path)
        if location.path == self.path:
            raise InvalidKeyError(f"{path!r} names the group itself; give a path below it")
        return location

    def _require_writable(self) -> None:
        if self.read_only:
            raise ReadOnlyError(f"group {self.name!r} in {self.store} is read-only: open it with mode='r+'")

    # -- metadata ------------------------------------------------------------------

    def consolidate_metadata(self, *, on_error: OnError = "raise") -> Self:
        """Store the metadata of all nodes below in this group's own document; returns the group.

        From then on the group opens with one read. What exzarr writes in the same store keeps
        consolidated metadata in step; what other software writes does not.

        A node that consolidated metadata can't have (its document can't be read, a group above it has no document, it has
        the other version of the format) is an error, and nothing is changed. With ``on_error="skip"`` it is left out,
        and a `LeftOutWarning` names it.
        """
        self._require_writable()
        from exzarr._nodes.consolidating import consolidate
        from exzarr._nodes.survey import warn_of

        self._location, self._meta, left_out = consolidate(self._location, on_error)
        warn_of(left_out)
        return self

    @contextmanager
    def batch(self) -> Iterator[Self]:
        """Make many changes below this group, and update consolidated metadata once, when the block ends::

            with group.batch():
                for name in names:
                    group.create_array(name, shape=100, dtype="f4")

        Each node is stored at once, with the same guarantees as outside of the block; readers who open the group
        with consolidated metadata see the new nodes, and changes of attributes and shapes, when the block has
        ended, also where it ends with an error. Deleted and replaced nodes leave consolidated metadata at once.
        The changes of all threads of this process take part. After a process is killed in the block,
        `exzarr.check` says so, and `exzarr.repair` updates the consolidated metadata.
        """
        self._require_writable()
        with consolidation.batch(self.store, self.path):
            yield self

    def refresh(self) -> Self:
        """Read the metadata document again, and consolidated metadata where the group has it."""
        from exzarr._nodes.locating import open_node

        found = open_node(
            self._location.direct,
            self.zarr_format,
            kind="group",
            use_consolidated=None if self.consolidated else False,
        )
        assert isinstance(found[1], GroupMetadata)
        self._location, self._meta = found[0], found[1]
        return self

    @property
    def info(self) -> GroupInfo:
        """The facts, printed nicely."""
        from exzarr._nodes.info import group_info

        return group_info(self)

    def info_complete(self) -> GroupInfo:
        """`info`, with how many arrays and groups there are below."""
        from exzarr._nodes.info import group_info

        return group_info(self, complete=True)

    # -- as a Python object --------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        """The same group: same store, same path, same attributes."""
        if not isinstance(other, Group):
            return NotImplemented
        return self._location == other._location and hierarchy.same(self._meta, other._meta)

    def __hash__(self) -> int:
        return hash(self._location)

    def __reduce__(self) -> tuple[Any, ...]:
        location = self._location
        args = location.store, location.path, self.zarr_format, self.consolidated, self._access
        return (_reopen, args) if location.store.picklable else packed(_reopen, *args)

    def __repr__(self) -> str:
        consolidated = " consolidated" if self.consolidated else ""
        return f"<exzarr.Group {self._location}{consolidated} v{self.zarr_format}>"

    def _repr_html_(self) -> str:
        from exzarr._nodes.html import group_html

        return group_html(self)


def _reopen(
    store: Store, path: str, zarr_format: Literal[2, 3], consolidated: bool, access: AccessOptions
) -> Group:
    from exzarr._nodes.locating import open_node

    location, meta = open_node(
        Location(store, path), zarr_format, kind="group", use_consolidated=None if consolidated else False
    )
    assert isinstance(meta, GroupMetadata)
    return Group(location, meta, **access)
