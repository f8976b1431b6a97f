"""Processes and threads write parts of the same chunks and shards: every element has the value of its last writer."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr import MemoryStore

pytestmark = pytest.mark.slow

WRITERS = 8
ROUNDS = 20

# Writer i writes the elements i, i + 8, i + 16, ...: every chunk has elements of every writer.
WRITE = """
import sys
import exzarr
path, me, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
arrays = [array for _, array in exzarr.open_group(path, mode="r+").arrays()]
print("ready", flush=True)
sys.stdin.readline()
for i in range(1, rounds + 1):
    for a in arrays:
        a[me::8] = 1000 * me + i
"""

LAYOUTS: dict[str, dict[str, Any]] = {
    "chunks": {"chunks": 40},
    "raw": {"chunks": 40, "compressors": None},
    "shards": {"chunks": 10, "shards": 40},
    "one": {"chunks": 100},
    "rectilinear": {"chunks": [[30, 50, 20]]},
}


def start(program: str, *args: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, args)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def run_all(processes: list[subprocess.Popen[str]]) -> None:
    """Start the processes at the same time, and wait for them."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
        assert process.returncode == 0


def expected(rounds: int) -> np.ndarray:
    return np.arange(100) % WRITERS * 1000 + rounds


@pytest.mark.skipif(os.name != "posix", reason="threads only")
def test_eight_processes_write_the_same_chunks_and_shards(tmp_path: Path) -> None:
    group = exzarr.create_group(tmp_path)
    for name, layout in LAYOUTS.items():
        group.create_array(name, shape=100, dtype="i4", fill_value=-1, **layout)
    run_all([start(WRITE, tmp_path, i, ROUNDS) for i in range(WRITERS)])
    for name in LAYOUTS:
        found = exzarr.open_array(tmp_path / name)[:]
        np.testing.assert_array_equal(found, expected(ROUNDS), err_msg=name)


@pytest.mark.parametrize("kind", ["memory", "local", "zip"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_eight_threads_write_the_same_chunks_and_shards(tmp_path: Path, kind: str, layout: str) -> None:
    stores: dict[str, Callable[[], exzarr.Store]] = {
        "memory": MemoryStore,
        "local": lambda: exzarr.LocalStore(tmp_path),
        "zip": lambda: exzarr.ZipStore(tmp_path / "a.zip", mode="w"),
    }
    with stores[kind]() as store:
        array = exzarr.create_array(store, shape=100, dtype="i4", fill_value=-1, **LAYOUTS[layout])

        def write(me: int) -> None:
            for i in range(1, 6):
                array[me::WRITERS] = 1000 * me + i

        threads = [threading.Thread(target=write, args=(i,)) for i in range(WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        np.testing.assert_array_equal(array[:], expected(5))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_concurrent_writes_of_whole_and_partial_chunks_are_serialized(layout: str) -> None:
    """Only a whole chunk overwrites a partial write, and a whole chunk is never torn."""
    array = exzarr.create_array(MemoryStore(), shape=100, dtype="i4", **LAYOUTS[layout])
    done = threading.Event()
    wholes = 0

    def whole() -> None:
        nonlocal wholes
        while not done.is_set():
            wholes += 1
            array[:] = np.full(100, -wholes)

    thread = threading.Thread(target=whole)
    thread.start()
    try:
        for i in range(1, 50):
            array[5:15] = i
            seen = array[:]
            inside = {*seen[5:15].tolist()}
            assert len(inside) == 1, inside
            assert inside == {i} or inside.pop() < 0
            assert (seen[:5] <= 0).all()
    finally:
        done.set()
        thread.join()
    array[5:15] = 77
    # A partial write that was read before the last whole chunk, and put after it, would restore an older chunk.
    assert {*array[:][[*range(5), *range(15, 30)]].tolist()} == {-wholes}


def test_writer_with_old_shape_keeps_appended_rows(tmp_path: Path) -> None:
    for name, layout in LAYOUTS.items():
        a = exzarr.create_array(tmp_path / name, shape=(45,), dtype="i4", **layout)
        behind = exzarr.open_array(tmp_path / name)
        a.append(np.arange(1, 31))
        behind[:] = -1  # the whole array, in the shape that it has read
        np.testing.assert_array_equal(a[:], [*[-1] * 45, *range(1, 31)], err_msg=name)


def test_damaged_chunk_can_be_replaced_but_not_updated(tmp_path: Path) -> None:
    for name, layout in LAYOUTS.items():
        a = exzarr.create_array(tmp_path / name, data=np.arange(95), **{**layout, "compressors": "zstd"})
        files = [*(tmp_path / name / "c").iterdir()]
        for path in files:
            path.write_bytes(path.read_bytes()[:-7])
        with pytest.raises(exzarr.ChunkCorruptError, match=r"chunk \(\d,\)"):
            a[1:94] = 0
        a[:] = np.arange(95)[::-1]
        np.testing.assert_array_equal(a[:], np.arange(95)[::-1], err_msg=name)
