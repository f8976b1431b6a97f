"""Parsed documents of arrays that differ only in their attributes.

A dataset has many arrays of the same shape, data type, chunks and codecs. Parsing all members of each document would be
most of the cost of opening such a dataset. The cache finds parsed metadata by all members but the attributes.

Arrays that are found in the cache share the objects of their metadata, and therefore their bound codecs
(`_engine.source`).
"""

from __future__ import annotations

import marshal
from typing import Any

from exzarr._format.metadata import ArrayMetadata

__all__ = ["find", "forget", "key_of", "remember"]

MAX_ENTRIES = 64
"""Maximum number of cached documents."""

MAX_NBYTES = 8 * 1024
"""Larger documents are not cached."""

_known: dict[bytes, ArrayMetadata] = {}


def key_of(document: Any) -> bytes | None:
    """Return the key of a parsed document in the cache, or None if it cannot be cached."""
    if type(document) is not dict:
        return None
    members = document.copy()
    members.pop("attributes", None)
    try:
        # Not the members themselves: 1, 1.0 and true are equal in Python and different in a document.
        key = marshal.dumps(members, 2)
    except ValueError:  # an object that no JSON parser returns, or too deep a nesting
        return None
    return key if len(key) <= MAX_NBYTES else None


def find(key: bytes | None) -> ArrayMetadata | None:
    """Return the metadata, without attributes, of a document with this key, or None if none is in the cache."""
    return None if key is None else _known.get(key)


def remember(key: bytes | None, meta: ArrayMetadata) -> None:
    """Add the parsed metadata of a document to the cache."""
    if key is None:
        return
    if len(_known) >= MAX_ENTRIES:
        _known.clear()  # cheaper than removing the oldest entry, which would need a lock
    _known[key] = meta.with_attributes({})


def forget() -> None:
    """Empty the cache."""
    _known.clear()
