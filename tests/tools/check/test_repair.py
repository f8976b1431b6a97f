"""A repair carries out exactly its plan, and zarr-python reads the result."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
import zarr
from hypothesis import HealthCheck, given, strategies as st

import exzarr
from exzarr._tools.check import values as values_module
from exzarr._tools.check.entries import QUARANTINE
from exzarr._tools.check.plan import RepairPlan
from exzarr.errors import ArgumentError, ReadOnlyError
from exzarr.stores.base import Store
from exzarr.stores.local.store import LocalStore
from exzarr.stores.memory import MemoryStore
from tests.breadth import examples
from tests.engine.tools import contents
from tests.tools.check.stores import CHUNKS, LAYOUTS, SHARDS, WRITERS, Layout, make_old, values, write

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("brisk")]

PLAIN = [(layout, writer) for layout in LAYOUTS for writer in WRITERS if not layout.shards]
SHARDED = [(layout, writer) for layout in LAYOUTS for writer in WRITERS if layout.shards]


def of(stores: list[tuple[Layout, str]]) -> pytest.MarkDecorator:
    """Parametrize a test over these layouts."""
    return pytest.mark.parametrize("written", stores, ids=lambda s: f"{s[0]}-{s[1]}", indirect=True)


def read_by_others(store: Path, layout: Layout) -> np.ndarray:
    """Read the array with zarr-python and TensorStore."""
    array = zarr.open_group(store, mode="r")["a"]
    assert isinstance(array, zarr.Array)
    ours: Any = array[...]
    driver = "zarr3" if layout.zarr_format == 3 else "zarr"
    spec = {"driver": driver, "kvstore": {"driver": "file", "path": f"{store}/a/"}}
    theirs = tensorstore.open(spec, read=True).result().read().result()
    np.testing.assert_array_equal(ours, theirs)
    return ours  # type: ignore[no-any-return]


def quarantined(store: Path) -> dict[str, bytes]:
    """Return the values in quarantine by their original keys."""
    found = {}
    for file in (store / "a" / QUARANTINE).rglob("*"):
        if file.is_file():
            parts = file.relative_to(store / "a" / QUARANTINE).parts
            found["/".join(parts[1:])] = file.read_bytes()
    return found


def without(chunks: set[tuple[int, int]], shape: tuple[int, int]) -> np.ndarray:
    """Return the values, with the fill value in some chunks of `shape`."""
    left = values()
    for y, x in chunks:
        left[y * shape[0] : (y + 1) * shape[0], x * shape[1] : (x + 1) * shape[1]] = 0
    return left


@pytest.fixture
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Layout]:
    layout, writer = request.param
    write(tmp_path / "s.zarr", layout, writer)
    return tmp_path / "s.zarr", layout


# -- chunks ------------------------------------------------------------------------------


@of(PLAIN)
def test_corrupt_chunks_move_to_quarantine_on_request_and_read_as_missing(
    written: tuple[Path, Layout],
) -> None:
    store, layout = written
    bad = layout.key(1, 1)
    file = store / "a" / bad
    file.write_bytes(damaged := file.read_bytes()[:-5])
    report = exzarr.check(store, deep=True, grace=0)
    before = contents(LocalStore(store))
    plan = report.plan()
    assert not plan.actions
    assert [finding.key for finding in plan.left] == [f"a/{bad}"]
    assert "on request" in str(plan)
    plan = report.plan(quarantine=True)
    assert [(action.what, action.key) for action in plan.actions] == [("quarantine", f"a/{bad}")]
    assert contents(LocalStore(store)) == before
    assert exzarr.repair(store, plan).ok
    assert quarantined(store) == {bad: damaged}
    np.testing.assert_array_equal(read_by_others(store, layout), without({(1, 1)}, CHUNKS))
    again = exzarr.check(store, deep=True)
    assert (again.findings, len(again.quarantines)) == ((), 1)


@of(PLAIN + SHARDED)
def test_chunks_outside_the_grid_move_to_quarantine(written: tuple[Path, Layout]) -> None:
    store, layout = written
    outside = layout.key(9, 0)
    (store / "a" / outside).parent.mkdir(exist_ok=True)
    shutil.copy(store / "a" / layout.key(0, 0), store / "a" / outside)
    make_old(store)
    plan = exzarr.check(store).plan()
    assert [(action.what, action.key) for action in plan.actions] == [("quarantine", f"a/{outside}")]
    assert exzarr.repair(store, plan).ok
    assert list(quarantined(store)) == [outside]
    np.testing.assert_array_equal(read_by_others(store, layout), values())
    assert exzarr.check(store).findings == ()


def inner_ranges(store: Path, key: str) -> tuple[list[int], list[int]]:
    """Return start and length of every inner chunk in the index."""
    source = exzarr.open_array(store / "a").chunk_source
    value = LocalStore(store).open_value(f"a/{key}")
    assert source.layout is not None
    assert value is not None
    starts, lengths = source.layout.index(f"a/{key}", value)
    value.close()
    return list(starts), list(lengths)


@of(SHARDED)
@pytest.mark.parametrize("damage", ["a byte of one inner chunk", "its end", "its beginning", "its index"])
def test_decodable_inner_chunks_are_rescued(written: tuple[Path, Layout], damage: str) -> None:
    store, layout = written
    key = layout.key(1, 1)
    file = store / "a" / key
    data = bytearray(file.read_bytes())
    starts, lengths = inner_ranges(store, key)
    last = max(range(4), key=lambda number: starts[number])
    index_at = len(data) - 68 if layout.shards == "end" else 0
    lost: set[int]
    if damage == "a byte of one inner chunk":
        data[starts[last] + lengths[last] - 2] ^= 8
        lost = {last} if layout.checked else set()
    elif damage == "its end":  # with the index at the end, no inner chunk can be located
        del data[-3:]
        lost = {last} if layout.shards == "start" else {0, 1, 2, 3}
    elif damage == "its beginning":
        del data[:3]
        lost = {0, 1, 2, 3}
    else:  # one bit of the start of an inner chunk: the checksums of the others are correct
        data[index_at + 16 * 2] ^= 1
        lost = {2} if layout.checked else {0, 1, 2, 3}
    file.write_bytes(data)
    if not lost:
        assert exzarr.check(store, deep=True).ok  # cannot be detected
        return
    report = exzarr.check(store, deep=True)
    (action,) = report.plan(quarantine=True).actions
    assert (action.what, action.key) == ("rescue", f"a/{key}")
    (outcome,) = exzarr.repair(store, report.plan(quarantine=True)).outcomes
    assert outcome.result == "done"
    assert f"rescued {4 - len(lost)} inner chunks" in outcome.detail
    assert quarantined(store) == {key: bytes(data)}
    wanted = without({(2 + number // 2, 2 + number % 2) for number in lost}, CHUNKS)
    np.testing.assert_array_equal(read_by_others(store, layout), wanted)
    np.testing.assert_array_equal(exzarr.open_array(store / "a")[...], wanted)
    assert exzarr.check(store, deep=True).findings == ()


def test_bytes_with_two_index_entries_are_not_rescued(tmp_path: Path) -> None:
    """If the checksum of the index is wrong, their owner is unknown."""
    store, layout = tmp_path / "s.zarr", Layout(3, "zstd", "end")
    write(store, layout, "exzarr")
    key = layout.key(0, 0)
    data = bytearray((store / "a" / key).read_bytes())
    table = np.frombuffer(data, "<u8", 8, len(data) - 68).reshape(4, 2).copy()
    table[1] = table[2]
    data[-68:-4] = table.tobytes()
    (store / "a" / key).write_bytes(data)
    report = exzarr.check(store, deep=True)
    exzarr.repair(store, report.plan(quarantine=True))
    wanted = without({(0, 1), (1, 0)}, CHUNKS)
    np.testing.assert_array_equal(read_by_others(store, layout), wanted)


@pytest.mark.parametrize("entries", [1, 2, 3])
@pytest.mark.parametrize("codec", ["zstd", "crc32c"])
def test_truncated_index_never_misplaces_inner_chunks(tmp_path: Path, codec: str, entries: int) -> None:
    """If whole entries are missing at the end, the index is read one or more entries too early."""
    store, layout = tmp_path / "s.zarr", Layout(3, codec, "end")
    write(store, layout, "exzarr")
    file = store / "a" / layout.key(0, 0)
    file.write_bytes(file.read_bytes()[: -16 * entries])
    report = exzarr.check(store, deep=True)
    assert [finding.code for finding in report.findings] == ["EXZ301"]
    assert exzarr.repair(store, report.plan(quarantine=True)).ok
    np.testing.assert_array_equal(read_by_others(store, layout), without({(0, 0)}, SHARDS))


# -- a repair carries out exactly its plan----------------------------------------------------


@pytest.fixture(params=["folder", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store with an array: one chunk is damaged, one is outside the grid."""
    made = LocalStore(tmp_path / "s.zarr") if request.param == "folder" else MemoryStore()
    array = exzarr.create_array(made, name="g/a", shape=(30,), chunks=(10,), dtype="i4")
    array[...] = np.arange(30)
    bad = bytearray(made.get("g/a/c/1") or b"")
    bad[-1] ^= 1
    made.put("g/a/c/1", bad)
    made.put("g/a/c/7", b"old")
    return made


def plan_of(store: Store) -> RepairPlan:
    return exzarr.check(store, deep=True, grace=0).plan(quarantine=True)


def results(store: Store, plan: RepairPlan) -> list[tuple[str, str]]:
    return [(outcome.action.key, outcome.result) for outcome in exzarr.repair(store, plan).outcomes]


def test_plan_is_carried_out(place: Store, tmp_path: Path) -> None:
    plan = plan_of(place)
    before = contents(place)
    plan.save(tmp_path / "plan.json")
    assert RepairPlan.load(tmp_path / "plan.json").actions == plan.actions
    report = exzarr.repair(place, tmp_path / "plan.json")
    assert report.ok
    assert [(o.action.key, o.result) for o in report.outcomes] == [("g/a/c/1", "done"), ("g/a/c/7", "done")]
    after = contents(place)
    moved = {key.rpartition("/c/")[2]: value for key, value in after.items() if QUARANTINE in key}
    assert moved == {"1": before["g/a/c/1"], "7": before["g/a/c/7"]}
    kept = {key: value for key, value in after.items() if QUARANTINE not in key}
    assert kept == {key: value for key, value in before.items() if key not in ("g/a/c/1", "g/a/c/7")}
    wanted = [*range(10), *[0] * 10, *range(20, 30)]
    assert exzarr.open_array(place, path="g/a")[...].tolist() == wanted
    array = exzarr.open_array(place, path="g/a", mode="r+")
    array.resize((80,))
    assert array[30:].tolist() == [0] * 50  # the chunk outside the grid has not returned
    assert exzarr.check(place, deep=True, grace=0).findings == ()
    assert results(place, plan) == [("g/a/c/1", "skipped"), ("g/a/c/7", "skipped")]


def test_chunk_written_since_the_check_is_skipped(place: Store) -> None:
    plan = plan_of(place)
    exzarr.open_array(place, path="g/a", mode="r+")[10:20] = 5
    assert results(place, plan) == [("g/a/c/1", "skipped"), ("g/a/c/7", "done")]
    assert exzarr.open_array(place, path="g/a")[10:20].tolist() == [5] * 10


def test_chunk_with_another_problem_is_skipped(place: Store) -> None:
    plan = plan_of(place)
    place.put("g/a/c/1", b"bad, too")
    place.put("g/a/c/7", b"another")
    assert results(place, plan) == [("g/a/c/1", "skipped"), ("g/a/c/7", "skipped")]
    assert place.get("g/a/c/1") == b"bad, too"


def test_chunk_inside_a_grown_array_is_kept(place: Store) -> None:
    plan = plan_of(place)
    document = json.loads(bytes(place.get("g/a/zarr.json") or b""))
    document["shape"] = [80]
    place.put("g/a/zarr.json", json.dumps(document).encode())
    assert ("g/a/c/7", "skipped") in results(place, plan)
    assert place.get("g/a/c/7") == b"old"


def test_missing_array_is_skipped(place: Store) -> None:
    plan = plan_of(place)
    place.delete("g/a/zarr.json")
    before = contents(place)
    assert {result for _, result in results(place, plan)} == {"skipped"}
    assert contents(place) == before


def test_chunk_written_during_the_repair_is_kept(place: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the last inspection and the removal: whole chunks are written without a lock."""
    from exzarr._tools.check import quarantine

    plan = plan_of(place)
    array = exzarr.open_array(place, path="g/a", mode="r+")

    def late(value: Any) -> bytearray:
        array[10:20] = 5
        return values_module.read_all(value)

    monkeypatch.setattr(quarantine, "read_all", late)
    assert results(place, plan)[0] == ("g/a/c/1", "skipped")
    assert array[10:20].tolist() == [5] * 10
    assert not any(key.endswith("c/1") and QUARANTINE in key for key in place.list())


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_shard_written_during_a_rescue_is_kept(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from exzarr._tools.check import quarantine

    store = LocalStore(tmp_path / "s.zarr") if kind == "folder" else MemoryStore()
    array = exzarr.create_array(store, shape=(8,), chunks=(2,), shards=(8,), dtype="i4")
    array[...] = 1
    data = bytearray(store.get("c/0") or b"")
    data[5] ^= 255
    store.put("c/0", data)
    plan = exzarr.check(store, deep=True).plan(quarantine=True)

    def late(value: Any) -> bytearray:
        array[...] = 9
        return values_module.read_all(value)

    monkeypatch.setattr(quarantine, "read_all", late)
    (outcome,) = exzarr.repair(store, plan).outcomes
    assert outcome.result == "skipped"
    assert array[...].tolist() == [9] * 8
    assert not any(QUARANTINE in key for key in store.list())


def test_plan_is_valid_for_one_place(place: Store, tmp_path: Path) -> None:
    plan = plan_of(place)
    other = exzarr.create_array(tmp_path / "other.zarr", shape=(3,), dtype="i4")
    with pytest.raises(ArgumentError, match=r"was made for .*, not for .*other\.zarr"):
        exzarr.repair(other, plan)


def test_read_only_store_is_not_repaired(place: Store) -> None:
    plan = plan_of(place)
    before = contents(place)
    with pytest.raises(ReadOnlyError):
        exzarr.repair(place.as_read_only(), plan)
    assert contents(place) == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"exzarr_repair_plan": 2}',
        '{"exzarr_repair_plan": 1}',
        '{"exzarr_repair_plan": 1, "place": "x", "path": "", "actions": [{"what": "delete", "codes": []}]}',
        '{"exzarr_repair_plan": 1, "place": "x", "path": "", "actions": [{"what": "remove", "codes": ["X"]}]}',
        '{"exzarr_repair_plan": 1, "place": "x", "path": "", "actions": [{"what": "remove", "codes": [], "key": 3}]}',
    ],
)
def test_invalid_plan_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(ArgumentError, match="not a repair plan"):
        RepairPlan.load(tmp_path / "plan.json")
    plan = RepairPlan("here", "", ())
    with pytest.raises(ArgumentError, match="choose another name"):
        plan.save(tmp_path / "plan.json")
    assert (tmp_path / "plan.json").read_text() == text


@pytest.mark.parametrize("key", ["../../outside", "/etc/passwd", "g/a/../../x", "g\0a"])
@pytest.mark.parametrize("what", ["remove", "quarantine", "rescue", "consolidate"])
def test_plan_cannot_leave_the_store(tmp_path: Path, what: Any, key: str) -> None:
    """A plan is an untrusted file: its keys must not leave the store."""
    store = tmp_path / "in" / "s.zarr"
    exzarr.create_array(store, name="g/a", shape=(3,), dtype="i4")
    (tmp_path / "outside").write_text("mine")
    path = key.rpartition("/")[0] if what == "consolidate" else "g/a"
    action = {"what": what, "path": path, "key": key, "codes": ["EXZ201"], "because": "", "fingerprint": ""}
    text = json.dumps({"exzarr_repair_plan": 1, "place": str(store), "path": "", "actions": [action]})
    (tmp_path / "plan.json").write_text(text)
    before = contents(LocalStore(store))
    (outcome,) = exzarr.repair(store, tmp_path / "plan.json").outcomes
    assert outcome.result != "done"
    assert contents(LocalStore(store)) == before
    assert (tmp_path / "outside").read_text() == "mine"


# -- any damage ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Layout], Path]:
    folder = tmp_path_factory.mktemp("pristine")

    def copy(layout: Layout) -> Path:
        original, path = folder / str(layout), folder / "damaged"
        if not original.exists():
            write(original, layout, "exzarr")
            exzarr.consolidate_metadata(original)
        if path.exists():
            shutil.rmtree(path)
        shutil.copytree(original, path)
        return path

    return copy


@given(st.data())
@examples(20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_repaired_store_is_readable_by_zarr_python(pristine: Any, data: Any) -> None:
    """After a repair with quarantine, every chunk decodes to correct values or is missing."""
    layout = data.draw(st.sampled_from([layout for layout in LAYOUTS if layout.checked]))
    store = pristine(layout)
    files = sorted(file for file in (store / "a").rglob("*") if file.is_file() and file.name[-1].isdigit())
    for file in data.draw(st.lists(st.sampled_from(files), min_size=1, max_size=4, unique=True)):
        content = bytearray(file.read_bytes())
        how = data.draw(st.sampled_from(["cut", "flip", "zeros", "empty", "swap"]))
        at = data.draw(st.integers(0, len(content) - 1))
        if how == "cut":
            del content[at:]
        elif how == "flip":
            content[at] ^= 1 << data.draw(st.integers(0, 7))
        elif how == "zeros":
            content[at : at + 16] = bytes(len(content[at : at + 16]))
        elif how == "empty":
            content.clear()
        else:
            content[at:] = content[at:][::-1]
        file.write_bytes(content)
    report = exzarr.check(store, deep=True)
    assert exzarr.repair(store, report.plan(quarantine=True)).ok
    assert exzarr.check(store, deep=True).findings == ()
    wanted, got = values(), read_by_others(store, layout)
    assert ((got == wanted) | (got == 0)).all()
    size = CHUNKS if layout.shards is None else SHARDS
    lost = {(y // size[0], x // size[1]) for y, x in np.argwhere(got != wanted).tolist()}
    damaged = {finding.index for finding in report.findings}
    if layout.shards is None:
        assert lost == damaged
