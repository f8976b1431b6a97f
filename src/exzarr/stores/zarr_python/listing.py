"""Listings of `ZarrPythonStore`: zarr-python's do not tell keys and prefixes apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Coroutine
from typing import Any

__all__ = ["collect", "is_no_key", "keys_and_prefixes"]

_DOCUMENTS = frozenset(("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"))
"""Names that are keys for certain."""


async def keys_and_prefixes(
    inner: Any, prototype: Any, prefix: str, concurrency: int
) -> tuple[set[str], set[str]]:
    """Return the keys and the prefixes directly under a prefix, which zarr-python's listings do not tell apart."""
    top = f"{prefix}/" if prefix else ""
    found = {str(name) for name in await collect(inner.list_dir, prefix)}
    names = {name.removeprefix(top).strip("/") for name in found} - {""}
    keys = names & _DOCUMENTS
    limit = asyncio.Semaphore(max(1, concurrency))

    async def is_key(name: str) -> bool:
        async with limit:
            try:
                return bool(await inner.exists(top + name))
            except NotImplementedError:
                below = [f"{top}{name}/{document}" for document in ("zarr.json", ".zarray", ".zgroup")]
                return not any([await inner.get(key, prototype) for key in below])
            except Exception as error:
                if isinstance(error, KeyError) or is_no_key(error):
                    return False
                raise

    rest = sorted(names - keys)
    keys.update(
        name for name, found in zip(rest, await asyncio.gather(*map(is_key, rest)), strict=True) if found
    )
    return keys, names - keys


async def collect(listing: Callable[[str], Any], prefix: str) -> list[str]:
    """Return all keys of a listing: an asynchronous iterator, or a coroutine that returns one or a list."""
    found = listing(prefix)
    if isinstance(found, Coroutine):
        found = await found
    return [key async for key in found] if isinstance(found, AsyncIterable) else [*found]


def is_no_key(error: Exception) -> bool:
    """Return True for icechunk's error about a key that no node of Zarr can have, such as the path of a group."""
    return "invalid zarr key" in str(error)
