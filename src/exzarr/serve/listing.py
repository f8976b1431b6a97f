"""Listings of folders: HTML for browsers and fsspec, and WebDAV for obstore and exzarr. These functions block.

Names are data of the store, and never markup: they are quoted in links, and escaped in texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape
from http import HTTPStatus
from itertools import islice
from urllib.parse import quote

from exzarr.serve.replies import Reply, plain
from exzarr.stores.base import Store

__all__ = ["folder_page", "looks_like_folder", "properties"]

ROWS = 1000
"""Rows that are written together."""

_HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title></head>
<body><h1>{title}</h1>
<ul>
"""
_MULTISTATUS = '<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">\n'
_EPOCH = "Thu, 01 Jan 1970 00:00:00 GMT"
"""Date of every value, since stores have none. Clients of WebDAV require one."""


def folder_page(store: Store, prefix: str, here: str) -> Reply:
    """Return the HTML page of the keys and prefixes directly under `prefix`. `here` is the quoted path of the folder."""
    keys, prefixes = store.list_dir(prefix)
    if prefix and not keys and not prefixes:
        return _no_folder(prefix)
    names = [*(f"{name}/" for name in prefixes), *keys]
    title = escape(f"/{prefix}/" if prefix else "/")
    base = here.rstrip("/")

    def rows() -> Iterator[bytes]:
        yield _HEAD.format(title=title).encode()
        for start in range(0, len(names), ROWS):
            # The whole path: fsspec takes a relative link that begins with "http" for another address.
            part = (
                f'<li><a href="{base}/{quote(name)}">{escape(name)}</a></li>\n'
                for name in names[start : start + ROWS]
            )
            yield "".join(part).encode("utf-8", "replace")
        yield b"</ul></body></html>\n"

    headers = {
        "content-type": "text/html; charset=utf-8",
        "cache-control": "no-cache",
        "content-security-policy": "default-src 'none'",
        "referrer-policy": "no-referrer",
    }
    return Reply(HTTPStatus.OK, headers, rows())


def properties(store: Store, name: str, here: str, depth: str) -> Reply:
    """Answer a PROPFIND (RFC 4918, section 9.1) about the key or the folder `name`. `here` is its quoted path."""
    base = here.rstrip("/")
    size = store.size(name) if name else None
    if size is not None:
        return _multistatus(iter([_of_key(base, size)]))
    sized = store.size if not store.traits.concurrency else None  # else one request for each key
    keys, prefixes = store.list_dir(name)
    if name and not keys and not prefixes:
        return _no_folder(name)
    if depth == "0":
        return _multistatus(iter([_of_folder(base)]))
    if depth == "1":
        return _multistatus(_members(base, name, keys, prefixes, sized))
    return _multistatus(_all(store, base, name, sized))


def looks_like_folder(key: str) -> bool:
    """Return False for the key of a document or of a chunk. A client asks for these although they are missing."""
    name = key.rpartition("/")[2]
    return (
        not name.startswith((".", "zarr.json"))
        and not name.replace(".", "").removeprefix("c").isdigit()
        and (name != "c")
    )


def _no_folder(prefix: str) -> Reply:
    return plain(HTTPStatus.NOT_FOUND, f"there is nothing below {prefix[:200]!r}")


def _multistatus(entries: Iterator[str]) -> Reply:
    def rows() -> Iterator[bytes]:
        yield _MULTISTATUS.encode()
        while part := "".join(islice(entries, ROWS)):
            yield part.encode()
        yield b"</D:multistatus>\n"

    return Reply(HTTPStatus.MULTI_STATUS, {"content-type": "application/xml; charset=utf-8"}, rows())


Sized = Callable[[str], int | None]


def _members(
    base: str, name: str, keys: Sequence[str], prefixes: Sequence[str], sized: Sized | None
) -> Iterator[str]:
    yield _of_folder(base)
    top = f"{name}/" if name else ""
    for prefix in prefixes:
        yield _of_folder(f"{base}/{quote(prefix)}")
    for key in keys:
        yield _of_key(f"{base}/{quote(key)}", None if sized is None else sized(top + key))


def _all(store: Store, base: str, name: str, sized: Sized | None) -> Iterator[str]:
    skip = len(name) + 1 if name else 0
    for key in store.list(name):
        yield _of_key(f"{base}/{quote(key[skip:])}", None if sized is None else sized(key))


def _of_folder(path: str) -> str:
    return _entry(f"{path}/", "<D:resourcetype><D:collection/></D:resourcetype>")


def _of_key(path: str, size: int | None) -> str:
    length = "" if size is None else f"<D:getcontentlength>{size}</D:getcontentlength>"
    return _entry(path, f"<D:resourcetype/>{length}")


def _entry(path: str, what: str) -> str:
    return (
        f"<D:response><D:href>{path}</D:href><D:propstat><D:prop>{what}"
        f"<D:getlastmodified>{_EPOCH}</D:getlastmodified></D:prop>"
        "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>\n"
    )
