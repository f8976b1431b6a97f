"""Staging: building a node at a temporary place and moving it into place when it is complete.

A new node does not overwrite the node that it replaces: it may be computed from the old one, and creating it may
fail. `Store.staging_area` returns a staging area, whose store has the keys of the future node. `swap_in` then
replaces everything that is stored under the prefix. Stores without such a step return None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from exzarr.stores.local.store import LocalStore

if TYPE_CHECKING:
    from exzarr.stores.base import Store

__all__ = ["HiddenFolder", "StagingArea"]


class StagingArea(Protocol):
    """Staging area for the new content of one prefix of a store."""

    @property
    def store(self) -> Store:
        """Store to build the content in, under its final keys."""
        ...

    @property
    def in_steps(self) -> bool:
        """True if `swap_in` takes several steps, so that a killed process may leave some of them undone."""
        ...

    def swap_in(self, *, replace: bool) -> bool:
        """Replace everything under the prefix by the staged content.

        Without `replace`, return False and do nothing if the prefix has content.
        """
        ...

    def discard(self) -> None:
        """Remove the staging area, whether it was swapped in or not."""
        ...


class HiddenFolder(LocalStore):
    """Hidden folder to build in. Messages and profiles name the destination."""

    destination_url = ""

    def _check_locks(self) -> None:
        """Do nothing: no other process knows the folder."""
        self._locks_checked = True

    @property
    def url(self) -> str:
        return self.destination_url or super().url
