"""Processes that ingest are killed repeatedly: no row is lost, and none is stored twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

import exzarr

KILLS = int(os.environ.get("EXZARR_TEST_KILLS", "12"))

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")

ARRAY = """
import sys, numpy as np, exzarr
array = exzarr.open_array(sys.argv[1], mode="r+")

def source(position):
    for number in range(position or 0, 60):
        print(number, flush=True)
        yield np.full((3 + number % 5, 4), number, "i4")

exzarr.ingest(array, source, key="k", batch=int(sys.argv[2]), max_pending=2)
print("done", flush=True)
"""

GROUP = """
import sys, numpy as np, exzarr
group = exzarr.open_group(sys.argv[1], mode="r+")

def source(position):
    for number in range(position or 0, 60):
        print(number, flush=True)
        n = 1 + number % 3
        yield {"sst": np.full((n, 4), number, "i4"), "deep/ice": np.full((2, n), number, "f8"), "time": np.full(n, number)}

exzarr.ingest(group, source, key="k", axis="time", batch=int(sys.argv[2]), max_pending=2)
print("done", flush=True)
"""


def run_and_kill(script: str, path: Path, batch: int, chance: random.Random) -> bool:
    """Run a program and kill it at some moment; return True if it ended before."""
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(path), str(batch)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    lines = chance.randrange(1, 25)
    last = ""
    for _ in range(lines):
        last = child.stdout.readline()
        if not last or last == "done\n":
            break
    if last and last != "done\n":
        # Kill it at any moment of its commits; the scheduler decides where exactly.
        try:
            child.wait(chance.random() * 0.004)
        except subprocess.TimeoutExpired:
            pass
    child.kill()
    rest = child.stdout.read()
    child.wait()
    child.stdout.close()
    return "done" in last or "done" in rest


def expected(numbers: int, rows: list[int]) -> np.ndarray:
    return np.repeat(np.arange(numbers), rows[:numbers])


@pytest.mark.parametrize(
    "options", [{"chunks": (8, 4)}, {"chunks": (2, 4), "shards": (16, 4)}], ids=["chunks", "shards"]
)
def test_an_array(options: dict[str, tuple[int, ...]], tmp_path: Path) -> None:
    path, rows = tmp_path / "a.zarr", [3 + number % 5 for number in range(60)]
    exzarr.create_array(path, shape=(0, 4), dtype="i4", fill_value=-1, **options)  # type: ignore[arg-type]
    chance, done = random.Random(5), False
    for kill in range(KILLS):
        batch = chance.choice([1, 7, 40])
        done = run_and_kill(ARRAY, path, batch, chance)
        array = exzarr.open_array(path, mode="r")
        position = exzarr.ingest_position(array, "k") or 0
        want = expected(position, rows)
        for found in (array[...], zarr.open_array(path, mode="r")[...]):
            np.testing.assert_array_equal(found, np.repeat(want[:, None], 4, 1), err_msg=f"after kill {kill}")
        if done:
            break
    while not done:
        done = run_and_kill(ARRAY, path, 40, random.Random(10**6))
    assert exzarr.ingest_position(exzarr.open_array(path), "k") == 60
    np.testing.assert_array_equal(exzarr.open_array(path)[:, 0], expected(60, rows))
    # Chunks that a killed process left behind do not reappear when the array grows.
    array = exzarr.open_array(path, mode="r+")
    end = array.shape[0]
    array.resize((end + 50, 4))
    assert (array[end:] == -1).all()


def test_a_group_whose_arrays_grow_together(tmp_path: Path) -> None:
    path, rows = tmp_path / "cube.zarr", [1 + number % 3 for number in range(60)]
    group = exzarr.create_group(path)
    group.create_array("time", shape=(0,), chunks=(16,), dtype="i8", dimension_names=("time",))
    group.create_array("sst", shape=(0, 4), chunks=(4, 4), dtype="i4", dimension_names=("time", "x"))
    group.create_array("deep/ice", shape=(2, 0), chunks=(2, 5), dtype="f8", dimension_names=("y", "time"))
    exzarr.consolidate_metadata(path)
    chance, done = random.Random(6), False
    for _ in range(KILLS):
        done = run_and_kill(GROUP, path, chance.choice([1, 4, 20]), chance)
        check_group(path, rows)
        if done:
            break
    while not done:
        done = run_and_kill(GROUP, path, 20, random.Random(10**6))
    assert check_group(path, rows) == 60


def check_group(path: Path, rows: list[int]) -> int:
    """Check that all arrays have the same time steps: those of the committed blocks."""
    group = exzarr.open_group(path, mode="r")
    position = exzarr.ingest_position(group, "k") or 0
    want = expected(position, rows)
    other = zarr.open_group(path, mode="r")
    for name, axis in (("time", 0), ("sst", 0), ("deep/ice", 1)):
        for node in (group.get_array(name), other[name]):
            assert node.shape[axis] == len(want), name
            found = np.moveaxis(np.asarray(node[...]), axis, 0)
            wanted = want.reshape(-1, *[1] * (found.ndim - 1))
            np.testing.assert_array_equal(found, np.broadcast_to(wanted, found.shape), err_msg=name)
    return position


READER = """
import sys, exzarr, zarr
while True:
    for library in (exzarr, zarr):
        group = library.open_group(sys.argv[1], mode="r")
        print(group["time"].shape[0], group["sst"].shape[0], group["deep/ice"].shape[1], flush=True)
"""


def test_readers_never_see_steps_that_one_array_has_and_another_lacks(tmp_path: Path) -> None:
    path = tmp_path / "cube.zarr"
    group = exzarr.create_group(path)
    group.create_array("time", shape=(0,), chunks=(16,), dtype="i8", dimension_names=("time",))
    group.create_array("sst", shape=(0, 4), chunks=(4, 4), dtype="i4", dimension_names=("time", "x"))
    group.create_array("deep/ice", shape=(2, 0), chunks=(2, 5), dtype="f8", dimension_names=("y", "time"))
    exzarr.consolidate_metadata(path)
    reader = subprocess.Popen([sys.executable, "-c", READER, str(path)], stdout=subprocess.PIPE, text=True)
    assert reader.stdout is not None
    seen = {reader.stdout.readline()}
    writer = subprocess.Popen(
        [sys.executable, "-c", GROUP, str(path), "2"], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    while True:
        seen.add(reader.stdout.readline())
        if writer.poll() is not None:
            break
    writer.stdout.close()
    assert writer.returncode == 0
    seen.update(reader.stdout.readline() for _ in range(4))
    reader.kill()
    reader.wait()
    reader.stdout.close()
    assert len(seen) > 2, "the reader saw nothing of it"
    for line in seen:
        assert len({*line.split()}) == 1, line
