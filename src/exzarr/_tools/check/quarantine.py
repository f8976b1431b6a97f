"""Moving a damaged value out of sight: copied to where no reader looks, and then replaced or removed.

Both happen under the lock of its key, and only while the value is the one that was looked at
(`Store.update`): what somebody writes meanwhile stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from exzarr._tools.check.entries import QUARANTINE
from exzarr._tools.check.values import fingerprint_of, read_all
from exzarr.stores.base import KEEP, Buffer, Store, ValueReader

__all__ = ["quarantine_key", "set_aside"]

Replacement = Callable[[ValueReader], Sequence[Buffer] | None]
"""The pieces of what takes the value's place; None for nothing."""


def quarantine_key(path: str, key: str, stamp: str) -> str:
    """Where the value at `key`, below the array at `path`, is kept by the repair called `stamp`."""
    head = f"{path}/" if path else ""
    return f"{head}{QUARANTINE}/{stamp}/{key[len(head) :]}"


def set_aside(store: Store, key: str, target: str, mark: str, replacement: Replacement | None = None) -> bool:
    """Move the value to the key `target`, and put what `replacement` makes of it in its place, if anything.

    False, and nothing is changed, where the value is not the one with the mark `mark` (any more).
    """
    moved = done = False

    def change(value: ValueReader | None) -> Sequence[Buffer] | None:
        nonlocal moved
        moved = value is not None and fingerprint_of(value) == mark
        if not moved or value is None:
            return KEEP
        instead = None if replacement is None else replacement(value)
        store.put(target, read_all(value))
        return instead

    try:
        store.update(key, change)
        done = moved
    finally:
        if not done:  # there may be a copy of what was replaced at this very moment
            store.delete(target)
    return done
