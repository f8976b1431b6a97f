"""Find temporary files whose writer has died.

exzarr's temporary files are named ``.<process>-<random>-<n>.exzarr-tmp``. Such a file is a leftover if the process no
longer runs on this machine (or its id belongs to a process that started later), and the file has not been written
for some time. The age matters because the process may run on another machine or in another container that shares the
folder. The temporary files of zarr-python and TensorStore do not name their process. They are judged by their age
only, which must be greater.
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
"""Factor by which the temporary files of other software must be older."""

_ZARR_PYTHON = re.compile(r".*\.[0-9a-f]{32}(\..*)?\.partial")
_TENSORSTORE = re.compile(r".+\.__lock")


def is_foreign_temporary(key: str) -> bool:
    """Return True if `key` is named like a temporary file of zarr-python or TensorStore."""
    name = key.rpartition("/")[2]
    return bool(_ZARR_PYTHON.fullmatch(name) or _TENSORSTORE.fullmatch(name))


def inspect_leftover(store: Store, path: str, key: str, grace: float) -> tuple[Finding | None, bool]:
    """Return the finding for the temporary file `key` below the node at `path`, and True if it is certain.

    ``(None, True)`` means that the writer is still running, or that this is not a temporary file. ``(finding, False)``
    means that the file is too young to decide.
    """
    name = key.rpartition("/")[2]
    old = age(store, key)
    ours = OURS.fullmatch(name)
    if ours is None:
        gone = old is None and store.local_path("") is not None  # its writer has removed it
        if gone or not is_foreign_temporary(name):
            return None, True
        software = "zarr-python" if name.endswith(".partial") else "TensorStore"
        detail = f"{software} wrote it{_when(old)}"
        finding = Finding("EXZ502", path, key, detail, fingerprint=_fingerprint(store, key))
        return finding, old is None or old >= grace * FOREIGN_PATIENCE
    process = int(ours[1])
    if old is None or _runs(process, old):
        return None, True
    intent = intent_in(store, key)
    detail = f"process {process} wrote it{_when(old)}{_described(intent)}"
    quiet = old >= grace and not _is_at_work(store, key, intent, grace)
    return Finding("EXZ501", path, key, detail, fingerprint=_fingerprint(store, key)), quiet


def _is_at_work(store: Store, key: str, intent: Intent | None, grace: float) -> bool:
    """Return True if a process on another machine may still be working on the write of a file older than `grace`.

    An append holds the lock of the document. A process that stages a node stores one file after another.
    """
    if intent is not None and intent.meta is not None and not is_unfinished(store, intent):
        return any(map(store.maintenance(intent.path).is_updating, DOCUMENTS[:3]))
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


def _described(intent: Intent | None) -> str:
    """Describe the write that a leftover file records."""
    if intent is None:
        return ""
    if isinstance(intent.meta, ArrayMetadata):
        return (
            f": the document of an array of shape {intent.meta.shape}; the repair moves its chunks that are outside "
            "the array into quarantine"
        )
    if intent.meta is not None:
        return ": the document of a group; the repair resets arrays that are ahead of the stored document"
    nodes = ", ".join(repr(node or "/") for node in intent.nodes)
    return f" to change {nodes}; the repair updates the consolidated metadata"


def _when(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            n = int(seconds // length)
            return f" {n} {unit}{'' if n == 1 else 's'} ago"
    return " just now"


def _fingerprint(store: Store, key: str) -> str:
    folder = store.local_path("")
    if folder is None:
        return ""
    try:
        status = os.lstat(f"{folder.rstrip('/')}/{key}")
    except OSError:
        return ""
    return f"{status.st_ino}:{status.st_mtime_ns}"


def _runs(process: int, old: float) -> bool:
    """Return True if the process that wrote a file `old` seconds ago may still run on this machine."""
    if os.name == "nt":  # os.kill would end the process on Windows
        return old < FOREIGN_PATIENCE
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # a process of another user
        pass
    running = _running_for(process)
    # The clocks are read one after the other, so allow one second.
    return running is None or running >= old - 1


def _running_for(process: int) -> float | None:
    """Return the seconds since a process started; -1 if it is dead, None if unknown (not on Linux)."""
    try:
        # Field 2, the name, may contain anything. Field 3 is the state, field 22 the start in ticks since boot.
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        state, *fields = text.rpartition(")")[2].split()
        uptime = float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
        # A zombie: it has ended, but its parent has not waited for it.
        return -1 if state in "ZX" else uptime - int(fields[18]) / _ticks_per_second()
    except (OSError, ValueError, IndexError):
        return None


@lru_cache(maxsize=1)
def _ticks_per_second() -> int:
    return int(os.sysconf("SC_CLK_TCK"))
