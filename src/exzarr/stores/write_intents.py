"""What a change in several steps says beforehand, so that what its writer leaves behind when it dies can be understood.

There are two ways. Who changes one value after having stored others says what that value will be (`announce`): a
store that writes temporary files writes it now, and the last step is to rename it. Who does something after a value
has changed leaves a note (`Store.announce_intent`): a temporary file of its own.

Either way nothing is there in the end; who is killed leaves a temporary file that tells how far it meant to go.
`exzarr.check` reads them; nobody else does. Stores without temporary files keep notes in memory, where a check in
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
    """Within `Store.update`: the change will return `parts`, this very object, unless it fails.

    `value` is what the change was given. What the change does before it returns belongs to it. Stores that have
    no temporary files do nothing about it, nor do those that don't know of it.
    """
    stage = getattr(value, "stage", None)
    if stage is not None:
        stage(parts)


class IntentsInMemory:
    """The notes of this process, by store and prefix."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._notes: dict[Hashable, list[bytes]] = {}

    def leave(self, where: Hashable, note: bytes) -> Callable[[], None]:
        """Leave a note; what is returned takes it away."""
        with self._lock:
            self._notes.setdefault(where, []).append(note)

        def take_away() -> None:
            with self._lock:
                notes = self._notes.get(where, [])
                if note in notes:
                    notes.remove(note)
                if not notes:
                    self._notes.pop(where, None)

        return take_away

    def at(self, where: Hashable) -> list[bytes]:
        with self._lock:
            return [*self._notes.get(where, ())]


intents_in_memory = IntentsInMemory()
