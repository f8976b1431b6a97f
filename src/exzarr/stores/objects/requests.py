"""Asking an object store: one request of obstore's, its errors made exzarr's, tried again where they pass."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from exzarr._retrying import Retry
from exzarr.errors import StoreError
from exzarr.stores.objects.errors import is_missing_container, is_panic, status_of, store_error
from exzarr.stores.wrappers.retry import persist

__all__ = ["Asked", "Kind", "ask"]

T = TypeVar("T")
Kind = Literal["get", "range", "size", "put", "delete", "list"]

EXPECTED = frozenset(
    ("PreconditionError", "AlreadyExistsError", "NotSupportedError", "NotImplementedError", "TypeError")
)
"""Names of errors of obstore's that are raised as they are: whoever asked knows what they mean."""

READS = frozenset(("get", "range", "size"))

IN_FOLDER = re.compile(r"\(os error 2[01]\)")
"""In a folder: a part of the key is itself a key, or the key is a folder."""

_started_in: int | None = None
"""The process that obstore has started its threads in. A forked child has none of them, and would wait forever.

Nor would a new client help it: all clients of a process share these threads, and obstore never starts them anew.
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is asked, and how.

    Attributes
    ----------
    client
        One of obstore's stores.
    url, root
        The store, and the bucket, for messages.
    retry
        Which errors are tried again, how often, within how long.
    secrets
        What no message may show.
    absent
        Statuses that mean that an object is not there, beside 404 and 410.
    """

    client: Any
    url: str
    root: str
    retry: Retry
    secrets: tuple[str, ...] = field(default=(), repr=False)
    absent: tuple[int, ...] = ()


def ask(asked: Asked, kind: Kind, key: str, call: Callable[..., T], *args: Any, **more: Any) -> T:
    """``call(client, *args)``. FileNotFoundError where there is no such object; `EXPECTED` errors as they are."""
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
            # obstore says so of a method that is not allowed, too.
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
        # Outside of the clause: what obstore says may hold secrets, and is not to be shown as the context.
        raise made

    return persist(asked.retry, asked.url, kind, key, attempt)
