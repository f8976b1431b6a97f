"""Concurrent updates of one value by several processes: no update is lost, no writer starves, no killed process holds a lock."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import exzarr
from exzarr.errors import LockTimeoutError, ReadOnlyError, StoreError
from exzarr.stores.base import KEEP
from exzarr.stores.local import file_locks
from exzarr.stores.local.store import LocalStore

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

# Each program gets the folder, and prints "ready" before it begins.
COUNT = """
def count(value):
    data = bytearray(value.size if value else 0)
    if value:
        value.read_into(memoryview(data), 0)
    return [data, me.encode()]
print("ready", flush=True)
sys.stdin.readline()
for _ in range(times):
    store.update("a/k", count)
"""
HOLD = """
def hold(value):
    print("ready", flush=True)
    sys.stdin.readline()
    return [b"held"]
store.update("a/k", hold)
print("done", flush=True)
"""
AGAIN_AND_AGAIN = """
import time
def count(value):
    data = bytearray(value.size)
    value.read_into(memoryview(data), 0)
    time.sleep(0.003)  # the time to decode and encode a chunk
    return [b"%d" % (int(data) + 1)]
store.update("a/k", count)
print("ready", flush=True)
while True:
    store.update("a/k", count)
"""
FORK_AND_HOLD = """
import os, time
def hold(value):
    child = os.fork()
    if not child:
        time.sleep(600)
    print(child, flush=True)
    sys.stdin.readline()
    return [b"held"]
store.update("a/k", hold)
print("done", flush=True)
sys.stdin.readline()
"""
START = """
import sys
import exzarr
from exzarr.stores.local.store import LocalStore
store, me, times = LocalStore(sys.argv[1]), sys.argv[2], int(sys.argv[3])
"""


def start(program: str, folder: Path, me: str = "x", times: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", START + program, str(folder), me, str(times)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def end(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path)
    store.put("a/k", b"")
    return store


@pytest.fixture
def holder(store: LocalStore) -> Iterator[subprocess.Popen[str]]:
    """Start a process that holds the lock of a/k."""
    process = start(HOLD, Path(store.path))
    assert line(process) == "ready"
    yield process
    kill(process)


def put(store: LocalStore, value: bytes, key: str = "a/k") -> None:
    store.update(key, lambda _: [value])


def stored(store: LocalStore, key: str = "a/k") -> bytes | None:
    value = store.get(key)
    return None if value is None else bytes(value)


def update_in_vain(store: LocalStore, match: str) -> None:
    with exzarr.config.override(lock_timeout=0.05), pytest.raises(LockTimeoutError, match=match) as raised:
        put(store, b"mine")
    assert isinstance(raised.value, TimeoutError)


@pytest.mark.slow
@pytest.mark.parametrize("present", [True, False])
def test_eight_processes_lose_no_update(store: LocalStore, present: bool) -> None:
    if not present:
        store.delete("a/k")
    processes = [start(COUNT, Path(store.path), str(i), 50) for i in range(8)]
    for process in processes:
        assert line(process) == "ready"
    for process in processes:
        go(process)
    for process in processes:
        end(process)
    value = stored(store) or b""
    assert sorted(value) == sorted(b"01234567" * 50)
    assert [path.name for path in Path(store.path, "a").iterdir()] == ["k"]


def test_no_writer_starves_beside_a_busy_one(store: LocalStore) -> None:
    store.put("a/k", b"0")
    greedy = [start(AGAIN_AND_AGAIN, Path(store.path)) for _ in range(2)]
    counts = []

    def reset(value: Any) -> Any:
        data = bytearray(value.size)
        value.read_into(memoryview(data), 0)
        counts.append(int(data))
        return [b"0"]

    try:
        for process in greedy:
            assert line(process) == "ready"
        for _ in range(20):
            store.update("a/k", reset)
        assert [process.poll() for process in greedy] == [None, None]
    finally:
        for process in greedy:
            kill(process)
    # The number of updates by others before ours is one or two. Without the pause it is 20.
    assert sum(counts[1:]) < 100, counts


def test_lock_timeout_names_the_holder(store: LocalStore, holder: subprocess.Popen[str]) -> None:
    update_in_vain(store, rf"lock of '{store.path}/a/k', which is held by process {holder.pid} \(.*python")
    put(store, b"beside it", "a/other")
    assert stored(store) == b"", "reading takes no lock"
    go(holder)
    assert line(holder) == "done"
    assert stored(store) == b"held"
    put(store, b"mine")


def test_lock_timeout_names_the_holding_thread(store: LocalStore) -> None:
    inside, leave = threading.Event(), threading.Event()

    def hold(_: Any) -> Any:
        inside.set()
        leave.wait()
        return KEEP

    thread = threading.Thread(target=store.update, args=("a/k", hold), name="the holder")
    thread.start()
    inside.wait()
    update_in_vain(LocalStore(store.path), "held by thread 'the holder' of this process")
    leave.set()
    thread.join()
    put(store, b"mine")


def test_killed_process_releases_its_lock(store: LocalStore, holder: subprocess.Popen[str]) -> None:
    kill(holder)
    put(store, b"mine")
    assert stored(store) == b"mine"


@pytest.mark.parametrize("killed", [True, False])
def test_forked_child_does_not_hold_the_locks_of_its_parent(store: LocalStore, killed: bool) -> None:
    parent = start(FORK_AND_HOLD, Path(store.path))
    child = int(line(parent))
    try:
        update_in_vain(store, f"held by process {parent.pid}")
        if killed:
            parent.kill()
            parent.wait()
        else:
            go(parent)
            assert line(parent) == "done"
        put(store, b"mine")
        os.kill(child, 0)  # it is still running
    finally:
        os.kill(child, signal.SIGKILL)
        kill(parent)


def test_child_forked_during_an_update_can_update_other_values_only(
    store: LocalStore,
) -> None:
    def change(_: Any) -> Any:
        child = os.fork()
        if not child:
            status = 9
            try:
                put(store, b"child", "a/other")
                update_in_vain(store, "held by process")  # its parent
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        return [b"parent"]

    store.update("a/k", change)
    assert stored(store) == b"parent"
    assert stored(store, "a/other") == b"child"


def test_update_sees_a_concurrent_put(store: LocalStore) -> None:
    seen = []

    def change(value: Any) -> Any:
        seen.append(value.size)
        if len(seen) == 1:
            store.put("a/k", b"all of it")  # without a lock
        data = bytearray(value.size)
        value.read_into(memoryview(data), 0)
        return [data, b", and more"]

    store.update("a/k", change)
    assert seen == [0, 9]
    assert stored(store) == b"all of it, and more"


def test_update_of_a_value_that_is_always_replaced_times_out(store: LocalStore) -> None:
    def change(_: Any) -> Any:
        store.put("a/k", b"theirs")
        return [b"mine"]

    with exzarr.config.override(lock_timeout=0.05), pytest.raises(LockTimeoutError, match="replaced it"):
        store.update("a/k", change)
    assert stored(store) == b"theirs"


@pytest.mark.parametrize("how", ["deleted", "moved", "replaced"])
def test_waiting_writer_locks_the_new_file_after_the_folder_was_replaced(
    store: LocalStore, holder: subprocess.Popen[str], how: str
) -> None:
    waiting = threading.Thread(target=put, args=(store, b"mine"))
    waiting.start()
    folder = Path(store.path, "a")
    if how == "deleted":
        store.delete_prefix("a")
    else:
        folder.rename(Path(store.path, "b"))
    if how == "replaced":
        shutil.copytree(Path(store.path, "b"), folder, dirs_exist_ok=True)
    # The holder has locked another file, and not this one.
    put(store, b"third")
    kill(holder)
    waiting.join()
    assert stored(store) in (b"mine", b"third")
    put(store, b"fourth")
    assert stored(store) == b"fourth"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_update_in_a_read_only_folder_raises_and_changes_nothing(store: LocalStore) -> None:
    folder = Path(store.path, "a")
    folder.chmod(0o500)
    try:
        for key in ("a/k", "a/new"):
            with pytest.raises(ReadOnlyError, match="check the folder's permissions"):
                put(store, b"mine", key)
        with pytest.raises(ReadOnlyError):
            store.put_if_absent("a/new", b"1")
    finally:
        folder.chmod(0o700)
    assert [path.name for path in folder.iterdir()] == ["k"]
    assert stored(store) == b""


def test_update_replaces_a_read_only_file_as_put_does(store: LocalStore) -> None:
    Path(store.path, "a", "k").chmod(0o400)
    put(store, b"mine")
    assert stored(store) == b"mine"


def test_file_system_without_locks_raises_with_advice(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(StoreError, match=r"has no locks.*file_locks=False"):
        put(store, b"mine")
    with exzarr.config.override(file_locks=False):
        put(store, b"mine")
    assert stored(store) == b"mine"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no list of open files")
def test_updates_leave_no_open_files(store: LocalStore) -> None:
    before = {*Path("/proc/self/fd").iterdir()}
    for i in range(50):
        put(store, b"1", f"a/{i}")
        put(store, b"2", f"a/{i}")
    assert not file_locks._open_files
    assert len([*Path("/proc/self/fd").iterdir()]) == len(before)


@pytest.mark.slow
def test_children_forked_during_updates_do_not_block(store: LocalStore) -> None:
    done = threading.Event()

    def change(key: str) -> None:
        while not done.is_set():
            put(store, b"parent", key)

    threads = [threading.Thread(target=change, args=(f"a/{i}",)) for i in range(3)]
    for thread in threads:
        thread.start()
    try:
        for i in range(25):
            child = os.fork()
            if not child:
                status = 9
                try:
                    put(store, b"child", "a/0")
                    put(store, b"child", f"b/{i}")
                    status = 0
                finally:
                    os._exit(status)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert stored(store, "b/24") == b"child"
