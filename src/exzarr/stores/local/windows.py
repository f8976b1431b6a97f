"""Keys that are not file names on Windows."""

from __future__ import annotations

from exzarr.errors import InvalidKeyError
from exzarr.stores.base import check_key

__all__ = ["check_windows_key"]

_DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", *[f"{name}{i}" for name in ("COM", "LPT") for i in range(1, 10)]]
)
_REFUSED = frozenset('<>:"|?*\\') | frozenset(map(chr, range(32)))


def check_windows_key(key: str) -> str:
    """Check a key as `check_key` does. Also refuse names of devices, streams and other files on Windows.

    Windows drops dots and spaces at the end of a name, so that ``".. "`` is the parent folder.
    """
    check_key(key)
    for part in key.split("/"):
        if part[-1] in ". " or not _REFUSED.isdisjoint(part) or part.partition(".")[0].upper() in _DEVICES:
            raise InvalidKeyError(f"invalid key {key!r}: Windows has no file of the name {part!r}")
    return key
