"""Second client for web servers: for valid responses that obstore cannot read, and for conditional puts.

obstore requires a Content-Length, a size in Content-Range, and HEAD, and does not decode compressed bodies. RFC 9110
permits servers without these. A request that fails for such a reason is repeated here, with the standard library's
client. It is slower, because each request opens a connection.
"""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
import zlib
from collections.abc import Hashable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

from exzarr.stores.base import Buffer, ByteRange, Fetched, resolve_range
from exzarr.stores.objects.properties import version_of

__all__ = ["PreconditionError", "Web", "WebError", "decoded", "is_encoded", "is_peculiar"]

_PECULIAR = re.compile(
    r"Generic HTTP error: (Content-Length Header missing|.{0,40}CONTENT_RANGE|Content-Range|.{0,40}last.?modified|Requested)",
    re.IGNORECASE,
)
_NO_HEAD = re.compile(r"Error performing HEAD .*status code: (400|405|501)\b", re.DOTALL)
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_LARGEST = 1 << 28
"""Decoded size in bytes that every compressed body may have."""
_EXPANSION = 1100
"""Largest ratio of decoded to compressed size of deflate."""


class WebError(Exception):
    """A failed request. Its text has the form of obstore's, with the status."""


class PreconditionError(WebError):
    """The condition of a put failed. obstore's error has the same name."""


def is_peculiar(error: BaseException) -> bool:
    """Return True if obstore failed because of the form of a response, which `Web` can read."""
    text = str(error)
    return _PECULIAR.search(text) is not None or _NO_HEAD.search(text) is not None


def is_encoded(headers: Mapping[str, str]) -> bool:
    """Return True if a body is compressed for its transport."""
    return headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity")


def decoded(body: bytes | memoryview, headers: Mapping[str, str]) -> bytes:
    """Decode the transport compression of a body."""
    coding = headers.get("Content-Encoding", "").strip().lower()
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise WebError(f"the server compressed the response by {coding!r}, which was not requested")
    most = max(_LARGEST, min(_EXPANSION * len(body), 64 * _LARGEST))
    # 32: a header of gzip or of zlib.
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        data = inflate.decompress(body, most)
    except zlib.error as error:
        raise WebError(f"body error: the compressed response cannot be decoded ({error})") from None
    if not inflate.eof:
        raise WebError(
            f"the compressed response has more than {most} bytes"
            if inflate.unconsumed_tail
            else "body error: the compressed response is cut short"
        )
    return data


class Web:
    """Client of one web server, made with the standard library.

    Parameters
    ----------
    root
        ``https://host``, without user and password.
    headers
        Headers of every request to that host. They are not sent to other hosts after a redirect.
    timeout
        Timeout in seconds.
    """

    def __init__(self, root: str, headers: Mapping[str, str], timeout: float) -> None:
        self._root = root.rstrip("/")
        self._headers = {"Accept-Encoding": "identity", **headers}
        self._timeout = timeout
        self._opener = urllib.request.build_opener(_Redirects)

    def get(self, path: str, byte_range: ByteRange | None = None) -> Fetched:
        """Return the value at `path`, or a part of it. Raise FileNotFoundError if it is missing."""
        if byte_range is None:
            return self._get(path, None)
        start, length = byte_range
        if length == 0:
            return self.head(path)
        end = "" if start < 0 or length is None else str(start + length - 1)
        found = self._get(path, f"bytes=-{-start}" if start < 0 else f"bytes={start}-{end}", byte_range)
        if start < 0 and length is not None:
            return Fetched(found.data[:length], found.size, found.version)
        return found

    def head(self, path: str) -> Fetched:
        """Return size and version of the value at `path`, without data."""
        found = self.get(path, (0, 1))
        return Fetched(b"", found.size, found.version)

    def put_if(self, path: str, value: Buffer, etag: str | None, mark: str) -> None:
        """Put a value if the stored one still has this ETag (None: is still missing), or raise PreconditionError.

        A server that knows Idempotency-Key carries out a repeated put with the same mark once.
        """
        condition = {"If-None-Match": "*"} if etag is None else {"If-Match": etag}
        self._ask(path, {**condition, "Idempotency-Key": mark}, value)

    def honors_conditions(self, path: str) -> bool:
        """Return whether the server refuses a put whose condition fails. `path` must be missing, and stays so."""
        try:
            self.put_if(path, b"", '"exzarr"', "")
        except PreconditionError:
            return True
        self._ask(path, {}, method="DELETE")
        return False

    def _get(self, path: str, wanted: str | None, byte_range: ByteRange = (0, None)) -> Fetched:
        status, headers, body = self._ask(path, {} if wanted is None else {"Range": wanted})
        if status == 206 and not is_encoded(headers):
            return self._part(path, headers, body, byte_range)
        if status in (206, 416):  # a part of a compressed body; a range outside the value
            return self._cut(self._get(path, None), byte_range)
        data = decoded(body, headers) if is_encoded(headers) else body
        return self._cut(Fetched(data, len(data), _version(headers, len(data))), byte_range)

    def _part(self, path: str, headers: Mapping[str, str], body: bytes, byte_range: ByteRange) -> Fetched:
        match = _RANGE.fullmatch(headers.get("Content-Range", ""))
        start, length = byte_range
        if match is None or int(match[2]) - int(match[1]) + 1 != len(body) or 0 <= start != int(match[1]):
            return self._cut(self._get(path, None), byte_range)  # the range is not the requested one
        if match[3] != "*":
            size = int(match[3])
        elif start < 0 or length is None or len(body) < length:
            size = int(match[2]) + 1  # the range ends at the end of the value
        else:
            return self._cut(self._get(path, None), byte_range)
        data = body if start < 0 or length is None else body[:length]
        return Fetched(data, size, _version(headers, size))

    @staticmethod
    def _cut(found: Fetched, byte_range: ByteRange) -> Fetched:
        start, length = byte_range
        begin, end = resolve_range((start, None) if start < 0 else (start, length), found.size)
        return Fetched(found.data[begin:end], found.size, found.version)

    def _ask(
        self, path: str, headers: Mapping[str, str], body: Buffer | None = None, method: str | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        method = method or ("GET" if body is None else "PUT")
        data = None if body is None else bytes(body)
        request = urllib.request.Request(f"{self._root}/{quote(path)}", data, method=method)  # noqa: S310 - http and https only
        for name, value in {**self._headers, **headers}.items():
            request.add_header(name, value)
        if body is not None:
            request.add_header("Content-Type", "application/octet-stream")
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                return response.status, dict(response.headers.items()), response.read()
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in (404, 410):
                raise FileNotFoundError(path) from None
            if error.code == 416 and "Range" in headers:
                return 416, {}, b""
            if error.code == 412:
                raise PreconditionError(path) from None
            raise WebError(
                f"Server returned non-2xx status code: {error.code} {error.reason} ({method} {path})"
            ) from None
        except http.client.IncompleteRead:
            raise WebError("body error: the response is cut short") from None
        except (OSError, http.client.HTTPException) as error:
            raise WebError(f"connection error: {error}") from None


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Redirect handler that sends no credentials to another host."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urlsplit(newurl).scheme not in ("http", "https"):
            raise WebError("the server redirects to a URL that is not http:// or https://")
        made = super().redirect_request(req, fp, code, msg, headers, newurl)
        here, there = urlsplit(req.full_url), urlsplit(newurl)
        if made is not None and (here.scheme, here.netloc) != (there.scheme, there.netloc):
            kept = ("accept-encoding", "range", "user-agent")
            made.headers = {name: value for name, value in made.headers.items() if name.lower() in kept}
        return made


def _version(headers: Mapping[str, str], size: int) -> Hashable:
    """Return the version of a value in the same form as for obstore's responses, so that the two are comparable."""
    try:
        changed = parsedate_to_datetime(headers.get("Last-Modified", ""))
    except ValueError:
        changed = datetime(1970, 1, 1, tzinfo=UTC)
    return version_of({"e_tag": headers.get("ETag"), "version": None, "last_modified": changed, "size": size})
