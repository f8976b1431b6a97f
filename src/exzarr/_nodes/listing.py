"""Finding and listing the nodes below a group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._nodes import hierarchy
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import Location, Metadata
from exzarr._nodes.node import AccessOptions
from exzarr.errors import InvalidKeyError, MetadataError
from exzarr.stores.base import Store

if TYPE_CHECKING:
    from exzarr._nodes.tree import Tree

__all__ = ["GroupListing"]

T = TypeVar("T")


class GroupListing:
    """The read-only part of `exzarr.group.Group`: its properties and the nodes below it.

    Names are sorted. Nodes are opened when you access them. This requires no request with consolidated metadata, and
    one request per node without it.
    """

    __slots__ = ("_access", "_location", "_meta")

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
        self._location = location
        self._meta = meta
        self._access: AccessOptions = {
            "read_only": read_only,
            "missing": missing,
            "write_empty_chunks": write_empty_chunks,
            "memory_order": memory_order,
        }

    # -- properties ----------------------------------------------------------------

    @property
    def metadata(self) -> GroupMetadata:
        """The parsed metadata document."""
        return self._meta

    @property
    def location(self) -> Location:
        """Store, path and consolidated metadata. Internal: for exzarr's own packages."""
        return self._location

    @property
    def access(self) -> AccessOptions:
        """Options with which the group opens its nodes. Internal: for exzarr's own packages."""
        return self._access

    @property
    def store(self) -> Store:
        return self._location.store

    @property
    def path(self) -> str:
        """Path in the store, without a leading slash; ``""`` for the root."""
        return self._location.path

    @property
    def name(self) -> str:
        """Path with a leading slash, as in h5py."""
        return "/" + self._location.path

    @property
    def basename(self) -> str:
        return self._location.path.rpartition("/")[2]

    @property
    def zarr_format(self) -> Literal[2, 3]:
        return self._meta.zarr_format

    @property
    def read_only(self) -> bool:
        return self._access["read_only"] or self._location.store.read_only

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
            return _is_node(self._location.child(path))
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
            if _is_node(location):
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

    def members(self, max_depth: int | None = 0) -> tuple[tuple[str, Array | Self], ...]:
        """Return the result of `walk` as a tuple; by default only the direct children."""
        return tuple(self.walk(max_depth))

    def nmembers(self, max_depth: int | None = 0) -> int:
        """Count the nodes that `members` returns."""
        return sum(1 for _ in self.walk(max_depth))

    def tree(self, level: int | None = None, expand: Any = None) -> Tree:
        """Return the hierarchy for printing, `level` groups deep (None: all).

        `expand` has no effect; zarr-python has this parameter.
        """
        from exzarr._nodes.tree import tree_of

        return tree_of(self._location, level)


def _is_node(location: Location) -> bool:
    try:
        return hierarchy.find(location) is not None
    except MetadataError:  # a broken node: opening it raises the error
        return True
