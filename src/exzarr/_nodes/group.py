"""`Group`: the user's handle to a group in a store."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack

import numpy as np

from exzarr._creation.metadata import ArrayOptions, array_metadata
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._nodes import consolidation, hierarchy, node_creation
from exzarr._nodes.array import Array
from exzarr._nodes.attributes import as_stored
from exzarr._nodes.hierarchy import Location, Metadata
from exzarr._nodes.new_nodes import describe, new_array, new_group
from exzarr._nodes.node import AccessOptions, Node
from exzarr._spelling import known_arguments
from exzarr.codecs.checksummed import detects_damage
from exzarr.codecs.pipeline import pipeline_for
from exzarr.errors import ArgumentError, ExzarrError, InvalidKeyError, NodeTypeError
from exzarr.stores.base import Store

if TYPE_CHECKING:
    from exzarr._nodes.casting import Casting
    from exzarr._nodes.info import GroupInfo
    from exzarr._nodes.joint_append import Appended, NewRows
    from exzarr._nodes.survey import OnError
    from exzarr._nodes.tree import Tree

__all__ = ["Group"]

T = TypeVar("T")


class NoDepth(enum.Enum):
    """Default of `Group.members`, which needs a depth."""

    GIVEN = enum.auto()


class Group(Node[GroupMetadata]):
    """A group of arrays and groups in a store.

    Get one from `exzarr.open_group`, `exzarr.create_group`, or another group::

        root = exzarr.open_group("cube.zarr", mode="a")
        root.create_array("ocean/sst", shape=(365, 720, 1440), dtype="f4")
        root["ocean/sst"], root["ocean"]["sst"]     # by path
        for name, array in root["ocean"].arrays(): ...
        root.attrs["title"] = "sea surface temperature"
        print(root.tree())

    Names are sorted. Nodes are opened when you access them. This requires no request with consolidated metadata, and
    one request per node without it.

    A `Group` holds no data. Threads may share it. Its pickle contains the store and the path.
    """

    __slots__ = ()

    _kind = "group"

    def __init__(
        self,
        location: Location,
        meta: GroupMetadata,
        *,
        read_only: bool = False,
        missing: Literal["fill", "error"] = "fill",
        write_empty_chunks: bool = False,
        memory_order: Literal["C", "F"] | None = None,
    ) -> None:
        access: AccessOptions = {
            "read_only": read_only,
            "missing": missing,
            "write_empty_chunks": write_empty_chunks,
            "memory_order": memory_order,
        }
        super().__init__(location, meta, access)

    @property
    def consolidated(self) -> bool:
        """True if the group finds its nodes through consolidated metadata."""
        return self._location.root is not None

    # -- one node ------------------------------------------------------------------

    def __getitem__(self, path: str) -> Array | Self:
        """Open the array or group at `path` below this group (``"a/b/c"``).

        Raises
        ------
        NodeNotFoundError
            There is no node at this path. It is a KeyError.
        """
        location = self._location.child(path)
        return self._open(location, hierarchy.load(location))

    def get(self, path: str, default: T | None = None) -> Array | Self | T | None:
        """Open the node at `path` like ``group[path]``; return `default` if there is none."""
        location = self._location.child(path)
        found = hierarchy.find(location)
        return default if found is None else self._open(location, found)

    def get_array(self, path: str) -> Array:
        """Open the array at `path`. Raise NodeTypeError if the node is a group."""
        location = self._location.child(path)
        return Array(location, hierarchy.load_array(location), **self._access)

    def get_group(self, path: str) -> Self:
        """Open the group at `path`. Raise NodeTypeError if the node is an array."""
        location = self._location.child(path)
        return type(self)(location, hierarchy.load_group(location), **self._access)

    def __contains__(self, path: object) -> bool:
        if not isinstance(path, str):
            return False
        try:
            return hierarchy.exists(self._location.child(path))
        except InvalidKeyError:
            return False

    def _open(self, location: Location, meta: Metadata) -> Array | Self:
        if isinstance(meta, ArrayMetadata):
            return Array(location, meta, **self._access)
        return type(self)(location, meta, **self._access)

    # -- direct children ---------------------------------------------------------------

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the direct children."""
        for name, location in hierarchy.children(self._location):
            if hierarchy.exists(location):
                yield name

    def __len__(self) -> int:
        """Count the direct children."""
        return sum(1 for _ in self)

    def keys(self) -> Iterator[str]:
        """Iterate over the names of the direct children."""
        return iter(self)

    def items(self) -> Iterator[tuple[str, Array | Self]]:
        """Iterate over the direct children: pairs of name and node."""
        for name, location in hierarchy.children(self._location):
            found = hierarchy.find(location)
            if found is not None:
                yield name, self._open(location, found)

    def values(self) -> Iterator[Array | Self]:
        """Iterate over the direct children: nodes only."""
        return (node for _, node in self.items())

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Iterate over the arrays among the direct children: pairs of name and array."""
        return ((name, node) for name, node in self.items() if isinstance(node, Array))

    def groups(self) -> Iterator[tuple[str, Self]]:
        """Iterate over the groups among the direct children: pairs of name and group."""
        return ((name, node) for name, node in self.items() if not isinstance(node, Array))

    def array_keys(self) -> Iterator[str]:
        """Iterate over the names of the arrays among the direct children."""
        return (name for name, _ in self.arrays())

    def array_values(self) -> Iterator[Array]:
        """Iterate over the arrays among the direct children."""
        return (array for _, array in self.arrays())

    def group_keys(self) -> Iterator[str]:
        """Iterate over the names of the groups among the direct children."""
        return (name for name, _ in self.groups())

    def group_values(self) -> Iterator[Self]:
        """Iterate over the groups among the direct children."""
        return (group for _, group in self.groups())

    # -- all nodes below -----------------------------------------------------------------

    def walk(self, max_depth: int | None = None) -> Iterator[tuple[str, Array | Self]]:
        """Iterate over all nodes below this group: pairs of relative path and node, parents before children.

        Groups are listed when the walk reaches them.

        Parameters
        ----------
        max_depth
            0 visits only the direct children, 1 also their children, and so on. None visits all nodes.
        """
        for name, node in self.items():
            yield name, node
            if not isinstance(node, Array) and (max_depth is None or max_depth > 0):
                for path, below in node.walk(None if max_depth is None else max_depth - 1):
                    yield f"{name}/{path}", below

    def members(
        self, max_depth: int | NoDepth | None = NoDepth.GIVEN
    ) -> tuple[tuple[str, Array | Self], ...]:
        """Return the result of `walk` as a tuple.

        Parameters
        ----------
        max_depth
            As in `walk`. It is required: xarray's ZarrStore calls zarr-python's method of this name without it, ignores
            nodes of other classes than zarr-python's, and would open an empty data set.
        """
        if max_depth is NoDepth.GIVEN:
            raise ArgumentError(
                f"members() of {self} needs max_depth: 0 for the direct children, None for all nodes; items() also has the "
                "direct children. If xarray's ZarrStore called it: it needs a group of zarr-python. Call "
                "xarray.open_dataset(group, engine='exzarr'), or pass exzarr.zarr.as_zarr(group)"
            )
        return tuple(self.walk(max_depth))

    def nmembers(self, max_depth: int | None = 0) -> int:
        """Count the nodes that `walk` visits; by default only the direct children."""
        return sum(1 for _ in self.walk(max_depth))

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

    # -- rows of several arrays ----------------------------------------------------

    def append_together(
        self,
        names: Sequence[str],
        count: int,
        write: Callable[[Mapping[str, NewRows]], object],
        *,
        dimension: str,
        path: str = "",
        key: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        consolidated: bool = True,
        write_empty_chunks: bool | None = None,
    ) -> Appended:
        """Append rows to several arrays in one commit: readers see all of them grown, or none.

        ::

            def write(rows):
                rows["time"][:] = times
                rows["t2m"][:] = fields     # or blocks of it: rows["t2m"][0:8, :] = block

            root.append_together(["time", "t2m"], 24, write, dimension="time", key="2026-12-01")

        The commit is one put of this group's document, with the consolidated metadata of all arrays. A process that is
        killed before it has appended nothing, and the next append works. exzarr, zarr-python and xarray read
        consolidated metadata by themselves; readers that open an array by its own path may see it grown earlier.

        Other appends wait meanwhile, for the setting ``lock_timeout`` at most.

        Parameters
        ----------
        names
            All arrays in the group at `path` that have the dimension.
        count
            Number of new rows.
        write
            Receives the new rows of each array and writes them. It may be called again if another process takes over
            the writer lease. If it raises, nothing is appended.
        dimension
            Name of the dimension that grows.
        path
            Path of the group that contains the arrays, relative to this one.
        key
            Names this append. If an append with the same key is stored already, nothing is written. The keys are in the
            attribute ``exzarr_append_keys`` of the group at `path`. Requires Zarr format 3.
        attributes
            New attributes of the group at `path`, which are part of the commit.
        consolidated
            False does not create consolidated metadata if there is none. Then the arrays grow one after the other.
        write_empty_chunks
            True stores chunks that hold only the fill value. None: as this group was opened.

        Returns
        -------
        Appended
            The rows that were added, or had been added by an earlier append with the same key.

        Raises
        ------
        ArgumentError
            An array is missing or lacks the dimension, or another one would stay behind. Nothing was written.
        StoreError
            Another program has changed the shape of an array without updating consolidated metadata.
        """
        self._require_writable()
        from exzarr._nodes.joint_append import append_rows

        done = append_rows(
            self._location,
            self._meta,
            names,
            count,
            write,
            dimension=dimension,
            path=path,
            key=key,
            attributes=None if attributes is None else as_stored(attributes),
            consolidated=consolidated,
            write_empty=self._access["write_empty_chunks"]
            if write_empty_chunks is None
            else write_empty_chunks,
        )
        self.refresh()
        return done

    def appended(self, key: str, *, path: str = "") -> Appended | None:
        """Return the rows that `append_together` has stored with this key, or None.

        The group's document is read again.

        Parameters
        ----------
        key
            The key of the append.
        path
            Path of the group that contains the arrays, relative to this one.
        """
        from exzarr._nodes.joint_append import stored_append

        return stored_append(hierarchy.load_group(self._location.direct, self.zarr_format), path, key)

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
        from exzarr._nodes.consolidate import consolidate
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
        with consolidation.batch(self._location.store, self.path):
            yield self

    def refresh(self) -> Self:
        """Read the metadata again, with consolidated metadata if the group uses it; return the group."""
        self._location, self._meta = _load(self._location.direct, self.zarr_format, self.consolidated)
        return self

    # -- presentation --------------------------------------------------------------

    @property
    def info(self) -> GroupInfo:
        """Properties of the group, formatted for printing."""
        from exzarr._nodes.info import group_info

        return group_info(self._location, self._meta, read_only=self.read_only)

    def info_complete(self) -> GroupInfo:
        """Return `info` with the number of arrays and groups below this group."""
        from exzarr._nodes.info import group_info

        return group_info(self._location, self._meta, read_only=self.read_only, complete=True)

    def tree(self, level: int | None = None, expand: Any = None) -> Tree:
        """Return the hierarchy for printing, `level` groups deep (None: all).

        `expand` has no effect; zarr-python has this parameter.
        """
        from exzarr._nodes.tree import tree_of

        return tree_of(self._location, level)

    def __repr__(self) -> str:
        consolidated = " consolidated" if self.consolidated else ""
        return f"<exzarr.Group {self._location}{consolidated} v{self.zarr_format}>"

    def _repr_html_(self) -> str:
        from exzarr._html.fragments import attributes, facts, framed, heading, items

        title = heading(self.name or "/", "exzarr.Group")
        try:
            tree = self.tree(level=2).html()
        except ExzarrError as error:  # a representation does not fail
            tree = items([str(error)])
        return framed(title, facts(self.info.lines()[2:]), attributes(self._meta.attributes), tree)

    # -- as a Python object --------------------------------------------------------

    @classmethod
    def _reopen(
        cls,
        store: Store,
        path: str,
        zarr_format: Literal[2, 3],
        consolidated: bool,
        access: AccessOptions,
    ) -> Self:
        return cls(*_load(Location(store, path), zarr_format, consolidated), **access)


def _load(
    location: Location, zarr_format: Literal[2, 3], consolidated: bool
) -> tuple[Location, GroupMetadata]:
    """Read the metadata of a group, with its consolidated metadata if it exists and is wanted."""
    from exzarr._nodes.locating import open_node

    use_consolidated = None if consolidated else False
    location, meta = open_node(location, zarr_format, kind="group", use_consolidated=use_consolidated)
    assert isinstance(meta, GroupMetadata)
    return location, meta
