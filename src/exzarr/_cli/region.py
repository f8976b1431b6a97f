"""Parse the text of a selection, such as ``0:3, ..., 5``."""

from __future__ import annotations

import re
from typing import Any

from exzarr.errors import ArgumentError

__all__ = ["corner", "parse_region"]

_NUMBER = re.compile(r"[+-]?\d{1,18}")


def parse_region(text: str) -> tuple[Any, ...]:
    """Parse integers, slices and ``...`` separated by commas, or raise ArgumentError. Brackets are optional."""
    inside = text.strip()
    if inside[:1] == "[" and inside[-1:] == "]":
        inside = inside[1:-1].strip()
    parts = [part.strip() for part in inside.split(",")] if inside else []
    if parts and not parts[-1]:  # "3," as in Python
        parts.pop()
    return tuple([_part(part, text) for part in parts])


def _part(part: str, text: str) -> Any:
    if part == "...":
        return ...
    pieces = [piece.strip() for piece in part.split(":")]
    if len(pieces) <= 3 and all(
        _NUMBER.fullmatch(piece) or (not piece and len(pieces) > 1) for piece in pieces
    ):
        numbers = [int(piece) if piece else None for piece in pieces]
        return numbers[0] if len(numbers) == 1 else slice(*numbers)
    raise ArgumentError(
        f"--region {text!r}: {part!r} is neither a number, a slice nor '...'; write it as in NumPy: \"0:3, ..., 5\""
    )


def corner(shape: tuple[int, ...], rows: int, columns: int) -> tuple[Any, ...]:
    """Select the first elements along the last two dimensions, at index 0 of all others."""
    if not shape:
        return ()
    if len(shape) == 1:
        return (slice(0, rows),)
    return (*[0] * (len(shape) - 2), slice(0, rows), slice(0, columns))
