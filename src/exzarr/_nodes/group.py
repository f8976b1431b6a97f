"""`Group`: the user's handle to a group in a store."""

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
from exzarr._nodes.new_nodes import describe, new_array, new_group
from exzarr._nodes.node import AccessOptions
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
        root.attrs["title"] = "sea surface temperature"
        print(root.tree())

    A `Group` holds no data. Threads may share it. Its pickle contains the store and the path.
    """

    __slots__ = ()

    # -- attributes ----------------------------------------------------------------

    @property
    def attrs(self) -> Attributes:
        """User attributes, as a mapping that stores each change immediately."""
        return Attributes(lambda: self._meta.attributes, self._change_attributes)

    def update_attributes(self, new_attributes: Mapping[str, Any]) -> Self:
        """Update the attributes and return the group: zarr-python's name for ``group.attrs.update(...)``."""
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
        """Create a group at path `name` below this one, and the missing groups in between.

        Parameters
        ----------
        name
            The path, relative to this group.
        overwrite
            True deletes an existing node at this path, with everything below it.
        attributes
            The attributes of the new group.

        Raises
        ------
        NodeExistsError
            A node exists at this path, and `overwrite` is false.
        """
        location = self._place(name)
        meta = new_group(location, self.zarr_format, attributes, overwrite=overwrite)
        return type(self)(location, meta, **self._access)

    @known_arguments
    def require_group(
        self, name: str, *, overwrite: bool = False, attributes: Mapping[str, Any] | None = None
    ) -> Self:
        """Return the group at path `name`; create it if it is missing.

        Parameters
        ----------
        name
            The path, relative to this group.
        overwrite
            True replaces an existing node.
        attributes
            The attributes of the group, if it is created.

        Raises
        ------
        NodeTypeError
            There is an array at this path.
        """
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
        """Return the node that the store has at `name`, without using consolidated metadata."""
        location = self._location.child(name)
        meta = hierarchy.find(location.direct)
        return None if meta is None else self._open(location, meta)

    def require_groups(self, *names: str) -> tuple[Self, ...]:
        """Call `require_group` for each name."""
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
        """Create an array at path `name` below this group, and the missing groups in between.

        The parameters are those of `exzarr.create_array`. The array has the group's Zarr format.

        Raises
        ------
        NodeExistsError
            A node exists at this path, and `overwrite` is false.
        ArgumentError
            The options do not fit together, or `data` does not convert to `dtype`.
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
        """Return the array at path `name`; create it if it is missing.

        Parameters
        ----------
        name
            The path, relative to this group.
        shape
            The shape, which an existing array must have.
        dtype
            The data type. It must convert safely to that of an existing array. Default for a new array: float64.
        exact
            True requires that an existing array has exactly this data type.
        **options
            As for `exzarr.create_array`. With ``checksum=True``, an existing array must have a checksum.

        Raises
        ------
        NodeTypeError
            The existing node is a group, or does not match. It is a TypeError.
        """
        return node_creation.found_or_made(
            lambda: self._fitting_array(name, shape, dtype, exact, options.get("checksum") is True),
            lambda: self.create_array(name, shape=shape, dtype="f8" if dtype is None else dtype, **options),
        )

    def _fitting_array(
        self, name: str, shape: int | Sequence[int], dtype: Any, exact: bool, checksum: bool
    ) -> Array | None:
        """Return the array at path `name`, or None; raise NodeTypeError if it does not match."""
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
        """Store `data` as the array `name`; replace an existing node."""
        self.create_array(name, data=data, overwrite=True)

    # -- removing, copying, moving -------------------------------------------------

    def __delitem__(self, path: str) -> None:
        """Delete the array or group at `path`, with everything below it."""
        location = self._place(path)
        # Consolidated metadata may be out of date: look in the store, too.
        if path not in self and hierarchy.find(location.direct) is None:
            raise hierarchy.not_found(location)
        hierarchy.delete(location)

    def copy(
        self, source: str, dest: str, *, overwrite: bool = False, on_error: OnError = "raise"
    ) -> Array | Self:
        """Copy the node at path `source`, with everything below it, to path `dest`, and return the copy.

        Chunks are copied as they are stored. `exzarr.copy` copies to another store, or changes chunks and codecs.
        All keys below the node are copied, including those of nodes that cannot be read.

        Parameters
        ----------
        source, dest
            Paths relative to this group.
        overwrite
            True replaces an existing node at `dest`.
        on_error
            How to treat entries of a folder that its store does not list: broken or circular links, and names that
            are not valid keys. ``"raise"`` raises an error; ``"skip"`` leaves them out, and a `LeftOutWarning` names
            them.
        """
        from exzarr._nodes.survey import hidden_obstacles, settle, warn_of

        left_out = settle(hidden_obstacles(self._place(source)), on_error)
        node_creation.copy(self._place(source), self._place(dest), overwrite=overwrite)
        warn_of(left_out)
        return self[dest]

    def move(self, source: str, dest: str, *, overwrite: bool = False) -> Array | Self:
        """Move the node from path `source` to path `dest` and return it.

        Objects that were opened before keep the old path.
        """
        moved = self.copy(source, dest, overwrite=overwrite)
        hierarchy.delete(self._place(source))
        return moved

    def _place(self, path: str) -> Location:
        """Return the location of `path` below this group; raise ReadOnlyError if the group is read-only."""
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
        """Store the metadata of all nodes below this group in its own document, and return the group.

        The group then opens with one read. Later writes by exzarr in the same store update consolidated metadata;
        writes by other software do not.

        Parameters
        ----------
        on_error
            How to treat a node that consolidated metadata cannot contain: its document cannot be read, a group above
            it has no document, or it has the other Zarr format. ``"raise"`` raises an error and changes nothing;
            ``"skip"`` leaves the node out, and a `LeftOutWarning` names it.
        """
        self._require_writable()
        from exzarr._nodes.consolidating import consolidate
        from exzarr._nodes.survey import warn_of

        self._location, self._meta, left_out = consolidate(self._location, on_error)
        warn_of(left_out)
        return self

    @contextmanager
    def batch(self) -> Iterator[Self]:
        """Make many changes below this group and update consolidated metadata once, at the end of the block::

            with group.batch():
                for name in names:
                    group.create_array(name, shape=100, dtype="f4")

        Each node is stored immediately, with the same guarantees as outside the block. Readers that open the group
        with consolidated metadata see new nodes, attributes and shapes after the block ends, even if it ends with an
        error. Deleted and replaced nodes are removed from consolidated metadata immediately.

        The batch includes the changes of all threads of this process. If the process is killed in the block,
        `exzarr.check` reports it, and `exzarr.repair` updates the consolidated metadata.
        """
        self._require_writable()
        with consolidation.batch(self.store, self.path):
            yield self

    def refresh(self) -> Self:
        """Read the metadata again, with consolidated metadata if the group uses it; return the group."""
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
        """Properties of the group, formatted for printing."""
        from exzarr._nodes.info import group_info

        return group_info(self)

    def info_complete(self) -> GroupInfo:
        """Return `info` with the number of arrays and groups below this group."""
        from exzarr._nodes.info import group_info

        return group_info(self, complete=True)

    # -- as a Python object --------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        """Return whether `other` is the same group: same store, path and attributes."""
        if not isinstance(other, Group):
            return NotImplemented
        return self._location == other._location and hierarchy.same(self._meta, other._meta)

    def __hash__(self) -> int:
        return hash(self._location)

    def __reduce__(self) -> tuple[Any, ...]:
        location = self._location
        args = location.store, location.path, self.zarr_format, self.consolidated, self._access
        return (_reopen, args) if location.store.traits.picklable else packed(_reopen, *args)

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
