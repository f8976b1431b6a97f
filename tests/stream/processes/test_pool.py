"""Worker processes answer, are replaced when they die, and all end."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from exzarr import config
from exzarr._stream.processes.pool import PoolClosedError, ProcessLostError, ProcessPool
from exzarr.errors import ArgumentError, StoreError
from exzarr.stores.memory import MemoryStore

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


def running() -> set[int]:
    """Return the child processes that have not been waited for, zombies included."""
    return {child.pid for child in psutil.Process().children(recursive=True)}


def open_files() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir()) if sys.platform == "linux" else []


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    gc.collect()
    before, files = running(), open_files()
    yield
    gc.collect()
    assert running() <= before
    assert len(open_files()) <= len(files)


class Pools:
    def __init__(self) -> None:
        self.all: list[ProcessPool] = []

    def __call__(self, task: Callable[[Any], Any], workers: int = 1) -> ProcessPool:
        self.all.append(ProcessPool(task, workers))
        return self.all[-1]


@pytest.fixture
def pools() -> Iterator[Pools]:
    made = Pools()
    yield made
    for pool in made.all:
        pool.close()


def test_the_task_runs_in_another_process(pools: Pools) -> None:
    pool = pools(lambda item: (item, os.getpid()))
    item, pid = pool.call((1, 2))
    assert item == (1, 2)
    assert pid != os.getpid()
    assert pool.call(3) == (3, pid)


def test_workers_run_concurrently(pools: Pools, tmp_path: Path) -> None:
    def meet(name: str) -> int:
        (tmp_path / name).touch()
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.001)
        return os.getpid()

    pool = pools(meet, 2)
    found: list[int] = []
    threads = [threading.Thread(target=lambda name=name: found.append(pool.call(name))) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 2


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"x" * 300_000,
        {"a": [1, 2.5]},
        np.arange(200_000, dtype=">i4").reshape(2, -1),
        np.asfortranarray(np.arange(90_000.0).reshape(300, 300)),
        np.arange(100_000)[::7],
        np.zeros((0, 3)),
        np.float32(2.5),
        np.array(["a", "é"], np.dtypes.StringDType()),
    ],
    ids=lambda value: type(value).__name__ + str(getattr(value, "dtype", "")),
)
def test_values_come_back_as_they_were_returned(pools: Pools, value: Any) -> None:
    found = pools(lambda _: value).call(0)
    assert type(found) is type(value)
    if isinstance(value, np.ndarray):
        assert found.dtype == value.dtype
        assert found.flags.writeable
        np.testing.assert_array_equal(found, value)
    else:
        assert found == value


def test_workers_have_the_programs_arguments_and_search_path(pools: Pools) -> None:
    assert pools(lambda _: (sys.argv, sys.path)).call(0) == (sys.argv, sys.path)


def test_workers_inherit_the_settings_except_threads(pools: Pools) -> None:
    with config.override(coalesce_gap=4711, workers=7):
        pool = pools(lambda _: (config.get().coalesce_gap, config.get().workers))
    assert pool.call(0) == (4711, 1)


# -- errors of the task -------------------------------------------------------------------


def test_exception_of_the_task_has_the_workers_traceback(pools: Pools) -> None:
    def fails(_: Any) -> None:
        raise KeyError("no such thing")

    pool = pools(fails)
    with pytest.raises(KeyError, match="no such thing") as caught:
        pool.call(0)
    assert "in fails" in caught.value.__notes__[0]


def test_unpicklable_exception_becomes_a_runtime_error(pools: Pools) -> None:
    def fails(_: Any) -> None:
        class OddError(Exception):
            def __init__(self, one: int, two: int) -> None:
                super().__init__(f"{one} is not {two}")

        raise OddError(1, 2)

    with pytest.raises(RuntimeError, match="OddError: 1 is not 2"):
        pools(fails).call(0)


def test_unpicklable_result_is_an_error(pools: Pools) -> None:
    pool = pools(lambda item: threading.Lock() if item else "fine")
    with pytest.raises(TypeError, match="of type lock, cannot be pickled"):
        pool.call(1)
    assert pool.call(0) == "fine"


def test_classes_of_the_callers_come_back_as_the_same_class(pools: Pools) -> None:
    class Point:
        def __init__(self, x: int) -> None:
            self.x = x

    found = pools(Point).call(5)
    assert type(found) is Point
    assert found.x == 5


# -- pickling -----------------------------------------------------------------------------


def test_unpicklable_task_raises() -> None:
    lock = threading.Lock()
    with pytest.raises(ArgumentError, match="cannot be: cannot pickle '_thread.lock' object"):
        ProcessPool(lambda _: lock, 1)


def test_task_that_cannot_be_unpickled_raises() -> None:
    store = MemoryStore()
    with pytest.raises(ArgumentError, match="MemoryStore lives in the process that made it") as caught:
        ProcessPool(lambda key: store.get(key), 2)
    assert isinstance(caught.value.__cause__, StoreError)


def test_without_cloudpickle_only_module_functions_work(
    monkeypatch: pytest.MonkeyPatch, pools: Pools
) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    assert pools(len).call("four") == 4
    with pytest.raises(ArgumentError, match=r"exzarr\[processes\]"):
        ProcessPool(lambda x: x, 1)


# -- dead processes -----------------------------------------------------------------------


def dies(item: Any) -> Any:
    if item == "exit":
        os._exit(7)
    if item == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if item == "abort":
        os.kill(os.getpid(), signal.SIGSEGV)
    if item == "sys.exit":
        sys.exit(3)
    return item


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("exit", "exit status 7"),
        ("kill", r"SIGKILL \(which the kernel sends when memory runs out\)"),
        ("abort", "SIGSEGV"),
        ("sys.exit", "exit status 3"),
    ],
)
def test_dead_process_is_reported_and_replaced(pools: Pools, how: str, told: str) -> None:
    copy = pickle.loads(pickle.dumps(dies))
    pool = pools(copy)
    before = running()
    with pytest.raises(ProcessLostError, match=told):
        pool.call(how)
    assert pool.call("well") == "well"
    assert len(running()) == len(before)
    assert running() != before


def test_process_that_died_between_items_is_reported(pools: Pools) -> None:
    pool = pools(lambda _: os.getpid())
    victim = psutil.Process(pool.call(0))
    victim.kill()
    with pytest.raises(ProcessLostError, match="SIGKILL"):
        pool.call(0)
    assert pool.call(0) != victim.pid


def test_surviving_child_of_a_worker_does_not_hide_its_death(pools: Pools, tmp_path: Path) -> None:
    def forks_and_dies(path: str) -> None:
        pid = os.fork()
        if pid == 0:
            signal.pause()  # with the worker's socket open
        Path(path).write_text(str(pid))
        os._exit(1)

    try:
        with pytest.raises(ProcessLostError, match="exit status 1"):
            pools(forks_and_dies).call(str(tmp_path / "pid"))
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_overdue_process_is_killed(pools: Pools) -> None:
    def sleeps(seconds: float) -> int:
        time.sleep(seconds)
        return os.getpid()

    pool = pools(sleeps)
    first = pool.call(0)
    with pytest.raises(TimeoutError):
        pool.call(1000, timeout=0.05)
    assert not psutil.pid_exists(first)
    assert pool.call(0) != first


# -- the end -----------------------------------------------------------------------------


def in_work(pool: ProcessPool, item: Any) -> tuple[threading.Thread, list[BaseException]]:
    """Start a thread that waits for a call; return it and the list of errors."""
    raised: list[BaseException] = []

    def call() -> None:
        try:
            pool.call(item)
        except BaseException as error:  # noqa: BLE001
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    return thread, raised


def sleeps_after_saying_so(path: str) -> None:
    Path(path).touch()
    signal.pause()


def test_close_ends_running_and_waiting_calls(pools: Pools, tmp_path: Path) -> None:
    pool = pools(pickle.loads(pickle.dumps(sleeps_after_saying_so)))
    working, raised = in_work(pool, str(tmp_path / "begun"))
    waiting, also_raised = in_work(pool, str(tmp_path / "never"))  # for the one process
    while not list(tmp_path.iterdir()):
        time.sleep(0.001)
    pool.close()
    working.join()
    waiting.join()
    assert [type(error) for error in (*raised, *also_raised)] == [PoolClosedError] * 2
    assert len(list(tmp_path.iterdir())) == 1


def test_dropped_pool_is_closed() -> None:
    before = running()
    pool = ProcessPool(len, 2)
    assert len(running()) == len(before) + 2
    del pool
    gc.collect()
    assert running() == before


def test_idle_workers_exit_normally(tmp_path: Path) -> None:
    def leaves_a_note(path: str) -> None:
        import atexit

        atexit.register(Path(path).touch)

    pool = ProcessPool(leaves_a_note, 1)
    pool.call(str(tmp_path / "note"))
    pool.close()
    assert (tmp_path / "note").exists()


def test_fork_of_the_parent_does_not_close_the_pool(pools: Pools) -> None:
    pool = pools(lambda _: os.getpid())
    worker = pool.call(0)
    pid = os.fork()
    if pid == 0:
        try:
            pool.close()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert pool.call(0) == worker


ORPHANS = """
import sys, time
from pathlib import Path
from exzarr._stream.processes.pool import ProcessPool

def work(path):
    import os, time
    Path(path).write_text(str(os.getpid()))
    time.sleep(1000)

pool = ProcessPool(work, 2)  # one is busy, the other waits
pool.call(sys.argv[1])
"""


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_parent_that_is_killed_leaves_no_workers(tmp_path: Path, sign: signal.Signals) -> None:
    note = tmp_path / "pid"
    parent = subprocess.Popen([sys.executable, "-c", ORPHANS, str(note)], stderr=subprocess.DEVNULL)
    while not (note.exists() and note.read_text()):
        assert parent.poll() is None
        time.sleep(0.001)
    workers = psutil.Process(parent.pid).children(recursive=True)
    assert len(workers) == 2
    parent.send_signal(sign)
    parent.wait()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive


UNGUARDED = """
from exzarr._stream.processes.pool import ProcessPool

print("main runs")

def helper(x):
    return x + 1

def task(x):
    return helper(x)

pool = ProcessPool(task, 1)
print(pool.call(1))
"""


def test_a_program_needs_no_guard_around_its_main_part(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(UNGUARDED)
    done = subprocess.run(
        [sys.executable, "-W", "error", tmp_path / "program.py"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["main runs", "2"]
    assert done.stderr == ""
