"""Batches: many changes below one group, one update of consolidated metadata."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import exzarr
from exzarr.stores import CountingStore, LocalStore, MemoryStore, SQLiteStore, Store


@pytest.fixture(params=["local", "memory", "sqlite", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "s3":
        yield request.getfixturevalue("s3_server").store("s.zarr")
    elif request.param == "local":
        yield LocalStore(tmp_path / "s.zarr")
    elif request.param == "memory":
        yield MemoryStore()
    else:
        with SQLiteStore(tmp_path / "s.sqlite") as made:
            yield made


def consolidated(store: Any) -> list[str]:
    """Return the nodes in consolidated metadata."""
    return sorted(p for p, _ in exzarr.open_group(store, use_consolidated=True).members(max_depth=None))


def stored(store: Any) -> list[str]:
    """Return the nodes in the store."""
    return sorted(p for p, _ in exzarr.open_group(store, use_consolidated=False).members(max_depth=None))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_batch_consolidates_new_nodes_at_its_end(store, zarr_format):
    root = exzarr.create_group(store, zarr_format=zarr_format)
    root.create_array("old", shape=4, dtype="i4", chunks=2)
    root.create_group("sub").consolidate_metadata()
    root.consolidate_metadata()
    with root.batch() as group:
        for number in range(5):
            group.create_array(f"sub/deep/x{number}", data=np.arange(3) + number)
        group["old"].attrs["unit"] = "K"
        group["old"].append(np.ones(3, "i4"))
        assert sorted(group["sub/deep"].keys()) == [f"x{number}" for number in range(5)], (
            "the group itself sees them"
        )
        assert consolidated(store) == ["old", "sub"]
        assert len(stored(store)) == 8
    assert consolidated(store) == stored(store)
    again = exzarr.open_group(store, use_consolidated=True)
    assert again["old"].attrs["unit"] == "K"
    assert again["old"].shape == (7,)
    np.testing.assert_array_equal(again["sub/deep/x3"][...], [3, 4, 5])
    sub = exzarr.open_group(store, path="sub", use_consolidated=True)
    assert sorted(sub["deep"].keys()) == [f"x{number}" for number in range(5)]
    assert exzarr.check(store, grace=0).findings == ()


def test_zarr_python_finds_nodes_of_a_batch(tmp_path):
    root = exzarr.create_group(tmp_path / "s.zarr").consolidate_metadata()
    with root.batch():
        for number in range(20):
            root.create_array(f"x{number}", data=np.arange(3) + number)
    theirs = zarr.open_consolidated(tmp_path / "s.zarr", mode="r")
    assert sorted(theirs.array_keys()) == sorted(f"x{number}" for number in range(20))
    np.testing.assert_array_equal(theirs["x7"][...], [7, 8, 9])


def test_failed_batch_records_completed_changes(store):
    root = exzarr.create_group(store).consolidate_metadata()

    def make() -> None:
        with root.batch():
            root.create_array("x", shape=3, dtype="i4")
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        make()
    assert consolidated(store) == stored(store) == ["x"]


def test_batch_removes_deleted_and_replaced_nodes_immediately(store):
    root = exzarr.create_group(store)
    root.create_array("gone", shape=3, dtype="i4")
    root.create_array("other", shape=3, dtype="i4")
    root.create_array("g/x", shape=3, dtype="i4")
    root.consolidate_metadata()
    with root.batch():
        root.create_array("new", shape=3, dtype="i4")
        del root["gone"]
        root["other"] = np.arange(9, dtype="f8")
        assert "gone" not in consolidated(store)
        other = exzarr.open_group(store, use_consolidated=True).get("other")
        assert other is None or other.shape == (9,)
        del root["new"]
        root.create_array("g/y", shape=3, dtype="i4")
        del root["g"]
        root.create_array("g/y", shape=5, dtype="i4")
    assert consolidated(store) == stored(store) == ["g", "g/y", "other"]
    again = exzarr.open_group(store, use_consolidated=True)
    assert again["other"].shape == (9,)
    assert again["g/y"].shape == (5,)


def test_threads_and_nested_batches(store):
    root = exzarr.create_group(store).consolidate_metadata()
    with root.batch():
        with root.require_group("a").batch() as inner:
            inner.create_array("first", shape=3, dtype="i4")
        with ThreadPoolExecutor(8) as pool:
            [*pool.map(lambda n: root.create_array(f"t/x{n}", shape=3, dtype="i4"), range(16))]
    assert consolidated(store) == stored(store)
    assert len(stored(store)) == 19
    root.create_array("afterwards", shape=3, dtype="i4")
    assert "afterwards" in consolidated(store)


def test_batch_keeps_changes_of_other_processes(tmp_path, run_python):
    path = tmp_path / "s.zarr"
    root = exzarr.create_group(path).consolidate_metadata()
    with root.batch():
        root.create_array("ours", shape=3, dtype="i4")
        done = run_python(
            "import sys, exzarr; exzarr.open_group(sys.argv[1], mode='r+').create_array('theirs', shape=3, dtype='i4')",
            os.fspath(path),
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert consolidated(path) == ["theirs"]
    assert consolidated(path) == ["ours", "theirs"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_forked_child_in_batch_records_its_nodes(tmp_path, run_python):
    program = """
import os, sys, warnings
import exzarr
warnings.simplefilter("ignore")
root = exzarr.create_group(sys.argv[1]).consolidate_metadata()
with root.batch():
    child = os.fork()
    if child == 0:
        exzarr.open_group(sys.argv[1], mode="r+").create_array("child", shape=3, dtype="i4")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    found = exzarr.open_group(sys.argv[1], use_consolidated=True)
    assert [*found.keys()] == ["child"], [*found.keys()]
    root.create_array("parent", shape=3, dtype="i4")
"""
    done = run_python(program, os.fspath(tmp_path / "s.zarr"))
    assert (done.returncode, done.stderr) == (0, "")
    assert consolidated(tmp_path / "s.zarr") == ["child", "parent"]


KILLED = """
import os, signal, sys
import exzarr
root = exzarr.open_group(sys.argv[1], mode="r+", path=sys.argv[2] or None)
with root.batch():
    for number in range(5):
        root.create_array(f"sub/x{number}", shape=3, dtype="i4")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
@pytest.mark.parametrize("group", ["", "g"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_killed_batch_is_reported_and_repaired(tmp_path, group, zarr_format):
    path = tmp_path / "s.zarr"
    root = exzarr.create_group(path, zarr_format=zarr_format)
    root.create_group("g").consolidate_metadata()
    root.consolidate_metadata()
    done = subprocess.run([sys.executable, "-c", KILLED, os.fspath(path), group], check=False)
    assert done.returncode == -signal.SIGKILL
    report = exzarr.check(path, grace=0)
    assert [finding.code for finding in report.findings] == ["EXZ501"], str(report)
    repaired = exzarr.repair(path, report.plan())
    assert {outcome.result for outcome in repaired.outcomes} == {"done"}, str(repaired)
    assert consolidated(path) == stored(path)
    assert len(stored(path)) == 7
    if group:
        inner = exzarr.open_group(path, path=group, use_consolidated=True)
        assert len([*inner.members(max_depth=None)]) == 6
    assert exzarr.check(path, grace=0).findings == ()


def test_batch_cost_per_array_is_constant():
    """Compare the bytes read and written for ten arrays in a small and in a large group."""

    def cost(existing: int) -> tuple[int, int]:
        inner = MemoryStore()
        root = exzarr.create_group(inner).consolidate_metadata()
        with root.batch():
            for number in range(existing):
                root.create_array(f"old{number}", shape=3, dtype="i4")
        store = CountingStore(inner)
        root = exzarr.open_group(store, mode="r+", use_consolidated=False)
        root.create_array("before", shape=3, dtype="i4")
        whole = len(inner.get("zarr.json") or b"")
        with root.batch():
            root.create_array("first", shape=3, dtype="i4")
            before = store.bytes_read, store.bytes_written
            for number in range(10):
                root.create_array(f"new{number}", shape=3, dtype="i4")
            after = store.bytes_read, store.bytes_written
        assert whole > 100 * existing
        return after[0] - before[0], after[1] - before[1]

    assert cost(200) == cost(20)


def test_batch_requires_writable_group(tmp_path):
    exzarr.create_group(tmp_path / "s.zarr")
    with (
        pytest.raises(exzarr.ReadOnlyError, match="read-only"),
        exzarr.open_group(tmp_path / "s.zarr", mode="r").batch(),
    ):
        pass
