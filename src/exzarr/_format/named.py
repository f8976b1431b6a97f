"""Named configurations, and small checks that all parsers share.

An extension point of a v3 document holds ``{"name": ..., "configuration": {...},
"must_understand": ...}`` or the bare name (Zarr v3 core, "Extension definitions",
https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html#extension-definition).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exzarr.errors import MetadataError

__all__ = ["INT_LIMIT", "is_int", "is_utf8", "json_type", "named_config", "shape_of", "shorten"]

INT_LIMIT = 2**63
"""Exclusive upper bound of lengths, sizes and offsets."""

MAX_NDIM = 64
"""NumPy's limit of dimensions."""


def shorten(value: object, limit: int = 80) -> str:
    """Return `value` as text of bounded length, for messages."""
    if isinstance(value, str):
        return repr(value) if len(value) <= limit else f"{value[:limit]!r}..."
    try:
        if isinstance(value, list | tuple | Mapping):
            import reprlib

            brief = reprlib.Repr()
            brief.maxlevel = 3
            text = brief.repr(value)
        else:
            text = repr(value)
    except (ValueError, RecursionError):  # for example integers with more digits than Python writes
        return f"a very large {json_type(value)}"
    return text if len(text) <= limit else f"{text[:limit]}..."


def json_type(value: object) -> str:
    """Return the JSON name of the type of `value`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, Mapping):
        return "object"
    if isinstance(value, list | tuple):
        return "array"
    return type(value).__name__


def is_int(value: object) -> bool:
    """Return True if `value` is a JSON integer (not `true`) from 0 up to `INT_LIMIT`."""
    return type(value) is int and 0 <= value < INT_LIMIT


def is_utf8(text: str) -> bool:
    """Return True if `text` can be stored as UTF-8. JSON may hold half a surrogate pair, which cannot."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def shape_of(value: object, what: str) -> tuple[int, ...]:
    """Return a list of lengths as a tuple; raise MetadataError with `what` in its message if invalid."""
    if type(value) is not list and type(value) is not tuple:
        raise MetadataError(f"{what} must be an array of integers, not {shorten(value)}")
    if len(value) > MAX_NDIM:
        raise MetadataError(f"{what} has {len(value)} entries; at most {MAX_NDIM} dimensions are supported")
    for length in value:
        if type(length) is not int or not 0 <= length < INT_LIMIT:
            raise MetadataError(f"{what} must hold integers from 0 to 2**63 - 1, not {shorten(length)}")
    return tuple(value)


def named_config(value: object, what: str) -> tuple[str, dict[str, Any]]:
    """Return the name and configuration of an extension point; `what` is its name in messages."""
    if type(value) is str:
        name: object = value
        configuration: object = {}
    elif type(value) is dict or isinstance(value, Mapping):
        name = value.get("name")
        configuration = value.get("configuration", {})
        if type(value.get("must_understand", True)) is not bool:
            raise MetadataError(f"{what}: 'must_understand' must be true or false")
    else:
        raise MetadataError(f"{what} must be a name or an object with a 'name', not {shorten(value)}")
    if type(name) is not str or not name:
        raise MetadataError(f"{what}: 'name' must be a non-empty string, not {shorten(name)}")
    if not isinstance(configuration, dict):
        raise MetadataError(
            f"{what} {shorten(name)}: 'configuration' must be an object, not {shorten(configuration)}"
        )
    return name, configuration
