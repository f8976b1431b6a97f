"""Move a damaged value into quarantine: copy it to a key that readers ignore, then replace or remove it.

Both steps happen under the lock of the key (`Store.update`), and only if the value is still the one that was checked.
A value that another process has written since then is kept.
"""

from __future__ import annotations

from collections.abc import Callable

from exzarr._tools.check.entries import QUARANTINE
from exzarr._tools.check.values import fingerprint_of, read_all
from exzarr.stores.base import KEEP, NewValue, ValueReader
from exzarr.stores.protocols import WritableStore

__all__ = ["quarantine_key", "set_aside"]

Replacement = Callable[[ValueReader], NewValue]
"""Returns the parts of the replacement value, or None for no replacement."""


def quarantine_key(path: str, key: str, stamp: str) -> str:
    """Return the quarantine key for the value at `key` below the array at `path`, in the repair `stamp`."""
    head = f"{path}/" if path else ""
    return f"{head}{QUARANTINE}/{stamp}/{key[len(head) :]}"


def set_aside(
    store: WritableStore, key: str, target: str, fingerprint: str, replacement: Replacement | None = None
) -> bool:
    """Move the value to the key `target`, and put the result of `replacement` in its place.

    Return False, without a change, if the fingerprint of the value is no longer `fingerprint`.
    """
    moved = done = False

    def change(value: ValueReader | None) -> NewValue:
        nonlocal moved
        moved = value is not None and fingerprint_of(value) == fingerprint
        if not moved or value is None:
            return KEEP
        instead = None if replacement is None else replacement(value)
        store.put(target, read_all(value))
        return instead

    try:
        store.update(key, change)
        done = moved
    finally:
        if not done:  # remove the copy: the value was replaced concurrently
            store.delete(target)
    return done
