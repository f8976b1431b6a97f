"""Exceptions that are sent to another process."""

from __future__ import annotations

import pickle
import traceback
from typing import Any

__all__ = ["Failed"]


class Failed:
    """An exception that can always be pickled.

    Unpickling restores the exception with its causes and adds a note with the traceback of the worker. An exception that
    cannot be pickled, or whose class differs there, becomes a RuntimeError with the same text.
    """

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __reduce__(self) -> tuple[Any, ...]:
        error = self.error
        line = traceback.format_exception_only(error)[-1].strip()
        where = "".join(traceback.format_exception(error))
        causes: list[bytes | None] = []
        cause = error.__cause__
        while isinstance(cause, Exception) and len(causes) < _MOST_CAUSES:
            causes.append(_pickled(cause))
            cause = cause.__cause__
        return _arrived, (_pickled(error), line, where, causes)


_MOST_CAUSES = 8


def _pickled(error: Exception) -> bytes | None:
    for library in ("pickle", "cloudpickle"):  # cloudpickle for classes of the caller's main module
        try:
            pickled: bytes = __import__(library).dumps(error, 5)
            # Exceptions whose arguments differ from those of their class fail only on loading.
            pickle.loads(pickled)  # noqa: S301
            return pickled
        except Exception:  # noqa: BLE001, S112 - pickling runs arbitrary code
            continue
    return None


def _arrived(pickled: bytes | None, line: str, where: str, causes: list[bytes | None]) -> Failed:
    error = _unpickled(pickled)
    if error is None:
        error = RuntimeError(line)
    error.add_note(f"in a worker process:\n{where}")
    last: BaseException = error
    for cause in causes:
        found = _unpickled(cause)
        if found is None:
            break
        last.__cause__ = found
        last = found
    return Failed(error)


def _unpickled(pickled: bytes | None) -> Exception | None:
    if pickled is None:
        return None
    try:
        error = pickle.loads(pickled)  # noqa: S301 - from our own worker process
    except Exception:  # noqa: BLE001 - a class that exists only in the worker
        return None
    return error if isinstance(error, Exception) else None
