"""The leftover file of a killed writer describes its unfinished write, and the repair of the file handles it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import exzarr
from exzarr.stores.local.write import temporary_name
from exzarr.stores.memory import MemoryStore
from tests.tools.check.stores import rewrite

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("brisk"),
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system"),
]

HOOK = """
import importlib, os, signal, sys
import numpy as np
import exzarr
path, where, when, nth = sys.argv[1:]
module = importlib.import_module(where.partition(":")[0])
name = where.partition(":")[2]
real, calls = getattr(module, name), []

def stop():
    if when.startswith("wait"):
        print("waiting", flush=True)
        sys.stdin.read()
    else:
        os.kill(os.getpid(), signal.SIGKILL)

def hooked(*args, **options):
    calls.append(1)
    mine = len(calls)
    if mine == int(nth) and when.endswith("before"):
        stop()
    result = real(*args, **options)
    if mine == int(nth) and when.endswith("after"):
        stop()
    return result

setattr(module, name, hooked)
"""
APPEND = "exzarr.open_array(path, path='a', mode='r+').append(np.full((9, 8), 7))"
INGEST = """
def source(position):
    for number in range(position or 0, 4):
        yield {"time": np.full(3, number), "deep/t": np.full((3, 2), number)}
exzarr.ingest(exzarr.open_group(path, mode="r+"), source, key="k", axis="time", batch=1)
"""


def start(source: str, path: Path, where: str, when: str, nth: int = 1) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOOK + source, str(path), where, when, str(nth)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def killed(source: str, path: Path, where: str, when: str, nth: int = 1) -> None:
    """Run `source` in a process that is killed before or after the nth call of the function `where`."""
    process = start(source, path, where, when, nth)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def codes(path: Path) -> list[str]:
    return [finding.code for finding in exzarr.check(path, deep=True, grace=0).findings]


def repaired(path: Path) -> str:
    """Repair all findings, verify that none remain, and return the report."""
    report = exzarr.repair(path, exzarr.check(path, grace=0).plan())
    assert report.outcomes
    assert {outcome.result for outcome in report.outcomes} == {"done"}
    after = exzarr.check(path, deep=True, grace=0)
    assert (after.findings, after.unsettled) == ((), ()), str(after)
    assert not [*path.rglob("*.exzarr-tmp")]
    return str(report)


@pytest.fixture(params=[2, 3], ids=["v2", "v3"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "s.zarr"
    root = exzarr.create_group(path, zarr_format=request.param)
    root.create_array("a", shape=(10, 8), chunks=(4, 8), dtype="i4", fill_value=-1)[...] = 5
    exzarr.consolidate_metadata(path)
    return path


def read(path: Path, name: str = "a") -> Any:
    """Read the array with zarr-python (consolidated) and with exzarr (not consolidated), and compare."""
    theirs = np.asarray(zarr.open_group(path, mode="r")[name][...])  # type: ignore[index]
    np.testing.assert_array_equal(exzarr.open_array(path, path=name)[...], theirs)
    return theirs


# -- chunks ------------------------------------------------------------------------------


@pytest.mark.parametrize("nth", [0, 1])
def test_killed_append_leaves_a_document_that_explains_its_chunks(path: Path, nth: int) -> None:
    killed(
        APPEND,
        path,
        ("exzarr._nodes.resize:store_rows", "exzarr.stores.local.update:replace_by_staged")[nth],
        ("after", "before")[nth],
    )
    report = exzarr.check(path, deep=True, grace=0)
    assert [finding.code for finding in report.findings] == [
        "EXZ501",
        "EXZ501",
    ]  # one for the append, one for consolidated metadata
    assert any("of shape (19, 8)" in finding.detail for finding in report.findings)
    assert report.ok
    assert (read(path) == 5).all()
    assert "moved 2 chunks to quarantine" in repaired(path)
    assert (
        len(
            [
                file
                for file in path.rglob("__exzarr_quarantine__/*/*")
                if file.parent.parent.parent == path / "a"
            ]
        )
        >= 1
    )
    assert (read(path) == 5).all()


def test_other_chunks_outside_of_the_grid_are_still_found(path: Path) -> None:
    killed(APPEND, path, "exzarr._nodes.resize:store_rows", "after")
    encode = exzarr.open_array(path, path="a").metadata.chunk_key_encoding.encode
    for outside in ((4, 0), (5, 0), (0, 1)):  # 19 rows need five chunks
        file = path / "a" / encode(outside)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((path / "a" / encode((0, 0))).read_bytes())
    found = {f.index for f in exzarr.check(path, grace=0).findings if f.code == "EXZ401"}
    assert found == {(5, 0), (0, 1)}


def test_append_in_progress_has_no_findings(path: Path) -> None:
    process = start(APPEND, path, "exzarr._nodes.resize:store_rows", "wait after")
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    report = exzarr.check(path, deep=True, grace=0)
    assert (report.findings, report.unsettled) == ((), ())
    process.communicate("")
    assert process.returncode == 0
    assert read(path).shape == (19, 8)
    assert codes(path) == []
    assert not [*path.rglob("*.exzarr-tmp")]


def test_appends_of_other_processes_after_the_kill_are_kept(path: Path) -> None:
    killed(APPEND, path, "exzarr._nodes.resize:store_rows", "after")
    exzarr.open_array(path, path="a", mode="r+").append(np.full((4, 8), 9))  # into two of the chunks
    assert set(codes(path)) == {"EXZ501"}
    repaired(path)
    values = read(path)
    assert values.shape == (14, 8)
    assert (values[10:] == 9).all()


@pytest.mark.parametrize("shape", [(3, 8), (14, 3)])
def test_killed_resize_before_it_cleared_the_removed_chunks(path: Path, shape: tuple[int, int]) -> None:
    shrink = f"exzarr.open_array(path, path='a', mode='r+').resize({shape})"
    killed(shrink, path, "exzarr._nodes.resize:_clear_outside", "before", 2)
    assert set(codes(path)) == {"EXZ501"}
    assert read(path).shape == shape
    repaired(path)
    array = exzarr.open_array(path, path="a", mode="r+")
    array.resize((20, 8))
    kept = np.full((20, 8), -1)
    kept[: min(shape[0], 10), : shape[1]] = 5
    np.testing.assert_array_equal(read(path), kept)


def test_failed_append_leaves_no_temporary_file(path: Path) -> None:
    class Full(exzarr.LocalStore):
        def put(self, key: str, value: Any) -> None:
            raise exzarr.StoreError("there is no room")

    with pytest.raises(exzarr.StoreError, match="no room"):
        exzarr.open_array(Full(path), path="a", mode="r+").append(np.ones((9, 8), "i4"))
    assert not [*path.rglob("*.exzarr-tmp")]
    assert read(path).shape == (10, 8)


# -- consolidated metadata ----------------------------------------------------------------


CHANGES = {
    "attributes": (
        "exzarr.open_array(path, path='a', mode='r+').attrs['x'] = 1",
        "exzarr._nodes.hierarchy:recorded",
        "before",
    ),
    "resize": (
        "exzarr.open_array(path, path='a', mode='r+').resize((12, 8))",
        "exzarr._nodes.hierarchy:recorded",
        "before",
    ),
    "create": (
        "exzarr.open_group(path, mode='r+').create_array('b/c', shape=3, dtype='i1')",
        "exzarr._nodes.hierarchy:recorded",
        "before",
    ),
    "create v2": (
        "exzarr.open_group(path, mode='r+').create_array('c', shape=3, dtype='i1', attributes={'x': 1})",
        "exzarr._nodes.node_creation:_save_both",
        "after",
    ),
    "delete": ("del exzarr.open_group(path, mode='r+')['a']", "exzarr._nodes.consolidation:forget", "after"),
    "deleted": (
        "del exzarr.open_group(path, mode='r+')['a']",
        "exzarr.stores.local.write:_remove_tree",
        "before",
    ),
    "copy": (
        "exzarr.open_group(path, mode='r+').copy('a', 'b')",
        "exzarr._nodes.hierarchy:recorded",
        "before",
    ),
    "overwrite": (
        "exzarr.open_group(path, mode='r+').create_array('a', shape=3, dtype='i1', overwrite=True)",
        "exzarr._nodes.hierarchy:recorded",
        "before",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_killed_writer_before_it_updated_consolidated_metadata(path: Path, change: str) -> None:
    if change.endswith("v2") and not (path / ".zgroup").exists():
        return  # v3 has only one document
    killed(CHANGES[change][0], path, *CHANGES[change][1:])
    assert set(codes(path)) == {"EXZ501"}
    repaired(path)
    with_, without = [exzarr.open_group(path, use_consolidated=use) for use in (True, False)]
    assert dict(with_.walk()) == dict(without.walk())
    assert {*zarr.open_group(path, mode="r")} == {*zarr.open_group(path, mode="r", use_consolidated=False)}


def test_a_later_change_of_the_same_node_is_kept(path: Path) -> None:
    killed(*CHANGES["attributes"][:1], path, *CHANGES["attributes"][1:])  # type: ignore[arg-type]
    v3 = (path / "zarr.json").exists()
    document = path / "a" / ("zarr.json" if v3 else ".zattrs")
    rewrite(
        document, lambda json_: (json_["attributes"] if v3 else json_).update(x=2)
    )  # a writer that stores no intent
    assert set(codes(path)) == {"EXZ501"}
    repaired(path)
    assert dict(zarr.open_group(path, mode="r")["a"].attrs) == {"x": 2}


def test_stale_consolidated_metadata_without_an_intent_is_found(path: Path) -> None:
    killed(*CHANGES["attributes"][:1], path, *CHANGES["attributes"][1:])  # type: ignore[arg-type]
    exzarr.open_group(path, mode="r+").create_array("b", shape=(3,), dtype="i1")
    name = "zarr.json" if (path / "zarr.json").exists() else ".zarray"
    rewrite(path / "b" / name, lambda json_: json_.update(shape=[4]))
    assert set(codes(path)) == {"EXZ501", "EXZ602"}


def test_write_intents_in_memory_are_seen() -> None:
    store = MemoryStore()
    exzarr.create_group(store)
    exzarr.open_group(store, mode="r+").create_array("a", shape=3, dtype="i1")
    exzarr.consolidate_metadata(store)
    remove_intent = store.maintenance().announce_intent(b'{"exzarr_note": 1, "nodes": ["a"]}')
    document = bytes(store.get("a/zarr.json") or b"")
    store.put("a/zarr.json", document.replace(b'"shape": [\n    3', b'"shape": [\n    4'))
    assert bytes(store.get("a/zarr.json") or b"") != document
    assert exzarr.check(store).findings == ()
    remove_intent()
    assert [f.code for f in exzarr.check(store).findings] == ["EXZ602"]


# -- nodes ------------------------------------------------------------------------------


def test_a_copy_that_was_killed_is_not_there(path: Path) -> None:
    there = path.parent / "copy.zarr"
    copy = f"exzarr.copy(path, {str(there)!r})"
    killed(copy, path, "exzarr._tools.copy:_copy_node", "after")
    assert not there.exists()
    assert codes(path.parent) == ["EXZ501"]
    repaired(path.parent)
    exzarr.copy(path, there)
    killed(copy[:-1] + ", overwrite=True)", path, "exzarr._tools.copy:_copy_node", "after")
    assert (read(there) == 5).all(), "what was to be overwritten is there until the copy is whole"


def test_killed_copy_into_a_group_leaves_the_old_node(path: Path) -> None:
    copy = "root = exzarr.open_group(path, mode='r+'); exzarr.copy(root['a'], root, path='to/b', chunks=5, overwrite=True)"
    killed(copy, path, "exzarr._tools.copy:_copy_node", "after")
    assert set(codes(path)) == {"EXZ501"}
    assert "to" not in exzarr.open_group(path)
    repaired(path)


def test_copy_into_a_folder_with_other_files(path: Path) -> None:
    there = path.parent / "copy.zarr"
    there.mkdir()
    (there / "README").write_text("mine")
    killed(f"exzarr.copy(path, {str(there)!r})", path, "exzarr._tools.copy:_copy_node", "after")
    assert "EXZ402" not in codes(there)
    exzarr.repair(there, exzarr.check(there, grace=0).plan())
    assert (there / "README").read_text() == "mine"
    assert set(codes(there)) == {"EXZ403"}  # the README
    exzarr.copy(path, there)
    assert (read(there) == 5).all()


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_overwrite_of_a_store_leaves_old_or_new(path: Path, when: str) -> None:
    overwrite = "exzarr.create_array(path, data=[1, 2, 3], overwrite=True)"
    killed(overwrite, path, "exzarr.stores.local.staging:exchange", when)
    assert set(codes(path.parent)) == {"EXZ501"}
    if when == "before":
        assert (read(path) == 5).all()
    else:
        assert exzarr.open_array(path)[:].tolist() == [1, 2, 3]
    repaired(path.parent)
    assert isinstance(exzarr.open(path), exzarr.Group if when == "before" else exzarr.Array)


# -- ingestion ---------------------------------------------------------------------------


@pytest.fixture
def cube(tmp_path: Path) -> Path:
    path = tmp_path / "cube.zarr"
    group = exzarr.create_group(path)
    group.create_array("time", shape=(0,), chunks=(4,), dtype="i4", dimension_names=("time",))
    group.create_array("deep/t", shape=(0, 2), chunks=(4, 2), dtype="i4", dimension_names=("time", "x"))
    exzarr.consolidate_metadata(path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("members", [0, 1, 2])
@pytest.mark.parametrize("commit", [1, 3])
@pytest.mark.parametrize("repair", [False, True])
def test_ingestion_killed_between_its_members(cube: Path, members: int, commit: int, repair: bool) -> None:
    """Some members are ahead of the group's document. The repair resets them, and the ingestion resumes."""
    killed(
        INGEST,
        cube,
        "exzarr._nodes.transactions:change",
        "before" if members == 0 else "after",
        4 * commit - 1 + members - (members > 0),  # of each commit: the intent, the group, its members
    )
    assert set(codes(cube)) == {"EXZ501"}
    if repair:
        did = repaired(cube)
        assert ("to the shape in the group's document" in did) == (members > 0)
        assert exzarr.open_array(cube, path="time").shape == (3 * (commit - 1),)
        assert exzarr.open_array(cube, path="deep/t").shape == (3 * (commit - 1), 2)
    assert exzarr.ingest_position(exzarr.open_group(cube), "k") == (commit - 1 or None)
    subprocess.run([sys.executable, "-c", HOOK + INGEST, str(cube), "exzarr:copy", "after", "1"], check=True)
    assert read(cube, "time").tolist() == [n for n in range(4) for _ in range(3)]
    assert read(cube, "deep/t")[:, 0].tolist() == [n for n in range(4) for _ in range(3)]
    assert set(codes(cube)) <= {"EXZ501"}


# -- untrusted content of files -------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '{"exzarr_note": 1, "nodes": ["../../etc", 5, "", "a/../b", "__x"]}',
        '{"exzarr_note": 2, "nodes": ["a"]}',
        '{"exzarr_note": 1, "nodes": "a"}',
        '{"zarr_format": 3, "node_type": "array", "shape": [1e9]}',
        '{"zarr_format": 2, "shape": "long"}',
        '{"zarr_format": 3, "node_type": "group", "consolidated_metadata": {"metadata": {"../x": {}}}}',
        "{" * 2000,
        "{\xff",
    ],
)
def test_file_with_invalid_intent_is_only_removed(path: Path, text: str) -> None:
    before = {file: file.read_bytes() for file in path.parent.rglob("*") if file.is_file()}
    name = temporary_name().replace(str(os.getpid()), "4194305")
    for folder in (path, path / "a"):
        (folder / name).write_bytes(text.encode("latin-1"))
    assert codes(path) == ["EXZ501", "EXZ501"]
    repaired(path)
    after = {file: file.read_bytes() for file in path.parent.rglob("*") if file.is_file()}
    assert after == before


def test_huge_shape_in_an_intent_is_not_listed(path: Path) -> None:
    name = temporary_name().replace(str(os.getpid()), "4194305")
    v3 = (path / "zarr.json").exists()
    document = json.loads((path / "a" / ("zarr.json" if v3 else ".zarray")).read_text())
    document["shape"] = [2**62, 2**62]
    (path / "a" / name).write_text(json.dumps(document))
    repaired(path)
    assert (read(path) == 5).all()
