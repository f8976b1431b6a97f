"""Temporary files whose writer is no more.

exzarr's are called ``.<process>-<random>-<n>.exzarr-tmp``. One is left over where that process does not run
on this machine any more (or its number belongs to one that started later), and the file has not been written
to for a while: the process may run on another machine, or in another container, that shares the folder.
zarr-python's and TensorStore's don't tell whose they are: only their age counts, which has to be greater.
"""

from __future__ import annotations

import os
import re
import time
from functools import lru_cache
from pathlib import Path

from exzarr._format.metadata import ArrayMetadata
from exzarr._format.write_intents import Intent
from exzarr._nodes.hierarchy import DOCUMENTS
from exzarr._tools.check.entries import age
from exzarr._tools.check.findings import Finding
from exzarr._tools.check.stored_intents import OURS, intent_in, is_unfinished
from exzarr.stores.base import Store

__all__ = ["FOREIGN_PATIENCE", "is_foreign_temporary", "inspect_leftover"]

FOREIGN_PATIENCE = 60
"""How many times longer other software's temporary files are waited for."""

_ZARR_PYTHON = re.compile(r".*\.[0-9a-f]{32}(\..*)?\.partial")
_TENSORSTORE = re.compile(r".+\.__lock")


def is_foreign_temporary(key: str) -> bool:
    """Whether `key` is called what zarr-python or TensorStore calls a file that is being written."""
    name = key.rpartition("/")[2]
    return bool(_ZARR_PYTHON.fullmatch(name) or _TENSORSTORE.fullmatch(name))


def inspect_leftover(store: Store, path: str, key: str, grace: float) -> tuple[Finding | None, bool]:
    """What the temporary file `key` below the node at `path` comes to, and whether that is certain yet.

    ``(None, True)``: it is somebody's who is at work, or none of ours. ``(finding, False)``: it is too young
    to tell.
    """
    name = key.rpartition("/")[2]
    old = age(store, key)
    ours = OURS.fullmatch(name)
    if ours is None:
        gone = old is None and store.local_path("") is not None  # its writer took it away meanwhile
        if gone or not is_foreign_temporary(name):
            return None, True
        whose = "zarr-python" if name.endswith(".partial") else "TensorStore"
        detail = f"{whose} was writing it{_when(old)}"
        finding = Finding("EXZ502", path, key, detail, mark=_mark(store, key))
        return finding, old is None or old >= grace * FOREIGN_PATIENCE
    process = int(ours[1])
    if old is None or _runs(process, old):
        return None, True
    intent = intent_in(store, key)
    detail = f"process {process} was writing it{_when(old)}{_meant(intent)}"
    quiet = old >= grace and not _is_at_work(store, key, intent, grace)
    return Finding("EXZ501", path, key, detail, mark=_mark(store, key)), quiet


def _is_at_work(store: Store, key: str, intent: Intent | None, grace: float) -> bool:
    """Whether somebody, on another machine, may be at what a file tells of, which is older than `grace` itself.

    Who appends has the document locked. Who builds something stores one file after another.
    """
    if intent is not None and intent.meta is not None and not is_unfinished(store, intent):
        documents = [f"{intent.path}/{name}".lstrip("/") for name in DOCUMENTS[:3]]
        return any(map(store.being_updated, documents))
    built = key if intent is None else intent.path if intent.meta is not None else None
    root = store.local_path("")
    if built is None or root is None or not grace:
        return False
    folder = f"{root.rstrip('/')}/{built}"
    since = time.time() - grace
    return any(_touched(f"{top}/{name}") > since for top, _, names in os.walk(folder) for name in names)


def _touched(file: str) -> float:
    try:
        return os.lstat(file).st_mtime
    except OSError:
        return 0.0


def _meant(intent: Intent | None) -> str:
    """What a left-over file says of what its writer meant to do."""
    if intent is None:
        return ""
    if isinstance(intent.meta, ArrayMetadata):
        return (
            f": the document of an array of shape {intent.meta.shape}; what chunks of it the array has not "
            "go into quarantine when it is removed"
        )
    if intent.meta is not None:
        return ": the document of a group; what is ahead of the group's own is set back when it is removed"
    nodes = ", ".join(repr(node or "/") for node in intent.nodes)
    return f": it was changing {nodes}; consolidated metadata is brought in step when it is removed"


def _when(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            n = int(seconds // length)
            return f" {n} {unit}{'' if n == 1 else 's'} ago"
    return " just now"


def _mark(store: Store, key: str) -> str:
    folder = store.local_path("")
    if folder is None:
        return ""
    try:
        status = os.lstat(f"{folder.rstrip('/')}/{key}")
    except OSError:
        return ""
    return f"{status.st_ino}:{status.st_mtime_ns}"


def _runs(process: int, old: float) -> bool:
    """Whether the process that wrote a file `old` seconds ago may still run on this machine."""
    if os.name == "nt":  # where os.kill would do what it says
        return old < FOREIGN_PATIENCE
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        pass
    running = _running_for(process)
    # Clocks are read one after the other: a second does not count.
    return running is None or running >= old - 1


def _running_for(process: int) -> float | None:
    """Seconds since a process started, -1 where it is dead; None where the system does not tell (it is no Linux)."""
    try:
        # The name, field 2, may hold anything. Field 3 is the state, 22 the start, in ticks since the machine's.
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        state, *fields = text.rpartition(")")[2].split()
        uptime = float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
        # Killed, and nobody has asked yet how it ended.
        return -1 if state in "ZX" else uptime - int(fields[18]) / _ticks_per_second()
    except (OSError, ValueError, IndexError):
        return None


@lru_cache(maxsize=1)
def _ticks_per_second() -> int:
    return int(os.sysconf("SC_CLK_TCK"))
