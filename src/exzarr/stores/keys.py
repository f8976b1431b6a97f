"""Keys: what may be one, and which names are exzarr's own.

A key is a ``/``-separated string without a leading slash (Zarr v3 core, "Stores",
https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html#abstract-store-interface).
"""

from __future__ import annotations

from exzarr.errors import InvalidKeyError

__all__ = ["TEMPORARY_SUFFIX", "check_key", "check_prefix", "is_reserved"]

TEMPORARY_SUFFIX = ".exzarr-tmp"
"""What the names of half-written files end with. They start with a dot."""


def is_reserved(name: str) -> bool:
    """Whether a path component is exzarr's own (temporary and lock files), and so no part of a key.

    These are the names that start with a dot and hold ``.exzarr-``: ``.exzarr-lock``,
    ``.4711-1f2e3d4c-0.exzarr-tmp``.
    """
    return name[:1] == "." and ".exzarr-" in name


def check_key(key: str) -> str:
    """Return `key`, or raise InvalidKeyError if it could name something outside a store."""
    # The common key holds none of these, and pays for nothing else.
    if not key or key[-1] == "/" or key[0] in "/." or "/." in key or "//" in key or "\0" in key:
        _check_parts(key)
    return key


def check_prefix(prefix: str) -> str:
    """Return `prefix`, which is a key or ``""`` for the whole store, or raise InvalidKeyError."""
    return check_key(prefix) if prefix else prefix


def _check_parts(key: str) -> None:
    if "\0" in key:
        raise InvalidKeyError(f"invalid key {key!r}: it may not hold a NUL")
    for part in key.split("/"):
        if part in ("", ".", ".."):
            raise InvalidKeyError(
                f"invalid key {key!r}: {part!r} is no name; keys are relative, their parts separated by one '/'"
            )
        if is_reserved(part):
            raise InvalidKeyError(
                f"invalid key {key!r}: names like {part!r} are kept for exzarr's temporary and lock files"
            )
