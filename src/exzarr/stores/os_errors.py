"""Conversion of the operating system's errors to exzarr's."""

from __future__ import annotations

import errno
import os

from exzarr.errors import InvalidKeyError, ReadOnlyError, StoreError
from exzarr.stores.base import Store

__all__ = ["is_absence", "store_error"]

_ABSENT = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,  # a part of the key is itself a key
        errno.EISDIR,  # the key is a prefix of others
        errno.ESPIPE,  # a FIFO
        errno.ENXIO,  # a socket
        errno.ELOOP,  # a circular link
    }
)
_UNNAMEABLE = frozenset({errno.ENAMETOOLONG, errno.EILSEQ} | ({errno.EINVAL} if os.name == "nt" else set()))
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def is_absence(error: OSError, path: str) -> bool:
    """Return True if reading `path` failed because there is no file."""
    if error.errno in _ABSENT:
        return True
    # Windows raises this for a folder.
    return os.name == "nt" and error.errno == errno.EACCES and os.path.isdir(path)


def store_error(
    error: OSError | UnicodeError, store: Store, key: str, *, writing: bool = False
) -> StoreError:
    """Return the exception to raise if the system refused to read or write `key`."""
    number = error.errno if isinstance(error, OSError) else None
    reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    verb = "write" if writing else "read"
    made: StoreError
    if number is None or number in _UNNAMEABLE:
        made = InvalidKeyError(f"the file system cannot hold the key {_shown(key)} of {store}: {reason}")
    elif number in _REFUSED and writing:
        made = ReadOnlyError(
            f"may not write {_shown(key)} in {store}: {reason}; check the folder's permissions"
        )
    elif number in _REFUSED:
        made = StoreError(f"may not read {_shown(key)} in {store}: {reason}; check the file's permissions")
    elif writing and number in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY):
        made = StoreError(
            f"cannot write {_shown(key)} in {store}: {reason}; in a folder, a key can't also be the prefix of another"
        )
    else:
        made = StoreError(f"cannot {verb} {_shown(key)} in {store}: {reason}")
    made.errno = number
    return made


def _shown(key: str) -> str:
    return repr(key) if len(key) <= 200 else f"{key[:150]!r}… ({len(key)} characters)"
