"""Threads and processes that create the same node concurrently all get one node."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import exzarr
from exzarr.stores import LocalStore, MemoryStore, SQLiteStore, Store
from tests.object_servers import OPEN

MANY = 8


@pytest.fixture(params=["local", "memory", "sqlite", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "s3":
        yield request.getfixturevalue("s3_server").store("s.zarr")
        return
    stores: dict[str, Callable[[], Store]] = {
        "local": lambda: LocalStore(tmp_path / "deep" / "s.zarr"),
        "memory": MemoryStore,
        "sqlite": lambda: SQLiteStore(tmp_path / "s.sqlite"),
    }
    with stores[request.param]() as made:
        yield made


def together(do: Callable[[int], Any]) -> list[Any]:
    """Return the results of eight threads that start at the same time."""
    start = threading.Barrier(MANY)

    def one(number: int) -> Any:
        start.wait()
        return do(number)

    with ThreadPoolExecutor(MANY) as pool:
        return [*pool.map(one, range(MANY))]


def in_turn(monkeypatch: pytest.MonkeyPatch, first: Callable[[], Any]) -> None:
    """Call `first` after the next search that finds no node, and before the node is created."""
    from exzarr._nodes import node_creation

    original = node_creation.require_room

    def late(*args: Any, **options: Any) -> Any:
        monkeypatch.undo()
        missing = original(*args, **options)
        first()
        return missing

    monkeypatch.setattr(node_creation, "require_room", late)


CALLS: dict[str, Callable[[Store, Any], Any]] = {
    "open_group": lambda store, zarr_format: exzarr.open_group(
        store, mode="a", path="g/h", zarr_format=zarr_format
    ),
    "open a group": lambda store, zarr_format: exzarr.open(
        store, mode="a", path="g", zarr_format=zarr_format
    ),
    "group": lambda store, zarr_format: exzarr.group(store, path="g", zarr_format=zarr_format),
    "open an array": lambda store, zarr_format: exzarr.open(
        store, mode="a", path="g/x", shape=8, dtype="i4", zarr_format=zarr_format
    ),
    "open_array": lambda store, zarr_format: exzarr.open_array(
        store, mode="a", shape=8, dtype="i4", zarr_format=zarr_format, attributes={"made": "by one"}
    ),
    "require_group": lambda store, zarr_format: exzarr.open_group(
        store, mode="a", zarr_format=zarr_format
    ).require_group("a/b/c"),
    "require_array": lambda store, zarr_format: exzarr.open_group(
        store, mode="a", zarr_format=zarr_format
    ).require_array("a/b/x", shape=8, dtype="i4", chunks=1),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_concurrent_threads_get_one_node(store, call, zarr_format):
    nodes = together(lambda _: CALLS[call](store, zarr_format))
    assert len({(type(node), node.path, node.zarr_format) for node in nodes}) == 1
    if isinstance(nodes[0], exzarr.Array):
        together(lambda number: nodes[number].__setitem__(number, number + 1))
        np.testing.assert_array_equal(nodes[0][...], np.arange(1, 9))


@pytest.mark.parametrize("call", CALLS)
def test_second_creator_opens_the_existing_node(store, call, monkeypatch):
    """The same, always in the order that was an error in an earlier version."""
    if "require" in call:
        exzarr.create_group(store)
    made = []
    in_turn(monkeypatch, lambda: made.append(CALLS[call](store, 3)))
    node = CALLS[call](store, 3)
    assert (type(node), node.path) == (type(made[0]), made[0].path)


def test_open_like_opens_an_array_created_concurrently(tmp_path, monkeypatch):
    path = tmp_path / "a.zarr"
    in_turn(monkeypatch, lambda: exzarr.save(path, np.arange(3)))
    assert exzarr.open_like(np.zeros(3, "i8"), path)[:].tolist() == [0, 1, 2]


def test_error_for_mismatching_node_does_not_suggest_overwrite(store, monkeypatch):
    group = exzarr.create_group(store)
    in_turn(monkeypatch, lambda: group.create_array("x", shape=5, dtype="i4"))
    with pytest.raises(exzarr.NodeTypeError, match=r"shape \(5,\), not \(8,\)") as caught:
        group.require_array("x", shape=8, dtype="i4")
    assert "overwrite" not in str(caught.value)
    in_turn(monkeypatch, lambda: group.create_array("y", shape=5, dtype="i4"))
    with pytest.raises(exzarr.NodeTypeError, match="array, not a group") as caught:
        group.require_group("y")
    assert "overwrite" not in str(caught.value)
    in_turn(monkeypatch, lambda: group.create_array("z", shape=5, dtype="i4"))
    with pytest.raises(exzarr.NodeExistsError, match="at the same time") as error:
        group.create_array("z", shape=5, dtype="i4")
    assert "overwrite" not in str(error.value)


PROCESS = """
group = exzarr.open_group(store, mode="a")
sys.stdout.write("ready\\n"); sys.stdout.flush()
number, rounds = int(sys.argv[2]), int(sys.argv[3])
for turn in range(rounds):
    sys.stdin.readline()
    root = exzarr.open_group(store, mode="a", path=f"{turn}")
    array = root.require_array("deep/x", shape=8, dtype="i4", chunks=1)
    array[number] = number + 1
    root.require_group("deep/g")
    sys.stdout.write("done\\n"); sys.stdout.flush()
"""


def said(processes: list[subprocess.Popen[str]], word: str) -> None:
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{word}\n", process.communicate()[1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["local", "sqlite", "s3"])
def test_concurrent_processes_get_one_node(request, kind, tmp_path):
    rounds = 3
    opened, told = "import sys\nimport exzarr\nstore = sys.argv[1]\n", str(tmp_path / f"s.{kind}")
    if kind == "s3":
        server = request.getfixturevalue("s3_server")
        store = server.store("s.zarr")
        opened, told = OPEN + "\nstore = open_store()\n", server.describe(store)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", opened + PROCESS, told, str(number), str(rounds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(MANY)
    ]
    try:
        said(processes, "ready")
        for _ in range(rounds):
            for process in processes:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
            said(processes, "done")
    finally:
        for process in processes:
            process.communicate()
    root = exzarr.open_group(store if kind == "s3" else told)
    for turn in range(rounds):
        np.testing.assert_array_equal(root[f"{turn}/deep/x"][...], np.arange(1, 9))
    if kind == "local":
        np.testing.assert_array_equal(zarr.open(told)["0/deep/x"][...], np.arange(1, 9))
