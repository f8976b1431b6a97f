"""`Node`: what an array and a group have in common, which is their identity and their attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, Literal, Self, TypedDict, TypeVar

from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._nodes import attributes, hierarchy, transactions
from exzarr._nodes.attributes import Attributes
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.unavailable import packed
from exzarr.errors import ReadOnlyError
from exzarr.stores.base import Store
from exzarr.stores.locks import ThreadLock

__all__ = ["AccessOptions", "Node"]

M = TypeVar("M", ArrayMetadata, GroupMetadata)


class AccessOptions(TypedDict, total=False):
    """Options of an open array; a group passes them to its arrays."""

    read_only: bool
    missing: Literal["fill", "error"]
    write_empty_chunks: bool
    memory_order: Literal["C", "F"] | None


class Node(Generic[M]):
    """The base class of `exzarr.Array` and `exzarr.Group`."""

    __slots__ = ("_access", "_location", "_meta")

    _kind: ClassVar[str]

    def __init__(self, location: Location, meta: M, access: AccessOptions) -> None:
        self._location = location
        self._meta: M = meta
        self._access = access

    # -- identity ------------------------------------------------------------------

    @property
    def location(self) -> Location:
        """Store, path and consolidated metadata. Internal: for exzarr's own packages."""
        return self._location

    @property
    def access(self) -> AccessOptions:
        """Options that the node was opened with. Internal: for exzarr's own packages."""
        return self._access

    @property
    def metadata(self) -> M:
        """The parsed metadata document."""
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

    def _require_writable(self) -> None:
        if self.read_only:
            raise ReadOnlyError(
                f"{self._kind} {self.name!r} in {self.store} is read-only: open it with mode='r+'"
            )

    def __eq__(self, other: object) -> bool:
        """Return whether `other` is the same node: same store, path and metadata."""
        if not isinstance(other, Node):
            return NotImplemented
        return self._location == other._location and hierarchy.same(self._meta, other._meta)

    def __hash__(self) -> int:
        return hash(self._location)

    def __reduce__(self) -> tuple[Any, ...]:
        location, reopen = self._location, type(self)._reopen
        args = location.store, location.path, self._meta.zarr_format, location.root is not None, self._access
        return (reopen, args) if location.store.traits.picklable else packed(reopen, *args)

    def reduce_with_metadata(self) -> tuple[Any, ...]:
        """Return a value of `__reduce__` that contains the metadata: unpickling it sends no request.

        Internal: for exzarr's own packages.
        """
        args = type(self), self._location.direct, self._meta, self._access
        return (_restored, args) if self._location.store.traits.picklable else packed(_restored, *args)

    @classmethod
    def _reopen(
        cls,
        store: Store,
        path: str,
        zarr_format: Literal[2, 3],
        consolidated: bool,
        access: AccessOptions,
    ) -> Self:
        """Open the node again, in another process."""
        raise NotImplementedError

    # -- changes of the metadata ---------------------------------------------------

    @property
    def attrs(self) -> Attributes:
        """User attributes, as a mapping that stores each change immediately."""
        return Attributes(lambda: self._meta.attributes, self._change_attributes)

    def update_attributes(self, new_attributes: Mapping[str, Any]) -> Self:
        """Update the attributes and return the node: zarr-python's name for ``attrs.update(...)``."""
        self.attrs.update(new_attributes)
        return self

    def _change_attributes(self, change: Callable[[dict[str, Any]], None]) -> None:
        self._require_writable()
        self._transact(lambda meta: attributes.change(meta, change))

    def _transact(
        self,
        make: Callable[[M], M],
        first: Callable[[M, M, Location], object] | None = None,
        **options: bool,
    ) -> M:
        """Run `transactions.change` on this node and keep the new metadata."""
        # Under a lock: if two threads share the node, `_meta` is what the later change stored.
        with ThreadLock(("metadata", self._location), self._location.path):
            self._meta = meta = transactions.change(self._location, self._meta, make, first=first, **options)
        return meta


def _restored(kind: type[Node[M]], location: Location, meta: M, access: AccessOptions) -> Node[M]:
    return kind(location, meta, **access)  # type: ignore[misc]  # a subclass takes options by name
