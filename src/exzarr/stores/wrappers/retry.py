"""Store wrapper that retries failed requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from operator import attrgetter
from typing import TypeVar

from exzarr._retrying import Retry, is_transient
from exzarr.errors import StoreError, UnreachableError
from exzarr.stores.base import KEEP, Buffer, Change, Listed, NewValue, Store, ValueReader, whole_value
from exzarr.stores.wrappers.base import Request, StoreWrapper

__all__ = ["PATIENT", "RetryStore", "persist"]

T = TypeVar("T")

PATIENT = Retry(attempts=10, timeout=60.0, wait_initial=0.1, wait_max=10.0, wait_jitter=0.5)
"""Retry policy for remote stores. Its waits are long enough for stores that throttle."""


class RetryStore(StoreWrapper):
    """Wrapper that retries requests after transient errors.

    A put or a delete may be carried out twice, with the same outcome. The last error names
    the store, the key and the number of attempts. Its cause is the store's own error.

    Parameters
    ----------
    inner
        The store.
    retry
        Retry policy: which errors are retried, how often, and for how long (see `exzarr.Retry`).
    """

    def __init__(self, inner: Store, retry: Retry = PATIENT) -> None:
        super().__init__(inner)
        self.retry = retry

    def around(self, request: Request, call: Callable[[], T]) -> T:
        return persist(self.retry, self.url, request.kind, request.key, call)

    def put_if_absent(self, key: str, value: Buffer) -> bool:
        failed = False

        def attempt() -> bool:
            nonlocal failed
            try:
                # A response may get lost after the value was put. Compare the stored value to find out.
                return self.inner.put_if_absent(key, value) or (failed and _is(self.inner.get(key), [value]))
            except BaseException:
                failed = True
                raise

        return self.around(Request("put", key, [value]), attempt)

    def update(self, key: str, change: Change) -> None:
        put: NewValue = KEEP
        """Parts that a failed attempt may have stored, if only its response was lost."""

        def attempt() -> None:
            before = put
            self.inner.update(key, lambda value: changed(value, before))

        def changed(value: ValueReader | None, before: NewValue) -> NewValue:
            nonlocal put
            if before is not KEEP and _is(None if value is None else whole_value(value), before):
                return KEEP
            # The memory belongs to the caller. It is referenced only while the caller waits.
            put = change(value)
            return put

        self.around(Request("put", key), attempt)

    def list(self, prefix: str = "") -> Iterator[str]:
        return self._listing(self.inner.list, prefix, str)

    def list_values(self, prefix: str = "") -> Iterator[Listed]:
        return self._listing(self.inner.list_values, prefix, attrgetter("key"))

    def _listing(
        self, begin: Callable[[str], Iterator[T]], prefix: str, key_of: Callable[[T], str]
    ) -> Iterator[T]:
        # A listing may fail midway. The next attempt skips the keys that were yielded.
        known: set[str] = set()
        keys: Iterator[T] = iter(())
        fresh = True

        def more() -> Sequence[T]:
            nonlocal keys, fresh
            if fresh:
                keys, fresh = begin(prefix), False
            try:
                return [*islice(keys, 1000)]
            except BaseException:
                fresh = True
                raise

        while batch := self.around(Request("list", prefix), more):
            for found in batch:
                key = key_of(found)
                if key not in known:
                    known.add(key)
                    yield found


def _is(found: Buffer | None, parts: Sequence[Buffer] | None) -> bool:
    """Return True if `found` equals the joined parts (None: a deleted value)."""
    if found is None or parts is None:
        return found is None and parts is None
    return bytes(found) == b"".join(parts)


def persist(retry: Retry, url: str, kind: str, key: str, call: Callable[[], T]) -> T:
    """Return the result of the request ``call()``, retried as the policy `retry` says."""
    tried = 1

    def note(attempt: int, *_: object) -> None:
        nonlocal tried
        tried = attempt + 1

    try:
        return retry.call(call, note=note)
    except Exception as error:
        if tried == 1 or not is_transient(error):
            raise
        kept = UnreachableError if isinstance(error, UnreachableError) else StoreError
        raise kept(
            f"{kind} of key {key!r} in {url} failed {tried} times in a row, at last with: {error}"
        ) from error
