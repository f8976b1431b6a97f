"""Policy for chunks that fail: ``on_error="raise"``, ``"skip"`` or a callable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from exzarr.errors import ChunkError, ChunkStoreError, ChunkTimeoutError

__all__ = ["Failures", "OnError", "chunk_error"]

OnError = Literal["raise", "skip"] | Callable[[Exception], object]
"""``"raise"`` ends the stream. ``"skip"`` leaves the chunk out. A callable gets the error; the chunk is left out if the
callable returns (its result is ignored)."""


class Failures:
    """An `on_error` policy and the number of errors it has ignored."""

    __slots__ = ("_on_error", "count")

    def __init__(self, on_error: OnError) -> None:
        self._on_error = on_error
        self.count = 0

    def __call__(self, error: BaseException) -> None:
        """Raise `error`, or count it. An error that is not an `Exception` (Ctrl-C, exit) is always raised."""
        if self._on_error == "raise" or not isinstance(error, Exception):
            raise error
        self.count += 1
        if callable(self._on_error):
            self._on_error(error)


def chunk_error(array: str, index: tuple[int, ...], key: str, error: BaseException) -> BaseException:
    """Return `error` as a `ChunkError` that names the chunk, with `error` as its cause.

    Return it unchanged if it names a chunk already or is not an `Exception`. An error of a store stays an OSError
    (`ChunkStoreError`), a timeout stays a TimeoutError (`ChunkTimeoutError`).
    """
    if isinstance(error, ChunkError) or not isinstance(error, Exception):
        return error
    kind, reason = ChunkError, f"{type(error).__name__}: {error}"
    if isinstance(error, TimeoutError):
        kind, reason = ChunkTimeoutError, str(error)
    elif isinstance(error, OSError):
        kind, reason = ChunkStoreError, str(error)
    made = kind(array, index, key, reason)
    if isinstance(made, OSError) and isinstance(error, OSError):
        made.errno = error.errno
    made.__cause__ = error
    return made
