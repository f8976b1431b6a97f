"""Stream all entries under a prefix, including entries that stores omit from their listings.

A folder also contains temporary files, lock files, links to targets outside the store, and files whose names are not
valid keys. One pass over the folder finds all of them. Other stores contain only keys.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from typing import Literal, NamedTuple

from exzarr._format.node_names import QUARANTINE
from exzarr.errors import ListingUnsupportedError, StoreError
from exzarr.stores.base import Store, is_reserved
from exzarr.stores.listing import listed
from exzarr.stores.local.hidden import why_hidden

__all__ = ["QUARANTINE", "Entry", "EntryKind", "age", "below", "directly"]

EntryKind = Literal["value", "prefix", "own", "link", "hidden", "unreadable"]
"""``own`` is a temporary or lock file of exzarr, or a folder with such a name. ``link`` has a target outside the store;
the entry that it stands for is yielded as well. ``hidden`` is omitted from listings (`stores.local.hidden`).
``unreadable`` cannot be listed."""


_CHUNKY = re.compile(r"c|\d+")


class Entry(NamedTuple):
    """An entry under a prefix. `key` starts at the root of the store; `why` is the reason for ``hidden``."""

    key: str
    kind: EntryKind
    why: str = ""


def below(store: Store, prefix: str) -> Iterator[Entry]:
    """Yield all entries under `prefix`, in any order. A quarantine is one entry.

    Below a link to a folder, only names that may be part of a chunk key are followed, because the target may be the
    root of the file system.
    """
    if store.local_path("") is None:
        yield from _from_listing(store, prefix)
        return
    pending = [(prefix, False)]
    while pending:
        folder, linked = pending.pop()
        for entry, is_link in _scan(store, folder, linked):
            if entry.kind != "prefix" or entry.key.endswith(QUARANTINE):
                yield entry
            elif not (linked or is_link):
                pending.append((entry.key, False))
            elif _CHUNKY.fullmatch(entry.key, entry.key.rfind("/") + 1):
                pending.append((entry.key, True))


def directly(store: Store, prefix: str, *, linked: bool = False) -> Iterator[tuple[Entry, bool]]:
    """Yield the entries directly under `prefix`, and True for those reached through a link.

    With `linked`, the folder itself was reached through a link. Links inside it are omitted, as in listings.
    """
    if store.local_path("") is not None:
        yield from _scan(store, prefix, linked)
        return
    try:
        keys, prefixes = store.list_dir(prefix)
    except ListingUnsupportedError:
        raise
    except StoreError:
        yield Entry(prefix, "unreadable"), False
        return
    top = f"{prefix}/" if prefix else ""
    for name in keys:
        yield Entry(top + name, "value"), False
    for name in prefixes:
        yield Entry(top + name, "prefix"), False


def age(store: Store, key: str) -> float | None:
    """Return the seconds since the file at `key` was last written; None if unknown or the file is missing."""
    path = store.local_path("")
    if path is None:
        return None
    try:
        return time.time() - os.lstat(_join(path, key)).st_mtime
    except OSError:
        return None


def _from_listing(store: Store, prefix: str) -> Iterator[Entry]:
    hidden = f"{prefix}/{QUARANTINE}" if prefix else QUARANTINE
    seen = False
    try:
        for key in listed(store, prefix):
            if not key.startswith(hidden):
                yield Entry(key, "value")
            elif not seen:
                seen = True
                yield Entry(hidden, "prefix")
    except ListingUnsupportedError:
        raise
    except StoreError:
        yield Entry(prefix, "unreadable")


def _scan(store: Store, folder: str, linked: bool) -> Iterator[tuple[Entry, bool]]:
    root = store.local_path("") or ""
    top = f"{folder}/" if folder else ""
    try:
        with os.scandir(_join(root, folder)) as found:
            for one in found:
                name = one.name
                key = top + name
                if is_reserved(name):
                    yield Entry(key, "own"), False
                    continue
                is_link = one.is_symlink()
                why = why_hidden(one, linked=linked)
                if why is not None:
                    yield Entry(key, "hidden", why), False
                    continue
                if is_link and _leads_out(root, one.path):
                    yield Entry(key, "link"), True
                yield Entry(key, "prefix" if one.is_dir() else "value"), is_link
    except (FileNotFoundError, NotADirectoryError):
        return  # removed since it was listed
    except (OSError, UnicodeError):
        yield Entry(folder, "unreadable"), False


def _join(root: str, key: str) -> str:
    return f"{root.rstrip('/')}/{key}" if key else root


def _leads_out(root: str, path: str) -> bool:
    target, inside = os.path.realpath(path), os.path.realpath(root)
    return target != inside and not target.startswith(inside.rstrip("/") + "/")
