"""How chunks fail: the policies of ``on_error=``, and errors that name the chunk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from exzarr.errors import ChunkError, ChunkStoreError, ChunkTimeoutError

__all__ = ["OnError", "chunk_error"]

OnError = Literal["raise", "skip"] | Callable[[Exception], object]
"""``"raise"`` ends the stream. ``"skip"`` leaves the chunk out. A callable gets the error; the chunk is left out if the
callable returns (its result is ignored)."""


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
