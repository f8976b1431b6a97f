"""Checked access to the members of JSON objects that others wrote."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from exzarr.errors import MetadataError

__all__ = ["array_in", "numbers", "object_in", "relative_path", "text_in"]


def object_in(value: Any, what: str) -> Mapping[str, Any]:
    """Return `value` if it is a JSON object."""
    if not isinstance(value, Mapping):
        raise MetadataError(f"{what} is a JSON object, not {value!r:.80}")
    return value


def array_in(holder: Mapping[str, Any], name: str, what: str, *, required: bool = True) -> Sequence[Any]:
    """Return the array `name` of an object; an empty one if it is missing and not `required`."""
    value = holder.get(name)
    if value is None and not required:
        return ()
    if not isinstance(value, list | tuple) or (required and not value):
        problem = "is missing" if value is None else f"is {value!r:.80}"
        raise MetadataError(f"{what} requires the array {name!r}, which {problem}")
    return value


def text_in(holder: Mapping[str, Any], name: str) -> str | None:
    """Return the text `name` of an object, or None if it is missing or no text."""
    value = holder.get(name)
    return value if isinstance(value, str) and value else None


def numbers(value: Any, what: str, count: int | None = None) -> tuple[float, ...]:
    """Return an array of finite numbers, of length `count` if that is given."""
    ok = isinstance(value, list | tuple) and all(
        isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
        for number in value
    )
    if not ok or (count is not None and len(value) != count):
        wanted = "numbers" if count is None else f"{count} numbers, one for each axis"
        raise MetadataError(f"{what} is an array of {wanted}, not {value!r:.120}")
    return tuple([float(number) for number in value])


def relative_path(value: Any, what: str) -> str:
    """Return a path that stays below the group it is relative to."""
    if not isinstance(value, str) or not value.strip("/"):
        raise MetadataError(f"{what} is a path, not {value!r:.80}")
    path = value.strip("/")
    if value.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")):
        raise MetadataError(f"{what} is a path below the group, not {value!r:.80}")
    return path
