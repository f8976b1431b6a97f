"""The Range header of a request (RFC 9110, section 14). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["MANY_RANGES", "ManyRanges", "Wanted", "parse_range"]

_BYTES = re.compile(r"\s*bytes\s*=\s*(.*)", re.IGNORECASE | re.DOTALL)
_ONE = re.compile(r"(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One byte range of a request.

    Attributes
    ----------
    first, last
        Positions of the first and the last byte. Without `last`, to the end. Without `first`, the last `last` bytes.
    """

    first: int | None
    last: int | None

    def within(self, size: int) -> tuple[int, int] | None:
        """Return begin and end in a value of `size` bytes; None if the range cannot be satisfied."""
        if self.first is None:
            begin = max(0, size - (self.last or 0))
            return (begin, size) if begin < size else None
        if self.first >= size:
            return None
        return self.first, size if self.last is None else min(self.last + 1, size)

    @property
    def most(self) -> int | None:
        """The largest number of bytes that the range can have; None if it depends on the value."""
        if self.first is None:
            return self.last
        return None if self.last is None else self.last + 1 - self.first


@dataclass(frozen=True, slots=True)
class ManyRanges:
    """Type of `MANY_RANGES`."""


MANY_RANGES = ManyRanges()
"""Several ranges in one request. The server rejects them, which section 14.2 permits."""


def parse_range(text: str | None) -> Wanted | ManyRanges | None:
    """Parse a Range header. Return None for one that section 14.2 tells to ignore: another unit, or an invalid range."""
    match = None if text is None else _BYTES.fullmatch(text)
    if match is None:
        return None
    specs = [spec.strip() for spec in match[1].split(",") if spec.strip()]
    if len(specs) > 1:
        return MANY_RANGES
    one = _ONE.fullmatch(specs[0]) if specs else None
    if one is None or not (one[1] or one[2]):
        return None
    first, last = (int(digits) if digits else None for digits in one.groups())
    if first is not None and last is not None and last < first:
        return None
    return Wanted(first, last)
