"""Exchange of two folders in one step, if the system supports it (Linux: ``renameat2``)."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

__all__ = ["exchange"]

# https://man7.org/linux/man-pages/man2/rename.2.html
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def exchange(one: str, other: str) -> bool:
    """Exchange the names of two existing paths. Return False if the system or the file system cannot."""
    rename = _renameat2()
    if rename is None:
        return False
    done: int = rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    return done == 0


@cache
def _renameat2() -> Any:
    import ctypes

    try:
        return ctypes.CDLL(None).renameat2
    except (OSError, AttributeError, TypeError):  # another system, or an old C library
        return None
