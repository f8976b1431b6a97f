"""Puts of objects, with and without a condition.

If the response to a conditional put is lost, the second attempt fails its condition because of the first. Each
conditional put therefore carries an id in the object's metadata, by which exzarr recognizes its own put.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

from exzarr.errors import StoreError, UpdateUnsupportedError
from exzarr.stores.base import Buffer, Store
from exzarr.stores.objects.options import import_obstore
from exzarr.stores.objects.properties import etag_of, mode_of
from exzarr.stores.objects.requests import Asked, ask

__all__ = ["WRITE_ID", "no_conditional_put", "put", "put_if"]

T = TypeVar("T")

WRITE_ID = "exzarrwrite"
"""Name of the metadata that holds the id of a conditional put. (Azure takes only letters, digits and ``_``,
and some proxies drop headers with ``_``.)"""


def put(asked: Asked, key: str, path: str, value: Buffer) -> None:
    """Store `value` as the object `path`, which is the key `key`, unconditionally."""
    more = {} if asked.web is None else {"use_multipart": False}  # web servers have no multipart puts
    _put(asked, key, partial(import_obstore().put, **more), path, value)


def put_if(asked: Asked, key: str, path: str, value: Buffer, version: Hashable) -> bool | None:
    """Put if the object still has this version (None: is still missing).

    Return False if it has not, and None if the store has no conditional puts.
    """
    obs = import_obstore()
    mark = uuid4().hex
    lost = False
    web = asked.web
    etag = etag_of(version)
    if web is not None and version is not None and (etag is None or etag.startswith("W/")):
        return None
    more: dict[str, Any] = {
        "mode": "create" if version is None else mode_of(version),
        "use_multipart": False,
    }
    if type(asked.client).__name__ != "LocalStore":
        more["attributes"] = {WRITE_ID: mark}

    def attempt(client: Any, path: str) -> bool:
        nonlocal lost
        try:
            if web is not None:
                web.put_if(path, value, etag, mark)
            else:
                obs.put(client, path, value, **more)
        except Exception as error:
            if type(error).__name__ in ("PreconditionError", "AlreadyExistsError"):
                # Or an earlier attempt succeeded and its response was lost. The id tells which.
                return lost and _mark_of(client, path) == mark
            lost = True
            raise
        return True

    try:
        return _put(asked, key, attempt, path)
    except Exception as error:
        if type(error).__name__ not in ("NotImplementedError", "NotSupportedError"):
            raise
    return None


def no_conditional_put(store: Store, key: str) -> UpdateUnsupportedError:
    """Create the error for a conditional change in a store without conditional puts."""
    return UpdateUnsupportedError(
        f"cannot change part of key {key!r} in {store}: the store has no conditional put, so that "
        "another writer's change could be lost; write whole chunks, or declare that there is no "
        "other writer: ObjectStore(..., single_writer=True)"
    )


def _put(asked: Asked, key: str, call: Callable[..., T], *args: Any) -> T:
    try:
        return ask(asked, "put", key, call, *args)
    except FileNotFoundError:
        raise StoreError(f"cannot put key {key!r}: there is no {asked.root}") from None


def _mark_of(client: Any, path: str) -> str | None:
    try:
        found = import_obstore().get(client, path, options={"head": True})
    except FileNotFoundError:
        return None
    mark: str | None = found.attributes.get(WRITE_ID)
    return mark
