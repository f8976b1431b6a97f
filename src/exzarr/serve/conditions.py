"""Conditional requests: If-Match, If-None-Match and If-Range (RFC 9110, section 13). Pure.

The server sends no modification dates. Section 13.1 then tells to ignore If-Modified-Since and If-Unmodified-Since.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["BadHeaderError", "Conditions", "Matches", "parse_conditions"]

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')

Matches = Callable[[str], bool]
"""Whether a strong entity tag is that of the current value."""


class BadHeaderError(ValueError):
    """A header of a request that cannot be understood, and may not be ignored."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Conditions of one request. An empty tuple stands for ``*``, None for a missing header."""

    match: tuple[str, ...] | None = None
    none_match: tuple[str, ...] | None = None

    def holds(self, current: Matches | None) -> bool:
        """Return whether a write may be carried out. `current` is None if there is no value."""
        if self.match is not None and (
            current is None or not (self.match == () or any(map(current, self.match)))
        ):
            return False
        return not self._is_known(current)

    def read_status(self, current: Matches) -> int:
        """Return the status that the conditions give a read of an existing value: 200, 304 or 412."""
        if self.match is not None and self.match != () and not any(map(current, self.match)):
            return 412
        return 304 if self._is_known(current) else 200

    def known(self, current: Matches) -> str | None:
        """Return the strong tag of the current value that the client knows; None if it knows none."""
        tags = (*(self.match or ()), *(tag.removeprefix("W/") for tag in self.none_match or ()))
        return next(filter(current, tags), None)

    def _is_known(self, current: Matches | None) -> bool:
        """Return whether If-None-Match names the current value, by the weak comparison."""
        if self.none_match is None or current is None:
            return False
        return self.none_match == () or any(current(tag.removeprefix("W/")) for tag in self.none_match)

    @property
    def creates(self) -> bool:
        """Whether the only condition is that there is no value yet (``If-None-Match: *``)."""
        return self.none_match == () and self.match is None


def parse_conditions(headers: Mapping[str, str]) -> Conditions:
    """Parse the conditions among the headers of a request, whose names are in lower case."""
    return Conditions(
        _tags(headers.get("if-match"), "If-Match"), _tags(headers.get("if-none-match"), "If-None-Match")
    )


def _tags(text: str | None, name: str) -> tuple[str, ...] | None:
    if text is None:
        return None
    if text.strip() == "*":
        return ()
    tags = tuple(_TAG.findall(text))
    if not tags or _TAG.sub("", text).strip(" \t,"):
        raise BadHeaderError(f'{name} is * or a list of entity tags such as "abc", in quotation marks')
    # A weak tag in If-Match keeps its W/, and therefore equals no strong one.
    return tags
