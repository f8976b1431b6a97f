"""From the arguments `store`, `group` and `mode` to the groups that are written to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import exzarr
from exzarr.errors import NodeNotFoundError
from exzarr.stores import MemoryStore
from exzarr.xarray.writing.options import WriteOptions

__all__ = ["Place", "open_place", "planned_place"]


@dataclass(frozen=True, slots=True)
class Place:
    """The group that is written to, and the root that holds consolidated metadata.

    Attributes
    ----------
    root
        The group at the address that the user gave.
    group
        The group below it that the user named, or `root` itself.
    path
        Its path, relative to `root`.
    owned
        True if the store was opened for this write, and is closed at its end.
    """

    root: exzarr.Group
    group: exzarr.Group
    path: str
    owned: bool

    def child(self, name: str) -> Place:
        """Return the place of a group below this one, which is created if it is missing."""
        if not name:
            return self
        path = f"{self.path}/{name}" if self.path else name
        return Place(self.root, self.root.require_group(path), path, self.owned)


def open_place(store: Any, group: str | None, options: WriteOptions) -> Place:
    """Open the place to write to, and create or replace its group if the mode says so.

    Raises
    ------
    NodeExistsError
        The mode is ``"w-"``, and there is a group.
    NodeNotFoundError
        The mode is ``"r+"``, and there is no group.
    """
    base = ""
    owned = isinstance(store, str | os.PathLike)
    if isinstance(store, exzarr.Group):
        store, base = store.store, store.path
    elif type(store) is dict:
        store = _as_zarr_python_reads(store)
    path = (group or "").strip("/")
    shared: dict[str, Any] = {"zarr_format": options.zarr_format, "storage_options": options.storage_options}
    if options.mode == "r+":
        return _existing(store, base, path, owned, options.consolidated, shared)
    if not path:
        mode = "a" if options.mode == "a-" else options.mode
        root = exzarr.open_group(store, path=base or None, mode=mode, use_consolidated=False, **shared)
        return Place(root, root, "", owned)
    root = exzarr.open_group(store, path=base or None, mode="a", use_consolidated=False, **shared)
    if options.creates:
        return Place(root, root.create_group(path, overwrite=options.mode == "w"), path, owned)
    return Place(root, root.require_group(path), path, owned)


def planned_place(store: Any, group: str | None, options: WriteOptions) -> Place:
    """Return a place in memory with the Zarr format of the group that `open_place` will create.

    What is written is checked against it first, so that an error leaves the store as it was.
    """
    zarr_format = options.zarr_format or 3
    if options.zarr_format is None and (group or "").strip("/"):
        try:
            zarr_format = _root_to_read(store, options).zarr_format
        except NodeNotFoundError:
            pass
    planned = exzarr.create_group(MemoryStore(), zarr_format=zarr_format)
    return Place(planned, planned, "", False)


def _root_to_read(store: Any, options: WriteOptions) -> exzarr.Group:
    if isinstance(store, exzarr.Group):
        return store
    return exzarr.open_group(store, mode="r", storage_options=options.storage_options)


def _as_zarr_python_reads(values: dict[str, Any]) -> Any:
    """Return a store for a dict. zarr-python, if it is installed, keeps buffers of its own in it, not bytes."""
    try:
        from zarr.storage import MemoryStore
    except ImportError:
        return values
    return MemoryStore(values)


def _existing(
    store: Any, base: str, path: str, owned: bool, consolidated: bool | None, shared: dict[str, Any]
) -> Place:
    shared = {**shared, "mode": "r+", "use_consolidated": consolidated}
    try:
        root = exzarr.open_group(store, path=base or None, **shared)
    except NodeNotFoundError:
        if not path:
            raise
        # A group below a prefix that is no group.
        root = exzarr.open_group(store, path=f"{base}/{path}".strip("/"), **shared)
        return Place(root, root, "", owned)
    return Place(root, root.get_group(path) if path else root, path, owned)
