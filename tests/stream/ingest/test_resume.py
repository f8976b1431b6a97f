"""A resumed run compares the blocks that it drops with the stored ones."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr.errors import ArgumentError, IngestConflictError
from exzarr.stores.memory import MemoryStore
from exzarr.stores.objects.store import ObjectStore
from exzarr.stores.sqlite.store import SQLiteStore

GROUP = "group"


def object_store() -> Any:
    obstore = pytest.importorskip("obstore.store")
    return ObjectStore(obstore.MemoryStore())


STORES: dict[str, Callable[[Path], Any]] = {
    "folder": lambda tmp_path: tmp_path / "a.zarr",
    "memory": lambda _: MemoryStore(),
    "sqlite": lambda tmp_path: SQLiteStore(tmp_path / "a.sqlite"),
    "objects": lambda _: object_store(),
}


def make(store: Any, kind: str = "array") -> Any:
    if kind == "array":
        return exzarr.create_array(store, shape=(0, 3), chunks=(4, 3), dtype="i4")
    group = exzarr.create_group(store)
    group.create_array("t", shape=(0,), chunks=(5,), dtype="i8", dimension_names=("time",))
    group.create_array("deep/v", shape=(0, 3), chunks=(4, 3), dtype="f4", dimension_names=("time", "x"))
    return group


def blocks(start: int, stop: int, kind: str = "array") -> list[Any]:
    """Return different blocks of two rows each."""
    rows = [np.full((2, 3), number, "i4") for number in range(start, stop)]
    if kind == "array":
        return rows
    return [{"t": row[:, 0].astype("i8"), "deep/v": row.astype("f4")} for row in rows]


def stored(target: Any) -> list[int]:
    """Return the number of each stored block, twice."""
    if isinstance(target, exzarr.Array):
        return [int(n) for n in target.refresh()[:, 0]]
    group = exzarr.open_group(target.store)
    times, values = group["t"][...], group["deep/v"][:, 0]  # type: ignore[index]
    np.testing.assert_array_equal(times, values)
    return [int(n) for n in times]


def twice(start: int, stop: int) -> list[int]:
    return [n for number in range(start, stop) for n in (number, number)]


@pytest.mark.parametrize("kind", ["array", GROUP])
@pytest.mark.parametrize("place", STORES)
def test_an_iterable_that_starts_at_the_position_is_refused_and_nothing_is_lost(
    place: str, kind: str, tmp_path: Path
) -> None:
    target = make(STORES[place](tmp_path), kind)
    exzarr.ingest(target, blocks(0, 3, kind), key="k")
    at = exzarr.ingest_position(target, "k")
    with pytest.raises(IngestConflictError, match=r"block 0.*continues=True") as caught:
        exzarr.ingest(target, iter(blocks(at, 9, kind)), key="k")
    assert "function" in str(caught.value)
    assert stored(target) == twice(0, 3)
    assert exzarr.ingest_position(target, "k") == 3
    report = exzarr.ingest(target, iter(blocks(at, 9, kind)), key="k", continues=True)
    assert (report.blocks, report.already) == (6, 3)
    assert stored(target) == twice(0, 9)
    # A run with all blocks still recognizes them.
    again = exzarr.ingest(target, blocks(0, 10, kind), key="k")
    assert (again.blocks, again.already) == (1, 9)
    assert stored(target) == twice(0, 10)


def test_the_last_dropped_block_must_be_the_last_committed_one() -> None:
    """Drop a block in the middle: the first block is right, but everything after the gap would shift."""
    array = make(MemoryStore())
    exzarr.ingest(array, blocks(0, 4), key="k")
    given = blocks(0, 8)
    del given[2]
    with pytest.raises(IngestConflictError, match="block 3"):
        exzarr.ingest(array, given, key="k")
    assert stored(array) == twice(0, 4)


def test_an_iterable_that_ends_before_the_position_is_refused() -> None:
    """Use equal data, which has equal digests: the count still shows that blocks are missing."""
    array = make(MemoryStore())
    same = [np.zeros((2, 3), "i4")] * 5
    exzarr.ingest(array, same, key="k")
    with pytest.raises(IngestConflictError, match=r"3 blocks.*5"):
        exzarr.ingest(array, same[:3], key="k")
    assert array.refresh().shape == (10, 3)


def test_an_iterable_without_blocks_adds_nothing() -> None:
    array = make(MemoryStore())
    exzarr.ingest(array, blocks(0, 2), key="k")
    report = exzarr.ingest(array, [], key="k")
    assert (report.blocks, report.already) == (0, 2)


def test_positions_of_the_source_distinguish_equal_data() -> None:
    array = make(MemoryStore())
    day = [exzarr.Block(np.zeros((2, 3), "i4"), position=f"day {n}") for n in range(12)]
    exzarr.ingest(array, day[:4], key="k")
    with pytest.raises(IngestConflictError, match="'day 3'"):
        exzarr.ingest(array, day[4:], key="k")
    assert exzarr.ingest(array, day, key="k").blocks == 8


@pytest.mark.parametrize("say", [lambda n: (n, "day"), np.int64, lambda n: {n: float("nan")}])
def test_positions_that_json_changes_are_no_conflict(say: Callable[[int], Any]) -> None:
    """Use a tuple: it comes back from the document as a list, which made two commits of one run differ."""
    array = make(MemoryStore())
    given = [exzarr.Block(block, position=say(n)) for n, block in enumerate(blocks(0, 5))]
    assert exzarr.ingest(array, given[:3], key="k", batch=1).commits == 3
    assert exzarr.ingest(array, given, key="k", batch=1).blocks == 2
    assert stored(array) == twice(0, 5)


def test_the_same_rows_in_another_form_are_the_same_block() -> None:
    """Use lists, other byte orders and other memory layouts with the same values."""
    array = make(MemoryStore())
    exzarr.ingest(array, [np.arange(6, dtype="i8").reshape(2, 3)], key="k")
    for first in (
        np.arange(6, dtype=">i8").reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype="i8").reshape(2, 3)),
        exzarr.Block(np.arange(6, dtype="i8").reshape(2, 3)),
    ):
        assert exzarr.ingest(array, [first], key="k").already == 1


def test_regions_are_part_of_a_block() -> None:
    array = exzarr.create_array(MemoryStore(), shape=(8, 3), chunks=(4, 3), dtype="i4")
    data = np.ones((2, 3), "i4")
    exzarr.ingest(array, [((slice(0, 2), slice(0, 3)), data)], key="k")
    with pytest.raises(IngestConflictError):
        exzarr.ingest(array, [((slice(2, 4), slice(0, 3)), data)], key="k")
    assert not array[2:4].any()


def test_text_and_records_have_digests() -> None:
    texts = exzarr.create_array(MemoryStore(), shape=(0,), chunks=(4,), dtype=str)
    exzarr.ingest(texts, [np.array(["a", "b"], object), np.array(["c", "d"], object)], key="k")
    with pytest.raises(IngestConflictError):
        exzarr.ingest(texts, [np.array(["x", "b"], object), np.array(["c", "d"], object)], key="k")
    assert exzarr.ingest(texts, [["a", "b"], ["c", "d"]], key="other").blocks == 2
    record = np.dtype([("t", "<i4"), ("v", "<f8")])
    table = exzarr.create_array(MemoryStore(), shape=(0,), chunks=(4,), dtype=record)
    exzarr.ingest(table, [np.zeros(3, record)], key="k")
    with pytest.raises(IngestConflictError):
        exzarr.ingest(table, [np.ones(3, record)], key="k")


def test_blocks_that_were_left_out_count_as_dropped() -> None:
    array = make(MemoryStore())
    bad = np.zeros((2, 5), "i4")
    given = [bad, *blocks(0, 2), bad]
    exzarr.ingest(array, given, key="k", on_error="skip")
    assert exzarr.ingest(array, [*given, *blocks(2, 3)], key="k").blocks == 1
    with pytest.raises(IngestConflictError):
        exzarr.ingest(array, blocks(0, 9), key="k")


def test_positions_without_digests_are_resumed_and_the_report_says_so() -> None:
    """Use positions that were stored before digests were kept."""
    array = make(MemoryStore())
    array.append(np.concatenate(blocks(0, 3)))
    old = {"blocks": 3, "rows": 6, "failed": 0, "position": 3, "by": "5f"}
    array.attrs["exzarr_ingest"] = {"k": old}
    report = exzarr.ingest(array, blocks(0, 5), key="k")
    assert (report.blocks, report.already, report.unverified) == (2, 3, 3)
    assert "3 of them were not compared" in str(report)
    assert stored(array) == twice(0, 5)
    with pytest.raises(IngestConflictError):  # the last committed block has a digest now
        exzarr.ingest(array, blocks(2, 9), key="k")
    array.attrs["exzarr_ingest"] = {"k": old}
    with pytest.raises(IngestConflictError, match="2 blocks"):
        exzarr.ingest(array, blocks(3, 5), key="k")


def test_continues_is_for_iterables() -> None:
    array = make(MemoryStore())
    with pytest.raises(ArgumentError, match="continues=True"):
        exzarr.ingest(array, lambda position: blocks(position or 0, 2), key="k", continues=True)
    assert exzarr.ingest(array, blocks(0, 2), key="k", continues=True).blocks == 2


RESUME = """
import sys, numpy as np, exzarr
array = exzarr.open_array(sys.argv[1], mode="r+")
at = exzarr.ingest_position(array, "k") or 0
blocks = (np.full((2, 3), number, "i4") for number in range(at, 6))
try:
    exzarr.ingest(array, blocks, key="k", continues=sys.argv[2] == "continues")
except exzarr.IngestConflictError as error:
    sys.exit(3)
"""


def test_concurrent_manual_resume_is_refused(tmp_path: Path) -> None:
    array = make(tmp_path / "a.zarr")
    exzarr.ingest(array, blocks(0, 2), key="k")

    def resume(how: str) -> int:
        arguments = [sys.executable, "-c", RESUME, str(tmp_path / "a.zarr"), how]
        return subprocess.run(arguments, check=False, env=dict(os.environ)).returncode

    assert resume("plainly") == 3
    assert stored(array) == twice(0, 2)
    assert resume("continues") == 0
    assert stored(array) == twice(0, 6)
