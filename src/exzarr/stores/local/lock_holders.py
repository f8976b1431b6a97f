"""The process that holds a lock on a file, as far as the system reports it."""

from __future__ import annotations

import glob
import os
import re

__all__ = ["holder_of"]

UNKNOWN = "another process (which, this machine can't tell)"

# lock:  1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF
_LOCK = re.compile(rb"^lock:\s+\d+:\s+FLOCK\s.*\sWRITE\s.*:(\d+)\s+\d+\s+\w+$", re.MULTILINE)


def holder_of(fd: int) -> str:
    """Return the process that holds the lock of the file that is open as `fd`, as text for messages.

    The kernel lists the locks of each open file (https://docs.kernel.org/filesystems/proc.html, fdinfo).
    This function searches all open files that the user may inspect.
    """
    inode = os.fstat(fd).st_ino
    for path in glob.iglob("/proc/[0-9]*/fdinfo/*"):
        try:
            with open(path, "rb") as file:
                text = file.read()
        except OSError:  # the process has ended, or belongs to another user
            continue
        if b"FLOCK" in text and any(int(match[1]) == inode for match in _LOCK.finditer(text)):
            pid = path.split("/")[2]
            return f"process {pid}{_command(pid)}"
    return UNKNOWN


def _command(pid: str) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = os.fsdecode(file.read(400)).split("\0")
    except OSError:
        return ""
    line = " ".join(words).strip()
    line = "".join(char if char.isprintable() else " " for char in line)
    return f" ({line if len(line) <= 80 else line[:77] + '...'})" if line else ""
