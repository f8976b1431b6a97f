"""Building a node aside, and putting it in its place when it is whole.

A new node that replaces another one is not written over it: it may be made of the old one, and making it may
fail. `Store.aside` gives a place to build it, whose store has the keys that the node will have. `swap_in` then
replaces all that is stored under the prefix. Stores without such a step return None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from exzarr.stores.local.store import LocalStore

if TYPE_CHECKING:
    from exzarr.stores.base import Store

__all__ = ["Aside", "HiddenFolder"]


class Aside(Protocol):
    """A place to build what is to be stored under one prefix of a store."""

    @property
    def store(self) -> Store:
        """Where to build it, under the keys that it will have."""
        ...

    @property
    def in_steps(self) -> bool:
        """Whether `swap_in` takes several steps, so that a process that is killed leaves some of them undone."""
        ...

    def swap_in(self, *, replace: bool) -> bool:
        """Store what was built under the prefix, in place of everything there.

        Without `replace`: False, and nothing is done, where there is something.
        """
        ...

    def discard(self) -> None:
        """Remove what is left of it. It need not have been swapped in."""
        ...


class HiddenFolder(LocalStore):
    """A folder to build in. Messages and profiles name the store that the result goes to."""

    goes_to = ""

    @property
    def url(self) -> str:
        return self.goes_to or super().url
