"""Responses for errors of the store. They name no file, no URL and no credentials: these go to the log. Pure."""

from __future__ import annotations

import errno
from http import HTTPStatus

from exzarr.errors import (
    ChangedError,
    ExzarrError,
    InvalidKeyError,
    ListingUnsupportedError,
    LockTimeoutError,
    ReadOnlyError,
    TimedOutError,
    UnreachableError,
    UpdateUnsupportedError,
)
from exzarr.serve.replies import Reply, plain

__all__ = ["failure"]

_ANSWERS: tuple[tuple[type[ExzarrError], HTTPStatus, str], ...] = (
    (
        ListingUnsupportedError,
        HTTPStatus.NOT_IMPLEMENTED,
        "the store behind this server cannot list its keys",
    ),
    (
        UpdateUnsupportedError,
        HTTPStatus.NOT_IMPLEMENTED,
        "the store behind this server has no conditional writes: put whole values without conditions",
    ),
    (ReadOnlyError, HTTPStatus.FORBIDDEN, "the store behind this server refuses the write"),
    (
        LockTimeoutError,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "other writers held the lock of the key for too long: retry",
    ),
    (ChangedError, HTTPStatus.SERVICE_UNAVAILABLE, "the value was replaced while it was read: retry"),
    (UnreachableError, HTTPStatus.BAD_GATEWAY, "the store behind this server cannot be reached"),
    (TimedOutError, HTTPStatus.GATEWAY_TIMEOUT, "the store behind this server did not answer in time"),
)


def failure(error: Exception, *, writes: bool) -> Reply:
    """Return the response for an error of the store."""
    if isinstance(error, InvalidKeyError):
        # No store has such a key.
        status = HTTPStatus.BAD_REQUEST if writes else HTTPStatus.NOT_FOUND
        return plain(status, "the path is no valid key")
    for kind, status, text in _ANSWERS:
        if isinstance(error, kind):
            retry = {"retry_after": "1"} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
            return plain(status, text, **retry)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return plain(HTTPStatus.INSUFFICIENT_STORAGE, "the disk of the store behind this server is full")
    return plain(HTTPStatus.INTERNAL_SERVER_ERROR, "the store behind this server failed; its log says how")
