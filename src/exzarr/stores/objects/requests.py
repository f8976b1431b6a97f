"""One request of obstore, with exzarr's errors, and with retries after transient errors."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from exzarr._retrying import Retry
from exzarr.errors import StoreError
from exzarr.stores.objects.errors import is_missing_container, is_panic, status_of, store_error
from exzarr.stores.objects.web import Web
from exzarr.stores.wrappers.retry import persist

__all__ = ["Asked", "Kind", "ask"]

T = TypeVar("T")
Kind = Literal["get", "range", "size", "put", "delete", "list"]

EXPECTED = frozenset(
    ("PreconditionError", "AlreadyExistsError", "NotSupportedError", "NotImplementedError", "TypeError")
)
"""Names of obstore's errors that are raised unchanged. The caller handles them."""

READS = frozenset(("get", "range", "size"))

IN_FOLDER = re.compile(r"\(os error 2[01]\)")
"""Errors of a local folder: a part of the key is itself a key, or the key is a folder."""

_started_in: int | None = None
"""Id of the process in which obstore started its threads. A forked child has no such threads and would wait forever.

A new client does not help: all clients of a process share these threads, and obstore does not restart them.
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """The recipient of requests, and how to handle errors.

    Attributes
    ----------
    client
        One of obstore's stores.
    url, root
        URL of the store, and of the bucket, for messages.
    retry
        Retry policy.
    secrets
        Values that no message may show.
    absent
        HTTP statuses that mean that an object is missing, in addition to 404 and 410.
    web
        For a web server: the client for conditional puts.
    """

    client: Any
    url: str
    root: str
    retry: Retry
    secrets: tuple[str, ...] = field(default=(), repr=False)
    absent: tuple[int, ...] = ()
    web: Web | None = None


def ask(asked: Asked, kind: Kind, key: str, call: Callable[..., T], *args: Any, **more: Any) -> T:
    """Return ``call(client, *args)``. Raise FileNotFoundError for a missing object, and `EXPECTED` errors unchanged."""
    global _started_in
    if _started_in != os.getpid():
        if _started_in is not None:
            raise StoreError(
                f"{asked.url} can't be used in a forked process, since obstore was used before the fork; "
                "start processes by 'spawn' or 'forkserver' (multiprocessing.set_start_method)"
            )
        _started_in = os.getpid()

    def attempt() -> T:
        try:
            return call(asked.client, *args, **more)
        except FileNotFoundError as error:
            # obstore raises this for a method that is not allowed, too.
            if not is_missing_container(error) and status_of(error) in (None, 404, 410, *asked.absent):
                raise FileNotFoundError(key) from None
            made = store_error(error, asked.url, kind, key, asked.secrets)
        except BaseException as error:
            if type(error).__name__ in EXPECTED or not (isinstance(error, Exception) or is_panic(error)):
                raise
            if kind in READS and status_of(error) in (410, *asked.absent):
                raise FileNotFoundError(key) from None
            if IN_FOLDER.search(str(error)):
                raise FileNotFoundError(key) from None
            made = store_error(error, asked.url, kind, key, asked.secrets)
        # Outside of the `except` clause: obstore's error may contain secrets and must not be shown as the context.
        raise made

    return persist(asked.retry, asked.url, kind, key, attempt)
