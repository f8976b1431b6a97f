"""Operations on a failing store complete or raise an exzarr error, and leave no partial values."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr._retrying import Retry
from exzarr.errors import ArgumentError, ExzarrError, StoreError
from exzarr.stores.base import Store
from exzarr.stores.local.store import LocalStore
from exzarr.stores.memory import MemoryStore
from exzarr.stores.wrappers.retry import RetryStore
from exzarr.testing.faults import HARMLESS, WHATS, Fault, FaultPlan, FaultStore, What
from exzarr.testing.store_suite import StoreSuite
from tests.breadth import examples
from tests.engine.tools import contents

pytestmark = pytest.mark.slow

Values = dict[str, bytes]

SHAPE = (12, 10)
BEFORE = np.arange(120, dtype="i4").reshape(SHAPE) + 1


@dataclass(frozen=True)
class Layout:
    zarr_format: Any
    shards: Any = None
    compressors: Any = "auto"

    def __str__(self) -> str:
        return f"v{self.zarr_format}{'-shards' if self.shards else ''}-{self.compressors}"


LAYOUTS = [Layout(3), Layout(3, (6, 10)), Layout(2), Layout(3, None, None)]


def prepared(layout: Layout) -> Values:
    """Return the values of a consolidated hierarchy of one group and one array."""
    store = MemoryStore()
    root = exzarr.open_group(store, mode="w", zarr_format=layout.zarr_format, attributes={"old": 1})
    array = root.create_array(
        "g/a",
        shape=SHAPE,
        chunks=(3, 5),
        shards=layout.shards,
        dtype="i4",
        compressors=layout.compressors,
        dimension_names=("y", "x"),
    )
    array[...] = BEFORE
    exzarr.consolidate_metadata(root)
    return contents(store)


PREPARED = {layout: prepared(layout) for layout in LAYOUTS}


def store_of(values: Values) -> MemoryStore:
    store = MemoryStore()
    for key, value in values.items():
        store.put(key, value)
    return store


def array_in(store: Store, **options: Any) -> exzarr.Array:
    return exzarr.open_array(store, path="g/a", mode="r+", **options)


# -- operations ---------------------------------------------------------------------------


def read(store: Store) -> Any:
    return array_in(store)[...].tobytes()


def read_points(store: Store) -> Any:
    return array_in(store).vindex[[0, 11, 5], [9, 0, 5]].tobytes()


def read_through_consolidated(store: Store) -> Any:
    array: Any = exzarr.open_group(store, mode="r", use_consolidated=True)["g/a"]
    return array[3:7, 2:].tobytes()


def listing(store: Store) -> Any:
    return sorted(exzarr.open_group(store, mode="r", use_consolidated=False).keys())


def whole(store: Store) -> None:
    array_in(store)[...] = -BEFORE


def one_chunk(store: Store) -> None:
    array_in(store)[0:6, :] = -7


def part(store: Store) -> None:
    array_in(store)[1:8, 2:9] = -7


def clear(store: Store) -> None:
    array_in(store)[0:6] = 0


def append(store: Store) -> None:
    array_in(store).append(np.full((7, 10), -3, "i4"))


def grow(store: Store) -> None:
    array_in(store).resize((20, 13))


def shrink(store: Store) -> None:
    array_in(store).resize((4, 7))


def attributes(store: Store) -> None:
    array_in(store).attrs["new"] = 2


def group_attributes(store: Store) -> None:
    exzarr.open_group(store, mode="r+").attrs.update(new=2, old=None)


def create(store: Store) -> None:
    root = exzarr.open_group(store, mode="r+")
    root.create_array("g/h/b", shape=(4,), chunks=(2,), dtype="i4")[...] = 5  # type: ignore[index]


def overwrite(store: Store) -> None:
    root = exzarr.open_group(store, mode="r+")
    root.create_array("g/a", shape=(4,), chunks=(2,), dtype="i4", overwrite=True)


def delete(store: Store) -> None:
    del exzarr.open_group(store, mode="r+")["g/a"]


def consolidate(store: Store) -> None:
    exzarr.consolidate_metadata(store)


def copy(store: Store) -> None:
    exzarr.copy(store, store, source_path="g", path="copy")


READS: list[Callable[[Store], Any]] = [read, read_points, read_through_consolidated, listing]
WRITES: list[Callable[[Store], Any]] = [
    whole, one_chunk, part, clear, append, grow, shrink, attributes, group_attributes, create, overwrite, delete,
    consolidate, copy,
]  # fmt: skip
SINGLE = [attributes]
"""Operations that write one value, in addition to consolidated metadata."""


def plans(what: tuple[What, ...]) -> st.SearchStrategy[FaultPlan]:
    fault = st.builds(Fault, st.sampled_from(what), st.floats(0, 1))
    return st.dictionaries(st.integers(0, 25), fault, min_size=1, max_size=4).map(FaultPlan)


# -- results ---------------------------------------------------------------------------


@given(st.sampled_from(LAYOUTS), st.sampled_from(READS), plans(WHATS))
@examples(50)
def test_read_returns_stored_values_or_raises(
    layout: Layout, do: Callable[[Store], Any], plan: FaultPlan
) -> None:
    values = PREPARED[layout]
    wanted = do(store_of(values))
    faulty = FaultStore(store_of(values), plan)
    with exzarr.config.override(workers=1):
        try:
            got = do(faulty)
        except ExzarrError:
            assert faulty.happened
        else:
            assert got == wanted
    assert contents(faulty.inner) == values


@given(st.sampled_from(LAYOUTS), st.sampled_from(WRITES), plans(("fail", "lose", "truncate", *HARMLESS)))
@examples(83)
def test_write_completes_or_raises_and_leaves_old_or_new_values(
    layout: Layout, do: Callable[[Store], Any], plan: FaultPlan
) -> None:
    values = PREPARED[layout]
    if do is copy:  # copies bytes without decoding, so that only a later read detects the damage
        plan = FaultPlan({n: fault for n, fault in plan.faults.items() if fault.what != "truncate"})
    with exzarr.config.override(workers=1):
        done = store_of(values)
        do(done)
        wanted = contents(done)
        faulty = FaultStore(store_of(values), plan)
        try:
            do(faulty)
        except ExzarrError:
            assert faulty.happened
        else:
            assert contents(faulty.inner) == wanted
            return
    now = contents(faulty.inner)
    if do is not shrink:  # it clears a corner in several steps, one per dimension
        for key in {*now, *values, *wanted}:
            if not key.endswith(("zarr.json", ".zmetadata")):
                gone = do is overwrite and key not in now  # it first deletes the existing array
                assert gone or now.get(key) in (values.get(key), wanted.get(key)), key
    if all(fault.what in ("fail", "truncate") for _, kind, _, fault in faulty.happened) and do in SINGLE:
        documents = {key: value for key, value in now.items() if not key.endswith(".zmetadata")}
        assert documents["g/a/zarr.json" if layout.zarr_format == 3 else "g/a/.zarray"]
    _assert_readable(now, values, wanted)


def _assert_readable(now: Values, values: Values, wanted: Values) -> None:
    """Check that the array can be read, and that each chunk is old or new."""
    old, new, found = [_read(state) for state in (values, wanted, now)]
    if found is None:
        assert new is None or "g/a/zarr.json" not in now
        return
    shapes = [array.shape for array in (old, new) if array is not None]
    assert found.shape in shapes
    for index in np.ndindex(found.shape):
        may_be = [
            array[index]
            for array in (old, new)
            if array is not None and array.ndim == found.ndim and _in(index, array)
        ]
        beyond = new is not None and not _in(index, new)  # removed by the resize
        assert found[index] in may_be or (beyond and found[index] == 0), index


def _in(index: tuple[int, ...], array: np.ndarray) -> bool:
    return all(i < n for i, n in zip(index, array.shape, strict=False))


def _read(values: Values) -> np.ndarray | None:
    try:
        array: np.ndarray = array_in(store_of(values))[...]
    except exzarr.NodeNotFoundError:
        return None
    return array


@given(st.sampled_from(LAYOUTS), st.sampled_from([whole, part, append]), plans(("tear", "fail")))
@examples(27)
def test_torn_values_are_detected(layout: Layout, do: Callable[[Store], Any], plan: FaultPlan) -> None:
    faulty = FaultStore(store_of(PREPARED[layout]), plan)
    with exzarr.config.override(workers=1):
        try:
            do(faulty)
        except ExzarrError:
            pass
    torn = [key for _, kind, key, fault in faulty.happened if fault.what == "tear" and kind == "put"]
    report = exzarr.check(faulty.inner, deep=True, grace=0)
    found = {finding.key: finding for finding in report.findings}
    for key in torn:
        assert key in found
        if key.startswith("g/a/") and found[key].code != "EXZ401":  # else no read uses it
            with pytest.raises(ExzarrError):
                array_in(faulty.inner)[...]


def test_check_of_store_with_rare_failures_has_no_findings() -> None:
    for seed in range(20):
        faulty = FaultStore(
            store_of(PREPARED[LAYOUTS[seed % 4]]), FaultPlan.seeded(seed, 0.05, ("fail", "truncate"))
        )
        report = exzarr.check(faulty, deep=True)
        assert report.findings == (), str(report)


def test_check_of_store_that_always_fails_has_findings() -> None:
    class Always(dict):
        def get(self, key: Any, default: Any = None) -> Any:
            return Fault("fail")

    faulty = FaultStore(store_of(PREPARED[LAYOUTS[0]]), FaultPlan(Always()))
    report = exzarr.check(faulty, deep=True)
    assert not report.ok


def test_retries_overcome_failures() -> None:
    for seed in range(10):
        plan = FaultPlan.seeded(seed, 0.2, ("fail", "lose", "duplicate"))
        faulty = FaultStore(store_of(PREPARED[LAYOUTS[0]]), plan)
        patient = RetryStore(faulty, Retry(attempts=20, wait_initial=0, wait_max=0, wait_jitter=0))
        append(patient)
        part(patient)
        attributes(patient)
        clean = store_of(PREPARED[LAYOUTS[0]])
        append(clean)
        part(clean)
        attributes(clean)
        assert read(faulty.inner) == read(clean)
        assert faulty.happened


# -- concurrency -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["memory", "folder"])
def test_no_update_is_lost_in_any_order_of_requests(kind: str, seed: int, tmp_path: Path) -> None:
    inner = MemoryStore() if kind == "memory" else LocalStore(tmp_path / "s.zarr")
    exzarr.create_array(inner, name="a", shape=(8, 8), chunks=(8, 8), dtype="i4")
    log = exzarr.create_array(inner, name="log", shape=(0,), chunks=(4,), dtype="i4")
    faulty = FaultStore(inner, FaultPlan.seeded(seed, 0.5, ("delay", "reorder", "duplicate")))
    errors: list[ExzarrError] = []

    def write(row: int) -> None:
        try:
            array = exzarr.open_array(faulty, path="a", mode="r+")
            for column in range(8):
                array[row, column] = row * 8 + column
                exzarr.open_array(faulty, path="log", mode="r+").append([row])
        except ExzarrError as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(row,)) for row in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert exzarr.open_array(inner, path="a")[:4].ravel().tolist() == list(range(32))
    assert sorted(log.refresh()[...].tolist()) == sorted([*range(4)] * 8)


# -- the store itself -----------------------------------------------------------------------------


class TestFaultStore(StoreSuite):
    """With a plan that breaks no promise, it passes the store suite."""

    pickles = False

    def make_store(self, tmp_path: Path) -> Store:
        return FaultStore(MemoryStore(), FaultPlan.seeded(1, 0.05, ("duplicate", "reorder")))


def test_each_kind_of_fault() -> None:
    def faulty(*faults: Fault) -> FaultStore:
        return FaultStore(store_of({"a": b"0123456789"}), FaultPlan(dict(enumerate(faults))))

    store = faulty(Fault("fail"), Fault("lose"), Fault("tear", 0.3), Fault("fail"))
    with pytest.raises(StoreError, match=r"put of key 'a' in memory://.* failed \(planned fault\)"):
        store.put("a", b"new")
    assert store.inner.get("a") == b"0123456789"
    with pytest.raises(StoreError, match="its response was lost"):
        store.put("a", b"new")
    assert store.inner.get("a") == b"new"
    with pytest.raises(StoreError, match="torn"):
        store.put("a", b"abcdefghij")
    assert store.inner.get("a") == b"abc"
    with pytest.raises(StoreError):
        store.delete("a")
    assert store.get("a") == b"abc"
    assert [(number, kind) for number, kind, _, _ in store.happened] == [
        (0, "put"),
        (1, "put"),
        (2, "put"),
        (3, "delete"),
    ]
    cut = faulty(*[Fault("truncate", 0.5)] * 9)
    assert cut.get("a") == b"01234"
    assert cut.get("a", (2, 4)) == b"23"
    assert cut.read_into("a", memoryview(bytearray(10))) == 5
    value = cut.open_value("a")
    assert value is not None
    assert value.size == 5
    with pytest.raises(StoreError, match="ends at byte 5"):
        value.read_into(memoryview(bytearray(6)), 0)
    with pytest.raises(ArgumentError, match="must be one of fail, lose"):
        Fault("explode")  # type: ignore[arg-type]


def test_plan_depends_on_seed() -> None:
    plan = FaultPlan.seeded(3, 0.5)
    assert plan == FaultPlan.seeded(3, 0.5)
    assert plan != FaultPlan.seeded(4, 0.5)
    assert 4500 < len(plan.faults) < 5500
    assert {fault.what for fault in plan.faults.values()} == set(WHATS)
