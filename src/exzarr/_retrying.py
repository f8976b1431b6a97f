"""When something failed: whether to try again, when, and how often.

`Retry` has the shape of ``stamina.retry`` (https://stamina.hynek.me): which errors, how many
attempts, a deadline, and a wait that grows exponentially, with jitter. It is a value: what it
says can be asked (`next_wait`) without anything being run.
"""

from __future__ import annotations

import errno
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from exzarr import telemetry
from exzarr.errors import (
    ArgumentError,
    ChunkError,
    InvalidKeyError,
    ReadOnlyError,
    UnreachableError,
)

__all__ = ["Retry", "Stoppable", "as_retry", "is_transient"]

T = TypeVar("T")

_LASTING = frozenset(
    getattr(errno, name)
    for name in (
        "EACCES EBADF EDQUOT EEXIST EFBIG EINVAL EISDIR ELOOP ENAMETOOLONG ENODEV ENOENT ENOSPC ENOSYS "
        "ENOTDIR ENOTEMPTY ENOTSUP ENXIO EOPNOTSUPP EPERM EROFS EXDEV"
    ).split()
    if hasattr(errno, name)
)
"""What the system says when the same call would fail in the same way a second later."""
_LASTING_CLASSES = (
    FileExistsError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)


def is_transient(error: BaseException) -> bool:
    """Whether `error` may be gone at the next attempt.

    It may where a store or the system failed (StoreError, any other OSError, TimeoutError), except with what lasts:
    not found, no permission, read-only, no space left, an invalid key. Nothing else is: a chunk that cannot
    be decoded stays so, and so does a wrong argument. A `ChunkError` is as transient as its cause.
    """
    cause = error.__cause__
    if isinstance(error, ChunkError) and not isinstance(error, OSError):
        return cause is not None and is_transient(cause)
    if not isinstance(error, OSError) or isinstance(error, (InvalidKeyError, ReadOnlyError)):
        return False
    if error.errno is None and isinstance(cause, OSError):
        return is_transient(cause)
    return error.errno not in _LASTING and not isinstance(error, _LASTING_CLASSES)


SILENT_SECONDS = 1.0
"""For how long something is tried again without a warning."""
WARNING_SECONDS = 5.0
"""Warnings of retries have at least this distance, in the whole process."""
_warned = -WARNING_SECONDS
_warning = threading.Lock()


class Stoppable(Protocol):
    """What can end a wait: `threading.Event`, or `exzarr._stream.stop.Stop`."""

    def wait(self, timeout: float) -> bool:
        """Wait `timeout` seconds; true, and at once, where it has been set."""
        ...


@dataclass(frozen=True, slots=True)
class Retry:
    """How to go on after an error. A wait before attempt *k* (from 2) lasts, in seconds,
    ``min(wait_max, wait_initial * wait_exp_base ** (k - 2) + U(0, wait_jitter))``.

    Attributes
    ----------
    on
        Which errors are worth another attempt: a class, a tuple of classes, or a predicate. Default:
        `is_transient`.
    attempts
        How often to try, the first time included; None: until `timeout`.
    timeout
        No attempt starts later than this many seconds after the first one did; None: no deadline.
    wait_initial, wait_max, wait_jitter, wait_exp_base
        See above.
    unreachable
        How often to try where the host refuses connections, or its name is unknown (`UnreachableError`).
    """

    on: type[BaseException] | tuple[type[BaseException], ...] | Callable[[Exception], bool] = is_transient
    attempts: int | None = 3
    timeout: float | None = 45.0
    wait_initial: float = 0.1
    wait_max: float = 5.0
    wait_jitter: float = 0.2
    wait_exp_base: float = 2.0
    unreachable: int = 2

    def __post_init__(self) -> None:
        if self.attempts is not None and (type(self.attempts) is not int or self.attempts < 1):
            raise ArgumentError(f"a Retry has at least one attempt, not {self.attempts!r}")
        if type(self.unreachable) is not int or self.unreachable < 1:
            raise ArgumentError(f"unreachable= of a Retry is at least one attempt, not {self.unreachable!r}")
        if self.attempts is None and self.timeout is None:
            raise ArgumentError("a Retry needs a limit: attempts, timeout, or both")
        for name in ("timeout", "wait_initial", "wait_max", "wait_jitter", "wait_exp_base"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise ArgumentError(f"{name} of a Retry must not be negative, got {value!r}")

    def wait(self, attempt: int) -> float:
        """Seconds to wait before `attempt` (2 is the first that is waited for). Random, by `wait_jitter`."""
        try:
            wait = self.wait_initial * self.wait_exp_base ** (attempt - 2)
        except OverflowError:
            return self.wait_max
        return min(self.wait_max, wait + self.wait_jitter * random.random())  # noqa: S311 - no secret

    def is_worth(self, error: BaseException) -> bool:
        """Whether `error` is one of those to try again after. One that is no `Exception` never is."""
        if not isinstance(error, Exception):
            return False
        on = self.on
        return isinstance(error, on) if isinstance(on, (type, tuple)) else bool(on(error))

    def next_wait(self, error: BaseException, attempt: int, elapsed: float) -> float | None:
        """After `attempt` failed with `error`: how long to wait before the next; None to give up.

        `elapsed` is how many seconds ago the first attempt started.
        """
        attempts = self.attempts
        if isinstance(error, UnreachableError):
            attempts = self.unreachable if attempts is None else min(attempts, self.unreachable)
        if attempts is not None and attempt >= attempts:
            return None
        if not self.is_worth(error):
            return None
        wait = self.wait(attempt + 1)
        return None if self.timeout is not None and elapsed + wait > self.timeout else wait

    def call(
        self,
        fn: Callable[..., T],
        *args: Any,
        stop: Stoppable | None = None,
        note: Callable[[int, float, Exception], None] | None = None,
    ) -> T:
        """``fn(*args)``, again while that fails in a way that is worth it; raises the last error.

        `stop` ends a wait, and with it the attempts. `note` is told before each wait: the attempt that
        failed, the wait, the error.
        """
        started = time.monotonic()
        try:
            return fn(*args)
        except Exception as error:  # noqa: BLE001 - `resume` raises it
            failed = error
        try:
            return self.resume(failed, fn, *args, stop=stop, note=note, elapsed=time.monotonic() - started)
        finally:
            del failed  # its traceback holds this frame

    def resume(
        self,
        error: Exception,
        fn: Callable[..., T],
        *args: Any,
        stop: Stoppable | None = None,
        note: Callable[[int, float, Exception], None] | None = None,
        elapsed: float = 0.0,
    ) -> T:
        """As `call`, where the first attempt failed with `error` already, and took `elapsed` seconds."""
        attempt, started = 1, time.monotonic() - elapsed
        while True:
            elapsed = time.monotonic() - started
            wait = self.next_wait(error, attempt, elapsed)
            if wait is None:
                raise error
            announce(error, attempt, wait, elapsed=elapsed)
            if note is not None:
                note(attempt, wait, error)
            if pause(wait, stop):
                raise error
            attempt += 1
            try:
                return fn(*args)
            except Exception as again:  # noqa: BLE001 - raised above, unless it is tried again
                error = again


def pause(wait: float, stop: Stoppable | None) -> bool:
    """Wait, unless or until `stop` is set: true then."""
    if stop is not None:
        return stop.wait(wait)
    time.sleep(wait)
    return False


def announce(
    error: BaseException, attempt: int, wait: float, what: str = "", *, elapsed: float = 0.0
) -> None:
    """Every retry passes here once: `attempt` failed, the next is in `wait` seconds, and the first was `elapsed` ago.

    Hooks get an event. Retries that go on for longer than a second are warnings of the logger ``exzarr._retrying``, which
    Python prints on stderr unless logging is configured otherwise.
    """
    if elapsed + wait > SILENT_SECONDS:
        _warn(error, attempt, wait, elapsed)
    if not telemetry.hooks():
        return
    array = key = ""
    if isinstance(error, ChunkError):
        array, key = error.array, error.key
        what = what or f"chunk {error.index} of array {array or '/'!r}"
    telemetry.emit(
        telemetry.Retried(what, attempt=attempt, wait=wait, error=str(error), array=array, key=key)
    )


def _warn(error: BaseException, attempt: int, wait: float, elapsed: float) -> None:
    """Log a retry, unless another was logged a moment ago: many requests may fail together."""
    global _warned
    now = time.monotonic()
    with _warning:
        if now - _warned < WARNING_SECONDS:
            return
        _warned = now
    import logging

    logging.getLogger("exzarr.retry").warning(
        "%s: attempt %d failed after %.1f s, the next begins in %.1f s", error, attempt, elapsed, wait
    )


def as_retry(retries: int | Retry | None) -> Retry | None:
    """What users give as ``retries=``: a number of *further* attempts, a `Retry`, or None for no retry."""
    if retries is None or isinstance(retries, Retry):
        return retries
    if type(retries) is not int or retries < 0:
        raise ArgumentError(f"retries is a number of further attempts or a Retry, not {retries!r}")
    return Retry(attempts=retries + 1) if retries else None
