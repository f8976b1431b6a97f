"""What writers have said they are doing: their temporary files, read as what they are (`format.intents`).

What a dead writer had not finished is told by its left-over file alone, and a repair of that deals with all of it.
What a living one is at is nobody's business. Either way it is no finding of its own.

Files are read before what they may explain is looked at once more: who was at it either still has its file, or is
done, and then there is nothing to explain.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from exzarr._format.write_intents import MOST, Intent, parse
from exzarr._nodes.hierarchy import DOCUMENTS
from exzarr.stores.base import Store

__all__ = ["OURS", "folders_above", "intent_in", "intents_in", "is_unfinished", "unfinished_node"]

OURS = re.compile(r"\.(\d+)-[0-9a-f]{8}-\d+\.exzarr-tmp")
"""What exzarr's temporary files are called: the process first."""


def intents_in(store: Store, paths: Iterable[str]) -> list[Intent]:
    """What is said in the folders of the nodes at `paths`: by the living, and by the dead."""
    found = []
    for path in paths:
        texts = [*store.write_intents(path)]
        folder = store.local_path(path)
        if folder is not None:
            texts += _temporaries(folder)
        parsed = [parse(path, text) for text in texts]
        found += [intent for intent in parsed if intent is not None]
    return found


def intent_in(store: Store, key: str) -> Intent | None:
    """What the temporary file `key` says; None where it says nothing."""
    path = store.local_path("")
    text = b"" if path is None else _read(f"{path.rstrip('/')}/{key}")
    return parse(key.rpartition("/")[0], text)


def unfinished_node(store: Store, path: str) -> bool:
    """Whether what lies at `path` belongs to a node that somebody was making, or removing, when it died (or still is)."""
    intents = intents_in(store, folders_above(path))
    return any(intent.meta is not None and is_unfinished(store, intent) for intent in intents)


def is_unfinished(store: Store, intent: Intent) -> bool:
    """Whether there is no node where its document lies under a temporary name."""
    names = [f"{intent.path}/{name}".lstrip("/") for name in DOCUMENTS[:3]]
    return not any(map(store.exists, names))


def folders_above(path: str) -> list[str]:
    """The path and all above it, the root of the store last."""
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
    """The content of a file that begins like JSON, else nothing."""
    try:
        with Path(file).open("rb") as opened:
            start = opened.read(1)
            return start + opened.read(MOST) if start == b"{" else b""
    except OSError:
        return b""
