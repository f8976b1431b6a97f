"""Maps and data sets on a real Ray cluster of two worker processes on this machine.

``make ray-tests`` runs these. A cluster takes up to half a minute to start, and each killed worker some seconds.
"""

from __future__ import annotations

import logging
import operator
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr.errors import ArgumentError, ChunkError, ChunkTimeoutError, WorkerDiedError
from exzarr.stores.local import write
from tests.stream.arrays import LAYOUTS, stored
from tests.stream.tools import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("EXZARR_TEST_RAY"), reason="`make ray-tests` runs the tests on Ray"
    ),
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]
if os.environ.get("EXZARR_TEST_RAY"):
    ray = pytest.importorskip("ray")


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    """Start Ray with two worker processes."""
    cloudpickle = pytest.importorskip("cloudpickle")
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import the tests
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        ray.init(
            address="local",  # also if a cluster runs on this machine
            num_cpus=2,
            include_dashboard=False,
            configure_logging=False,
            logging_level=logging.CRITICAL,
            log_to_driver=False,
            object_store_memory=100 * 1024 * 1024,
        )
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        yield
        ray.shutdown()


class KilledOnce(exzarr.LocalStore):
    """Folder whose first request for chunk 5 kills its process, in the middle of it."""

    def _die(self, key: str, data: bytes = b"") -> None:
        flag = Path(f"{self.path}.killed")
        if key.endswith("c/5") and not flag.exists():
            flag.write_text(str(os.getpid()))
            if data:
                write.write_temporary(f"{self.path}/c/", data, make=True)
            os.kill(os.getpid(), signal.SIGKILL)

    def put(self, key: str, value: Any) -> None:
        self._die(key, bytes(value)[:7])
        super().put(key, value)

    def update(self, key: str, change: Any) -> None:
        def changed(value: Any) -> Any:
            parts = change(value)
            self._die(key, b"torn")
            return parts

        super().update(key, changed)

    def read_each(self, keys: Any, buffers: Any, starts: Any = None) -> Any:
        for key in keys:
            self._die(key)
        return super().read_each(keys, buffers, starts)

    def get(self, key: str, byte_range: Any = None) -> Any:
        self._die(key)
        return super().get(key, byte_range)


@pytest.fixture
def array(tmp_path: Path) -> exzarr.Array:
    """Return an array with 12 chunks of 3."""
    made = exzarr.create_array(tmp_path / "a.zarr", shape=(36,), dtype="i8", chunks=(3,))
    made[...] = np.arange(36)
    return made


# -- maps -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
def test_results_come_in_grid_order(layout: str, tmp_path: Path) -> None:
    array, data = stored("local", layout, tmp_path)
    found = dict(array.parallel_chunk_map(lambda d: d.sum(), executor="ray").items())
    assert [*found] == [chunk.index for chunk in array.chunk_stream()]
    assert sum(found.values()) == data.sum()


def test_functions_run_in_several_processes_and_reduce(array: exzarr.Array) -> None:
    def process(data: Any) -> set[int]:
        time.sleep(0.05)
        return {os.getpid()}

    found = array.parallel_chunk_map(process, executor=ray, reduce=operator.or_)
    assert len(found) == 2
    assert os.getpid() not in found
    assert array.parallel_chunk_map(np.sum, executor="ray", reduce=operator.add) == 630


def test_results_are_written_by_the_workers(array: exzarr.Array, tmp_path: Path) -> None:
    for chunks, shards in ((3, None), (5, None), (6, 12)):
        out = exzarr.create_array(
            tmp_path / f"{chunks}.zarr", shape=36, dtype="i8", chunks=chunks, shards=shards
        )
        stats = array.parallel_chunk_map(lambda d: d * 2, executor="ray", out=out)
        assert stats.chunks == 12
        np.testing.assert_array_equal(out[...], np.arange(36) * 2)


@pytest.mark.parametrize("chunks", [3, 5])
def test_worker_that_is_killed_during_a_write_loses_nothing(
    array: exzarr.Array, tmp_path: Path, chunks: int
) -> None:
    exzarr.create_array(tmp_path / "out.zarr", shape=36, dtype="i8", chunks=chunks)
    out = exzarr.open_array(KilledOnce(tmp_path / "out.zarr"), mode="r+")
    stats = array.parallel_chunk_map(lambda d: d + 1, executor="ray", out=out)
    killed = int((tmp_path / "out.zarr.killed").read_text())
    assert killed != os.getpid()
    assert not Path(f"/proc/{killed}").exists()
    assert stats.chunks == 12
    np.testing.assert_array_equal(exzarr.open_array(tmp_path / "out.zarr")[...], np.arange(36) + 1)
    report = exzarr.check(tmp_path / "out.zarr")
    assert {finding.code for finding in report.findings} <= {
        "EXZ501"
    }  # the temporary file of the killed process


def test_errors_name_the_chunk_and_are_those_of_the_function(array: exzarr.Array) -> None:
    def bad(data: Any) -> None:
        if data[0] == 6:
            raise ValueError("six")

    with pytest.raises(ChunkError, match=r"chunk \(2,\).*ValueError: six") as caught:
        list(array.parallel_chunk_map(bad, executor="ray"))
    assert isinstance(caught.value.__cause__, ValueError)
    left = list(array.parallel_chunk_map(bad, executor="ray", on_error="skip"))
    assert len(left) == 11


def test_function_that_kills_each_process_is_named(array: exzarr.Array) -> None:
    def die(data: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(WorkerDiedError, match=r"chunk \(0,\).*died in Ray, also when it was repeated"):
        list(array.parallel_chunk_map(die, executor="ray", workers=1, where=[(0,)]))


def test_overdue_chunk_is_not_waited_for(array: exzarr.Array) -> None:
    def slow(data: Any) -> int:
        time.sleep(300 if data[0] == 0 else 0)
        return int(data[0])

    with pytest.raises(ChunkTimeoutError, match=r"chunk \(0,\)"):
        list(array.parallel_chunk_map(slow, executor="ray", timeout=5, where=[(0,)]))
    assert list(array.parallel_chunk_map(slow, executor="ray", where=[(1,), (2,)])) == [3, 6]


def test_stores_of_this_process_and_second_clusters_are_refused(array: exzarr.Array) -> None:
    with pytest.raises(ChunkError, match="MemoryStore lives in the process that made it"):
        list(exzarr.zeros((4,), chunks=(2,)).parallel_chunk_map(np.sum, executor="ray"))
    with pytest.raises(ArgumentError, match=r"connected to a Ray cluster already.*ray.shutdown"):
        array.parallel_chunk_map(np.sum, executor="ray://127.0.0.1:1")


CLIENT = """
import sys
import exzarr, numpy as np
array, out = exzarr.open_array(sys.argv[1]), exzarr.open_array(sys.argv[2], mode="r+")
address = f"ray://127.0.0.1:{sys.argv[3]}"
print(sum(array.parallel_chunk_map(lambda chunk: int(chunk.sum()), executor=address)))
print(array.parallel_chunk_map(lambda chunk: chunk + 1, executor=address, out=out).chunks)
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def test_cluster_of_an_address_reads_and_writes(array: exzarr.Array, tmp_path: Path) -> None:
    out = exzarr.create_array(tmp_path / "out.zarr", shape=36, dtype="i8", chunks=5)
    head, client = free_port(), free_port()
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=2"]
    command += ["--include-dashboard=false", "--disable-usage-stats", f"--port={head}"]
    command += [f"--ray-client-server-port={client}"]
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    # A group of its own: it is ended without `ray stop`, which would end all clusters of this machine.
    with subprocess.Popen(command, env=environment, start_new_session=True, **quiet) as cluster:
        try:
            assert eventually(lambda: answers(client))
            run = [
                sys.executable,
                "-c",
                CLIENT,
                *map(str, (tmp_path / "a.zarr", tmp_path / "out.zarr", client)),
            ]
            for _ in range(
                4
            ):  # Ray gives its server of a client half a minute to start: too little on a busy machine
                done = subprocess.run(run, env=environment, capture_output=True, text=True, check=False)
                if "Starting Ray client server failed" not in done.stderr:
                    break
        finally:
            os.killpg(cluster.pid, signal.SIGTERM)
    assert done.stdout.split() == ["630", "12"], done.stderr
    np.testing.assert_array_equal(out[...], np.arange(36) + 1)


def answers(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


# -- data sets ------------------------------------------------------------------------------------


def rows(dataset: Any) -> dict[str, Any]:
    """Return the columns of all rows, in the order of their number."""
    batches = list(dataset.iter_batches(batch_size=None, batch_format="numpy"))
    columns = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    order = np.argsort(columns["row"])
    return {name: values[order] for name, values in columns.items()}


def test_rows_of_a_group_are_those_of_its_arrays(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    group = exzarr.open_group(tmp_path / "g.zarr", mode="w")
    images = rng.integers(0, 255, (100, 4, 5), "u1")
    group.create_array("image", data=images, chunks=(5, 2, 5), shards=(20, 4, 5))
    group.create_array("label", data=np.arange(100), chunks=(30,))
    weight = group.create_array(
        "weight", data=rng.random((3, 100)), chunks=(3, 7), dimension_names=("k", "n")
    )
    dataset = exzarr.to_ray(group, columns=["image", "label"], row_number="row", override_num_blocks=4)
    assert dataset.count() == 100
    found = rows(dataset)
    np.testing.assert_array_equal(found["image"], images)
    np.testing.assert_array_equal(found["label"], np.arange(100))
    with pytest.raises(ArgumentError, match="'image' has 100, 'label' has 100, 'weight' has 3; choose some"):
        exzarr.to_ray(group)
    found = rows(exzarr.to_ray({"w": weight}, axis="n", row_number="row"))
    np.testing.assert_array_equal(found["w"], weight[...].T)


def test_zip_files_and_format_2_are_read(tmp_path: Path) -> None:
    data = np.arange(60.0).reshape(20, 3)
    with exzarr.ZipStore(tmp_path / "a.zip", "w") as store:
        exzarr.create_array(store, data=data, chunks=(6, 2), zarr_format=2)
    found = rows(exzarr.to_ray(exzarr.open_array(tmp_path / "a.zip"), row_number="row"))
    np.testing.assert_array_equal(found["data"], data)


def test_chunks_are_rows_with_their_place(tmp_path: Path) -> None:
    data = np.arange(70).reshape(10, 7)
    array = exzarr.create_array(tmp_path / "a.zarr", data=data, chunks=(4, 4))
    seen = np.zeros_like(data)
    for row in exzarr.to_ray(array, rows="chunks").take_all():
        (y, x), values = row["start"], row["data"]
        assert [*row["index"]] == [y // 4, x // 4]
        seen[y : y + values.shape[0], x : x + values.shape[1]] += values
    np.testing.assert_array_equal(seen, data)


def test_worker_that_is_killed_during_a_read_is_replaced(array: exzarr.Array, tmp_path: Path) -> None:
    killing = exzarr.open_array(KilledOnce(tmp_path / "a.zarr"), mode="r")
    found = rows(exzarr.to_ray(killing, row_number="row", override_num_blocks=3))
    assert (tmp_path / "a.zarr.killed").exists()
    np.testing.assert_array_equal(found["data"], np.arange(36))


def test_batches_are_written_back_by_row_number(array: exzarr.Array, tmp_path: Path) -> None:
    out = exzarr.create_array(tmp_path / "out.zarr", shape=36, dtype="i8", chunks=7)

    def store(batch: Any) -> Any:
        out.vindex[batch["row"]] = batch["data"] * 3  # parts of shared chunks, by concurrent workers
        return {"done": np.array([len(batch["row"])])}

    done = exzarr.to_ray(array, row_number="row", override_num_blocks=6).map_batches(store, batch_size=5)
    assert done.sum("done") == 36
    np.testing.assert_array_equal(out[...], np.arange(36) * 3)


# -- tasks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("parallelism", [1, 3, 5, 100])
def test_tasks_end_at_chunks_and_state_rows_and_bytes(tmp_path: Path, parallelism: int) -> None:
    from exzarr.integrations.ray_datasource import SampleDatasource

    data = np.arange(200, dtype="i4").reshape(50, 4)
    array = exzarr.create_array(tmp_path / "a.zarr", data=data, chunks=((7, 13, 20, 10), (4,)))
    small = exzarr.create_array(tmp_path / "b.zarr", data=np.arange(50, dtype="i2"), chunks=3)
    source = SampleDatasource({"a": array, "b": small}, {"a": 0, "b": 0}, None)
    tasks = source.get_read_tasks(parallelism)
    assert len(tasks) <= min(parallelism, 4)
    ends = np.cumsum([task.metadata.num_rows for task in tasks])
    assert {*ends.tolist()} <= {7, 20, 40, 50}
    assert ends[-1] == 50
    assert sum(task.metadata.size_bytes for task in tasks) == source.estimate_inmemory_data_size() == 900
    assert source.task_memory >= max(task.metadata.size_bytes for task in tasks)
    if parallelism >= 100:
        assert ends.tolist() == [7, 20, 40, 50]
    found = [ray.data.block.BlockAccessor.for_block(block).to_numpy() for task in tasks for block in task()]
    np.testing.assert_array_equal(np.concatenate([part["a"] for part in found]), data)
    np.testing.assert_array_equal(np.concatenate([part["b"] for part in found]), np.arange(50))


def test_large_chunks_are_several_blocks(array: exzarr.Array, monkeypatch: pytest.MonkeyPatch) -> None:
    from exzarr.integrations import ray_datasource

    monkeypatch.setattr(ray_datasource, "_block_nbytes", lambda: 16)
    source = ray_datasource.SampleDatasource({"data": array}, {"data": 0}, "row")
    (task,) = source.get_read_tasks(1)
    found = [ray.data.block.BlockAccessor.for_block(block).to_numpy()["row"].tolist() for block in task()]
    assert all(len(part) <= 2 for part in found)
    assert [number for part in found for number in part] == [*range(36)]


def test_empty_arrays_and_limits_of_rows(array: exzarr.Array, tmp_path: Path) -> None:
    from exzarr.integrations.ray_datasource import SampleDatasource

    empty = exzarr.create_array(tmp_path / "e.zarr", shape=(0, 3), chunks=(2, 3), dtype="f4")
    assert SampleDatasource({"data": empty}, {"data": 0}, None).get_read_tasks(4) == []
    assert exzarr.to_ray(empty).count() == 0
    assert len(exzarr.to_ray(array).limit(5).take_all()) == 5


@pytest.mark.parametrize("dtype", ["datetime64[s]", "U3", str, "f2", "?"])
def test_data_types(tmp_path: Path, dtype: Any) -> None:
    array = exzarr.zeros((6,), store=tmp_path / "a.zarr", chunks=(4,), dtype=dtype)
    found = rows(exzarr.to_ray(array, row_number="row"))["data"]
    assert [*map(str, found)] == [*map(str, array[...])]
