"""Answers to GET and HEAD from a store. These functions block, and run in threads."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from exzarr.serve.conditions import Conditions, Matches
from exzarr.serve.etags import Etags
from exzarr.serve.ranges import ManyRanges, Wanted
from exzarr.serve.replies import Decision, Part, Reply, decide, plain
from exzarr.stores.base import BytesReader, Fetched, Store, ValueReader

__all__ = ["Reading", "read"]


@dataclass(frozen=True, slots=True)
class Reading:
    """A request to read the value at a key."""

    key: str
    head: bool
    conditions: Conditions
    wanted: Wanted | ManyRanges | None
    if_range: str | None


def read(store: Store, etags: Etags, reading: Reading, block: int) -> Reply:
    """Answer a request. A body of at most `block` bytes is read here, a longer one is left to the caller."""
    if store.traits.concurrency and (reading.head or _is_short(reading.wanted, block)):
        return _by_one_request(store, etags, reading, block)
    value = store.open_value(reading.key)
    if value is None:
        return missing(reading.key)
    return _from_value(etags, reading, value, block)


def missing(key: str) -> Reply:
    """Return the response for a missing key."""
    return plain(HTTPStatus.NOT_FOUND, f"there is no key {key[:200]!r}", cache_control="no-cache")


def _is_short(wanted: Wanted | ManyRanges | None, block: int) -> bool:
    return isinstance(wanted, Wanted) and wanted.most is not None and 0 < wanted.most <= block


def _by_one_request(store: Store, etags: Etags, reading: Reading, block: int) -> Reply:
    """Answer with one request to a remote store, which returns bytes, size and version together."""
    wanted = reading.wanted
    if reading.head or not isinstance(wanted, Wanted):
        found = store.fetch(reading.key, (0, 0))
    elif wanted.first is None:
        found = store.fetch(reading.key, (-(wanted.last or 0), None))
    else:
        found = store.fetch(reading.key, (wanted.first, wanted.most))
    if found is None:
        return missing(reading.key)
    decision = _decision(etags, reading, found)
    if decision.status == HTTPStatus.OK and not reading.head:
        value = store.open_value(reading.key)  # If-Range did not match: the whole value
        return missing(reading.key) if value is None else _from_value(etags, reading, value, block)
    sent = decision.status == HTTPStatus.PARTIAL_CONTENT
    return Reply(decision.status, decision.headers, found.data if sent else b"")


def _decision(etags: Etags, reading: Reading, found: Fetched) -> Decision:
    """Decide by the version alone. A value of a remote store without versions has no tag."""
    tag = etags.of_version(found.version)
    return _decide(reading, found.size, tag, lambda given: tag is not None and given == tag)


def _decide(reading: Reading, size: int, tag: str | None, matches: Matches) -> Decision:
    wanted = None if reading.head else reading.wanted  # section 14.2: Range is defined for GET only
    return decide(reading.key, size, tag, reading.conditions, wanted, reading.if_range, matches)


def _from_value(etags: Etags, reading: Reading, value: ValueReader, block: int) -> Reply:
    try:
        tags = etags.of(value)
        decision = _decide(reading, value.size, tags.current, tags.matches)
        length = decision.end - decision.begin
        if reading.head or not length:
            body: bytes | bytearray | Part = b""
        elif length > block:
            part = Part(value, decision.begin, decision.end)
            value = BytesReader(b"")  # the caller closes it
            return Reply(decision.status, decision.headers, part)
        else:
            body = bytearray(length)
            value.read_into(memoryview(body), decision.begin)
        return Reply(decision.status, decision.headers, body)
    finally:
        value.close()
