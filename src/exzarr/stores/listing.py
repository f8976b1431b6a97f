"""Listing a sorted sequence of keys, for stores that have no folders.

Keys under one prefix stand side by side when sorted, so that a listing costs what it yields, and
not a look at every key.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exzarr.stores.base import Store

__all__ = ["keys_directly_under", "keys_under", "listed"]


def listed(store: Store, prefix: str) -> Iterator[str]:
    """``store.list(prefix)`` with the first request made: ListingUnsupportedError is raised here, not during iteration."""
    keys = iter(store.list(prefix))
    for first in keys:
        return chain((first,), keys)
    return iter(())


def keys_under(ordered: Sequence[str], prefix: str) -> Sequence[str]:
    """Those of the sorted keys that start with ``prefix + "/"``; all for ``""``."""
    if not prefix:
        return ordered
    # '0' is what follows '/'.
    begin = bisect_left(ordered, prefix + "/")
    return ordered[begin : bisect_left(ordered, prefix + "0", begin)]


def keys_directly_under(ordered: Sequence[str], prefix: str) -> tuple[list[str], list[str]]:
    """``(keys, prefixes)`` directly under `prefix`, as `Store.list_dir` has them."""
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
    # 'a-b' stands before 'a/c', which stands before 'a0': each list is sorted but for prefixes
    # like these.
    prefixes.sort()
    return keys, prefixes
