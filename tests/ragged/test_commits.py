"""Appends are atomic for all arrays: against kills, and with concurrent appenders and readers."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import exzarr
import exzarr.ragged
from exzarr.errors import IngestConflictError, IngestError
from exzarr.ragged import Items
from exzarr.stores import ObjectStore
from tests.kill_points import kill_steps, killed_at

KILLS = int(os.environ.get("EXZARR_TEST_KILLS", "2"))

FIELDS: dict[str, Any] = {
    "tokens": {"dtype": "i4", "chunks": 16},
    "scores": {"dtype": "f8", "shape": (2,), "chunks": 5},
}


def item(number: int) -> dict[str, Any]:
    """Return an item that shows whether all of it is there."""
    n = number % 7
    return {"tokens": np.full(n, number), "scores": np.full((n, 2), number), "label": number}


def check(path: Any) -> list[int]:
    """Check that every item is whole; return the numbers of the items."""
    r = exzarr.ragged.open(path, mode="r")
    found = [int(one["label"]) for one in r]
    for one, number in zip(r, found, strict=True):
        assert one["tokens"].tolist() == [number] * (number % 7)
        assert one["scores"].tolist() == [[number] * 2] * (number % 7)
    return found


def check_arrays(other: Any) -> None:
    """Check that the arrays agree, as another library sees them."""
    found = other["label"][:]
    offsets = other["offsets"][:]
    np.testing.assert_array_equal(np.diff(offsets), other["row_size"][:])
    wanted = np.repeat(found, other["row_size"][:])
    assert other["tokens"].shape == other["scores"].shape[:1] == (offsets[-1],)
    np.testing.assert_array_equal(other["tokens"][:], wanted)
    np.testing.assert_array_equal(other["scores"][:, 1], wanted)


INGEST = """
import sys, exzarr, exzarr.ragged
from tests.ragged.test_commits import item
r = exzarr.ragged.open(sys.argv[1])

def source(position):
    for number in range(position or 0, 80):
        print(number, flush=True)
        yield item(number)

exzarr.ingest(r, source, key="k", batch=int(sys.argv[2]), max_pending=3)
print("done", flush=True)
"""

APPEND = """
import sys, exzarr.ragged
from tests.ragged.test_commits import item
r = exzarr.ragged.open(sys.argv[1])
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    r.append(item(number))
    print(number, flush=True)
print("done", flush=True)
"""

ROOT = Path(__file__).parents[2]


def start(script: str, *arguments: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


def run_and_kill(child: subprocess.Popen[str], chance: random.Random) -> bool:
    """Kill the process at some moment after it printed a number of lines; return True if it ended before."""
    assert child.stdout is not None
    last = ""
    for _ in range(chance.randrange(1, 12)):
        last = child.stdout.readline()
    try:
        child.wait(chance.random() * 0.01)  # the scheduler decides where exactly
    except subprocess.TimeoutExpired:
        pass
    child.kill()
    rest = child.stdout.read()
    child.wait()
    child.stdout.close()
    return "done" in last + rest


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_killed_ingestion_resumes_with_whole_items(tmp_path: Path) -> None:
    path, chance = tmp_path / "r.zarr", random.Random(7)
    exzarr.ragged.create(path, fields=FIELDS, item_fields={"label": "i8"})
    for _ in range(KILLS):
        run_and_kill(start(INGEST, path, chance.choice([1, 9, 60])), chance)
        found = check(path)
        check_arrays(zarr.open_group(path, mode="r"))
        assert found == [*range(len(found))]
    exzarr.ingest(exzarr.ragged.open(path), map(item, range(80)), key="k")
    assert check(path) == [*range(80)]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has neither fork nor SIGKILL")
def test_an_append_killed_at_any_step_leaves_all_of_an_item_or_nothing(tmp_path: Path) -> None:
    start = tmp_path / "start.zarr"
    r = exzarr.ragged.create(start, fields=FIELDS, item_fields={"label": "i8"})
    r.extend([item(number) for number in range(8)])
    counted = tmp_path / "counted.zarr"
    shutil.copytree(start, counted)
    steps = kill_steps(counted, lambda: exzarr.ragged.open(counted).append(item(8)))
    lengths = set()
    for step in steps:
        path = tmp_path / f"{step}.zarr"
        shutil.copytree(start, path)
        killed_at(step, path, lambda path=path: exzarr.ragged.open(path).append(item(8)))  # type: ignore[misc]
        lengths.add(len(check(path)))
        check_arrays(zarr.open_group(path, mode="r"))
        assert exzarr.ragged.open(path).append(item(9)) == len(check(path))
        check_arrays(zarr.open_group(path, mode="r"))
    assert 8 in lengths


@pytest.mark.slow
def test_concurrent_processes_append_all_items_and_readers_see_whole_ones(tmp_path: Path) -> None:
    path = tmp_path / "r.zarr"
    exzarr.ragged.create(path, fields=FIELDS, item_fields={"label": "i8"})
    children = [start(APPEND, path, first, first + 8) for first in (0, 100)]
    seen = set()
    while any(child.poll() is None for child in children):
        seen.add(len(check(path)))
        check_arrays(zarr.open_group(path, mode="r"))
    for child in children:
        assert child.returncode == 0
        assert child.stdout is not None
        child.stdout.close()
    assert len(seen) > 1, "the reader saw nothing of it"
    found = check(path)
    assert sorted(found) == [*range(8), *range(100, 108)]
    assert [number for number in found if number < 100] == [*range(8)]
    assert exzarr.check(path, deep=True, grace=0).findings == ()


def test_threads_share_a_ragged_array() -> None:
    r = exzarr.ragged.create(fields=FIELDS, item_fields={"label": "i8"})
    with ThreadPoolExecutor(4) as pool:
        counts = [*pool.map(lambda number: r.append(item(number)), range(24))]
    assert max(counts) == 24
    assert sorted(one["label"] for one in r.refresh()) == [*range(24)]
    for one in r:
        assert one["tokens"].tolist() == [one["label"]] * (one["label"] % 7)


def test_stores_without_locks_use_one_lease_for_all_arrays() -> None:
    obstore = pytest.importorskip("obstore")
    store = ObjectStore(obstore.store.MemoryStore())
    assert not store.traits.exclusive_update
    r = exzarr.ragged.create(store, fields=FIELDS, item_fields={"label": "i8"})
    for number in range(6):
        r.append(item(number))
    assert [one["tokens"].tolist() for one in exzarr.ragged.open(store)] == [[n] * n for n in range(6)]


def test_a_reader_keeps_its_lengths_until_it_refreshes(tmp_path: Path) -> None:
    r = exzarr.ragged.create(tmp_path / "r.zarr", "i4", data=[[1]])
    other = exzarr.ragged.open(tmp_path / "r.zarr", mode="r")
    r.append([2, 3])
    assert (len(other), other.total, other[-1].tolist()) == (1, 1, [1])
    assert (len(other.refresh()), other.total, other[-1].tolist()) == (2, 3, [2, 3])


# -- exactly once --------------------------------------------------------------------------


def test_ingestion_of_single_and_several_items() -> None:
    r = exzarr.ragged.create(dtype="i4")
    blocks: list[Any] = [
        [1, 2],
        np.array([], "i4"),
        Items.of([[3], [4, 5]]),
        exzarr.Block([6], position="end"),
    ]
    report = exzarr.ingest(r, blocks, key="a")
    assert (report.blocks, report.rows) == (4, 5)
    assert exzarr.ingest_position(r, "a") == "end"
    assert [one.tolist() for one in r] == [[1, 2], [], [3], [4, 5], [6]]
    again = exzarr.ingest(r, [*blocks, [7]], key="a")
    assert (again.blocks, again.already, len(r)) == (1, 4, 6)
    with pytest.raises(IngestConflictError, match="block 0 of the iterable is not block 0"):
        exzarr.ingest(r, [[9], *blocks[1:], [7]], key="a")
    assert exzarr.ingest(r, [], key="b").blocks == 0


def test_items_that_do_not_fit_become_dead_letters(tmp_path: Path) -> None:
    r = exzarr.ragged.create(dtype="i4")
    report = exzarr.ingest(r, [[1], [1.5], 7, [2]], key="a", dead_letter=tmp_path / "dead")
    assert [left.number for left in report.left_out] == [1, 2]
    assert [one.tolist() for one in r] == [[1], [2]]
    letters = exzarr.dead_letters(tmp_path / "dead")
    assert [letter.number for letter in letters] == [1, 2]
    with pytest.raises(IngestError, match="block 4 of source 'a'"):
        exzarr.ingest(r, [[1], [1.5], 7, [2], "text"], key="a")
    with pytest.raises(ValueError, match="axis is 0"):
        exzarr.ingest(r, [[1]], key="c", axis=1)
    region = exzarr.Block([1], region=(slice(0, 1),))
    with pytest.raises(IngestError, match="can't have a region"):
        exzarr.ingest(r, [region], key="c")
