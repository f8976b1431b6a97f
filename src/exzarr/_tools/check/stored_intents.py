"""Read the write intents that writers have stored in temporary files (`_format.write_intents`).

The leftover file of a dead writer is the only finding about its unfinished write, and repairing it handles all of it. The
unfinished write of a living writer is not a finding.

Intents are read before the values that they may explain are inspected again. At that time the writer either still has
its file, or has finished.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from exzarr._format.write_intents import MOST, Intent, parse
from exzarr._nodes.hierarchy import DOCUMENTS
from exzarr.stores.base import Store
from exzarr.stores.protocols import ReadableStore

__all__ = ["OURS", "folders_above", "intent_in", "intents_in", "is_unfinished", "unfinished_node"]

OURS = re.compile(r"\.(\d+)-[0-9a-f]{8}-\d+\.exzarr-tmp")
"""Names of exzarr's temporary files, which begin with the process id."""


def intents_in(store: Store, paths: Iterable[str]) -> list[Intent]:
    """Return the write intents in the folders of the nodes at `paths`, of living and dead writers."""
    found = []
    for path in paths:
        texts = [*store.maintenance(path).write_intents()]
        folder = store.local_path(path)
        if folder is not None:
            texts += _temporaries(folder)
        parsed = [parse(path, text) for text in texts]
        found += [intent for intent in parsed if intent is not None]
    return found


def intent_in(store: Store, key: str) -> Intent | None:
    """Return the write intent in the temporary file `key`, or None."""
    path = store.local_path("")
    text = b"" if path is None else _read(f"{path.rstrip('/')}/{key}")
    return parse(key.rpartition("/")[0], text)


def unfinished_node(store: Store, path: str) -> bool:
    """Return True if a write intent says that a node at or above `path` is being created or removed."""
    intents = intents_in(store, folders_above(path))
    return any(intent.meta is not None and is_unfinished(store, intent) for intent in intents)


def is_unfinished(store: ReadableStore, intent: Intent) -> bool:
    """Return True if the node of the intent has no document yet (or no longer)."""
    names = [f"{intent.path}/{name}".lstrip("/") for name in DOCUMENTS[:3]]
    return not any(map(store.exists, names))


def folders_above(path: str) -> list[str]:
    """Return the path and all paths above it; the root of the store is last."""
    parts = path.split("/") if path else []
    return ["/".join(parts[:n]) for n in range(len(parts), -1, -1)]


def _temporaries(folder: str) -> list[bytes]:
    try:
        with os.scandir(folder) as entries:
            files = [one.path for one in entries if OURS.fullmatch(one.name) and one.is_file()]
    except OSError:
        return []
    return [_read(file) for file in files]


def _read(file: str) -> bytes:
    """Return the content of a file if it begins like JSON, else nothing."""
    try:
        with Path(file).open("rb") as opened:
            start = opened.read(1)
            return start + opened.read(MOST) if start == b"{" else b""
    except OSError:
        return b""
