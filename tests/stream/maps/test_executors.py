"""`parallel_chunk_map` with executors of the caller, and on a dask cluster of worker processes."""

from __future__ import annotations

import multiprocessing
import operator
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr import Retry
from exzarr.errors import ArgumentError, ChunkError, StreamError
from tests.stream.arrays import LAYOUTS, blocks, stored
from tests.stream.tools import eventually, stream_threads

pytestmark = pytest.mark.slow

QUICK = Retry(attempts=3, wait_initial=0, wait_jitter=0)


class AtOnce(Executor):
    """Call in the submitting thread, and count the calls."""

    def __init__(self) -> None:
        self.calls = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.calls += 1
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001
            future.set_exception(error)
        return future


@pytest.fixture(scope="module")
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, multiprocessing.get_context("forkserver")) as executor:
        yield executor


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Start a cluster of two worker processes on this machine."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", memory_limit=0
        ) as cluster,
        distributed.Client(cluster) as made,
    ):
        yield made


@pytest.fixture(params=["threads", "processes", "client"])
def executor(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.fixture
def array(tmp_path: Path) -> exzarr.Array:
    """Return an array with 12 chunks of 3."""
    made = exzarr.create_array(tmp_path / "a.zarr", shape=(36,), dtype="i8", chunks=(3,))
    made[...] = np.arange(36)
    return made


# -- all executors ------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
def test_results_come_in_grid_order(executor: Any, layout: str, tmp_path: Path) -> None:
    array, data = stored("local", layout, tmp_path)
    found = dict(array.parallel_chunk_map(lambda d: d.sum(), executor=executor).items())
    assert [*found.items()] == [(index, data[region].sum()) for index, region in blocks(layout)]
    zipped, data = stored("zip", layout, tmp_path)
    total = exzarr.parallel_chunk_map(
        lambda a, b: (a.data * b.data).sum(),
        [array, zipped],
        executor=executor,
        with_chunk=True,
        reduce=operator.add,
    )
    assert total == (data * data).sum()


@pytest.mark.parametrize("target", ["v2", "shards"])
def test_results_are_written_to_any_chunk_grid(executor: Any, target: str, tmp_path: Path) -> None:
    array, data = stored("local", "v2", tmp_path)
    out = exzarr.create_array(
        tmp_path / "out.zarr", shape=data.shape, dtype="f8", fill_value=-1, **LAYOUTS[target]
    )
    array.parallel_chunk_map(lambda d: d / 2, executor=executor, out=out)
    np.testing.assert_array_equal(out[...], data / 2)


def test_failures_are_reported_and_retried(executor: Any, array: exzarr.Array, tmp_path: Path) -> None:
    def fails(data: np.ndarray) -> int:
        if data[0] == 6:
            raise KeyError("never")
        marker = tmp_path / str(data[0])
        if data[0] == 9 and not marker.exists():
            marker.touch()
            raise ConnectionResetError("once")
        return int(data[0])

    told: list[Any] = []
    stream = array.parallel_chunk_map(fails, executor=executor, retries=QUICK, on_error=told.append)
    assert list(stream) == [3 * i for i in range(12) if i != 2]
    assert [error.index for error in told] == [(2,)]
    assert isinstance(told[0].__cause__, KeyError)
    assert stream.stats.retries == 1
    with pytest.raises(ChunkError, match=r"chunk \(2,\) .*KeyError: 'never'"):
        list(array.parallel_chunk_map(fails, executor=executor))


def test_executors_are_left_running(executor: Any, array: exzarr.Array) -> None:
    stream = array.parallel_chunk_map(np.sum, executor=executor)
    next(stream)
    stream.close()
    assert executor.submit(operator.add, 1, 2).result() == 3
    assert eventually(lambda: not stream_threads())


# -- number of workers -------------------------------------------------------------------


def test_as_many_chunks_are_in_flight_as_the_executor_has_workers(array: exzarr.Array) -> None:
    lock, now, most = threading.Lock(), 0, 0

    def counts(_: np.ndarray) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.002)
        with lock:
            now -= 1

    with ThreadPoolExecutor(8) as executor:
        list(array.parallel_chunk_map(counts, executor=executor, workers=3))
        assert most <= 3
        inner = ThreadPoolExecutor(2)
        list(array.parallel_chunk_map(counts, executor=inner))
        inner.shutdown()


def test_any_executor_is_accepted(array: exzarr.Array) -> None:
    executor = AtOnce()
    lock = threading.Lock()  # what cannot be pickled need not be
    results = list(array.parallel_chunk_map(lambda d: (lock, int(d[0]))[1], executor=executor))
    assert results == [*range(0, 36, 3)]
    assert executor.calls == 12


def test_thread_executor_can_use_a_memory_store(threads: Executor) -> None:
    array, data = stored("memory", "v3", Path())
    assert array.parallel_chunk_map(np.sum, executor=threads, reduce=operator.add) == data.sum()


# -- errors ------------------------------------------------------------------------------


def test_executor_after_shutdown_ends_the_map(array: exzarr.Array) -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(StreamError, match="the executor takes no more work: cannot schedule new futures"):
        list(array.parallel_chunk_map(np.sum, executor=executor, on_error="skip"))


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_broken_executor_ends_the_map(array: exzarr.Array) -> None:
    with (
        ProcessPoolExecutor(1, multiprocessing.get_context("forkserver")) as executor,
        pytest.raises(
            StreamError, match="the executor .*executor='processes' replaces processes|takes no more"
        ),
    ):
        list(
            array.parallel_chunk_map(
                lambda _: os.kill(os.getpid(), signal.SIGKILL), executor=executor, on_error="skip"
            )
        )


def test_overdue_chunk_is_not_waited_for(array: exzarr.Array, threads: Executor) -> None:
    release = threading.Event()

    def slow(data: np.ndarray) -> int:
        if data[0] == 6:
            release.wait()
        return int(data[0])

    told: list[Any] = []
    try:
        results = list(array.parallel_chunk_map(slow, executor=threads, timeout=0.3, on_error=told.append))
    finally:
        release.set()
    late = [error.index for error in told]
    assert (2,) in late
    assert results == [3 * i for i in range(12) if (i,) not in late]
    assert all(isinstance(error, TimeoutError) for error in told)


@pytest.mark.slow
def test_close_cancels_pending_tasks(array: exzarr.Array) -> None:
    release, begun = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as executor:
        blocker = executor.submit(release.wait)
        stream = array.parallel_chunk_map(lambda _: begun.set(), executor=executor, workers=2)
        consumer = ThreadPoolExecutor(1)
        waiting = consumer.submit(lambda: next(stream, "nothing"))
        assert eventually(lambda: len(stream_threads()) == 2)
        assert eventually(lambda: executor._work_queue.qsize() == 2)
        stream.close()
        assert not begun.is_set()
        release.set()
        blocker.result()
        consumer.shutdown(wait=False)
        assert waiting is not None
    assert not begun.is_set()


# -- a cluster ---------------------------------------------------------------------------


def test_a_cluster_runs_it_in_its_processes(client: Any, array: exzarr.Array) -> None:
    pids = set(
        array.parallel_chunk_map(lambda _: os.getpid(), executor=client, where=lambda index: index[0] < 6)
    )
    assert os.getpid() not in pids
    # pure=False: the same chunk, requested again, is computed again.
    stamps = [*array.parallel_chunk_map(lambda _: time.monotonic_ns(), executor=client, where=[(0,)])] * 2
    again = [*array.parallel_chunk_map(lambda _: time.monotonic_ns(), executor=client, where=[(0,)])]
    assert stamps != again


def test_unpicklable_task_for_a_cluster_raises_immediately(client: Any, array: exzarr.Array) -> None:
    lock = threading.Lock()
    with pytest.raises(ArgumentError, match="cannot pickle '_thread.lock'"):
        array.parallel_chunk_map(lambda _: lock, executor=client)
    memory = exzarr.zeros((4,), chunks=(2,))
    with pytest.raises(ChunkError, match="MemoryStore lives in the process that made it"):
        list(memory.parallel_chunk_map(np.sum, executor=client))
    with pytest.raises(ArgumentError, match="asynchronous"):
        array.parallel_chunk_map(
            np.sum, executor=type("C", (type(client),), {"__init__": lambda _: None, "asynchronous": True})()
        )


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_worker_of_a_cluster_may_die(client: Any, array: exzarr.Array, tmp_path: Path) -> None:
    def kills_once(data: np.ndarray) -> int:
        marker = tmp_path / str(data[0])
        if data[0] == 6 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return int(data[0])

    assert list(array.parallel_chunk_map(kills_once, executor=client)) == [*range(0, 36, 3)]
