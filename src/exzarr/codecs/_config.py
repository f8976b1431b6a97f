"""Validation of codec configurations: `build` checks the keys, the other functions check values.

A constructor that a user calls raises ArgumentError. The same error in a metadata
document is a MetadataError; `build` converts the first into the second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, ClassVar, Self, TypeVar

from exzarr.errors import ArgumentError, MetadataError

__all__ = ["Configured", "boolean", "build", "choice", "integer"]

T = TypeVar("T")


class Configured:
    """A codec that is a dataclass, whose fields are the keys of its configuration."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    required: ClassVar[tuple[str, ...]] = ()
    """Keys without which a configuration in a document is invalid."""

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        return build(cls, configuration, cls.required, [field.name for field in fields(cls)])

    def to_config(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def build(
    cls: type[T],
    configuration: Mapping[str, Any],
    required: Iterable[str] = (),
    optional: Iterable[str] = (),
) -> T:
    """Check the keys and return ``cls(**configuration)``; raise MetadataError if anything is invalid."""
    name = getattr(cls, "name", cls.__name__)
    required = tuple(required)
    known = {*required, *optional}
    for key in required:
        if key not in configuration:
            raise MetadataError(f"codec {name!r}: the configuration has no {key!r}, which is required")
    for key in configuration:
        if key not in known:
            allowed = f"valid keys: {sorted(known)}" if known else "the codec takes no configuration"
            raise MetadataError(f"codec {name!r}: unknown key {key!r} in the configuration ({allowed})")
    try:
        return cls(**configuration)
    except ArgumentError as exc:
        raise MetadataError(str(exc)) from None


def integer(codec: str, key: str, value: object, low: int, high: int) -> int:
    """Return `value` as an int; raise ArgumentError unless it is an integer from `low` to `high`."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ArgumentError(f"codec {codec!r}: {key} must be an integer, got {value!r}")
    number: int = value.__index__()
    if not low <= number <= high:
        raise ArgumentError(f"codec {codec!r}: {key} must be between {low} and {high}, got {value!r}")
    return number


def boolean(codec: str, key: str, value: object) -> bool:
    """Return `value`; raise ArgumentError unless it is a bool."""
    if not isinstance(value, bool):
        raise ArgumentError(f"codec {codec!r}: {key} must be true or false, got {value!r}")
    return value


def choice(codec: str, key: str, value: object, choices: Iterable[str]) -> str:
    """Return `value`; raise ArgumentError unless it is one of `choices`."""
    choices = tuple(choices)
    if not isinstance(value, str) or value not in choices:
        raise ArgumentError(f"codec {codec!r}: {key} must be one of {list(choices)}, got {value!r}")
    return value
