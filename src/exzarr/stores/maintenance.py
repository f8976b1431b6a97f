"""What recovery and `exzarr.check` ask a store about one prefix: changes in progress, and names that are not keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from exzarr.stores.keys import check_prefix
from exzarr.stores.locks import is_locked
from exzarr.stores.write_intents import intents_in_memory

if TYPE_CHECKING:
    from exzarr.stores.base import Store

__all__ = ["Maintenance"]


class Maintenance:
    """Changes in progress under a prefix of a store, and stored names that are not keys.

    This class knows the changes of this process. Stores that other processes use derive from it.
    """

    def __init__(self, store: Store, prefix: str) -> None:
        self.store = store
        self.prefix = check_prefix(prefix)

    def key(self, name: str) -> str:
        """Return the key of a name under the prefix."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def announce_intent(self, intent: bytes) -> Callable[[], None]:
        """Store the write intent `intent`. Return a function that removes it (`stores.write_intents`).

        A folder stores it in a temporary file, which stays if its writer is killed. Other stores keep it in memory.
        """
        return intents_in_memory.announce((self.store, self.prefix), intent)

    def write_intents(self) -> Sequence[bytes]:
        """Return the write intents."""
        return intents_in_memory.at((self.store, self.prefix))

    def is_updating(self, name: str) -> bool:
        """Return True if an `update` of the key ``prefix/name`` is in progress, as far as is known."""
        return is_locked((self.store, self.key(name)))

    def odd_names(self) -> Iterator[str]:
        """Iterate over stored names under the prefix that are not valid keys (``"a//b"``). No reader can get them."""
        return iter(())
