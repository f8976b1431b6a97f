"""Blocks are appended in order, each exactly once, despite failures and interruptions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, strategies as st

import exzarr
from exzarr.errors import (
    ArgumentError,
    ChunkCorruptError,
    IngestConflictError,
    IngestError,
    MetadataError,
    ReadOnlyError,
    StoreError,
    UnsupportedError,
)
from exzarr.stores.base import Buffer
from exzarr.stores.memory import MemoryStore
from tests.breadth import examples


def make(store: Any = None, **options: Any) -> exzarr.Array:
    options = {"shape": (0, 3), "chunks": (4, 3), "dtype": "i4", **options}
    return exzarr.create_array(MemoryStore() if store is None else store, **options)


def blocks(lengths: list[int], width: int = 3) -> list[np.ndarray]:
    """Return blocks of the given lengths with numbered rows."""
    rows = np.arange(sum(lengths) * width, dtype="i4").reshape(-1, width)
    return np.split(rows, np.cumsum(lengths)[:-1]) if lengths else []


def joined(parts: list[np.ndarray], width: int = 3) -> np.ndarray:
    return np.concatenate([np.empty((0, width), "i4"), *parts])


@given(
    lengths=st.lists(st.integers(0, 9), max_size=12),
    again=st.lists(st.integers(0, 9), max_size=5),
    options=st.sampled_from(
        [
            {},
            {"chunks": (1, 2)},
            {"chunks": (2, 3), "shards": (6, 3)},
            {"chunks": (5, 1), "compressors": None},
        ]
    ),
    batch=st.one_of(st.none(), st.integers(1, 12)),
    pending=st.integers(1, 4),
)
def test_second_run_adds_only_new_blocks(
    lengths: list[int], again: list[int], options: dict[str, Any], batch: int | None, pending: int
) -> None:
    array, parts = make(**options), blocks(lengths + again)
    first = exzarr.ingest(array, parts[: len(lengths)], key="k", batch=batch, max_pending=pending)
    assert (first.blocks, first.rows, first.already) == (len(lengths), sum(lengths), 0)
    np.testing.assert_array_equal(array[...], joined(parts[: len(lengths)]))
    second = exzarr.ingest(array, parts, key="k", batch=batch)
    assert (second.blocks, second.rows, second.already) == (len(again), sum(again), len(lengths))
    assert exzarr.ingest_position(array, "k") == (len(parts) or None)
    np.testing.assert_array_equal(array[...], joined(parts))
    np.testing.assert_array_equal(exzarr.open_array(array.store)[...], joined(parts))


def test_zarr_python_reads_what_was_ingested(tmp_path: Path) -> None:
    array, parts = make(tmp_path / "a.zarr"), blocks([5, 1, 7])
    exzarr.ingest(array, iter(parts), key="k")
    other = zarr.open_array(tmp_path / "a.zarr", mode="r")
    np.testing.assert_array_equal(other[...], joined(parts))


@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=10), data=st.data())
def test_run_resumes_after_an_error_of_the_source(lengths: list[int], data: st.DataObject) -> None:
    array, parts = make(), blocks(lengths)
    runs = 0
    while True:
        runs += 1
        breaks = data.draw(st.integers(0, len(parts)), "breaks at") if runs < 4 else len(parts)

        def source(position: Any, breaks: int = breaks) -> Iterator[np.ndarray]:
            for number in range(position or 0, len(parts)):
                if number == breaks:
                    raise ConnectionError("gone")
                yield parts[number]

        try:
            exzarr.ingest(array, source, key="k", retry=None)
        except ConnectionError:
            # The blocks before the error are stored.
            np.testing.assert_array_equal(
                array[...], joined(parts[: exzarr.ingest_position(array, "k") or 0])
            )
            assert (exzarr.ingest_position(array, "k") or 0) >= breaks
            continue
        break
    np.testing.assert_array_equal(array[...], joined(parts))


def test_function_is_called_again_after_a_temporary_error() -> None:
    array, parts, calls = make(), blocks([2] * 6), []

    def source(position: Any) -> Iterator[np.ndarray]:
        calls.append(position)
        for number in range(position or 0, len(parts)):
            if len(calls) < 4 and number == 2 * len(calls):
                raise ConnectionError("gone for a moment")
            yield parts[number]

    exzarr.ingest(array, source, key="k", retry=exzarr.Retry(attempts=2, wait_initial=0, wait_jitter=0))
    assert calls == [None, 2, 4]  # each call made progress, so the number of attempts is reset
    np.testing.assert_array_equal(array[...], joined(parts))


def test_source_can_name_its_positions() -> None:
    array, parts = make(), blocks([2, 3, 4])
    offsets = {None: 0, "b": 1, "c": 2, "end": 3}
    names = ["b", "c", "end"]

    def source(position: Any) -> Iterator[exzarr.Block]:
        for number in range(offsets[position], 3):
            yield exzarr.Block(parts[number], position=names[number])
            if position is None and number == 1:
                return

    assert exzarr.ingest_position(array, "k") is None
    assert exzarr.ingest(array, source, key="k").position == "c"
    assert exzarr.ingest(array, source, key="k").position == "end"
    np.testing.assert_array_equal(array[...], joined(parts))


def test_regions_and_rows_in_one_run() -> None:
    array = make(shape=(4, 3))
    new = np.full((2, 3), 7, "i4")
    items = [(np.s_[1:3, 0:2], np.ones((2, 2), "i4")), new, exzarr.Block(5, region=np.s_[3:4, :])]
    report = exzarr.ingest(array, items, key="k")
    model = np.zeros((6, 3), "i4")
    model[1:3, 0:2] = 1
    model[4:] = 7
    model[3] = 5
    np.testing.assert_array_equal(array[...], model)
    assert (report.blocks, report.rows) == (3, 2)


def test_along_another_dimension_by_name() -> None:
    array = make(shape=(2, 0), chunks=(2, 3), dimension_names=("x", "time"))
    parts = [np.full((2, n), n, "i4") for n in (1, 4, 2)]
    exzarr.ingest(array, parts, key="k", axis="time")
    np.testing.assert_array_equal(array[...], np.concatenate(parts, 1))
    with pytest.raises(ArgumentError, match="no dimension 'y'.*'x', 'time'"):
        exzarr.ingest(array, parts, key="k", axis="y")


def test_several_sources_feed_one_array_from_threads() -> None:
    array = make()

    def feed(number: int) -> None:
        mine = exzarr.open_array(array.store, mode="r+")
        exzarr.ingest(
            mine, [np.full((2, 3), 100 * number + i, "i4") for i in range(20)], key=f"s{number}", batch=3
        )

    threads = [threading.Thread(target=feed, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = array.refresh()[...]
    assert found.shape == (160, 3)
    for number in range(4):
        mine = found[found[:, 0] // 100 == number]
        assert mine[:, 0].tolist() == [100 * number + i // 2 for i in range(40)]
        assert exzarr.ingest_position(array, f"s{number}") == 20


def test_two_runs_with_one_key_conflict() -> None:
    array = make()
    other = exzarr.open_array(array.store, mode="r+")

    def source() -> Iterator[np.ndarray]:
        yield np.zeros((1, 3), "i4")
        exzarr.ingest(other, [np.ones((1, 3), "i4")] * 3, key="k")
        yield np.full((1, 3), 9, "i4")

    with pytest.raises(IngestConflictError, match="another process ingests with the same key"):
        exzarr.ingest(array, source(), key="k", batch=1)
    assert 9 not in array.refresh()[...]


# -- blocks that can't be stored ---------------------------------------------------------

BAD: list[Any] = [
    np.zeros((2, 4), "i4"),
    np.zeros(3, "i4"),
    np.array([["a", "b", "c"]]),
    {"a": np.zeros((1, 3))},
]


@pytest.mark.parametrize("bad", BAD, ids=["width", "dimensions", "data type", "mapping"])
def test_a_bad_block_stops_the_run_after_those_before_it(bad: Any) -> None:
    array, parts = make(), blocks([2, 2, 2])
    with pytest.raises(IngestError, match=r"block 2 of source 'k' can't be stored: "):
        exzarr.ingest(array, [*parts[:2], bad, parts[2]], key="k", batch=100)
    np.testing.assert_array_equal(array[...], joined(parts[:2]))
    assert exzarr.ingest_position(array, "k") == 2


@pytest.mark.parametrize("bad", BAD, ids=["width", "dimensions", "data type", "mapping"])
def test_a_bad_block_goes_to_the_dead_letters(bad: Any, tmp_path: Path) -> None:
    array, parts = make(), blocks([2, 2, 2])
    given = [*parts[:2], bad, parts[2]]
    report = exzarr.ingest(array, given, key="a/b", batch=100, dead_letter=tmp_path / "dead")
    np.testing.assert_array_equal(array[...], joined(parts))
    assert [left.number for left in report.left_out] == [2]
    (letter,) = exzarr.dead_letters(tmp_path / "dead")
    assert (letter.key, letter.number, letter.position) == ("a/b", 2, 3)
    assert letter.error
    found = letter.data()
    if isinstance(bad, dict):
        np.testing.assert_array_equal(found["a"], bad["a"])
    else:
        np.testing.assert_array_equal(found, bad)
    again = exzarr.ingest(array, given, key="a/b", dead_letter=tmp_path / "dead")
    assert (again.blocks, again.already) == (0, 4)


def test_callable_gets_bad_blocks_and_may_stop_the_run() -> None:
    array = make()
    heard: list[Exception] = []
    exzarr.ingest(array, [BAD[0], *blocks([1])], key="k", on_error=heard.append)
    assert [str(error)[:16] for error in heard] == ["block 0 of sourc"]
    assert array.shape == (1, 3)

    def stop(error: Exception) -> None:
        raise RuntimeError("enough") from error

    with pytest.raises(RuntimeError, match="enough"):
        exzarr.ingest(array, [*blocks([1]), BAD[0], BAD[0]], key="other", on_error=stop)


# -- stores that fail --------------------------------------------------------------------


class Moody(MemoryStore):
    """A store whose writes fail on demand: before they take effect, or after."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[str] = []

    def put(self, key: str, value: Buffer) -> None:
        self._write(lambda: super(Moody, self).put(key, value))

    def put_parts(self, key: str, parts: Any) -> None:
        self.put(key, b"".join(parts))

    def update(self, key: str, change: Any) -> None:
        self._write(lambda: super(Moody, self).update(key, change))

    def _write(self, do: Callable[[], None]) -> None:
        how = self.failures.pop() if self.failures else ""
        if how == "before":
            raise StoreError("no answer")
        do()
        if how == "after":
            raise StoreError("the answer was lost")


@given(st.lists(st.sampled_from(["", "", "before", "after"]), max_size=25), st.integers(1, 6))
@examples(17)
def test_lost_puts_and_lost_answers(failures: list[str], batch: int) -> None:
    store = Moody()
    array, parts = make(store), blocks([3, 1, 4, 2])
    store.failures = failures
    patient = exzarr.Retry(attempts=None, timeout=60, wait_initial=0, wait_jitter=0)
    exzarr.ingest(array, parts, key="k", retry=patient, batch=batch)
    np.testing.assert_array_equal(array[...], joined(parts))


def test_a_store_that_keeps_failing_stops_the_run_and_loses_nothing() -> None:
    store = Moody()
    array, parts = make(store), blocks([4, 4])
    exzarr.ingest(array, parts[:1], key="k")
    store.failures = ["before"] * 10
    with pytest.raises(OSError, match="no answer"):
        exzarr.ingest(array, parts, key="k", retry=exzarr.Retry(attempts=2, wait_initial=0, wait_jitter=0))
    store.failures = []
    np.testing.assert_array_equal(exzarr.open_array(store)[...], parts[0])
    exzarr.ingest(array, parts, key="k")
    np.testing.assert_array_equal(array[...], joined(parts))


def test_what_is_wrong_with_the_array_is_no_block_s_fault(tmp_path: Path) -> None:
    store = MemoryStore()
    array, parts = make(store), blocks([2, 2, 4])
    exzarr.ingest(array, parts[:1], key="k")
    store.put("c/0/0", b"no chunk at all")  # the next rows belong into it
    with pytest.raises(ChunkCorruptError, match=r"chunk \(0, 0\)"):
        exzarr.ingest(array, parts, key="k", dead_letter=tmp_path / "dead")
    assert not [*exzarr.dead_letters(tmp_path / "dead")]
    assert exzarr.ingest_position(array, "k") == 1
    store.put("zarr.json", b"{")
    with pytest.raises(MetadataError):
        exzarr.ingest(array, parts, key="k", on_error="skip")


def test_a_function_that_fails_before_its_first_block_is_called_again() -> None:
    array, parts, calls = make(), blocks([2, 3]), []

    def source(position: Any) -> list[np.ndarray]:
        calls.append(position)
        if len(calls) < 3:
            raise ConnectionError("no answer")
        return parts

    exzarr.ingest(array, source, key="k", retry=exzarr.Retry(attempts=3, wait_initial=0, wait_jitter=0))
    assert calls == [None] * 3
    np.testing.assert_array_equal(array[...], joined(parts))


def test_regions_of_an_array_that_another_process_extended() -> None:
    array = make(shape=(2, 3))
    exzarr.open_array(array.store, mode="r+").append(np.zeros((4, 3), "i4"))
    exzarr.ingest(array, [(np.s_[4:6], np.full((2, 3), 8, "i4"))], key="k")
    assert (exzarr.open_array(array.store)[4:] == 8).all()


# -- how far ahead -----------------------------------------------------------------------


class Slow(MemoryStore):
    """A store that writes nothing before `go_on` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go_on = threading.Event(), threading.Event()

    def put(self, key: str, value: Buffer) -> None:
        self._wait()
        super().put(key, value)

    def update(self, key: str, change: Any) -> None:
        self._wait()
        super().update(key, change)

    def _wait(self) -> None:
        self.asked.set()
        assert self.go_on.wait(60)


def test_max_pending_bounds_the_blocks_taken() -> None:
    store = Slow()
    store.go_on.set()
    array = make(store)
    given: list[int] = []
    store.asked.clear()
    store.go_on.clear()

    def source() -> Iterator[np.ndarray]:
        for part in blocks([1] * 40):
            given.append(len(given))
            yield part

    thread = threading.Thread(
        target=lambda: exzarr.ingest(array, source(), key="k", max_pending=3, batch=2), daemon=True
    )
    thread.start()
    assert store.asked.wait(60)
    # At most two blocks are being stored and three wait, one of them held by the prefetcher's thread.
    pumps = [t for t in threading.enumerate() if t.name == "exzarr-ingest"]
    while len(given) < 3 and pumps[0].is_alive():
        pumps[0].join(0.01)
    assert len(given) <= 2 + 3
    store.go_on.set()
    thread.join(60)
    assert len(given) == 40
    assert array.refresh().shape == (40, 3)


def test_no_thread_is_left_behind() -> None:
    before = {*threading.enumerate()}
    array = make()
    exzarr.ingest(array, blocks([1] * 9), key="a")
    with pytest.raises(IngestError):
        exzarr.ingest(array, [BAD[0], *blocks([1] * 99)], key="b", max_pending=1)
    left = [t for t in threading.enumerate() if t not in before and t.name == "exzarr-ingest"]
    assert left == []


# -- invalid targets and arguments --------------------------------------------------------


def test_invalid_targets_and_arguments_are_rejected() -> None:
    store = MemoryStore()
    old = exzarr.create_array(store, shape=(0, 3), chunks=(4, 3), dtype="i4", zarr_format=2)
    with pytest.raises(UnsupportedError, match="format 3"):
        exzarr.ingest(old, [], key="k")
    array = make()
    with pytest.raises(ReadOnlyError):
        exzarr.ingest(exzarr.open_array(array.store, mode="r"), [], key="k")
    for wrong in (
        {"key": ""},
        {"key": "k", "batch": 0},
        {"key": "k", "max_pending": 0},
        {"key": "k", "axis": 5},
    ):
        with pytest.raises(ArgumentError):
            exzarr.ingest(array, [], **wrong)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="iterable of blocks"):
        exzarr.ingest(array, 5, key="k")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="an Array, a Group or a Ragged"):
        exzarr.ingest("a.zarr", [], key="k")  # type: ignore[arg-type]


def test_progress_counts_left_out_blocks(tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    array = make()
    exzarr.ingest(
        array,
        [*blocks([1, 1]), BAD[0]],
        key="k",
        dead_letter=tmp_path,
        progress=lambda *now: told.append(now),
    )
    assert told[-1] == (3, 3)
