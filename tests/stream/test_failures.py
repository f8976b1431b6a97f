"""Policies for chunks that fail, and how errors name their chunk."""

from __future__ import annotations

import errno
import pickle
from typing import Any

import pytest

from exzarr._stream.failures import chunk_error
from exzarr._stream.options import StreamOptions
from exzarr.errors import (
    ChunkCorruptError,
    ChunkError,
    ChunkStoreError,
    ChunkTimeoutError,
    StoreError,
    TimedOutError,
)


def test_raise_raises() -> None:
    with pytest.raises(ValueError, match="this"):
        StreamOptions(on_error="raise").failed(ValueError("this"))


def test_skip_returns() -> None:
    StreamOptions(on_error="skip").failed(OSError())


def test_a_callable_gets_the_error_and_may_raise() -> None:
    seen: list[Exception] = []
    error = ValueError()
    StreamOptions(on_error=seen.append).failed(error)
    assert seen == [error]

    def refuse(error: Exception) -> None:
        raise RuntimeError("enough") from error

    with pytest.raises(RuntimeError, match="enough"):
        StreamOptions(on_error=refuse).failed(error)


@pytest.mark.parametrize("on_error", ["raise", "skip", lambda error: None])
def test_base_exceptions_are_always_raised(on_error: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        StreamOptions(on_error=on_error).failed(KeyboardInterrupt())


@pytest.mark.parametrize(
    ("error", "kind", "also"),
    [
        (StoreError("503"), ChunkStoreError, OSError),
        (OSError(errno.EIO, "input/output error"), ChunkStoreError, StoreError),
        (TimedOutError("slow"), ChunkTimeoutError, TimeoutError),
        (TimeoutError("slow"), ChunkTimeoutError, TimedOutError),
        (ValueError("no"), ChunkError, ChunkError),
    ],
)
def test_an_error_names_its_chunk_and_keeps_its_cause(error: Exception, kind: type, also: type) -> None:
    made = chunk_error("a/b", (1, 2), "a/b/c/1/2", error)
    assert type(made) is kind
    assert isinstance(made, (ChunkError, also))
    assert (made.array, made.index, made.key) == ("a/b", (1, 2), "a/b/c/1/2")  # type: ignore[attr-defined]
    assert made.__cause__ is error
    assert "(1, 2)" in str(made)
    assert str(error) in str(made)
    again = pickle.loads(pickle.dumps(made))
    assert (type(again), str(again)) == (type(made), str(made))


def test_error_that_names_a_chunk_is_unchanged() -> None:
    error = ChunkCorruptError("a", (0,), "a/c/0", "why")
    assert chunk_error("a", (9,), "a/c/9", error) is error
    stop = KeyboardInterrupt()
    assert chunk_error("a", (9,), "a/c/9", stop) is stop


def test_errno_is_kept() -> None:
    made = chunk_error("a", (0,), "a/c/0", OSError(errno.EIO, "input/output error"))
    assert isinstance(made, OSError)
    assert made.errno == errno.EIO
