"""Strong entity tags of stored values.

A tag is made of the value's version, of a hash of its content, or of both:

`"v…"`      the version alone, if no later change can have the same one
`"v…-c…"`   version and content: for a file that was written less than two seconds ago. A later file may get the same inode
            and the same times, since these have a granularity
`"c…"`      the content alone, if the store has no versions

A value that gets two seconds old therefore has two tags, and both stay valid.

A version that means something in this process only (a row number, a counter) is mixed with a random number of the
process. The tags of an earlier server therefore never match by chance.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Hashable
from functools import cached_property
from hashlib import blake2b

from exzarr.statistics.identity import COARSE_NS, lasting
from exzarr.stores.base import Store, ValueReader

__all__ = ["Etags", "Tags"]

_FORM = re.compile(r'"(?:v([0-9a-f]{24}))?(?:-?c([0-9a-f]{32}))?"')

BLOCK_NBYTES = 1 << 20


class Etags:
    """The tags of the values of one store.

    Parameters
    ----------
    store
        The store.
    clock
        The time in nanoseconds since 1970.
    """

    def __init__(self, store: Store, clock: Callable[[], int] = time.time_ns) -> None:
        self._store = store
        self._clock = clock
        self._process = secrets.token_hex(12)

    def of_version(self, version: Hashable) -> str | None:
        """Return the tag of a value with this version; None if the tag depends on the content."""
        made, alone = self._version(version)
        return f'"{made}"' if alone else None

    def of(self, value: ValueReader) -> Tags:
        """Return the tags of an opened value."""
        return Tags(value, *self._version(value.version))

    def _version(self, version: Hashable) -> tuple[str, bool]:
        """Return the part of a tag for a version (``""`` if there is none), and whether it is sufficient."""
        if version is None:
            return "", False
        identity = lasting(self._store, version)
        alone = True
        if identity is None:
            plain = isinstance(version, (str, int, bytes, tuple))
            identity = [self._process, repr(version) if plain else hash(version)]
        elif identity[0] == "file":
            # Each change sets the change time. The user cannot.
            alone = identity[3] + COARSE_NS < self._clock()
        digest = blake2b(json.dumps(identity).encode(), digest_size=12)
        return f"v{digest.hexdigest()}", alone


class Tags:
    """The tags of one opened value. Its content is read when a tag depends on it, and only once.

    Parameters
    ----------
    value
        The value.
    made
        The part of the tags for the version; ``""`` if there is none.
    alone
        True if this part is sufficient.
    """

    def __init__(self, value: ValueReader, made: str, alone: bool) -> None:
        self._value = value
        self._made = made
        self._alone = alone

    @property
    def current(self) -> str:
        """The tag to send."""
        if self._alone:
            return f'"{self._made}"'
        return f'"{self._made}-c{self._content}"' if self._made else f'"c{self._content}"'

    def matches(self, tag: str) -> bool:
        """Return whether `tag` was made for a value with the same content and the same version."""
        form = _FORM.fullmatch(tag)
        if form is None or not (form[1] or form[2]):
            return False
        if self._made != (f"v{form[1]}" if form[1] else ""):
            return False
        # A tag without the content was made when the version alone was sufficient.
        return not form[2] or self._content == form[2]

    @cached_property
    def _content(self) -> str:
        return _content(self._value)


def _content(value: ValueReader) -> str:
    digest = blake2b(digest_size=16)
    buffer = memoryview(bytearray(min(BLOCK_NBYTES, value.size)))
    for start in range(0, value.size, BLOCK_NBYTES):
        part = buffer[: min(BLOCK_NBYTES, value.size - start)]
        value.read_into(part, start)
        digest.update(part)
    return digest.hexdigest()
