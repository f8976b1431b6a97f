"""`Group` with zarr-python's names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Self

import exzarr
from exzarr.zarr import arguments
from exzarr.zarr.arrays import Array
from exzarr.zarr.errors import ZarrDeprecationWarning, translated, warn
from exzarr.zarr.instances import class_for_isinstance
from exzarr.zarr.store_like import StorePath, given, resolved

__all__ = ["Group", "node"]


def node(opened: exzarr.Array | exzarr.Group, config: Any = None) -> Array | Group:
    """Return an open array or group with zarr-python's names."""
    return Array.of(opened, config) if isinstance(opened, exzarr.Array) else Group.of(opened)


class Group(exzarr.Group):
    """An `exzarr.Group` with the names that only zarr-python has. Its arrays are of `exzarr.zarr.Array`."""

    __slots__ = ()

    def __init__(self, group: Any, meta: Any = None, **access: Any) -> None:
        """Make a handle of a location and its metadata, or of an asynchronous group of zarr-python."""
        if meta is None:
            store, path = resolved(group.store_path)
            found = exzarr.open_group(store, path=path)
            group, meta, access = found.location, found.metadata, {**found.access, **access}
        super().__init__(group, meta, **access)

    @property
    def store(self) -> Any:
        """The store; of zarr-python, if the group was opened in one of its stores."""
        return given(self.location.store)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """The class for `isinstance`: zarr-python's, once it is imported, as libraries dispatch on it."""
        return class_for_isinstance(self, "Group")

    @classmethod
    def of(cls, group: exzarr.Group) -> Self:
        """Return `group` with zarr-python's names."""
        return cls(group.location, group.metadata, **group.access)

    @classmethod
    @translated("group")
    def from_store(
        cls,
        store: Any,
        *,
        attributes: Mapping[str, Any] | None = None,
        zarr_format: Any = 3,
        overwrite: bool = False,
    ) -> Self:
        """Create a group at the root of a store, or at a `StorePath`."""
        place, path = resolved(store)
        made = exzarr.create_group(
            place, path=path, zarr_format=zarr_format, overwrite=overwrite, attributes=attributes
        )
        return cls.of(made)

    @classmethod
    @translated("group")
    def open(cls, store: Any, zarr_format: Any = 3) -> Self:
        """Open the group of a store or a `StorePath`."""
        place, path = resolved(store)
        return cls.of(exzarr.open_group(place, path=path, zarr_format=zarr_format))

    # -- nodes -----------------------------------------------------------------------

    def _open(self, location: Any, meta: Any) -> Any:
        return node(super()._open(location, meta))

    @translated("array")
    def get_array(self, path: str) -> Array:
        return Array.of(super().get_array(path))

    @translated("group")
    def get_group(self, path: str) -> Self:
        return super().get_group(path)

    def members(  # type: ignore[override]
        self, max_depth: int | None = 0, *, use_consolidated_for_children: bool = True
    ) -> tuple[tuple[str, Any], ...]:
        """Return the nodes below this group, `max_depth` groups deep: pairs of path and node.

        With `use_consolidated_for_children` False, nodes are looked for in the store.
        """
        return tuple(self._children(use_consolidated_for_children).walk(_depth(max_depth)))

    def nmembers(self, max_depth: int | None = 0) -> int:
        return super().nmembers(_depth(max_depth))

    def _children(self, consolidated: bool) -> Self:
        return self if consolidated else type(self)(self.location.direct, self.metadata, **self.access)

    # -- new nodes -------------------------------------------------------------------

    @translated("array")
    def create_array(self, name: str, *, config: Any = None, **options: Any) -> Array:
        """Create an array at path `name` below this group; see `exzarr.zarr.create_array`."""
        made = super().create_array(name, **arguments.creating(options, config, compressor="compressors"))
        return Array.of(made, config)

    def create(self, name: str, *, shape: Any = None, **options: Any) -> Array:
        """Create an array at path `name` below this group; see `exzarr.zarr.create`."""
        if options.get("data") is not None and shape is None:
            return self.create_array(name, **options)
        return self._filled("create", name, shape, **options)

    def array(self, name: str, **options: Any) -> Array:
        """Create an array at path `name`. Deprecated by zarr-python: use `create_array`."""
        warn("Use Group.create_array instead.", ZarrDeprecationWarning)
        return self.create_array(name, **options)

    def create_dataset(self, name: str, **options: Any) -> Array:
        """Create an array at path `name`. Deprecated by zarr-python: use `create_array`."""
        warn("Use Group.create_array instead.", ZarrDeprecationWarning)
        if options.get("data") is not None:  # zarr-python takes both here
            options.pop("shape", None)
        return self.create_array(name, **options)

    @translated("array")
    def require_array(self, name: str, *, shape: Any, config: Any = None, **options: Any) -> Array:
        """Return the array at path `name`; create it if it is missing."""
        return Array.of(
            super().require_array(name, shape=shape, **arguments.creating(options, None, casting=None)),
            config,
        )

    def require_dataset(self, name: str, **options: Any) -> Array:
        """Return the array at path `name`. Deprecated by zarr-python: use `require_array`."""
        warn("Use Group.require_array instead.", ZarrDeprecationWarning)
        return self.require_array(name, **options)

    @translated("group")
    def create_group(self, name: str, **options: Any) -> Self:
        return super().create_group(name, **options)

    @translated("group")
    def require_group(self, name: str, **options: Any) -> Self:
        return super().require_group(name, **options)

    def create_hierarchy(
        self, nodes: Mapping[str, Any], *, overwrite: bool = False
    ) -> Iterator[tuple[str, Any]]:
        """Create several arrays and groups below this group from their metadata."""
        place = f"{self.path}/" if self.path else ""
        made = exzarr.create_hierarchy(
            store=self.location.store,
            nodes={place + path: meta for path, meta in nodes.items()},
            overwrite=overwrite,
        )
        return ((path.removeprefix(place), node(one)) for path, one in made)

    def zeros(self, *, name: str, shape: Any, **options: Any) -> Array:
        """Create an array of zeros; see `exzarr.zarr.zeros`."""
        return self._filled("zeros", name, shape, **options)

    def ones(self, *, name: str, shape: Any, **options: Any) -> Array:
        """Create an array of ones; see `exzarr.zarr.ones`."""
        return self._filled("ones", name, shape, **options)

    def empty(self, *, name: str, shape: Any, **options: Any) -> Array:
        """Create an array without values; see `exzarr.zarr.empty`."""
        return self._filled("empty", name, shape, **options)

    def full(self, *, name: str, shape: Any, fill_value: Any, **options: Any) -> Array:
        """Create an array of `fill_value`; see `exzarr.zarr.full`."""
        return self._filled("full", name, shape, fill_value=fill_value, **options)

    def zeros_like(self, *, name: str, data: Any, **options: Any) -> Array:
        """Create an array of zeros like `data`; see `exzarr.zarr.zeros_like`."""
        return self._filled("zeros_like", name, data, **options)

    def ones_like(self, *, name: str, data: Any, **options: Any) -> Array:
        """Create an array of ones like `data`; see `exzarr.zarr.ones_like`."""
        return self._filled("ones_like", name, data, **options)

    def empty_like(self, *, name: str, data: Any, **options: Any) -> Array:
        """Create an array like `data` without values; see `exzarr.zarr.empty_like`."""
        return self._filled("empty_like", name, data, **options)

    def full_like(self, *, name: str, data: Any, **options: Any) -> Array:
        """Create an array like `data` of one value; see `exzarr.zarr.full_like`."""
        return self._filled("full_like", name, data, **options)

    def _filled(self, function: str, name: str, what: Any, **options: Any) -> Array:
        from exzarr.zarr.api import synchronous

        path = f"{self.path}/{name}" if self.path else name
        options.setdefault("zarr_format", self.zarr_format)
        made: Array = getattr(synchronous, function)(what, store=self.store, path=path, **options)
        return made

    # -- other names -----------------------------------------------------------------

    @property
    def store_path(self) -> StorePath:
        """Store and path."""
        return StorePath(self.store, self.path)

    @property
    def synchronizer(self) -> None:
        """None, as in zarr-python 3."""

    def tree(  # type: ignore[override]
        self, expand: Any = None, level: int | None = None, *, max_nodes: int = 500, plain: bool = True
    ) -> Any:
        """Return the hierarchy as zarr-python prints it, `level` groups deep (None: all).

        exzarr's own tree, with the chunks, is that of `exzarr.tree`.
        """
        if expand is not None:
            raise NotImplementedError("'expand' is not implemented, as in zarr-python")
        return Tree(self, level, max_nodes)

    def __repr__(self) -> str:
        return f"<Group {self.store_path}>"


class Tree:
    """The nodes below a group, as zarr-python prints them."""

    def __init__(self, group: Group, level: int | None, max_nodes: int) -> None:
        nodes = list(islice(group.walk(None if level is None else level - 1), max_nodes + 1))
        cut, nodes = len(nodes) > max_nodes, nodes[:max_nodes]
        children: dict[str, list[tuple[str, Any]]] = {}
        for path, one in nodes:
            above, _, name = path.rpartition("/")
            children.setdefault(above, []).append((name, one))
        lines = (
            [f"Truncated at max_nodes={max_nodes}, some nodes and their children may be missing"]
            if cut
            else []
        )
        self._text = "\n".join([*lines, group.name, *_lines(children, "", "")]) + "\n"

    def __repr__(self) -> str:
        return self._text


def _lines(children: Mapping[str, list[tuple[str, Any]]], path: str, indent: str) -> Iterator[str]:
    below = children.get(path, [])
    for n, (name, one) in enumerate(below, 1):
        last = n == len(below)
        what = f" {one.shape} {one.dtype}" if isinstance(one, Array) else ""
        yield f"{indent}{'└── ' if last else '├── '}{name}{what}"
        yield from _lines(children, f"{path}/{name}".lstrip("/"), indent + ("    " if last else "│   "))


def _depth(max_depth: int | None) -> int | None:
    if max_depth is not None and (not isinstance(max_depth, int) or max_depth < 0):
        raise exzarr.ArgumentError(f"max_depth must be None or >= 0. Got {max_depth!r} instead")
    return max_depth
