"""A store that injects planned faults, to test how your code and your data survive them.

A `FaultPlan` defines which requests fail, and how. It is generated from a seed, or written by hand. The same plan
makes the same requests fail if they come in the same order, which one thread ensures.

exzarr makes two promises, and its own tests search for plans that break them. An operation on a failing store
either completes or raises an `ExzarrError`. Every key then has its old value or its new value. A store guarantees
this for single keys only: a failed operation that writes several chunks may have written some of them. The
metadata document defines what is part of an array; `Array.append` and `Array.resize` document when they write it.
A store that tears values (``"tear"``) breaks the second promise. Reads detect torn values if there is a checksum,
and `exzarr.check` detects them.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, TypeVar, cast, get_args

from exzarr.errors import ArgumentError, StoreError
from exzarr.stores.base import KEEP, Change, Fetched, NewValue, Store, ValueReader
from exzarr.stores.wrappers.base import Request, StoreWrapper
from exzarr.telemetry.events import RequestKind

__all__ = ["HARMLESS", "WHATS", "Fault", "FaultPlan", "FaultStore", "What"]

T = TypeVar("T")

What = Literal["fail", "lose", "truncate", "tear", "delay", "duplicate", "reorder"]
"""The kinds of faults.

``fail``       the request does nothing and raises
``lose``       the request is done and raises: its response is lost
``truncate``   a read ends early, without an error
``tear``       a put stores a part of its value and raises
``delay``      the request waits until some requests of other threads have begun
``duplicate``  a put or delete is done twice
``reorder``    the request waits for the end of another thread's request; a listing comes in another order
"""

WHATS: tuple[What, ...] = get_args(What)

HARMLESS: tuple[What, ...] = ("delay", "duplicate", "reorder")
"""Faults that break no promise of a store."""

PATIENCE = 0.02
"""Most seconds that a request waits for others: other threads may have no requests."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of one request.

    Attributes
    ----------
    what
        See `What`. A fault that does not apply to a request does nothing, for example tearing a read.
    amount
        truncate, tear: the share of the value that is left. delay: sets the number of requests to wait for.
    """

    what: What
    amount: float = 0.5

    def __post_init__(self) -> None:
        if self.what not in WHATS:
            raise ArgumentError(f"what= of a Fault must be one of {', '.join(WHATS)}, not {self.what!r}")

    def cut(self, size: int) -> int:
        """Return how many of `size` bytes are left: at least one fewer, unless `size` is 0."""
        return max(0, min(size - 1, int(size * self.amount)))


@dataclass(frozen=True)
class FaultPlan:
    """The faults by the number of the request, from 0."""

    faults: Mapping[int, Fault] = field(default_factory=dict)

    @classmethod
    def seeded(
        cls, seed: int, rate: float = 0.1, what: Iterable[What] = WHATS, requests: int = 10_000
    ) -> Self:
        """Return a random plan, the same for the same seed.

        Parameters
        ----------
        seed
            Seed of the random numbers.
        rate
            Share of the requests that get a fault.
        what
            Kinds of faults to choose from.
        requests
            Number of requests that the plan covers.
        """
        rng = random.Random(seed)  # noqa: S311 - no secret
        kinds = [*what]
        numbers = [number for number in range(requests) if rng.random() < rate]
        return cls({number: Fault(rng.choice(kinds), rng.random()) for number in numbers})


class FaultStore(StoreWrapper):
    """A wrapper of another store that injects the faults of `plan`.

    Attributes
    ----------
    requests
        Number of requests.
    happened
        ``(number, kind of request, key, fault)`` of the requests that got a fault.
    """

    def __init__(self, inner: Store, plan: FaultPlan) -> None:
        super().__init__(inner)
        self.plan = plan
        self.requests = 0
        self.happened: list[tuple[int, RequestKind, str, Fault]] = []
        self._changed = threading.Condition()
        self._done = 0

    def local_path(self, key: str) -> str | None:
        """Return None: all access to files is a request."""
        return None

    # -- requests --------------------------------------------------------------------

    def around(self, request: Request, call: Callable[[], T]) -> T:
        fault = self._next(request.kind, request.key)
        try:
            return call() if fault is None else self._do(fault, request, call)
        finally:
            self._finish()

    def _do(self, fault: Fault, request: Request, call: Callable[[], T]) -> T:
        self._hold(fault)
        kind, key = request.kind, request.key
        writes = kind in ("put", "delete")
        if fault.what == "fail" or (fault.what == "lose" and not writes):
            raise self._error(kind, key, "failed (planned fault)")
        if fault.what == "tear" and kind == "put":
            data = b"".join(request.parts)
            self.inner.put(key, data[: fault.cut(len(data))])
            raise self._error(kind, key, "was torn (planned fault)")
        result = call()
        if fault.what == "lose":
            raise self._error(kind, key, "was done, but its response was lost (planned fault)")
        if fault.what == "duplicate" and writes:
            call()
        if fault.what == "reorder" and isinstance(result, Iterator):
            return cast("T", iter([*result][::-1]))
        return cast("T", _cut(request, result, fault)) if fault.what == "truncate" else result

    def update(self, key: str, change: Change) -> None:
        """Update a value with two requests, as every `StoreWrapper` does. ``duplicate`` calls `change` twice."""
        failed: list[StoreError] = []

        def faulty_change(value: ValueReader | None) -> NewValue:
            failed.clear()
            fault = self._next("get", key)
            self._finish()
            if fault is not None:
                self._hold(fault)
                if fault.what in ("fail", "lose"):
                    raise self._error("get", key, "failed (planned fault)")
                if fault.what == "truncate" and value is not None:
                    value = _Cut(value, fault.cut(value.size))
            parts = change(value)
            if parts is KEEP:
                return parts
            fault = self._next("put" if parts is not None else "delete", key)
            self._finish()
            if fault is None:
                return parts
            self._hold(fault)
            if fault.what == "duplicate":
                parts = change(value)
            elif fault.what == "fail":
                raise self._error("put", key, "failed (planned fault)")
            elif fault.what == "lose":
                failed.append(self._error("put", key, "was done, but its response was lost (planned fault)"))
            elif fault.what == "tear" and parts is not None:
                failed.append(self._error("put", key, "was torn (planned fault)"))
                data = b"".join(parts)
                parts = [data[: fault.cut(len(data))]]
            return parts

        self.inner.update(key, faulty_change)
        if failed:
            raise failed[0]

    # -- the plan ----------------------------------------------------------------------

    def _next(self, kind: RequestKind, key: str) -> Fault | None:
        with self._changed:
            number = self.requests
            self.requests += 1
            self._changed.notify_all()
            fault = self.plan.faults.get(number)
            if fault is not None:
                self.happened.append((number, kind, key, fault))
            return fault

    def _finish(self) -> None:
        with self._changed:
            self._done += 1
            self._changed.notify_all()

    def _hold(self, fault: Fault) -> None:
        with self._changed:
            if fault.what == "delay":
                until = self.requests + 1 + int(4 * fault.amount)
                self._changed.wait_for(lambda: self.requests >= until, PATIENCE)
            elif fault.what == "reorder":
                done = self._done
                self._changed.wait_for(lambda: self._done > done, PATIENCE)

    def _error(self, kind: RequestKind, key: str, how: str) -> StoreError:
        return StoreError(f"{kind} of key {key!r} in {self.url} {how}")


class _Cut:
    """An opened value that ends early."""

    __slots__ = ("_value", "size", "version")

    def __init__(self, value: ValueReader, size: int) -> None:
        self._value = value
        self.size = size
        self.version: Hashable = None

    def read_into(self, buffer: memoryview, start: int) -> None:
        if start + len(buffer) > self.size:
            raise StoreError(f"the value ends at byte {self.size} (planned fault)")
        self._value.read_into(buffer, start)

    def close(self) -> None:
        self._value.close()


def _cut(request: Request, result: Any, fault: Fault) -> Any:
    """Truncate the result of a read."""
    if request.room is not None:
        return fault.cut(min(result, request.room)) if result > 0 else result
    if isinstance(result, bytes | bytearray | memoryview):
        return result[: fault.cut(len(result))]
    if isinstance(result, Fetched):
        return replace(result, data=result.data[: fault.cut(len(result.data))])
    if hasattr(result, "read_into"):
        return _Cut(result, fault.cut(result.size))
    return result
