"""`parallel_chunk_map` in worker processes that die, hang and are killed loses no chunk."""

from __future__ import annotations

import gc
import operator
import os
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

import exzarr
from exzarr import Retry
from exzarr.errors import ArgumentError, ChunkError, WorkerDiedError
from exzarr.stores.wrappers.base import StoreWrapper
from tests.stream.arrays import LAYOUTS, blocks, stored
from tests.stream.tools import PATIENCE, eventually, stream_threads

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="signals")]

QUICK = Retry(attempts=3, wait_initial=0, wait_jitter=0)


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    gc.collect()
    before = set(children())
    yield
    gc.collect()
    assert set(children()) <= before
    assert eventually(lambda: not stream_threads())


@pytest.fixture
def array(tmp_path: Path) -> exzarr.Array:
    """Return an array with 12 chunks of 3."""
    made = exzarr.create_array(tmp_path / "a.zarr", shape=(36,), dtype="i8", chunks=(3,))
    made[...] = np.arange(36)
    return made


def dies_on(how: str, *firsts: int, once: Path | None = None) -> Callable[[np.ndarray], tuple[int, int]]:
    """Return a function that ends its process on the chunks that begin with `firsts`: every time, or once."""

    def fn(data: np.ndarray) -> tuple[int, int]:
        first = int(data[0])
        if first in firsts:
            marker = None if once is None else once / f"{first}"
            if marker is None or not marker.exists():
                if marker is not None:
                    marker.touch()
                if how == "exit":
                    os._exit(3)
                if how == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(1000)
        return first, os.getpid()

    return fn


def firsts(results: Any) -> list[int]:
    return [first for first, _ in results]


# -- no failures --------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
def test_results_come_from_other_processes_in_grid_order(layout: str, tmp_path: Path) -> None:
    kind = "zip" if layout in ("v3", "shards") else "local"
    array, data = stored(kind, layout, tmp_path)
    other, _ = stored("local", "v2", tmp_path) if kind == "zip" else (array, data)
    found = list(
        exzarr.parallel_chunk_map(
            lambda a, b: (os.getpid(), a.index, a.region, (a.data + b.data).sum()),
            [array, other],
            executor="processes",
            workers=2,
            with_chunk=True,
        )
    )
    assert [(index, region) for _, index, region, _ in found] == [*blocks(layout)]
    assert [total for *_, total in found] == [2 * data[region].sum() for _, region in blocks(layout)]
    assert os.getpid() not in {pid for pid, *_ in found}


@pytest.mark.parametrize("target", ["v2", "shards"])
def test_results_are_written_to_any_chunk_grid(target: str, tmp_path: Path) -> None:
    array, data = stored("local", "v2", tmp_path)
    out = exzarr.create_array(
        tmp_path / "out.zarr", shape=data.shape, dtype="f8", fill_value=-1, **LAYOUTS[target]
    )
    stats = array.parallel_chunk_map(lambda d: d / 2, executor="processes", workers=2, out=out)
    assert stats.chunks == len([*blocks("v2")])
    np.testing.assert_array_equal(out[...], data / 2)


class Remote(StoreWrapper):
    """A folder without a local path: its values cannot be locked."""

    def local_path(self, key: str) -> None:
        return None


def test_without_locks_one_process_writes(tmp_path: Path) -> None:
    array, data = stored("local", "v2", tmp_path)
    store = Remote(exzarr.LocalStore(tmp_path / "out.zarr"))
    out = exzarr.create_array(store, shape=data.shape, dtype="f8", fill_value=-1, **LAYOUTS["shards"])
    stats = array.parallel_chunk_map(lambda d: d / 2, executor="processes", workers=2, out=out)
    assert stats.chunks == len([*blocks("v2")])
    np.testing.assert_array_equal(out[...], data / 2)
    with pytest.raises(ChunkError, match=r"chunk \(0, 0\) .*fn returned None for a region"):
        array.parallel_chunk_map(lambda _: None, executor="processes", workers=1, out=out)


def test_missing_and_unselected_chunks(tmp_path: Path) -> None:
    array, data = stored("local", "v3", tmp_path)
    stream = array.parallel_chunk_map(
        np.sum, executor="processes", workers=2, missing="skip", where=lambda index: index[0] < 3
    )
    wanted = [(i, r) for i, r in blocks("v3") if i[0] < 3 and not (data[r] == -1).all()]
    assert dict(stream.items()) == {index: data[region].sum() for index, region in wanted}
    assert stream.stats.missing > 0


def test_large_results_come_back(tmp_path: Path) -> None:
    data = np.random.default_rng(0).normal(size=(4, 1000, 500))
    array = exzarr.create_array(tmp_path / "large.zarr", data=data, chunks=(1, 1000, 500))
    found = list(array.parallel_chunk_map(np.negative, executor="processes", workers=2))
    np.testing.assert_array_equal(np.concatenate(found), -data)
    assert all(part.flags.writeable for part in found)


def test_no_process_is_started_for_no_chunk(array: exzarr.Array) -> None:
    before = children()
    stream = array.parallel_chunk_map(np.sum, executor="processes", where=[])
    assert children() == before
    assert list(stream) == []


# -- processes that die --------------------------------------------------------------------


@pytest.mark.parametrize("how", ["exit", "kill"])
def test_chunk_that_kills_its_process_once_is_retried(how: str, array: exzarr.Array, tmp_path: Path) -> None:
    fn = dies_on(how, 6, 21, 33, once=tmp_path)
    stream = array.parallel_chunk_map(fn, executor="processes", workers=2, retries=QUICK)
    assert firsts(stream) == [*range(0, 36, 3)]
    assert stream.stats.retries == 3


def test_a_chunk_that_always_kills_is_named_and_the_rest_completes(array: exzarr.Array) -> None:
    told: list[Any] = []
    stream = array.parallel_chunk_map(
        dies_on("kill", 6, 33), executor="processes", workers=2, retries=QUICK, on_error=told.append
    )
    assert firsts(stream) == [n for n in range(0, 36, 3) if n not in (6, 33)]
    assert (stream.stats.failed, stream.stats.retries) == (2, 4)
    assert [(type(error), error.index) for error in told] == [
        (WorkerDiedError, (2,)),
        (WorkerDiedError, (11,)),
    ]
    assert "c/2" in str(told[0])
    assert "SIGKILL" in str(told[0])


def test_chunk_that_kills_its_process_ends_the_map_by_default(array: exzarr.Array) -> None:
    with pytest.raises(ChunkError, match=r"chunk \(2,\) of .* ended with exit status 3") as caught:
        array.parallel_chunk_map(
            lambda d: dies_on("exit", 6)(d)[0], executor="processes", workers=2, reduce=operator.add
        )
    assert isinstance(caught.value, WorkerDiedError)
    assert isinstance(caught.value.__cause__, ChildProcessError)


def test_every_chunk_may_kill_its_process(array: exzarr.Array) -> None:
    stream = array.parallel_chunk_map(lambda _: os._exit(1), executor="processes", workers=2, on_error="skip")
    assert list(stream) == []
    assert stream.stats.failed == 12


def test_no_written_result_is_lost(array: exzarr.Array, tmp_path: Path) -> None:
    out = exzarr.create_array(tmp_path / "out.zarr", shape=(36,), dtype="i8", chunks=(3,))
    fn = dies_on("kill", 0, 6, 9, 30, once=tmp_path)

    def negates(data: np.ndarray) -> np.ndarray:
        fn(data)
        return -data

    array.parallel_chunk_map(negates, executor="processes", workers=2, retries=QUICK, out=out)
    np.testing.assert_array_equal(out[...], -np.arange(36))


# -- processes that are overdue -------------------------------------------------------------


def test_overdue_process_is_killed_and_its_chunk_retried(array: exzarr.Array, tmp_path: Path) -> None:
    stream = array.parallel_chunk_map(
        dies_on("sleep", 9, once=tmp_path), executor="processes", workers=2, timeout=2, retries=QUICK
    )
    assert firsts(stream) == [*range(0, 36, 3)]
    assert stream.stats.retries == 1


def test_chunk_that_is_always_overdue_raises_a_timeout(array: exzarr.Array) -> None:
    told: list[Any] = []
    stream = array.parallel_chunk_map(
        dies_on("sleep", 9), executor="processes", workers=2, timeout=1, on_error=told.append
    )
    found, late = firsts(stream), [error.index for error in told]
    assert (3,) in late  # on a busy machine other chunks may take as long
    assert found == [3 * i for i in range(12) if (i,) not in late]
    assert all(isinstance(error, TimeoutError) for error in told)
    assert "longer than 1 s: its worker process was killed" in str(told[0])


# -- errors of the function ----------------------------------------------------------------


def test_error_of_the_function_is_the_cause(array: exzarr.Array) -> None:
    class OwnError(Exception):
        pass

    def fails(data: np.ndarray) -> int:
        if data[0] == 6:
            try:
                dict[str, int]()["inner"]
            except KeyError as error:
                raise OwnError("no six") from error
        return int(data[0])

    stream = array.parallel_chunk_map(fails, executor="processes", workers=2)
    assert [next(stream), next(stream)] == [0, 3]
    with pytest.raises(ChunkError, match=r"chunk \(2,\) .*OwnError: no six") as caught:
        next(stream)
    cause = caught.value.__cause__
    assert type(cause) is OwnError
    assert isinstance(cause.__cause__, KeyError)
    assert "in fails" in cause.__notes__[0]
    skipping = array.parallel_chunk_map(fails, executor="processes", workers=2, on_error="skip")
    assert list(skipping) == [n for n in range(0, 36, 3) if n != 6]


def test_damaged_and_missing_chunks_raise_as_in_threads(array: exzarr.Array) -> None:
    array.store.put("c/1", b"not what it was")
    array.store.delete("c/2")
    told: list[Any] = []
    strict = exzarr.open_array(array.store, missing="error")
    list(strict.parallel_chunk_map(np.sum, executor="processes", workers=2, on_error=told.append, retries=3))
    assert [(type(error).__name__, error.index) for error in told] == [
        ("ChunkCorruptError", (1,)),
        ("ChunkMissingError", (2,)),
    ]


def test_unpicklable_task_raises_immediately(array: exzarr.Array) -> None:
    lock = threading.Lock()
    with pytest.raises(ArgumentError, match="cannot be: cannot pickle '_thread.lock'"):
        array.parallel_chunk_map(lambda _: lock, executor="processes")
    memory = exzarr.zeros((4,), chunks=(2,))
    with pytest.raises(ArgumentError, match="MemoryStore lives in the process that made it"):
        memory.parallel_chunk_map(np.sum, executor="processes", workers=2)


# -- the end -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "with", "drop", "exception"])
def test_leaving_early_kills_all_processes(how: str, array: exzarr.Array) -> None:
    before = set(children())

    def works(data: np.ndarray) -> int:
        if data[0]:
            time.sleep(1000)
        return 0

    stream = array.parallel_chunk_map(works, executor="processes", workers=2)
    assert next(stream) == 0
    assert len(set(children()) - before) == 2
    if how == "close":
        stream.close()
        assert list(stream) == []
    elif how == "with":
        with stream:
            pass
    elif how == "exception":
        with pytest.raises(ZeroDivisionError), stream:
            raise ZeroDivisionError
    else:
        del stream
        gc.collect()
    assert set(children()) == before


INTERRUPTED = """
import sys, time
from pathlib import Path
import exzarr

def works(data):
    Path(sys.argv[2], str(data[0])).touch()
    time.sleep(1000)

if __name__ == "__main__":
    array = exzarr.open_array(sys.argv[1])
    total = array.parallel_chunk_map(works, executor="processes", workers=2, reduce=max)
"""


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_program_leaves_no_processes(
    sign: signal.Signals, array: exzarr.Array, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (tmp_path / "program.py").write_text(INTERRUPTED)
    command = [sys.executable, str(tmp_path / "program.py"), str(tmp_path / "a.zarr"), str(notes)]
    program = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert eventually(lambda: len([*notes.iterdir()]) == 2 or program.poll() is not None)
    workers = psutil.Process(program.pid).children(recursive=True)
    assert len(workers) == 2
    program.send_signal(sign)
    _, errors = program.communicate(timeout=PATIENCE)
    _, alive = psutil.wait_procs(workers, timeout=PATIENCE)
    assert not alive
    if sign == signal.SIGINT:
        assert errors.strip().endswith("KeyboardInterrupt")
        assert errors.count("Traceback") == 1
