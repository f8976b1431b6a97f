"""Conversion of an object store's errors to exzarr's, without secrets, as transient or permanent errors."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable

from exzarr.errors import InvalidKeyError, ReadOnlyError, StoreError, UnreachableError
from exzarr.stores.base import listing_error

__all__ = ["is_missing_container", "is_panic", "scrubbed", "status_of", "store_error"]

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([^<]{1,100})</Code>", re.IGNORECASE)
_MESSAGE = re.compile(r"<Message>([^<]{1,300})", re.IGNORECASE)
_QUERY = re.compile(r"\?[^\s\"'<>()]+")
_DOCUMENT = re.compile(r"<\?xml|<!doctype|<html", re.IGNORECASE)
_USER = re.compile(r"://[^/\s@]+@")

_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""Transient statuses (https://www.rfc-editor.org/rfc/rfc9110#name-status-codes)."""
_BROKEN = re.compile(
    r"error sending request|timed? ?out|connection|reset|broken pipe|response body|body error|unexpected eof",
    re.IGNORECASE,
)
"""Texts of failures without a response from the server."""
_LASTING = re.compile(
    r"credential|builder error|scheme is not allowed|invalid (url|uri)|relative URL", re.IGNORECASE
)
_NO_CONTAINER = re.compile(r"NoSuchBucket|ContainerNotFound|specified (bucket|container) does not exist")


_BAD_CREDENTIALS = re.compile(
    r"InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|RequestTimeTooSkewed|AuthenticationFailed"
)
"""Codes of 401 and 403 that apply to every request. All other codes deny a single request."""


_REFUSED = re.compile(r"ConnectionRefused|connection refused|Errno 111", re.IGNORECASE)
_UNKNOWN_HOST = re.compile(
    r"dns error|failed to lookup address|Name or service not known|nodename nor servname|getaddrinfo failed",
    re.IGNORECASE,
)


def is_panic(error: BaseException) -> bool:
    """Return True if obstore has panicked. A panic is not an Exception and passes every ``except Exception``."""
    return type(error).__name__ == "PanicException"


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status in an error of obstore; None if there is none."""
    match = _STATUS.search(str(error))
    return int(match[1]) if match else None


def is_missing_container(error: BaseException) -> bool:
    """Return True if the bucket was not found, rather than an object in it."""
    return _NO_CONTAINER.search(str(error)) is not None


def store_error(
    error: BaseException, store: str, kind: str, key: str, secrets: Iterable[str] = ()
) -> StoreError:
    """Return the exception to raise for an error of obstore.

    The caller raises it without a cause: the original text may contain signatures and keys, which would appear in
    tracebacks and logs.
    """
    name, text = type(error).__name__, str(error)
    status = status_of(error)
    detail = scrubbed(_short(text, status), secrets)
    if kind == "list" and _denies_listing(text, status):
        return listing_error(store, key, f"the server cannot list, or does not permit it ({detail})")
    where = f"cannot {kind} key {key!r} in {store}" if key else f"cannot {kind} {store}"
    made: StoreError
    if isinstance(error, ValueError) or name == "InvalidPathError":
        return InvalidKeyError(f"object stores cannot hold the key {key!r}: {detail}")
    if name in ("PermissionDeniedError", "UnauthenticatedError") or status in (401, 403):
        advice = "check the credentials, and what they permit"
        if kind in ("get", "range", "size") and status != 401 and not _BAD_CREDENTIALS.search(text):
            advice += ". If the server answers 403 for missing keys, give the option absent=(403,)"
        refused = ReadOnlyError if kind in ("put", "delete") else StoreError
        made = refused(f"{where}: access was denied ({detail}); {advice}")
        made.errno = errno.EACCES
        return made
    if is_missing_container(error):
        made = StoreError(f"{where}: there is no such bucket ({detail}); check its name, and the endpoint")
        made.errno = errno.ENOENT
        return made
    if is_panic(error):
        made = StoreError(
            f"{where}: obstore failed with an internal error ({detail}); check the options and the URL"
        )
        made.errno = errno.EINVAL
        return made
    if status is None and _UNKNOWN_HOST.search(text):
        return UnreachableError(
            f"{where}: the name of the host is unknown ({detail}); check the URL, the endpoint, the network"
        )
    if status is None and _REFUSED.search(text):
        return UnreachableError(
            f"{where}: the host refuses connections ({detail}); check the URL, the port, the endpoint"
        )
    made = StoreError(f"{where}: {detail}")
    passing = status in _PASSING if status is not None else _BROKEN.search(text) and not _LASTING.search(text)
    if not passing or name not in ("GenericError", "WebError"):
        made.errno = errno.EINVAL  # it would fail in the same way a second later
    return made


def _denies_listing(text: str, status: int | None) -> bool:
    """Return True if the server refuses listings, while other requests may work."""
    if "decoding PROPFIND" in text:  # the response is not WebDAV, but an HTML page, for example
        return True
    if "PROPFIND" in text and status is not None:
        return status == 501 or (400 <= status < 500 and status not in _PASSING)
    return status in (401, 403) and _BAD_CREDENTIALS.search(text) is None


def _short(text: str, status: int | None) -> str:
    """Return the short form of an error's text. The server's document is left out: it may contain secrets."""
    code, message = _CODE.search(text), _MESSAGE.search(text)
    if code is not None:
        words = [] if status is None else [str(status)]
        words.append(code[1])
        return " ".join(words) + (f": {message[1]}" if message is not None else "")
    text = text.partition("\n\nDebug source")[0]
    text = _DOCUMENT.split(text, maxsplit=1)[0].strip().rstrip(":")
    text = " ".join(text.split())
    return text if len(text) <= 300 else text[:297] + "..."


def scrubbed(text: str, secrets: Iterable[str] = ()) -> str:
    """Return `text` without secrets: queries of URLs (signatures), users in URLs, and the `secrets`."""
    text = _USER.sub("://***@", _QUERY.sub("?***", text))
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text
