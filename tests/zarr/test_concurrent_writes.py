"""Processes and threads of zarr-python that write parts of the same chunks and shards lose nothing."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

from tests.zarr.tools import create, fallbacks, open_ours, open_plain

ROWS, COLUMNS, ROUNDS = 32, 16, 2

LAYOUTS: dict[str, dict[str, Any]] = {
    "chunks": {"chunks": (ROWS, 8)},
    "edges": {"chunks": (ROWS + 5, 9)},
    "shards": {"chunks": (8, 4), "shards": (ROWS, 8)},
    "flat": {"chunks": (ROWS, 8), "zarr_format": 2, "chunk_key_encoding": {"name": "v2", "separator": "."}},
}

WAYS = ("slices", "rows", "points", "dropped")

# Writer i of n writes the rows i, i + n, i + 2 n, ... of every array.
WRITE = """
import os
import sys
import numpy as np
import exzarr.zarr
exzarr.zarr.enable()
import zarr
path, me, writers, rounds = sys.argv[1], *map(int, sys.argv[2:])
arrays = {name: zarr.open_array(f"{path}/{name}", mode="r+") for name in os.listdir(path)}
print("ready", flush=True)
sys.stdin.readline()
for i in range(1, rounds + 1):
    for name, a in sorted(arrays.items()):
        rows, columns = np.arange(me, a.shape[0], writers), np.arange(a.shape[1])
        value = np.full((len(rows), a.shape[1]), 1000 * (me + 1) + i)
        if name.endswith("slices"):
            for at, row in enumerate(rows):
                a[row : row + 1] = value[at : at + 1]
        elif name.endswith("rows"):
            a.oindex[rows] = value
        elif name.endswith("dropped"):
            for row in rows:
                a.oindex[int(row), columns] = value[0]
        else:
            points = np.meshgrid(rows, columns, indexing="ij")
            a.vindex[tuple(p.ravel() for p in points)] = value.ravel()
"""


def expected(writers: int) -> Any:
    return np.repeat(1000 * (np.arange(ROWS) % writers + 1) + ROUNDS, COLUMNS).reshape(ROWS, COLUMNS)


@pytest.mark.slow
@pytest.mark.parametrize("writers", [2, 8])
def test_processes_lose_no_rows(tmp_path: Path, writers: int) -> None:
    path = tmp_path / "arrays"
    names = [f"{layout}-{how}" for layout in LAYOUTS for how in WAYS]
    for name in names:
        create(path / name, shape=(ROWS, COLUMNS), dtype="i4", **LAYOUTS[name.partition("-")[0]])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, *map(str, (path, me, writers, ROUNDS))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for me in range(writers)
    ]
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
    for name in names:
        np.testing.assert_array_equal(open_plain(path / name)[:], expected(writers), err_msg=name)
    kept = {file.name for file in path.rglob("*") if file.is_file()}
    assert not [name for name in kept if "lock" in name or "partial" in name or "tmp" in name]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_threads_lose_no_rows_in_memory(layout: str) -> None:
    threads_write(MemoryStore(), layout)


@pytest.mark.parametrize("layout", ["chunks", "shards"])
def test_threads_lose_no_rows_in_a_folder(tmp_path: Path, layout: str) -> None:
    threads_write(tmp_path / "a.zarr", layout)


def threads_write(store: Any, layout: str, writers: int = 4) -> None:
    create(store, shape=(ROWS, COLUMNS), dtype="i4", **LAYOUTS[layout])
    errors: list[BaseException] = []

    def write(me: int) -> None:
        try:
            a = open_array(store)
            for i in range(1, ROUNDS + 1):
                for row in range(me, ROWS, writers):
                    a[row] = 1000 * (me + 1) + i
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    def open_array(store: Any) -> Any:
        with opening:  # the settings of zarr-python are those of the process
            return open_ours(store, mode="r+")

    opening = threading.Lock()
    with fallbacks() as fell_back:
        threads = [threading.Thread(target=write, args=(me,)) for me in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []
    assert fell_back == []
    np.testing.assert_array_equal(open_plain(store)[:], expected(writers))


def test_whole_chunk_between_read_and_write_of_a_part_is_kept() -> None:
    """A put while a part is being changed makes the change start again."""
    store = MemoryStore()
    a = create(store, shape=(8,), chunks=(8,), dtype="i4", compressors=None)
    a[:] = 1
    from zarr.core.buffer.cpu import Buffer

    from exzarr.stores import MappingStore

    values = MappingStore(store._store_dict, make_value=Buffer.from_bytes)
    calls = []

    def change(value: Any) -> Any:
        old = bytearray(value.size)
        value.read_into(memoryview(old), 0)
        calls.append(bytes(old))
        if len(calls) == 1:
            a[:] = 2  # covers the chunk
        old[:4] = (9).to_bytes(4, "little")
        return [old]

    values.update("c/0", change)
    assert len(calls) == 2
    np.testing.assert_array_equal(a[:], [9] + [2] * 7)


def test_scalar_array_is_written_by_update(tmp_path: Path) -> None:
    a = create(tmp_path / "s.zarr", shape=(), dtype="f8")
    with fallbacks() as fell_back:
        a[()] = 2.5
        a[...] = a[()] + 1
    assert a[()] == 3.5
    assert fell_back == []
    assert zarr.open_array(tmp_path / "s.zarr")[()] == 3.5
