"""Retry policies: whether to retry after an error, when, and how often.

`Retry` has the parameters of ``stamina.retry`` (https://stamina.hynek.me): which errors, how many attempts, a
deadline, and a wait that grows exponentially, with jitter. It is a value: `next_wait` computes its decisions
without running anything.
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
from exzarr._stop import current_stop
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
"""Error numbers of the system that a retry does not change."""
_LASTING_CLASSES = (
    FileExistsError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)


def is_transient(error: BaseException) -> bool:
    """Return whether a retry can succeed after `error`.

    True for failures of a store or of the system: StoreError, any other OSError, TimeoutError. False for lasting
    ones among them: not found, no permission, read-only, no space left, an invalid key. False for all other
    errors, such as a chunk that cannot be decoded or an invalid argument. A `ChunkError` is as transient as its
    cause.
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
"""Seconds of retries before the first warning."""
WARNING_SECONDS = 5.0
"""Fewest seconds between two warnings of the whole process."""
_warned = -WARNING_SECONDS
_warning = threading.Lock()


class Stoppable(Protocol):
    """An object that can end a wait: `threading.Event`, or `exzarr._stop.Stop`."""

    def wait(self, timeout: float) -> bool:
        """Wait `timeout` seconds. Return True immediately once it is set."""
        ...


@dataclass(frozen=True, slots=True)
class Retry:
    """A retry policy.

    The wait before attempt *k* (from 2) lasts, in seconds,
    ``min(wait_max, wait_initial * wait_exp_base ** (k - 2) + U(0, wait_jitter))``.

    Attributes
    ----------
    on
        Errors to retry after: a class, a tuple of classes, or a predicate. Default: `is_transient`.
    attempts
        Number of attempts, the first included. None: until `timeout`.
    timeout
        Seconds after the start of the first attempt in which another may start. None: no deadline.
    wait_initial, wait_max, wait_jitter, wait_exp_base
        Parameters of the formula above.
    unreachable
        Number of attempts if the host refuses connections, or its name is unknown (`UnreachableError`).
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
            raise ArgumentError(f"attempts= of a Retry must be at least 1 or None, not {self.attempts!r}")
        if type(self.unreachable) is not int or self.unreachable < 1:
            raise ArgumentError(f"unreachable= of a Retry must be at least 1, not {self.unreachable!r}")
        if self.attempts is None and self.timeout is None:
            raise ArgumentError("a Retry needs a limit: set attempts=, timeout=, or both")
        for name in ("timeout", "wait_initial", "wait_max", "wait_jitter", "wait_exp_base"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise ArgumentError(f"{name}= of a Retry must be 0 or greater, not {value!r}")

    def wait(self, attempt: int) -> float:
        """Return the seconds to wait before `attempt`, from 2 on. Random, within `wait_jitter`."""
        try:
            wait = self.wait_initial * self.wait_exp_base ** (attempt - 2)
        except OverflowError:
            return self.wait_max
        return min(self.wait_max, wait + self.wait_jitter * random.random())  # noqa: S311 - no secret

    def is_worth(self, error: BaseException) -> bool:
        """Return whether `error` is one to retry after. False if it is not an `Exception`."""
        if not isinstance(error, Exception):
            return False
        on = self.on
        return isinstance(error, on) if isinstance(on, (type, tuple)) else bool(on(error))

    def next_wait(self, error: BaseException, attempt: int, elapsed: float) -> float | None:
        """Return the seconds to wait after `attempt` failed with `error`, or None to give up.

        `elapsed` is the number of seconds since the first attempt started.
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
        """Call ``fn(*args)``, with retries, and return its result.

        Parameters
        ----------
        fn, args
            The function and its arguments.
        stop
            Setting it ends a wait, and the attempts.
        note
            Function that is called before each wait with the failed attempt, the wait and the error.

        Raises
        ------
        Exception
            The error of the last attempt.
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
        """Continue as `call` does after a first attempt that failed with `error` and took `elapsed` seconds."""
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
            except Exception as again:  # noqa: BLE001 - raised above, unless retried
                error = again


def pause(wait: float, stop: Stoppable | None) -> bool:
    """Wait, and return whether `stop`, or else the flag of the context, was set."""
    stop = stop or current_stop()
    if stop is not None:
        return stop.wait(wait)
    time.sleep(wait)
    return False


def announce(
    error: BaseException, attempt: int, wait: float, what: str = "", *, elapsed: float = 0.0
) -> None:
    """Report a retry: `attempt` failed, the next starts in `wait` seconds, and the first started `elapsed` seconds ago.

    Every retry calls this once. Hooks get an event. Retries that last longer than a second are warnings of the logger
    ``exzarr.retry``. Python prints these on stderr unless logging is configured otherwise.
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
    """Log a retry, unless one was logged in the last seconds: many requests can fail together."""
    global _warned
    now = time.monotonic()
    with _warning:
        if now - _warned < WARNING_SECONDS:
            return
        _warned = now
    import logging

    logging.getLogger("exzarr.retry").warning(
        "%s: attempt %d failed after %.1f s, the next starts in %.1f s", error, attempt, elapsed, wait
    )


def as_retry(retries: int | Retry | None) -> Retry | None:
    """Return the policy for an argument ``retries=``: a number of *further* attempts, a `Retry` or None."""
    if retries is None or isinstance(retries, Retry):
        return retries
    if type(retries) is not int or retries < 0:
        raise ArgumentError(
            f"retries= must be None, a number of further attempts or a Retry, not {retries!r}"
        )
    return Retry(attempts=retries + 1) if retries else None
