"""Normal form of the paths and URLs of files.

URLs of web servers and ``file://`` URLs are percent-decoded (``%20`` is a blank). Keys of object stores and paths are
not. This applies to all names of files: those given to `open`, `virtualize` and `ReferenceStore`, its `base` and
`allow`, and the targets of references.
"""

from __future__ import annotations

import posixpath
from urllib.parse import quote, unquote

from exzarr.errors import UnsupportedError

__all__ = ["encoded", "is_url", "joined", "local_path", "plain"]


def is_url(target: str) -> bool:
    """Return True for a URL, except a ``file://`` URL."""
    return "://" in target and not target.startswith("file://")


def local_path(target: str) -> str:
    """Return the path of a path or a ``file://`` URL."""
    if not target.startswith("file://"):
        return target
    host, slash, path = target.removeprefix("file://").partition("/")
    if host not in ("", "localhost") or not slash:
        raise UnsupportedError(
            f"{target!r} names the host {host!r}; a local path has three slashes: file:///data/x.nc"
        )
    path = unquote(path, errors="surrogateescape")
    return path if path[1:2] == ":" and path[:1].isalpha() else "/" + path


def plain(target: str) -> str:
    """Return a path or URL without percent-encoding: the same for all spellings."""
    if not is_url(target):
        return local_path(target)
    scheme, _, rest = target.partition("://")
    if not _is_web(scheme):
        return target
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}{slash}{unquote(path)}"


def encoded(target: str) -> str:
    """Return the percent-encoded URL of a result of `plain`."""
    scheme, _, rest = target.partition("://")
    if not is_url(target) or not _is_web(scheme):
        return target
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}{slash}{quote(path)}"


def joined(base: str, path: str) -> str:
    """Return the plain URL of a relative path in `base`, a plain URL of a folder. ``..`` leads up to the host at most."""
    scheme, _, rest = base.partition("://")
    host, _, folder = rest.partition("/")
    return f"{scheme}://{host}{posixpath.normpath(posixpath.join('/', folder, path))}"


def _is_web(scheme: str) -> bool:
    return scheme.lower() in ("http", "https")
