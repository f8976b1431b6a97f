"""Options of a server."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from exzarr.errors import ArgumentError

__all__ = ["ServeOptions"]

_TOKEN = re.compile(r"[A-Za-z0-9_~.-]{8,200}")
_ORIGIN = re.compile(r"https?://[^/\s?#]+")

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """Options of `exzarr.serve.app`, `run` and `background`.

    Attributes
    ----------
    write
        Accept PUT and DELETE. Default: read-only.
    consolidate
        Make consolidated metadata when a client asks for a group's document: inline in ``zarr.json`` (v3), or as
        ``.zmetadata`` (v2). It may be two seconds old. Not possible together with `write`.
    listing
        List folders: as HTML with links for browsers and fsspec, and by WebDAV's PROPFIND for obstore and exzarr.
    cors
        Origins whose pages may read from the server, such as ``"https://hms-dbmi.github.io"``; ``"*"`` for all.
    token
        Secret that each request must give: as ``Authorization: Bearer TOKEN``, as the first component of the path
        (``http://host:port/TOKEN/``), or as the query ``?token=TOKEN``. 8 to 200 characters of ``A-Z a-z 0-9 _ ~ . -``.
        Default: none; `run` and `background` generate one for addresses other than this machine's.
    store_requests
        Number of requests that the store gets concurrently.
    memory
        Bytes that responses and uploads in progress may hold. Further ones wait. A store that cannot stream a value (a
        compressed member of a zip, a file system of fsspec) holds whole values in addition.
    max_upload
        Largest value in bytes that a PUT may store. At most `memory`.
    max_requests
        Number of requests in progress, and of connections. Further ones get the status 503.
    timeout
        Seconds that a client may take to send the head of a request, to send a body's next part, or to read the next
        part of a response.
    """

    write: bool = False
    consolidate: bool = False
    listing: bool = True
    cors: tuple[str, ...] = ()
    token: str | None = field(default=None, repr=False)
    store_requests: int = 32
    memory: int = 256 * MIB
    max_upload: int = 128 * MIB
    max_requests: int = 512
    timeout: float = 30.0

    def __post_init__(self) -> None:
        if self.write and self.consolidate:
            raise ArgumentError(
                "consolidate=True shows readers documents that are not stored, and writers change the stored ones: "
                "leave out write or consolidate"
            )
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            # The token is not shown.
            raise ArgumentError("token has 8 to 200 characters, each a letter, a digit or one of _ ~ . -")
        origins: object = self.cors
        if not isinstance(origins, tuple):
            raise ArgumentError(f"cors is a tuple of origins, not {origins!r}")
        for origin in self.cors:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ArgumentError(
                    f"cors: {origin!r} is not an origin; give '*' or one such as 'https://host:port'"
                )
        for name in ("store_requests", "memory", "max_upload", "max_requests"):
            number = getattr(self, name)
            if type(number) is not int or number < 1:
                raise ArgumentError(f"{name} is a positive integer, not {number!r}")
        if self.max_upload > self.memory:
            raise ArgumentError(
                f"max_upload ({self.max_upload}) is larger than memory ({self.memory}): give more memory"
            )
        if self.memory < MIB:
            raise ArgumentError(f"memory is at least {MIB} bytes, not {self.memory}")
        if (
            isinstance(self.timeout, bool)
            or not isinstance(self.timeout, (int, float))
            or not 0 < self.timeout < 1e6
        ):
            raise ArgumentError(f"timeout is a positive number of seconds, not {self.timeout!r}")
