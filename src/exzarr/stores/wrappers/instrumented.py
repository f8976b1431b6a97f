"""A store wrapper that measures requests and emits a `StoreRequest` event for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any, Protocol, TypeVar

from exzarr import telemetry
from exzarr.stores.base import KEEP, Buffer, Change, Listed, NewValue, Store, ValueReader, announce
from exzarr.stores.locks import waited
from exzarr.stores.wrappers.base import Request, StoreWrapper
from exzarr.telemetry.events import RequestKind, StoreRequest

__all__ = ["InstrumentedStore", "RequestRecorder"]

T = TypeVar("T")


class RequestRecorder(Protocol):
    """Receiver of the requests of one read or write, in the thread that makes them."""

    def requesting(self, key: str) -> None:
        """Record that a request for `key` begins."""

    def requested(self, kind: RequestKind, key: str, nbytes: int, seconds: float, found: bool) -> None:
        """Record that a request has succeeded and its event has been emitted."""

    def opened(self, key: str) -> None:
        """Record that a value was opened. The time for that is reported with its first read."""

    def updating(self, key: str, waited: float) -> None:
        """Record that `Store.update` has the lock of `key`, after a wait of `waited` seconds."""

    def updated(self, key: str) -> None:
        """Record that the change of `Store.update` is computed and will now be stored."""


class InstrumentedStore(StoreWrapper):
    """Forward each request to `inner`, measure it, and emit a `StoreRequest`.

    Parameters
    ----------
    hooks
        The hooks that get the events.
    recorder
        Also told of each request; None outside the engine.
    """

    def __init__(self, inner: Store, hooks: telemetry.Hooks, recorder: RequestRecorder | None = None) -> None:
        super().__init__(inner)
        self._hooks = hooks
        self._recorder = recorder
        self._url = inner.url

    def around(self, request: Request, call: Callable[[], T]) -> T:
        kind, key, parts, room = request
        if self._recorder is not None:
            self._recorder.requesting(key)
        made: Any
        made, seconds = self.timed(kind, key, call)
        found = made is not None
        if room is not None:
            found = made >= 0
            if made > room:
                kind = "range"
        elif kind in ("put", "delete", "list"):
            if made is False:  # `put_if_absent` found a value and stored nothing
                kind, parts = "size", ()
            found = True
        nbytes = sum(map(len, parts)) if parts else request.nbytes_read(made)
        self.tell(kind, key, nbytes, seconds, found)
        result: T = made
        return result

    def timed(self, kind: RequestKind, key: str, call: Callable[..., T], *args: Any) -> tuple[T, float]:
        """Return the result of ``call(*args)`` and its seconds. A failure is emitted and raised."""
        start = perf_counter()
        try:
            return call(*args), perf_counter() - start
        except BaseException as error:
            self._failed(kind, key, perf_counter() - start, error)
            raise

    def tell(self, kind: RequestKind, key: str, nbytes: int, seconds: float, found: bool = True) -> None:
        """Report a request that succeeded."""
        telemetry.emit(StoreRequest(self._url, kind, key, nbytes, seconds, found), self._hooks)
        if self._recorder is not None:
            self._recorder.requested(kind, key, nbytes, seconds, found)

    def _failed(self, kind: RequestKind, key: str, seconds: float, error: BaseException) -> None:
        text = f"{type(error).__name__}: {error}"
        telemetry.emit(StoreRequest(self._url, kind, key, 0, seconds, error=text), self._hooks)

    # -- requests of several steps -------------------------------------------------

    def open_value(self, key: str) -> ValueReader | None:
        if self._recorder is not None:
            self._recorder.requesting(key)
        value, seconds = self.timed("size", key, self.inner.open_value, key)
        if self._recorder is not None:
            self._recorder.opened(key)
        return self._opened(key, value, seconds)

    def _opened(self, key: str, value: ValueReader | None, seconds: float) -> ValueReader | None:
        if value is None:
            self.tell("get", key, 0, seconds, False)
            return None
        return _InstrumentedValue(self, key, value, seconds)

    def update(self, key: str, change: Change) -> None:
        """Report reading the old value and storing the new one. Waiting for locks counts to neither."""
        recorder = self._recorder
        if recorder is not None:
            recorder.requesting(key)
        start, before = perf_counter(), waited()
        changed = False
        parts: NewValue = KEEP

        def timed(value: ValueReader | None) -> NewValue:
            nonlocal start, before, changed, parts
            wait = waited() - before
            seconds = max(0.0, perf_counter() - start - wait)
            changed = False
            if recorder is not None:
                recorder.updating(key, wait)
            parts = change(self._opened(key, value, seconds))
            if recorder is not None:
                recorder.updated(key)
            start, before, changed = perf_counter(), waited(), True
            return parts

        try:
            self.inner.update(key, timed)
        except BaseException as error:
            if changed:
                self._failed("put", key, perf_counter() - start, error)
            raise
        seconds = perf_counter() - start
        if parts is None:
            self.tell("delete", key, 0, seconds)
        elif parts is not KEEP:
            self.tell("put", key, sum(map(len, parts)), seconds)

    def list(self, prefix: str = "") -> Iterator[str]:
        keys, seconds = self.timed("list", prefix, self.inner.list, prefix)
        return self._listing(keys, prefix, seconds)

    def list_values(self, prefix: str = "") -> Iterator[Listed]:
        values, seconds = self.timed("list", prefix, self.inner.list_values, prefix)
        return self._listing(values, prefix, seconds)

    def _listing(self, keys: Iterator[T], prefix: str, seconds: float) -> Iterator[T]:
        # The time between two keys is the caller's own.
        try:
            while True:
                key, took = self.timed("list", prefix, next, keys, None)
                seconds += took
                if key is None:
                    break
                yield key
        except GeneratorExit:  # the caller stopped early
            pass
        self.tell("list", prefix, 0, seconds)


class _InstrumentedValue:
    """An opened value whose reads are requests. The time to open it counts to the first read."""

    def __init__(self, store: InstrumentedStore, key: str, value: ValueReader, seconds: float) -> None:
        self._store = store
        self._key = key
        self._value = value
        self._opening: float | None = seconds
        self.size = value.size
        self.version = value.version

    def read_into(self, buffer: memoryview, start: int) -> None:
        store, recorder = self._store, self._store._recorder
        kind: RequestKind = "get" if len(buffer) == self.size else "range"
        if recorder is not None:
            recorder.requesting(self._key)
        _, seconds = store.timed(kind, self._key, self._value.read_into, buffer, start)
        seconds += self._opening or 0.0
        self._opening = None
        store.tell(kind, self._key, len(buffer), seconds)

    def stage(self, parts: Sequence[Buffer]) -> None:
        """Forward the announcement of the new value (see `stores.write_intents.announce`)."""
        announce(self._value, parts)

    def close(self) -> None:
        self._value.close()
        if self._opening is not None:  # only its existence and version were requested
            self._store.tell("size", self._key, 0, self._opening)
            self._opening = None
