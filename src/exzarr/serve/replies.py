"""Responses as values, and the decision about a read. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus

from exzarr.serve.conditions import Conditions, Matches
from exzarr.serve.ranges import ManyRanges, Wanted
from exzarr.stores.base import Buffer, ValueReader

__all__ = ["Part", "Reply", "content_type", "decide", "plain"]


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `begin` to `end` of an opened value, which is closed after they are sent."""

    value: ValueReader
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Reply:
    """A response.

    Attributes
    ----------
    status
        The HTTP status.
    headers
        The headers, with Content-Length where the length is known.
    body
        Bytes; a part of a value that is still to be read; or an iterator of bytes that blocks while it waits.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: Buffer | Part | Iterator[bytes] = b""


def plain(status: int, text: str, **headers: str) -> Reply:
    """Return a response with a sentence for people. Header names have ``_`` for ``-``."""
    body = f"{text}\n".encode("utf-8", "replace")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(
        status,
        {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body)), **named},
        body,
    )


def content_type(key: str) -> str:
    """Return the media type of the value at `key`: JSON for metadata documents, else bytes."""
    name = key.rpartition("/")[2]
    return (
        "application/json"
        if name in ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")
        else ("application/octet-stream")
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """The status of a read, its headers, and the bytes to send."""

    status: int
    headers: dict[str, str]
    begin: int
    end: int


def decide(
    key: str,
    size: int,
    tag: str | None,
    conditions: Conditions,
    wanted: Wanted | ManyRanges | None,
    if_range: str | None,
    matches: Matches,
) -> Decision:
    """Decide how to answer a GET of an existing value (RFC 9110, sections 13.2.2 and 14.2).

    Parameters
    ----------
    key, size, tag
        The key of the value, its length in bytes, and its entity tag if there is one.
    conditions, wanted, if_range
        What the request asks for.
    matches
        Whether a tag is that of the value.
    """
    # A value may have two tags: use the one that the client knows, as it may compare the two.
    ranged = wanted is not None and (if_range is None or matches(if_range.strip()))
    known = conditions.known(matches) or (if_range.strip() if ranged and if_range is not None else tag)
    headers = {"accept-ranges": "bytes", "cache-control": "no-cache"}
    if known is not None:
        headers["etag"] = known
    status = conditions.read_status(matches)
    if status == HTTPStatus.NOT_MODIFIED:
        return Decision(status, headers, 0, 0)
    if status == HTTPStatus.PRECONDITION_FAILED:
        return Decision(status, headers | {"content-length": "0"}, 0, 0)
    headers["content-type"] = content_type(key)
    if wanted is None or not ranged:
        return Decision(status, headers | {"content-length": str(size)}, 0, size)
    found = None if isinstance(wanted, ManyRanges) else wanted.within(size)
    if found is None:
        headers |= {"content-range": f"bytes */{size}", "content-length": "0"}
        return Decision(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers, 0, 0)
    begin, end = found
    headers |= {"content-range": f"bytes {begin}-{end - 1}/{size}", "content-length": str(end - begin)}
    return Decision(HTTPStatus.PARTIAL_CONTENT, headers, begin, end)
