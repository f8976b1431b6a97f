"""Validity of keys, and the names that exzarr reserves.

A key is a ``/``-separated string without a leading slash (Zarr v3 core, "Stores",
https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html#abstract-store-interface).
"""

from __future__ import annotations

from exzarr.errors import InvalidKeyError

__all__ = ["TEMPORARY_SUFFIX", "check_key", "check_prefix", "is_reserved"]

TEMPORARY_SUFFIX = ".exzarr-tmp"
"""Suffix of temporary files. Their names start with a dot."""


def is_reserved(name: str) -> bool:
    """Return True if exzarr reserves a path component for temporary and lock files; no key may have it.

    These names start with a dot and contain ``.exzarr-``: ``.exzarr-lock``, ``.4711-1f2e3d4c-0.exzarr-tmp``.
    """
    return name[:1] == "." and ".exzarr-" in name


def check_key(key: str) -> str:
    """Return `key`, or raise InvalidKeyError if it could name something outside a store."""
    # This test is enough for most keys, and cheap.
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
