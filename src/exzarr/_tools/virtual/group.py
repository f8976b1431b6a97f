"""The group that `virtualize` returns, with the list of what is missing from its references."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from exzarr._nodes import hierarchy
from exzarr._nodes.group import Group
from exzarr._nodes.hierarchy import Location
from exzarr._tools.virtual.model import LeftOut, VirtualFile
from exzarr._tools.virtual.places import Place, json_form, reference_options
from exzarr.stores.references.store import ReferenceStore

__all__ = ["VirtualGroup", "virtual_group"]


class VirtualGroup(Group):
    """A read-only group whose chunks are parts of files."""

    __slots__ = ()

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Objects of the files at this path and below that are missing from the references."""
        store = self.store
        assert isinstance(store, _VirtualStore)
        return tuple(
            one
            for one in store.left_out
            if not self.path or one.path == self.path or one.path.startswith(self.path + "/")
        )


class _VirtualStore(ReferenceStore):
    """A `ReferenceStore` with the list of what is missing from its references."""

    def __init__(self, references: Any, left_out: Sequence[LeftOut], **options: Any) -> None:
        super().__init__(references, **options)
        self.left_out = (*left_out,)


def virtual_group(found: VirtualFile, places: Iterable[Place]) -> VirtualGroup:
    """Open the references for reading."""
    store = _VirtualStore(json_form(found), found.left_out, **reference_options(places))
    location = Location(store, "")
    return VirtualGroup(location, hierarchy.load_group(location))
