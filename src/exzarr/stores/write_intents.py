"""Write intents: records of changes in several steps, from which recovery and `check` can finish or undo a change.

There are two kinds:

- A writer that stores other values and changes one value last announces the new value first (`announce`). A store
  that writes temporary files writes it immediately. The last step renames the file.
- A writer that has work to do after it has changed a value stores a record (`Store.announce_intent`): a separate
  temporary file.

Both are removed at the end of the change. A killed writer leaves a temporary file that describes the change.
Only `exzarr.check` reads these files. Stores without temporary files keep the records in memory, where a check in
the same process finds them. Design note 005 has the reasons.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exzarr.stores.base import Buffer, ValueReader

__all__ = ["IntentsInMemory", "announce", "intents_in_memory"]


def announce(value: ValueReader | None, parts: Sequence[Buffer]) -> None:
    """Announce, within `Store.update`, that the change will return this object `parts` unless it fails.

    `value` is the argument of the change. The steps of the change before it returns belong to the announced change.
    Stores without temporary files, and stores without support for it, do nothing.
    """
    stage = getattr(value, "stage", None)
    if stage is not None:
        stage(parts)


class IntentsInMemory:
    """Write intents of this process, by store and prefix."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._intents: dict[Hashable, list[bytes]] = {}

    def announce(self, where: Hashable, intent: bytes) -> Callable[[], None]:
        """Add a write intent. Return a function that removes it."""
        with self._lock:
            self._intents.setdefault(where, []).append(intent)

        def remove() -> None:
            with self._lock:
                intents = self._intents.get(where, [])
                if intent in intents:
                    intents.remove(intent)
                if not intents:
                    self._intents.pop(where, None)

        return remove

    def at(self, where: Hashable) -> list[bytes]:
        with self._lock:
            return [*self._intents.get(where, ())]


intents_in_memory = IntentsInMemory()
