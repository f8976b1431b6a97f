"""The part of the store suite about other processes: concurrent writers, killed writers, and failing requests."""

from __future__ import annotations

import os
import pickle
import random
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import ClassVar

import pytest

import exzarr
from exzarr.errors import ExzarrError
from exzarr.stores.base import NewValue, Store, ValueReader
from exzarr.testing.faults import FaultPlan, FaultStore, What
from exzarr.testing.limits import FORKS
from exzarr.testing.store_case import StoreCase, as_bytes

__all__ = ["StoreProcesses"]

_FAULTS: tuple[What, ...] = ("fail", "lose", "duplicate")
"""Faults after which each key has its old or its new value: a torn value is the medium's own fault."""


Acknowledge = Callable[[int], None]
"""Tells the parent process that a step is done."""


class StoreProcesses(StoreCase):
    """Other processes may write, and may be killed. A process gets the store by a pickle."""

    processes: ClassVar[bool] = True
    """True if forked processes may write concurrently, and updates of one value exclude each other."""

    kills: ClassVar[int] = 3
    """Number of writers that are killed."""

    @pytest.fixture
    def pickled(self, store: Store) -> bytes:
        """Return the pickle of the store under test."""
        if not FORKS:
            pytest.skip("this system has no fork")
        if not (self.processes and self.pickles):
            pytest.skip("processes cannot share this store")
        if not store.traits.picklable:
            pytest.skip("this store is in the memory of one process")
        store.put("first", b"1")  # a store that is not there yet may be made twice
        return pickle.dumps(store)

    def test_processes_write_different_keys(self, store: Store, pickled: bytes) -> None:
        def write(store: Store, number: int, _: Acknowledge) -> None:
            for i in range(20):
                store.put(f"a/{i}/{number}", b"%d %d" % (i, number))

        children = [_Child(pickled, number, write) for number in range(3)]
        assert [child.wait() for child in children] == [0, 0, 0]
        assert sorted(store.list("a")) == sorted(f"a/{i}/{number}" for i in range(20) for number in range(3))
        assert as_bytes(store.get("a/7/2")) == b"7 2"

    def test_updates_of_processes_lose_nothing(self, store: Store, pickled: bytes) -> None:
        def count(store: Store, _: int, __: Acknowledge) -> None:
            for _i in range(20):
                store.update("a/k", lambda value: [_read(value), b"."])

        children = [_Child(pickled, number, count) for number in range(3)]
        assert [child.wait() for child in children] == [0, 0, 0]
        assert as_bytes(store.get("a/k")) == b"." * 60

    def test_reader_sees_whole_values_of_another_process(self, store: Store, pickled: bytes) -> None:
        def write(store: Store, _: int, __: Acknowledge) -> None:
            for i in range(60):
                store.put("a/k", _pattern(i))

        store.put("a/k", _pattern(0))
        child = _Child(pickled, 0, write)
        seen = []
        while child.running():
            seen.append(as_bytes(store.get("a/k")))
        assert child.wait() == 0
        assert as_bytes(store.get("a/k")) == _pattern(59)
        assert set(seen) <= {_pattern(i) for i in range(60)}

    def test_killed_writer_leaves_whole_values(self, store: Store, pickled: bytes) -> None:
        """What was acknowledged is there, no value is torn, no lock is left, and the store can be written."""

        def write(store: Store, _: int, acknowledge: Acknowledge) -> None:
            for i in range(10_000):
                store.put(f"a/{i % 5}", _pattern(i))
                store.update("a/count", partial(_set, _pattern(i)))
                acknowledge(i)

        rng = random.Random(0)  # noqa: S311 - no secret
        for number in range(self.kills):
            child = _Child(pickled, number, write)
            last = child.kill_after(rng.randint(1, 12))
            # The writer may have gone further than what was read of its acknowledgments.
            for key in range(5):
                value = as_bytes(store.get(f"a/{key}"))
                written = [i for i in range(last + 1) if i % 5 == key]
                if written:
                    assert value is not None, f"a/{key} is lost"
                    found = int(value[:8])
                    assert value == _pattern(found), f"a/{key} is torn"
                    assert found >= written[-1], (
                        f"a/{key} has an older value than the last that was acknowledged"
                    )
            count = as_bytes(store.get("a/count"))
            assert count is not None
            assert count == _pattern(int(count[:8])), "a/count is torn"
            again = pickle.loads(pickled)  # noqa: S301 - our own
            for one in (store, again):
                one.update("a/count", lambda value: [_read(value), b"!"])
                one.put("a/0", b"after")
                assert as_bytes(one.get("a/0")) == b"after"
            assert {*store.list()} <= {"first", "a/count", *(f"a/{i}" for i in range(5))}
            again.close()
            store.delete_prefix("a")

    @pytest.mark.parametrize("seed", range(2))
    def test_failed_requests_leave_old_or_new_values(self, store: Store, seed: int) -> None:
        rng = random.Random(seed)  # noqa: S311 - no secret
        failing = FaultStore(store, FaultPlan.seeded(seed, 0.25, _FAULTS))
        for i in range(60):
            key = f"a/{rng.randrange(4)}"
            before = as_bytes(store.get(key))
            allowed: set[bytes | None] = {before, value := _pattern(i)}
            call: Callable[[], object]
            match rng.randrange(4):
                case 0:
                    allowed = {before, None}
                    call = partial(failing.delete, key)
                case 1:
                    call = partial(failing.update, key, partial(_set, value))
                case _:
                    call = partial(failing.put, key, value)
            with suppress(ExzarrError):
                call()
            assert as_bytes(store.get(key)) in allowed
        assert failing.happened

    def test_arrays_on_a_failing_store_keep_old_or_new_chunks(self, store: Store) -> None:
        array = exzarr.create_array(store, name="x", shape=(40,), chunks=(10,), dtype="i4")
        array[...] = 0
        failing = exzarr.open_array(FaultStore(store, FaultPlan.seeded(3, 0.2, _FAULTS)), path="x", mode="r+")
        for i in range(1, 20):
            with suppress(ExzarrError):
                failing[i : 2 * i] = i
            found = exzarr.open_array(store, path="x", mode="r")[...]
            assert set(found.tolist()) <= {*range(i + 1)}


class _Child:
    """A forked process that runs a function on its own copy of the store."""

    def __init__(self, pickled: bytes, number: int, run: Callable[[Store, int, Acknowledge], None]) -> None:
        self._pipe, write = os.pipe()
        self._pid = os.fork()
        self._status: int | None = None
        if self._pid:
            os.close(write)
            return
        code = 1
        try:
            os.close(self._pipe)
            store: Store = pickle.loads(pickled)  # noqa: S301 - our own
            run(store, number, partial(_acknowledge, write))
            store.close()
            code = 0
        except BaseException:  # noqa: BLE001 - shown, and reported by the status
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)

    def running(self) -> bool:
        if self._status is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._status = status
        return self._status is None

    def wait(self) -> int:
        """Wait for the end, and return the exit status."""
        if self._status is None:
            _, self._status = os.waitpid(self._pid, 0)
            os.close(self._pipe)
        return os.waitstatus_to_exitcode(self._status)

    def kill_after(self, acknowledgments: int) -> int:
        """Kill the process after so many acknowledgments, at any moment; return the number in the last one."""
        for _ in range(acknowledgments):
            assert len(os.read(self._pipe, 4)) == 4, "the writer ended by itself"
        os.kill(self._pid, signal.SIGKILL)
        _, self._status = os.waitpid(self._pid, 0)
        rest = b""
        while part := os.read(self._pipe, 4096):
            rest += part
        os.close(self._pipe)
        return acknowledgments - 1 + len(rest) // 4


def _acknowledge(pipe: int, number: int) -> None:
    os.write(pipe, number.to_bytes(4, "big"))


def _set(value: bytes, _: ValueReader | None) -> NewValue:
    return [value]


def _pattern(number: int) -> bytes:
    """Return a value that shows if it is torn: its number, then many copies of it."""
    return b"%08d" % number * (1 + number % 7 * 100)


def _read(value: ValueReader | None) -> bytes:
    if value is None:
        return b""
    whole = bytearray(value.size)
    value.read_into(memoryview(whole), 0)
    return bytes(whole)
