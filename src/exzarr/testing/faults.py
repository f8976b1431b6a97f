"""A store that goes wrong on a plan: for testing what becomes of your data when yours does.

A `FaultPlan` says which request goes wrong, and how; it is made from a seed, or written down. The same plan
makes the same requests go wrong, as far as their order is the same (one thread: always).

What exzarr promises, and what its own tests search plans for a counterexample of: an operation on a store
that fails either completes, or raises an `ExzarrError`; and every key then has the value that it had before or
the one that it was to get. The atomicity is that of a single key, which is all that a store gives: an operation
that writes several chunks may have written some of them; the metadata document, which decides what is
part of an array, is written in the order that `Array.append` and `Array.resize` document. A store that tears
values (``"tear"``) breaks even that promise; what comes of it is noticed when it is read, where there is a
checksum, and by `exzarr.check`.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, TypeVar, cast, get_args

from exzarr.errors import ArgumentError, StoreError
from exzarr.stores.base import KEEP, Buffer, Change, Fetched, Store, ValueReader
from exzarr.stores.wrappers.intercepting import InterceptingStore
from exzarr.telemetry.events import RequestKind

__all__ = ["HARMLESS", "WHATS", "Fault", "FaultPlan", "FaultStore", "What"]

T = TypeVar("T")

What = Literal["fail", "lose", "truncate", "tear", "delay", "duplicate", "reorder"]
"""How a request goes wrong.

``fail``       nothing is done, and it raises
``lose``       it is done, and raises: the response is lost
``truncate``   what is read ends early, without an error
``tear``       what is put is stored in part, and it raises
``delay``      it is held until some requests of other threads have begun
``duplicate``  what is put or deleted is put or deleted twice
``reorder``    it is held until another thread's request is done; a listing comes in another order
"""

WHATS: tuple[What, ...] = get_args(What)

HARMLESS: tuple[What, ...] = ("delay", "duplicate", "reorder")
"""What a store may do without breaking any promise."""

PATIENCE = 0.02
"""Seconds after which a request that is held goes on: the others may have nothing to ask."""


@dataclass(frozen=True, slots=True)
class Fault:
    """How one request goes wrong.

    Attributes
    ----------
    what
        See `What`. What makes no sense for a request (to tear one that reads) does nothing.
    amount
        Which part of the value is left (truncate, tear); how many requests are let go first (delay).
    """

    what: What
    amount: float = 0.5

    def __post_init__(self) -> None:
        if self.what not in WHATS:
            raise ArgumentError(f"a fault is one of {', '.join(WHATS)}, not {self.what!r}")

    def cut(self, size: int) -> int:
        """How many of `size` bytes are left: fewer, if there are any."""
        return max(0, min(size - 1, int(size * self.amount)))


@dataclass(frozen=True)
class FaultPlan:
    """Which requests go wrong: faults by the number of the request, from 0."""

    faults: Mapping[int, Fault] = field(default_factory=dict)

    @classmethod
    def seeded(
        cls, seed: int, rate: float = 0.1, what: Iterable[What] = WHATS, requests: int = 10_000
    ) -> Self:
        """A plan by which about `rate` of the first `requests` requests go wrong; the same for the same seed."""
        rng = random.Random(seed)  # noqa: S311 - no secret
        kinds = [*what]
        numbers = [number for number in range(requests) if rng.random() < rate]
        return cls({number: Fault(rng.choice(kinds), rng.random()) for number in numbers})


class FaultStore(InterceptingStore):
    """Another store, whose requests go wrong as `plan` says.

    Attributes
    ----------
    requests
        How many there have been.
    happened
        ``(number, kind of request, key, fault)`` of those that went wrong.
    """

    def __init__(self, inner: Store, plan: FaultPlan) -> None:
        super().__init__(inner)
        self.plan = plan
        self.requests = 0
        self.happened: list[tuple[int, RequestKind, str, Fault]] = []
        self._turn = threading.Condition()
        self._done = 0

    def local_path(self, key: str) -> str | None:
        """None: nobody gets at the files without a request."""
        return None

    # -- requests --------------------------------------------------------------------

    def around(self, kind: RequestKind, key: str, nbytes: int, call: Callable[..., T], *args: Any) -> T:
        fault = self._next(kind, key)
        try:
            if fault is None:
                return call(*args)
            return self._do(fault, kind, key, call, *args)
        finally:
            self._finish()

    def _do(self, fault: Fault, kind: RequestKind, key: str, call: Callable[..., T], *args: Any) -> T:
        self._hold(fault)
        writes = kind in ("put", "delete")
        if fault.what == "fail" or (fault.what == "lose" and not writes):
            raise self._error(kind, key, "failed, as planned")
        if fault.what == "tear" and kind == "put":
            name, value = args
            data = value if isinstance(value, bytes | bytearray | memoryview) else b"".join(value)
            self.inner.put(name, bytes(data)[: fault.cut(len(data))])
            raise self._error(kind, key, "was torn, as planned")
        result = call(*args)
        if fault.what == "lose":
            raise self._error(kind, key, "was done, and the response lost, as planned")
        if fault.what == "duplicate" and writes:
            call(*args)
        if fault.what == "reorder" and isinstance(result, Iterator):
            return cast("T", iter([*result][::-1]))
        return cast("T", _cut(result, fault)) if fault.what == "truncate" else result

    def update(self, key: str, change: Change) -> None:
        """Two requests, as with every `InterceptingStore`; ``duplicate`` has the change made twice."""
        failed: list[StoreError] = []

        def told(value: ValueReader | None) -> Sequence[Buffer] | None:
            failed.clear()
            fault = self._next("get", key)
            self._finish()
            if fault is not None:
                self._hold(fault)
                if fault.what in ("fail", "lose"):
                    raise self._error("get", key, "failed, as planned")
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
                raise self._error("put", key, "failed, as planned")
            elif fault.what == "lose":
                failed.append(self._error("put", key, "was done, and the response lost, as planned"))
            elif fault.what == "tear" and parts is not None:
                failed.append(self._error("put", key, "was torn, as planned"))
                data = b"".join(parts)
                parts = [data[: fault.cut(len(data))]]
            return parts

        self.inner.update(key, told)
        if failed:
            raise failed[0]

    # -- the plan ----------------------------------------------------------------------

    def _next(self, kind: RequestKind, key: str) -> Fault | None:
        with self._turn:
            number = self.requests
            self.requests += 1
            self._turn.notify_all()
            fault = self.plan.faults.get(number)
            if fault is not None:
                self.happened.append((number, kind, key, fault))
            return fault

    def _finish(self) -> None:
        with self._turn:
            self._done += 1
            self._turn.notify_all()

    def _hold(self, fault: Fault) -> None:
        with self._turn:
            if fault.what == "delay":
                until = self.requests + 1 + int(4 * fault.amount)
                self._turn.wait_for(lambda: self.requests >= until, PATIENCE)
            elif fault.what == "reorder":
                done = self._done
                self._turn.wait_for(lambda: self._done > done, PATIENCE)

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
            raise StoreError(f"the value ends at byte {self.size}, as planned")
        self._value.read_into(buffer, start)

    def close(self) -> None:
        self._value.close()


def _cut(result: Any, fault: Fault) -> Any:
    """What was read, with less of it."""
    if isinstance(result, bytes | bytearray | memoryview):
        return result[: fault.cut(len(result))]
    if isinstance(result, Fetched):
        return replace(result, data=result.data[: fault.cut(len(result.data))])
    if hasattr(result, "got"):  # of `read_into`
        if result.got > 0:
            result.got = fault.cut(min(result.got, result.room))
        return result
    if hasattr(result, "read_into"):
        return _Cut(result, fault.cut(result.size))
    return result
