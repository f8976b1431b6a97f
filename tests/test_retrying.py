"""Retries: which errors, how often, and how long to wait."""

from __future__ import annotations

import errno
import pickle
import threading
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given, strategies as st

from exzarr._retrying import Retry, as_retry, is_transient
from exzarr._stop import Stop
from exzarr._stream.failures import chunk_error
from exzarr.errors import (
    ArgumentError,
    ChunkCorruptError,
    ChunkError,
    ChunkMissingError,
    ChunkStoreError,
    ChunkTimeoutError,
    CodecError,
    InvalidKeyError,
    MetadataError,
    NodeNotFoundError,
    ReadOnlyError,
    SelectionError,
    StoreError,
    TimedOutError,
)

CHUNK = ("a", (0,), "a/c/0", "why")


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        OSError("no number"),
        OSError(errno.EIO, "input/output error"),
        OSError(errno.EMFILE, "too many open files"),
        OSError(errno.ESTALE, "stale file handle"),
        ConnectionResetError("peer"),
        TimeoutError("slow"),
        StoreError("the store said 503"),
        caused(StoreError("cannot read"), OSError(errno.EIO, "input/output error")),
        TimedOutError("slow"),
        ChunkTimeoutError(*CHUNK),
        ChunkStoreError(*CHUNK),
        caused(ChunkError(*CHUNK), StoreError("503")),
        caused(ChunkCorruptError(*CHUNK), StoreError("503")),
        chunk_error("a", (0,), "a/c/0", StoreError("503")),
    ],
    ids=repr,
)
def test_transient_errors_are_retried(error: BaseException) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError("gone"),
        PermissionError("no"),
        IsADirectoryError("no file"),
        OSError(errno.ENOSPC, "no space left on device"),
        OSError(errno.EROFS, "read-only file system"),
        ReadOnlyError("read-only"),
        InvalidKeyError("..", "no"),
        caused(StoreError("cannot read"), OSError(errno.EACCES, "no")),
        NodeNotFoundError("no array"),
        CodecError("not zstd"),
        ChunkError(*CHUNK),
        ChunkCorruptError(*CHUNK),
        caused(ChunkCorruptError(*CHUNK), CodecError("not zstd")),
        ChunkMissingError(*CHUNK),
        chunk_error("a", (0,), "a/c/0", OSError(errno.ENOSPC, "no space left on device")),
        ArgumentError("no"),
        SelectionError("no"),
        MetadataError("no"),
        ValueError("no"),
        MemoryError(),
        KeyboardInterrupt(),
    ],
    ids=repr,
)
def test_permanent_errors_are_not_retried(error: BaseException) -> None:
    assert not is_transient(error)


@given(
    attempt=st.integers(2, 5000),
    initial=st.floats(0, 10),
    most=st.floats(0, 100),
    jitter=st.floats(0, 10),
    base=st.floats(1, 10),
)
def test_waits_grow_exponentially_up_to_a_limit(
    attempt: int, initial: float, most: float, jitter: float, base: float
) -> None:
    retry = Retry(wait_initial=initial, wait_max=most, wait_jitter=jitter, wait_exp_base=base)
    wait = retry.wait(attempt)
    assert 0 <= wait <= most
    if base * attempt < 200:
        grown = initial * base ** (attempt - 2)
        assert min(most, grown) <= wait <= min(most, grown + jitter)


def test_waits_without_jitter_are_exact() -> None:
    retry = Retry(wait_initial=0.5, wait_max=3.0, wait_jitter=0.0, wait_exp_base=2.0)
    assert [retry.wait(k) for k in (2, 3, 4, 5, 6)] == [0.5, 1.0, 2.0, 3.0, 3.0]


class Flaky:
    """A function that fails `failures` times."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures = failures
        self.error = error
        self.calls = 0

    def __call__(self, *args: Any) -> Any:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return args


WITHOUT_WAITING: dict[str, Any] = {"wait_initial": 0.0, "wait_jitter": 0.0}


def test_call_returns_after_the_first_success() -> None:
    noted: list[Any] = []
    flaky = Flaky(2, StoreError("503"))
    got = Retry(attempts=5, **WITHOUT_WAITING).call(flaky, 1, "x", note=lambda *what: noted.append(what))
    assert got == (1, "x")
    assert flaky.calls == 3
    assert noted == [(1, 0.0, flaky.error), (2, 0.0, flaky.error)]


def test_call_raises_the_last_error_after_all_attempts() -> None:
    flaky = Flaky(9, StoreError("503"))
    with pytest.raises(StoreError, match="503"):
        Retry(attempts=3, **WITHOUT_WAITING).call(flaky)
    assert flaky.calls == 3


def test_call_raises_permanent_errors_without_a_retry() -> None:
    flaky = Flaky(9, CodecError("not zstd"))
    with pytest.raises(CodecError):
        Retry(attempts=3, **WITHOUT_WAITING).call(flaky)
    assert flaky.calls == 1


def test_no_attempt_starts_after_the_deadline() -> None:
    flaky = Flaky(9, StoreError("503"))
    with pytest.raises(StoreError):
        Retry(attempts=None, timeout=1.0, wait_initial=2.0, wait_max=2.0).call(flaky)
    assert flaky.calls == 1
    assert Retry(timeout=10.0, wait_initial=2.0, wait_jitter=0).next_wait(StoreError("x"), 1, 7.0) == 2.0
    assert Retry(timeout=10.0, wait_initial=2.0, wait_jitter=0).next_wait(StoreError("x"), 1, 9.0) is None


@pytest.mark.parametrize("on", [ValueError, (KeyError, ValueError), lambda error: "worth" in str(error)])
def test_on_accepts_a_class_classes_or_a_predicate(on: Any) -> None:
    retry = Retry(on=on, attempts=2, **WITHOUT_WAITING)
    assert retry.call(Flaky(1, ValueError("worth it"))) == ()
    with pytest.raises(OSError):
        retry.call(Flaky(1, OSError("no")))
    assert not Retry(on=BaseException).is_worth(KeyboardInterrupt())


@pytest.mark.parametrize("kind", [threading.Event, Stop])
def test_stop_ends_the_wait(kind: Any) -> None:
    stop = kind()
    assert stop.wait(0.0) is False
    assert not stop.is_set()
    flaky = Flaky(9, StoreError("503"))
    retry = Retry(timeout=None, wait_initial=1e5, wait_max=1e5)
    threading.Timer(0.01, stop.set).start()
    with pytest.raises(StoreError):
        retry.call(flaky, stop=stop)
    assert flaky.calls == 1
    stop.set()
    assert stop.is_set()
    assert stop.wait(1e5) is True


def test_stop_wakes_all_waiting_threads() -> None:
    stop = Stop()
    woken: list[bool] = []
    threads = [threading.Thread(target=lambda: woken.append(stop.wait(1e5))) for _ in range(8)]
    for thread in threads:
        thread.start()
    stop.set()
    for thread in threads:
        thread.join(60)
    assert woken == [True] * 8


def test_retry_is_frozen_and_picklable() -> None:
    retry = Retry(attempts=4)
    assert pickle.loads(pickle.dumps(retry)) == retry == Retry(attempts=4)
    with pytest.raises(FrozenInstanceError):
        retry.attempts = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    "arguments",
    [
        {"attempts": 0},
        {"attempts": 1.0},
        {"attempts": None, "timeout": None},
        {"wait_max": -1.0},
        {"timeout": float("nan")},
    ],
)
def test_invalid_arguments_are_errors(arguments: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError):
        Retry(**arguments)


def test_as_retry_accepts_counts_and_retries() -> None:
    assert as_retry(None) is None
    assert as_retry(0) is None
    assert as_retry(2) == Retry(attempts=3)
    assert as_retry(Retry(attempts=9)) == Retry(attempts=9)
    for wrong in (-1, 1.5, True, "2"):
        with pytest.raises(ArgumentError):
            as_retry(wrong)  # type: ignore[arg-type]
