"""The path of a request: its token, and the key or the folder that it names. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from exzarr.errors import InvalidKeyError
from exzarr.stores.keys import check_key, check_prefix

__all__ = ["Target", "admitted", "target_of"]


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is about.

    Attributes
    ----------
    name
        The key, or the prefix of a folder (``""`` is the root).
    is_folder
        Whether the path ends with a slash.
    """

    name: str
    is_folder: bool


def target_of(path: str) -> Target:
    """Return the target of a path that was percent-decoded once. Raise InvalidKeyError if it may leave the store."""
    if not path.startswith("/"):
        raise InvalidKeyError(f"the path {path[:100]!r} does not begin with a slash")
    if "\ufffd" in path:
        raise InvalidKeyError("the path is not UTF-8")
    # A client that joins a URL with a slash at its end and a key sends two.
    name = path.lstrip("/")
    if not name or name.endswith("/"):
        return Target(check_prefix(name[:-1]), True)
    return Target(check_key(name), False)


def admitted(token: str | None, path: str, query: str, headers: Mapping[str, str]) -> str | None:
    """Return the path without the token; None if the request does not give the token.

    The token is compared in constant time.
    """
    if token is None:
        return path
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and _equal(given.strip(), token):
        return _without(path, token) or path
    below = _without(path, token)
    if below is not None:
        return below
    return path if any(_equal(one, token) for one in parse_qs(query[:4096]).get("token", ())) else None


def _without(path: str, token: str) -> str | None:
    first, slash, rest = path.removeprefix("/").partition("/")
    return slash + rest or "/" if _equal(first, token) else None


def _equal(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), token.encode())
