"""Finding and listing the nodes below a group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._nodes import hierarchy
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import Location, Metadata
from exzarr._nodes.new_nodes import AccessOptions
from exzarr.errors import InvalidKeyError, MetadataError
from exzarr.stores.base import Store

if TYPE_CHECKING:
    from exzarr._nodes.tree import Tree

__all__ = ["GroupListing"]

T = TypeVar("T")


class GroupListing:
    """The part of `exzarr.group.Group` that only reads: what it is, and what is below it.

    Names come sorted. Nodes are made when they are asked for: through consolidated metadata that
    costs no request, without it one for each node.
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

    # -- what it is ----------------------------------------------------------------

    @property
    def metadata(self) -> GroupMetadata:
        """The metadata document, parsed."""
        return self._meta

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
        """Whether what is below the group is found through consolidated metadata."""
        return self._location.root is not None

    # -- one node ------------------------------------------------------------------

    def __getitem__(self, path: str) -> Array | Self:
        """The array or group at `path` below this group (``"a/b/c"``); NodeNotFoundError, a KeyError, if none is."""
        location = self._location.child(path)
        return self._open(location, hierarchy.load(location))

    def get(self, path: str, default: T | None = None) -> Array | Self | T | None:
        """Like ``group[path]``, or `default` where there is nothing."""
        location = self._location.child(path)
        found = hierarchy.find(location)
        return default if found is None else self._open(location, found)

    def get_array(self, path: str) -> Array:
        """The array at `path`; NodeTypeError where a group is there."""
        location = self._location.child(path)
        return Array(location, hierarchy.load_array(location), **self._access)

    def get_group(self, path: str) -> Self:
        """The group at `path`; NodeTypeError where an array is there."""
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

    # -- right below ---------------------------------------------------------------

    def __iter__(self) -> Iterator[str]:
        """The names of the arrays and groups right below."""
        for name, location in hierarchy.children(self._location):
            if _is_node(location):
                yield name

    def __len__(self) -> int:
        """How many arrays and groups there are right below."""
        return sum(1 for _ in self)

    def keys(self) -> Iterator[str]:
        """The names of the arrays and groups right below."""
        return iter(self)

    def items(self) -> Iterator[tuple[str, Array | Self]]:
        """Names and nodes right below."""
        for name, location in hierarchy.children(self._location):
            found = hierarchy.find(location)
            if found is not None:
                yield name, self._open(location, found)

    def values(self) -> Iterator[Array | Self]:
        """The nodes right below."""
        return (node for _, node in self.items())

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Names and arrays right below."""
        return ((name, node) for name, node in self.items() if isinstance(node, Array))

    def groups(self) -> Iterator[tuple[str, Self]]:
        """Names and groups right below."""
        return ((name, node) for name, node in self.items() if not isinstance(node, Array))

    def array_keys(self) -> Iterator[str]:
        """Names of the arrays right below."""
        return (name for name, _ in self.arrays())

    def array_values(self) -> Iterator[Array]:
        """The arrays right below."""
        return (array for _, array in self.arrays())

    def group_keys(self) -> Iterator[str]:
        """Names of the groups right below."""
        return (name for name, _ in self.groups())

    def group_values(self) -> Iterator[Self]:
        """The groups right below."""
        return (group for _, group in self.groups())

    # -- all below -----------------------------------------------------------------

    def walk(self, max_depth: int | None = None) -> Iterator[tuple[str, Array | Self]]:
        """Path below this group, and node, of everything below it; parents before their children.

        `max_depth` 0 stays right below the group, 1 goes one group deeper, None goes all the way. The
        groups are listed as the walk gets to them.
        """
        for name, node in self.items():
            yield name, node
            if not isinstance(node, Array) and (max_depth is None or max_depth > 0):
                for path, below in node.walk(None if max_depth is None else max_depth - 1):
                    yield f"{name}/{path}", below

    def members(self, max_depth: int | None = 0) -> tuple[tuple[str, Array | Self], ...]:
        """What `walk` yields, at once; by default what is right below."""
        return tuple(self.walk(max_depth))

    def nmembers(self, max_depth: int | None = 0) -> int:
        """How many nodes `members` would give."""
        return sum(1 for _ in self.walk(max_depth))

    def tree(self, level: int | None = None, expand: Any = None) -> Tree:
        """The hierarchy, to print; `level` groups deep. `expand` is taken for zarr-python's sake."""
        from exzarr._nodes.tree import tree_of

        return tree_of(self._location, level)


def _is_node(location: Location) -> bool:
    try:
        return hierarchy.find(location) is not None
    except MetadataError:  # something is there; opening it will say what is wrong with it
        return True
