"""`exzarr.sync`: the target equals the source, byte for byte, whatever it was before."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, strategies as st

import exzarr
from exzarr import cost
from exzarr.errors import ArgumentError, ChangedError, NodeExistsError, NodeNotFoundError, ReadOnlyError
from exzarr.stores import CountingStore, MemoryStore, PrefixStore
from exzarr.stores.wrappers.base import StoreWrapper
from tests.breadth import examples
from tests.kill_points import kill_steps, killed_at
from tests.web_servers import web_server

DATA = np.arange(1600, dtype="f4").reshape(40, 40)


def tree(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder, apart from exzarr's lock files, read with plain os code."""
    found = {}
    for top, _, names in os.walk(folder):
        for name in names:
            if ".exzarr-lock" not in name:
                path = Path(top) / name
                found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def meaning(files: dict[str, bytes]) -> dict[str, object]:
    """Return files with documents parsed, without temporary files and without two members: one says nothing, the other is checked."""

    def parsed(text):
        return json.loads(
            text,
            object_hook=lambda one: {
                k: v for k, v in one.items() if k not in ("storage_transformers", "consolidated_metadata")
            },
        )

    kept = {
        name: data
        for name, data in files.items()
        if not Path(name).name.startswith(".exzarr") and ".exzarr-tmp" not in name
    }
    return {name: parsed(data) if name.endswith(".json") else data for name, data in kept.items()}


def values(store) -> dict[str, bytes]:
    return {key: bytes(store.get(key)) for key in store.list()}


def make(place, zarr_format=3, **options):
    """Make a hierarchy with zarr-python."""
    root = zarr.create_group(place, zarr_format=zarr_format, attributes={"title": "cube"}, **options)
    group = root.create_group("g")
    a = group.create_array("a", shape=(40, 40), chunks=(10, 10), dtype="f4", fill_value=np.nan)
    a[...] = DATA
    a.attrs["units"] = "K"
    b = root.create_array("b", shape=(30,), chunks=(7,), dtype="i2")
    b[5:20] = 3
    if zarr_format == 3:
        s = root.create_array("s", shape=(40, 40), chunks=(5, 5), shards=(20, 20), dtype="f4")
        s[:20] = DATA[:20]
    return root


def check_equal(source, target):
    report = exzarr.diff(source, target)
    assert report.equal, str(report)
    assert not report.only_right


# -- every kind of change, byte by byte ---------------------------------------------------


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_new_target_is_a_copy_byte_for_byte(tmp_path, zarr_format):
    make(tmp_path / "a", zarr_format)
    report = exzarr.sync(tmp_path / "a", tmp_path / "b")
    assert tree(tmp_path / "b") == tree(tmp_path / "a")
    assert report.complete
    assert report.created[:3] == ("", "b", "g")
    again = exzarr.sync(tmp_path / "a", tmp_path / "b")
    assert (again.created, again.changed, again.bytes_written) == ((), (), 0)
    assert len(again.equal) == len(report.created)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_only_what_differs_is_written(tmp_path, zarr_format):
    root = make(tmp_path / "a", zarr_format)
    exzarr.sync(tmp_path / "a", tmp_path / "b")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "b").rglob("*") if path.is_file()}
    root["g/a"][0, 0] = -1
    root["b"].attrs["new"] = [1, 2]
    report = exzarr.sync(tmp_path / "a", tmp_path / "b")
    assert tree(tmp_path / "b") == tree(tmp_path / "a")
    changed = {
        str(path.relative_to(tmp_path / "b")) for path, at in times.items() if path.stat().st_mtime_ns != at
    }
    expected = {"g/a/c/0/0", "b/zarr.json"} if zarr_format == 3 else {"g/a/0.0", "b/.zattrs"}
    assert changed - {"b/.zarray"} == expected
    assert report.changed == ("b", "g/a")
    node = {node.path: node for node in report.nodes}
    assert node["b"].metadata == ("attributes",)
    assert (node["g/a"].metadata, node["g/a"].chunks_changed, node["g/a"].chunks_equal) == ((), 1, 15)


@pytest.mark.parametrize("shape", [(55, 40), (40, 55), (25, 40), (12, 60)])
def test_grown_and_shrunk_arrays_are_changed_in_place(tmp_path, shape):
    root = make(tmp_path / "a")
    exzarr.sync(tmp_path / "a", tmp_path / "b")
    root["g/a"].resize(shape)
    root["g/a"][-3:, -3:] = 7
    report = exzarr.sync(tmp_path / "a", tmp_path / "b")
    assert tree(tmp_path / "b") == tree(tmp_path / "a")
    assert [node.metadata for node in report.nodes if node.path == "g/a"] == [("shape",)]
    assert report.changed == ("g/a",)


def test_chunks_that_became_fill_values_are_removed_without_delete(tmp_path):
    make(tmp_path / "a")
    exzarr.sync(tmp_path / "a", tmp_path / "b")
    a = exzarr.open(tmp_path / "a", mode="r+")["g/a"]
    a[10:20] = np.nan
    report = exzarr.sync(tmp_path / "a", tmp_path / "b")
    assert sum(node.chunks_removed for node in report.nodes) == 4
    assert tree(tmp_path / "b") == tree(tmp_path / "a")


def _recreate(**options):
    def change(root):
        a = root.create_array(
            "b", **{"shape": (30,), "chunks": (7,), "dtype": "i2", "overwrite": True, **options}
        )
        a[...] = 5

    return change


def _group(root):
    del root["b"]
    root.create_group("b").create_array("inner", data=np.arange(5.0))


@pytest.mark.parametrize("zip_target", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        _recreate(dtype="f8"),
        _recreate(chunks=(6,)),
        _recreate(compressors=None),
        _recreate(shape=(5, 6), chunks=(2, 2)),
        _group,
    ],
)
def test_nodes_that_cannot_be_changed_in_place_are_replaced(tmp_path, change, zip_target):
    root = make(tmp_path / "a")
    target = tmp_path / ("b.zip" if zip_target else "b")
    exzarr.sync(tmp_path / "a", target)
    change(root)
    plan = exzarr.sync(tmp_path / "a", target, dry_run=True)
    report = exzarr.sync(tmp_path / "a", target)
    assert plan.replaced == report.replaced
    assert report.replaced[0] == "b"
    check_equal(tmp_path / "a", target)
    assert exzarr.sync(tmp_path / "a", target).bytes_written == 0


def test_other_format_replaces_the_whole_hierarchy(tmp_path):
    make(tmp_path / "a", 2)
    make(tmp_path / "b", 3)
    with pytest.raises(NodeExistsError, match=r"only the target has: 's'\. delete=True deletes them"):
        exzarr.sync(tmp_path / "a", tmp_path / "b")
    before = tree(tmp_path / "b")
    skipped = exzarr.sync(tmp_path / "a", tmp_path / "b", on_error="skip")
    assert tree(tmp_path / "b") == before
    assert not skipped.complete
    report = exzarr.sync(tmp_path / "a", tmp_path / "b", delete=True)
    assert report.deleted == ("s",)
    check_equal(tmp_path / "a", tmp_path / "b")
    assert zarr.open(tmp_path / "b").metadata.zarr_format == 2


def test_group_that_becomes_an_array_needs_delete(tmp_path):
    root = make(tmp_path / "a")
    exzarr.sync(tmp_path / "a", tmp_path / "b")
    del root["g"]
    root.create_array("g", data=np.arange(10))
    with pytest.raises(NodeExistsError, match="'g/a'"):
        exzarr.sync(tmp_path / "a", tmp_path / "b")
    plan = exzarr.sync(tmp_path / "a", tmp_path / "b", delete=True, dry_run=True)
    assert exzarr.sync(tmp_path / "a", tmp_path / "b", delete=True).deleted == plan.deleted == ("g/a",)
    assert meaning(tree(tmp_path / "b")) == meaning(tree(tmp_path / "a"))


@pytest.mark.parametrize("kind", ["array", "group"])
def test_unused_keys_below_a_replaced_node_are_deleted_only_with_delete(tmp_path, kind):
    make(tmp_path / "a")
    exzarr.sync(tmp_path / "a", tmp_path / "b")
    target = exzarr.open_group(tmp_path / "b", mode="r+")
    if kind == "array":
        target.create_array("b", shape=(4,), dtype="i2", overwrite=True)[...] = 1
    else:
        target.create_group("b", overwrite=True)
    (tmp_path / "b" / "b" / "notes.txt").write_text("mine")
    before = tree(tmp_path / "b")
    with pytest.raises(NodeExistsError, match="'b/notes.txt'"):
        exzarr.sync(tmp_path / "a", tmp_path / "b")
    report = exzarr.sync(tmp_path / "a", tmp_path / "b", on_error="skip")
    assert report.left_out[0].startswith("b: ")
    assert tree(tmp_path / "b") == before
    plan = exzarr.sync(tmp_path / "a", tmp_path / "b", delete=True, dry_run=True)
    report = exzarr.sync(tmp_path / "a", tmp_path / "b", delete=True)
    assert report.deleted == plan.deleted == ("b/notes.txt",)
    assert meaning(tree(tmp_path / "b")) == meaning(tree(tmp_path / "a"))


def test_new_array_does_not_hide_nodes_of_the_target(tmp_path):
    make(tmp_path / "a")
    make(tmp_path / "parent" / "one")
    before = tree(tmp_path / "parent")
    with pytest.raises(NodeExistsError, match="'one'"):
        exzarr.sync(tmp_path / "a", tmp_path / "parent", source_path="b")
    assert tree(tmp_path / "parent") == before
    exzarr.sync(tmp_path / "a", tmp_path / "parent", source_path="b", delete=True)
    assert meaning(tree(tmp_path / "parent")) == meaning(tree(tmp_path / "a" / "b"))


# -- what only the target has -----------------------------------------------------------------


def test_extra_nodes_and_keys_stay_and_are_named(tmp_path):
    make(tmp_path / "a")
    exzarr.sync(tmp_path / "a", tmp_path / "b")
    other = zarr.open_group(tmp_path / "b")
    other.create_group("more").create_array("x", data=np.arange(3))
    (tmp_path / "b" / "g" / "a" / "c" / "9").mkdir()
    (tmp_path / "b" / "g" / "a" / "c" / "9" / "9").write_bytes(b"unused")
    before = tree(tmp_path / "b")
    report = exzarr.sync(tmp_path / "a", tmp_path / "b")
    assert report.extra == ("more", "more/x", "g/a/c/9/9")
    assert report.complete
    assert tree(tmp_path / "b") == before
    assert exzarr.diff(tmp_path / "a", tmp_path / "b").only_right == ("more", "more/x")
    deleted = exzarr.sync(tmp_path / "a", tmp_path / "b", delete=True)
    assert (deleted.deleted, deleted.extra) == (("more", "more/x", "g/a/c/9/9"), ())
    assert tree(tmp_path / "b") == tree(tmp_path / "a")


def test_nodes_without_document_are_completed_and_rests_of_others_deleted(tmp_path):
    make(tmp_path / "a")
    exzarr.sync(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b" / "g" / "zarr.json").unlink()
    (tmp_path / "b" / "g" / "a" / "zarr.json").write_text("{")
    shutil.copytree(tmp_path / "b" / "b" / "c", tmp_path / "b" / "rest" / "c")
    report = exzarr.sync(tmp_path / "a", tmp_path / "b", delete=True)
    assert report.deleted == ("rest",)
    assert tree(tmp_path / "b") == tree(tmp_path / "a")


def test_source_nodes_that_are_skipped_are_not_deleted(tmp_path):
    make(tmp_path / "a")
    exzarr.sync(tmp_path / "a", tmp_path / "b")
    (tmp_path / "a" / "b" / "zarr.json").write_text("{")
    before = tree(tmp_path / "b")
    report = exzarr.sync(tmp_path / "a", tmp_path / "b", delete=True, on_error="skip")
    assert tree(tmp_path / "b") == before
    assert (report.complete, report.deleted) == (False, ())
    assert report.left_out[0].startswith("b: ")


# -- consolidated metadata ----------------------------------------------------------------------


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("where", ["source", "target", "above"])
def test_consolidated_metadata_of_the_target_is_right(tmp_path, zarr_format, where):
    root = make(tmp_path / "a", zarr_format)
    top = tmp_path / "b"
    inside = ""
    if where == "above":
        zarr.create_group(top, zarr_format=zarr_format)
        inside = "inner"
    exzarr.sync(tmp_path / "a", top, target_path=inside)
    with_extra = exzarr.open_group(top, path=inside, mode="r+")
    with_extra.create_array("extra", data=np.arange(3))
    zarr.consolidate_metadata(tmp_path / "a" if where == "source" else top, zarr_format=zarr_format)
    root["b"].attrs["x"] = 1
    root["g/a"].resize((60, 40))
    root.create_array("new", data=np.arange(4.0))
    if where == "source":
        zarr.consolidate_metadata(tmp_path / "a", zarr_format=zarr_format)
    exzarr.sync(tmp_path / "a", top, target_path=inside)
    head = f"{inside}/" if inside else ""
    found = zarr.open_group(top, mode="r", use_consolidated=True)
    assert found[f"{head}g/a"].shape == (60, 40)
    assert found[f"{head}b"].attrs["x"] == 1
    np.testing.assert_array_equal(found[f"{head}new"][...], np.arange(4.0))
    assert f"{head}extra" in found
    assert not exzarr.check(top).findings
    exzarr.sync(tmp_path / "a", top, target_path=inside, delete=True)
    found = zarr.open_group(top, mode="r", use_consolidated=True)
    assert f"{head}extra" not in found
    assert not exzarr.check(top).findings


# -- every kind of store ---------------------------------------------------------------------------


@pytest.fixture(params=["folder", "zip", "sqlite", "memory", "dict", "fsspec", "prefix", "s3", "azure"])
def target(request, tmp_path):
    kind = request.param
    if kind in ("s3", "azure"):
        return request.getfixturevalue(f"{kind}_server").store()
    if kind == "fsspec":
        pytest.importorskip("fsspec")
        return exzarr.stores.FsspecStore(f"memory://{tmp_path.name}", single_writer=True)
    makers = {
        "folder": lambda: tmp_path / "t.zarr",
        "zip": lambda: tmp_path / "t.zip",
        "sqlite": lambda: tmp_path / "t.sqlite",
        "memory": MemoryStore,
        "dict": dict,
        "prefix": lambda: PrefixStore(MemoryStore(), "p/q"),
    }
    return makers[kind]()


def test_any_store_can_be_target_and_source(tmp_path, target):
    root = make(tmp_path / "a")
    assert exzarr.sync(tmp_path / "a", target, dry_run=True).created
    exzarr.sync(tmp_path / "a", target)
    check_equal(tmp_path / "a", target)
    root["g/a"][0, 0] = -5
    root["b"].resize((40,))
    root["b"][...] = 1
    del root["s"]
    report = exzarr.sync(tmp_path / "a", target, delete=True)
    assert report.changed == ("b", "g/a")
    assert report.deleted == ("s",)
    check_equal(tmp_path / "a", target)
    assert exzarr.sync(tmp_path / "a", target).bytes_written == 0
    back = exzarr.sync(target, tmp_path / "back")
    assert tree(tmp_path / "back") == tree(tmp_path / "a")
    assert back.complete


@pytest.mark.slow
def test_digests_prove_equality_without_reading_the_target(tmp_path, s3_server):
    make(tmp_path / "a")
    store = CountingStore(s3_server.store())
    exzarr.sync(tmp_path / "a", store)
    store.reset()
    report = exzarr.sync(tmp_path / "a", store)
    chunks = sum(node.chunks_equal for node in report.nodes)
    assert chunks > 20
    # Documents are read. Of the chunks, only listings.
    assert store.requests["get"] < 30
    assert store.requests["put"] == 0
    assert not store.requests["size"]
    other = s3_server.store()
    exzarr.sync(store.inner, other)
    source, target = CountingStore(store.inner), CountingStore(other)
    again = exzarr.sync(source, target)
    assert (again.bytes_written, len(again.equal)) == (0, 5)
    for each in (source, target):
        assert each.bytes_read < 10_000, "no chunk is read: both have ETags"


@pytest.mark.slow
def test_large_listings_need_one_request_for_each_page(tmp_path, s3_server):
    a = exzarr.create_array(tmp_path / "a", shape=(220,), chunks=(1,), dtype="i4")
    a[...] = np.arange(220) + 1
    store = CountingStore(s3_server.store())
    exzarr.sync(tmp_path / "a", store)
    store.reset()
    assert exzarr.sync(tmp_path / "a", store).nodes[0].chunks_equal == 220
    assert store.total < 15


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ObjectStore", "FsspecStore"])
def test_web_server_as_source(tmp_path, kind):
    pytest.importorskip("obstore")
    pytest.importorskip("aiohttp")
    make(tmp_path / "a")
    zarr.consolidate_metadata(tmp_path / "a")
    with web_server(tmp_path / "a") as web:
        exzarr.sync(getattr(exzarr.stores, kind)(web.url), tmp_path / "b")
        check_equal(tmp_path / "a", tmp_path / "b")
        a = exzarr.open(tmp_path / "a", mode="r+")["g/a"]
        a[0, 0] = 5
        a[10:20, :10] = np.nan
        report = exzarr.sync(getattr(exzarr.stores, kind)(web.url), tmp_path / "b")
        check_equal(tmp_path / "a", tmp_path / "b")
        assert sum(node.chunks_removed for node in report.nodes) == 1
        with pytest.raises(ReadOnlyError):
            exzarr.sync(tmp_path / "b", web.url)


# -- dry runs and costs ----------------------------------------------------------------------------


def test_dry_run_changes_nothing_and_bounds_the_requests(tmp_path):
    root = make(tmp_path / "a")
    source, target = CountingStore(exzarr.stores.LocalStore(tmp_path / "a")), CountingStore(MemoryStore())
    for change in (None, lambda: root["g/a"].__setitem__((0, 0), 3), lambda: root["b"].resize((9,))):
        if change is not None:
            change()
        before = values(target)
        source.reset()
        target.reset()
        plan = exzarr.sync(source, target, dry_run=True)
        assert values(target) == before
        read = source.bytes_read + target.bytes_read
        source.reset()
        target.reset()
        done = exzarr.sync(source, target)
        planned = {
            kind: sum(use.requests for (_, k), use in plan.planned.items() if k == kind)
            for kind in ("put", "delete")
        }
        assert source.requests["put"] == 0
        assert target.requests["put"] <= planned["put"]
        assert target.requests["delete"] <= planned["delete"]
        assert target.bytes_written <= sum(use.bytes for (_, k), use in plan.planned.items() if k == "put")
        moved = sum(use.bytes for (_, k), use in plan.planned.items() if k == "get")
        assert source.bytes_read + target.bytes_read <= read + moved + 3000  # documents are read again
        assert (
            done.requests[target.url, "put"].requests == target.requests["put"]
            if target.requests["put"]
            else True
        )


def test_dry_run_names_what_a_sync_does(tmp_path):
    root = make(tmp_path / "a")
    exzarr.sync(tmp_path / "a", tmp_path / "b")
    zarr.open_group(tmp_path / "b").create_array("extra", data=np.arange(3))
    root["b"].resize((50,))
    root["b"][30:] = 1
    root.create_array("n", data=np.arange(3))
    before = tree(tmp_path / "b")
    plan = exzarr.sync(tmp_path / "a", tmp_path / "b", dry_run=True, delete=True)
    assert tree(tmp_path / "b") == before
    done = exzarr.sync(tmp_path / "a", tmp_path / "b", delete=True)
    for name in ("created", "changed", "replaced", "deleted"):
        assert getattr(plan, name) == getattr(done, name), name
    assert "would sync" in str(plan)
    assert "to compare" in str(plan)
    assert json.loads(json.dumps(plan.asdict()))["planned"]


@pytest.mark.slow
def test_cost_of_a_dry_run_is_that_of_its_planned_requests(tmp_path, s3_server):
    make(tmp_path / "a")
    store = s3_server.store()
    plan = exzarr.sync(tmp_path / "a", store, dry_run=True)
    prices = cost.prices_of_url(store.url)
    assert prices == cost.known()["s3"]
    planned = cost.of(plan, prices, store=store.url)
    puts = plan.planned[store.url, "put"].requests
    assert planned.kinds["put"] == puts > 20
    assert planned.total >= puts * prices.put / 1000
    done = exzarr.sync(tmp_path / "a", store)
    assert cost.of(done, prices, store=store.url).kinds["put"] == puts
    assert cost.prices_of_url("file:///x") is None


# -- interruption, concurrency -----------------------------------------------------------------------


@pytest.mark.slow
def test_killed_at_any_step_and_run_again_is_equal(tmp_path):
    make(tmp_path / "a")
    zarr.consolidate_metadata(tmp_path / "a")
    exzarr.sync(tmp_path / "a", tmp_path / "old")
    root = zarr.open_group(tmp_path / "a", use_consolidated=False)
    root["g/a"].resize((50, 40))
    root["g/a"][0, 0] = 1
    root["b"].resize((8,))
    root.create_array("new", data=np.arange(12.0), chunks=(3,))
    del root["s"]
    root.create_array("s", data=np.arange(12.0), chunks=(3,))
    zarr.consolidate_metadata(tmp_path / "a")
    zarr.open_group(tmp_path / "old", use_consolidated=False).create_array("extra", data=np.arange(3))

    def action():
        exzarr.sync(tmp_path / "a", tmp_path / "t", delete=True)

    shutil.copytree(tmp_path / "old", tmp_path / "t")
    steps = kill_steps(tmp_path / "t", action)
    assert len(steps) > 8
    killed = 0
    for step in steps:
        shutil.rmtree(tmp_path / "t")
        shutil.copytree(tmp_path / "old", tmp_path / "t")
        killed += killed_at(step, tmp_path / "t", action)
        for _, array in zarr.open_group(tmp_path / "t", use_consolidated=False).members(max_depth=None):
            if isinstance(array, zarr.Array):
                array[...]  # every reader can read every array
        action()
        assert meaning(tree(tmp_path / "t")) == meaning(tree(tmp_path / "a"))
        check_equal(tmp_path / "a", tmp_path / "t")
        assert {one.code for one in exzarr.check(tmp_path / "t").findings} <= {"EXZ501"}  # the temporary file
        assert {*zarr.open_group(tmp_path / "t", use_consolidated=True)} == {"b", "g", "new", "s"}
    assert killed


@pytest.mark.slow
def test_interrupted_first_sync_resumes_with_what_is_missing(tmp_path):
    make(tmp_path / "a")
    store = MemoryStore()

    class Failing(StoreWrapper):
        left = 12

        def put(self, key, value):
            self.left -= 1
            if self.left < 0:
                raise exzarr.errors.StoreError("the disk is full")
            super().put(key, value)

    with pytest.raises(exzarr.errors.StoreError, match="disk is full"):
        exzarr.sync(tmp_path / "a", Failing(store))
    done = len([*store.list()])
    assert done >= 5
    report = exzarr.sync(tmp_path / "a", store)
    assert sum(node.chunks_equal for node in report.nodes) >= 5
    check_equal(tmp_path / "a", store)


def test_reader_sees_old_or_new_chunks_and_no_error(tmp_path):
    old = exzarr.create_array(tmp_path / "a", shape=(64, 64), chunks=(8, 8), dtype="i4")
    old[...] = 1
    exzarr.sync(tmp_path / "a", tmp_path / "b")
    reader = exzarr.open(tmp_path / "b")
    seen: list[np.ndarray] = []
    errors: list[BaseException] = []
    stop = threading.Event()

    def read():
        try:
            while not stop.is_set():
                seen.append(reader[...])
                assert exzarr.open(tmp_path / "b").shape == (64, 64)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    for value in range(2, 6):
        old[...] = value
        exzarr.sync(tmp_path / "a", tmp_path / "b")
    stop.set()
    thread.join()
    assert not errors
    for block in seen:
        chunks = block.reshape(8, 8, 8, 8).transpose(0, 2, 1, 3).reshape(64, 64)
        assert (chunks == chunks[:, :1]).all(), "no torn chunk"
        assert {*np.unique(block)} <= {*range(1, 6)}
    np.testing.assert_array_equal(reader[...], 5)


def test_concurrent_syncs_of_one_target_agree(tmp_path):
    make(tmp_path / "a")
    threads = [threading.Thread(target=exzarr.sync, args=(tmp_path / "a", tmp_path / "b")) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tree(tmp_path / "b") == tree(tmp_path / "a")


class Touching(StoreWrapper):
    """Calls a function once, when a key is read for the first time."""

    def __init__(self, inner, key, do):
        super().__init__(inner)
        self.key, self.do = key, do

    def fetch(self, key, byte_range=None, version=None):
        if key == self.key and self.do is not None:
            do, self.do = self.do, None
            do()
        return super().fetch(key, byte_range, version)


def test_source_that_changes_is_named(tmp_path):
    root = make(tmp_path / "a")
    a = root["g/a"]
    local = exzarr.stores.LocalStore(tmp_path / "a")
    for do, name in (
        (lambda: a.attrs.put({"other": 1}), "g/a"),
        (lambda: a.resize((50, 40)), "g/a"),
        (lambda: (tmp_path / "a/g/a/c/3/3").unlink(), "g/a/c/3/3"),
    ):
        report = exzarr.sync(Touching(local, "g/a/c/0/0", do), tmp_path / f"b-{name.count('/')}-{id(do)}")
        if name == "g/a":
            assert report.source_changed == (name,)
            assert not report.complete
    exzarr.sync(tmp_path / "a", tmp_path / "c")
    assert tree(tmp_path / "c") == tree(tmp_path / "a")


def test_chunk_that_changes_between_listing_and_reading_is_named(tmp_path):
    source = MemoryStore()
    make_array = exzarr.create_array(source, shape=(4,), chunks=(2,), dtype="i4")
    make_array[...] = 1

    class Listing(StoreWrapper):
        def list_values(self, prefix=""):
            found = [*self.inner.list_values(prefix)]
            make_array[2:] = 2
            return iter(found)

    report = exzarr.sync(Listing(source), MemoryStore())
    assert report.source_changed == ("c/1",)
    assert "changed in the source meanwhile: c/1" in str(report)


def test_document_changed_by_another_writer_is_an_error(tmp_path):
    root = make(tmp_path / "a")
    exzarr.sync(tmp_path / "a", tmp_path / "b")
    root["g/a"][0, 0] = 77
    root["g/a"].attrs["mine"] = 1
    theirs = exzarr.open(tmp_path / "b", mode="r+")["g/a"]
    source = Touching(
        exzarr.stores.LocalStore(tmp_path / "a"), "g/a/c/0/0", lambda: theirs.attrs.update(theirs=2)
    )
    with pytest.raises(ChangedError, match=r"'g/a/zarr.json' .* was changed by another writer"):
        exzarr.sync(source, tmp_path / "b")
    assert exzarr.open(tmp_path / "b")["g/a"].attrs["theirs"] == 2


# -- zip files ---------------------------------------------------------------------------------------


def test_zip_stays_untouched_if_nothing_differs_or_the_sync_fails(tmp_path):
    root = make(tmp_path / "a")
    exzarr.sync(tmp_path / "a", tmp_path / "t.zip")
    before = (tmp_path / "t.zip").stat()
    exzarr.sync(tmp_path / "a", tmp_path / "t.zip")
    assert (tmp_path / "t.zip").stat().st_ino == before.st_ino
    root["g/a"][0, 0] = 4
    with pytest.raises(RuntimeError, match="stop"):
        exzarr.sync(
            tmp_path / "a", tmp_path / "t.zip", progress=lambda _: (_ for _ in ()).throw(RuntimeError("stop"))
        )
    assert (tmp_path / "t.zip").stat().st_ino == before.st_ino
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "t.zip"]
    exzarr.sync(tmp_path / "a", tmp_path / "t.zip")
    check_equal(tmp_path / "a", tmp_path / "t.zip")


def test_zip_that_another_writer_replaces_keeps_its_changes(tmp_path):
    root = make(tmp_path / "a")
    exzarr.sync(tmp_path / "a", tmp_path / "t.zip")
    exzarr.sync(tmp_path / "a", tmp_path / "other.zip")
    shutil.copy(tmp_path / "other.zip", tmp_path / "moved.zip")
    root["b"][...] = 5

    def replace(_):
        if (tmp_path / "moved.zip").exists():
            (tmp_path / "moved.zip").rename(tmp_path / "t.zip")

    with pytest.raises(ChangedError, match="repeat the call"):
        exzarr.sync(tmp_path / "a", tmp_path / "t.zip", progress=replace)
    assert (tmp_path / "t.zip").read_bytes() == (tmp_path / "other.zip").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "other.zip", "t.zip"]
    exzarr.sync(tmp_path / "a", tmp_path / "t.zip")
    check_equal(tmp_path / "a", tmp_path / "t.zip")


def test_zip_is_named_before_it_exists_and_does_not_overlap_itself(tmp_path):
    make(tmp_path / "a")
    plan = exzarr.sync(tmp_path / "a", tmp_path / "t.zip", dry_run=True)
    done = exzarr.sync(tmp_path / "a", tmp_path / "t.zip")
    assert plan.target == done.target
    assert {url for url, _ in plan.planned} <= {url for url, _ in done.requests}
    with pytest.raises(ArgumentError, match="within the other"):
        exzarr.sync(tmp_path / "t.zip", tmp_path / "t.zip", target_path="below")


# -- places, options, errors ----------------------------------------------------------------------------


def test_single_array_and_paths_and_open_nodes(tmp_path):
    root = make(tmp_path / "a")
    exzarr.sync(tmp_path / "a", tmp_path / "b", source_path="g/a", target_path="x/y")
    check_equal(tmp_path / "a" / "g" / "a", tmp_path / "b" / "x" / "y")
    root["g/a"][0, 0] = 2
    exzarr.sync(exzarr.open(tmp_path / "a")["g/a"], exzarr.open(tmp_path / "b", mode="r+")["x/y"])
    assert exzarr.open(tmp_path / "b")["x/y"][0, 0] == 2


def test_progress_ends_with_everything_done(tmp_path):
    make(tmp_path / "a")
    seen = []
    for _ in range(2):
        exzarr.sync(tmp_path / "a", tmp_path / "b", progress=seen.append)
        assert seen[-1].done == seen[-1].total == 40 * 40 * 4 * 2 + 60
        assert {one.path for one in seen} == {"b", "g/a", "s"}


def test_wrong_input_is_refused_and_changes_nothing(tmp_path):
    make(tmp_path / "a")
    before = tree(tmp_path)
    with pytest.raises(NodeNotFoundError):
        exzarr.sync(tmp_path / "none", tmp_path / "b")
    with pytest.raises(ArgumentError, match="one is within the other"):
        exzarr.sync(tmp_path / "a", tmp_path / "a" / "g" / "copy")
    with pytest.raises(NodeExistsError, match="arrays have no children"):
        exzarr.sync(_small(), tmp_path / "a" / "g" / "a" / "below")
    with pytest.raises(ReadOnlyError):
        exzarr.sync(tmp_path / "a", MemoryStore(read_only=True))
    with pytest.raises(ReadOnlyError):
        exzarr.sync(_small(), exzarr.open(tmp_path / "a", mode="r"))
    with pytest.raises(ArgumentError, match="on_error"):
        exzarr.sync(tmp_path / "a", tmp_path / "b", on_error="ignore")
    with pytest.raises(TypeError, match="dry_run"):
        exzarr.sync(tmp_path / "a", tmp_path / "b", dryrun=True)
    assert tree(tmp_path) == before


def _small():
    store = MemoryStore()
    exzarr.create_array(store, shape=(3,), dtype="u1")[...] = 1
    return store


# -- anything to anything --------------------------------------------------------------------------------


@st.composite
def hierarchies(draw):
    names = draw(st.lists(st.sampled_from(["a", "b", "g/a", "g/b", "h"]), unique=True, max_size=4))
    return {
        name: draw(
            st.fixed_dictionaries(
                {
                    "length": st.integers(0, 9),
                    "chunks": st.sampled_from([2, 3]),
                    "dtype": st.sampled_from(["u1", "i4"]),
                    "value": st.integers(0, 3),
                    "part": st.integers(0, 9),
                    "attributes": st.dictionaries(st.sampled_from("xy"), st.integers(0, 1)),
                }
            )
        )
        for name in names
    }


def _build(spec) -> MemoryStore:
    store = MemoryStore()
    root = exzarr.create_group(store)
    for name, one in spec.items():
        array = root.create_array(
            name,
            shape=(one["length"],),
            chunks=(one["chunks"],),
            dtype=one["dtype"],
            attributes=one["attributes"],
        )
        array[: one["part"]] = one["value"]
    return store


@given(hierarchies(), hierarchies())
@examples(12, suppress_health_check=[HealthCheck.too_slow])
def test_any_hierarchy_becomes_any_other(before, after):
    source, target = _build(after), _build(before)
    kept = exzarr.sync(source, target, on_error="skip")
    report = exzarr.diff(source, target)
    if kept.complete:
        assert not report.only_left
        assert {*report.only_right} == {*kept.extra}
        assert report.equal or kept.extra
    exzarr.sync(source, target, delete=True)
    assert values(target) == values(source)
