"""Everything that lies under a prefix, streamed: values, and what stores keep out of their listings.

In a folder there is more than keys: temporary and lock files, links that lead out, files that cannot be keys.
One pass over the folder sees all of it. Other stores have keys and nothing else.
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
"""``own`` is exzarr's temporary or lock file, or a folder of that name; ``link`` leads out of the store (and
comes beside the entry that it stands for); ``hidden`` is left out of listings (`stores.local_hidden`); ``unreadable``
cannot be listed."""


_CHUNKY = re.compile(r"c|\d+")


class Entry(NamedTuple):
    """Something under a prefix; `key` is from the root of the store, `why` is told of what is ``hidden``."""

    key: str
    kind: EntryKind
    why: str = ""


def below(store: Store, prefix: str) -> Iterator[Entry]:
    """Everything under `prefix`, in no set order; what is in quarantine is one prefix. Nothing is kept.

    Behind a link to a folder only what may be part of a chunk's key is looked into: it may lead to
    the root of the file system.
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
    """What lies right under `prefix`, and whether it is reached through a link.

    Links inside of a folder that was itself reached through one (`linked`) are left out, as in listings.
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
    """Seconds since the file at `key` was last written to; None where the store does not tell, or it is gone."""
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
        return  # somebody removed it meanwhile
    except (OSError, UnicodeError):
        yield Entry(folder, "unreadable"), False


def _join(root: str, key: str) -> str:
    return f"{root.rstrip('/')}/{key}" if key else root


def _leads_out(root: str, path: str) -> bool:
    target, inside = os.path.realpath(path), os.path.realpath(root)
    return target != inside and not target.startswith(inside.rstrip("/") + "/")
