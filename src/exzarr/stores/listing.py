"""Listings of a sorted sequence of keys, for stores without folders.

Keys under one prefix are adjacent when sorted. A listing therefore visits only the keys that it yields.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exzarr.stores.protocols import ListableStore

__all__ = ["keys_directly_under", "keys_under", "listed"]


def listed(store: ListableStore, prefix: str) -> Iterator[str]:
    """Return ``store.list(prefix)`` after its first request: ListingUnsupportedError is raised here, not later."""
    keys = iter(store.list(prefix))
    for first in keys:
        return chain((first,), keys)
    return iter(())


def keys_under(ordered: Sequence[str], prefix: str) -> Sequence[str]:
    """Return the sorted keys that start with ``prefix + "/"``; all keys for ``""``."""
    if not prefix:
        return ordered
    # '0' is the character after '/'.
    begin = bisect_left(ordered, prefix + "/")
    return ordered[begin : bisect_left(ordered, prefix + "0", begin)]


def keys_directly_under(ordered: Sequence[str], prefix: str) -> tuple[list[str], list[str]]:
    """Return ``(keys, prefixes)`` directly under `prefix`, as `Store.list_dir` does."""
    top = prefix + "/" if prefix else ""
    at = bisect_left(ordered, top)
    end = bisect_left(ordered, prefix + "0", at) if prefix else len(ordered)
    keys: list[str] = []
    prefixes: list[str] = []
    while at < end:
        name, slash, _ = ordered[at][len(top) :].partition("/")
        if slash:
            prefixes.append(name)
            at = bisect_left(ordered, f"{top}{name}0", at, end)
        else:
            keys.append(name)
            at += 1
    # 'a-b' sorts before 'a/c', and 'a/c' before 'a0'. Such prefixes are out of order until sorted here.
    prefixes.sort()
    return keys, prefixes
