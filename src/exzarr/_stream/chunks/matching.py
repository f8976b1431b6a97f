"""Streams of the chunks in which an element matches a predicate."""

from __future__ import annotations

from typing import Any

from exzarr._predicates.predicates import Predicate
from exzarr._stream.stored_array import StoredArray
from exzarr._typing import AnyArray

__all__ = ["chunks_where", "is_match"]


def chunks_where(array: StoredArray, where: Any, region: Any) -> tuple[Any, Predicate | None]:
    """Return the chunks to read, and the predicate that their elements must match.

    `where` is the user's option. If it is a predicate, statistics tell which chunks cannot match.
    """
    if not isinstance(where, Predicate):
        return where, None
    matches = array.where(where, region)
    return matches.chunks(), where.bind(array.dtype)


def is_match(predicate: Predicate, values: AnyArray) -> bool:
    """Return True if a value matches."""
    return bool(predicate.matches(values).any())
