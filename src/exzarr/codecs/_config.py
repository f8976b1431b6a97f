"""Reading a codec's configuration: one function for its keys, a few for its values.

A constructor that a user calls raises ArgumentError; the same fault in a metadata
document is a MetadataError. `build` makes the second out of the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from exzarr.errors import ArgumentError, MetadataError

__all__ = ["boolean", "build", "choice", "integer"]

T = TypeVar("T")


def build(
    cls: type[T],
    configuration: Mapping[str, Any],
    required: Iterable[str] = (),
    optional: Iterable[str] = (),
) -> T:
    """``cls(**configuration)``, with the keys checked and faults raised as MetadataError."""
    name = getattr(cls, "name", cls.__name__)
    required = tuple(required)
    known = {*required, *optional}
    for key in required:
        if key not in configuration:
            raise MetadataError(f"codec {name!r}: its configuration lacks {key!r}")
    for key in configuration:
        if key not in known:
            what = f"it knows {sorted(known)}" if known else "it takes none"
            raise MetadataError(f"codec {name!r}: unknown key {key!r} in its configuration ({what})")
    try:
        return cls(**configuration)
    except ArgumentError as exc:
        raise MetadataError(str(exc)) from None


def integer(codec: str, key: str, value: object, low: int, high: int) -> int:
    """`value`, an integer of ``low..high``; ArgumentError otherwise."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ArgumentError(f"codec {codec!r}: {key} must be an integer, got {value!r}")
    number: int = value.__index__()
    if not low <= number <= high:
        raise ArgumentError(f"codec {codec!r}: {key} must be between {low} and {high}, got {value!r}")
    return number


def boolean(codec: str, key: str, value: object) -> bool:
    """`value`, a bool; ArgumentError otherwise."""
    if not isinstance(value, bool):
        raise ArgumentError(f"codec {codec!r}: {key} must be true or false, got {value!r}")
    return value


def choice(codec: str, key: str, value: object, choices: Iterable[str]) -> str:
    """`value`, one of `choices`; ArgumentError otherwise."""
    choices = tuple(choices)
    if not isinstance(value, str) or value not in choices:
        raise ArgumentError(f"codec {codec!r}: {key} must be one of {list(choices)}, got {value!r}")
    return value
