"""Answers to PUT and DELETE. These functions block, and run in threads.

A write with conditions is one `Store.update`: the condition is tested against the value that is replaced, and excludes the
same writers as the store's own updates do.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from exzarr.serve.conditions import Conditions
from exzarr.serve.etags import Etags
from exzarr.serve.replies import Reply, plain
from exzarr.stores.base import KEEP, Buffer, NewValue, Store, ValueReader

__all__ = ["delete", "put"]

NO_CONTENT = Reply(HTTPStatus.NO_CONTENT)


def put(store: Store, etags: Etags, key: str, value: Buffer, conditions: Conditions) -> Reply:
    """Store a value. The status is 201 if the key was missing, 204 if a value was replaced, 412 if a condition fails."""
    if conditions == Conditions():
        existed = store.exists(key)
        store.put(key, value)
        return NO_CONTENT if existed else _created()
    if conditions.creates:
        return _created() if store.put_if_absent(key, value) else _failed()
    return _update(store, etags, key, conditions, lambda _: [value], _created())


def delete(store: Store, etags: Etags, key: str, conditions: Conditions) -> Reply:
    """Delete a value. The status is 204; 404 if the key is missing, 412 if a condition fails."""
    absent = plain(HTTPStatus.NOT_FOUND, f"there is no key {key[:200]!r}")
    if conditions == Conditions():
        if not store.exists(key):
            return absent
        store.delete(key)
        return NO_CONTENT
    if not store.traits.conditional_delete:
        return plain(
            HTTPStatus.NOT_IMPLEMENTED,
            "the store behind this server has no conditional delete: leave out the conditions, or put another value",
        )
    return _update(store, etags, key, conditions, lambda _: None, absent)


def _update(
    store: Store,
    etags: Etags,
    key: str,
    conditions: Conditions,
    make: Callable[[ValueReader | None], NewValue],
    if_new: Reply,
) -> Reply:
    """Update a value under conditions. `if_new` is the response if the key was missing and no condition failed."""
    reply = _failed()

    def change(value: ValueReader | None) -> NewValue:
        nonlocal reply
        if not conditions.holds(None if value is None else etags.of(value).matches):
            reply = _failed()
            return KEEP
        reply = if_new if value is None else NO_CONTENT
        return make(value)

    store.update(key, change)
    return reply


def _created() -> Reply:
    return Reply(HTTPStatus.CREATED, {"content-length": "0"})


def _failed() -> Reply:
    return plain(
        HTTPStatus.PRECONDITION_FAILED,
        "another writer has changed the value: read it again, and repeat the change",
    )
