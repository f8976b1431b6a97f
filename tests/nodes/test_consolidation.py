"""Consolidated metadata: one read opens the hierarchy, and writes by exzarr keep it up to date."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest
import zarr

import exzarr
from exzarr import Group
from tests.nodes.counting import CountingStore

pytestmark = pytest.mark.slow


@pytest.fixture
def root(root: Group) -> Group:
    """Create three arrays in two groups, consolidated."""
    for i in range(3):
        root.create_array(f"g{i % 2}/a{i}", data=np.arange(i + 1), attributes={"i": i}, dimension_names=["x"])
    return exzarr.consolidate_metadata(root)


def stored(root: Group) -> dict[str, Any]:
    """Return the stored consolidated metadata: path to shape, or None for a group."""
    key = "zarr.json" if root.zarr_format == 3 else ".zmetadata"
    document = json.loads(bytes(root.store.get(key) or b"{}"))
    if root.zarr_format == 3:
        members = document["consolidated_metadata"]["metadata"]
        return {path: member.get("shape") for path, member in members.items()}
    return {
        key.rpartition("/")[0]: value.get("shape")
        for key, value in document["metadata"].items()
        if key.endswith(("/.zarray", "/.zgroup"))
    }


BEGIN = {"g0": None, "g0/a0": [1], "g0/a2": [3], "g1": None, "g1/a1": [2]}


def test_consolidated_group_opens_with_one_read(root: Group) -> None:
    store = CountingStore(root.store)
    group = exzarr.open_group(store, mode="r", zarr_format=root.zarr_format)
    assert store.calls["get"] == 1
    listed = {path: node.shape for path, node in group.walk() if isinstance(node, exzarr.Array)}
    assert listed == {"g0/a0": (1,), "g0/a2": (3,), "g1/a1": (2,)}
    assert group["g0"]["a2"].attrs["i"] == 2  # type: ignore[index, call-overload, union-attr]
    assert "g1" in group
    assert "g5" not in group
    assert len(group) == 2
    str(group.tree())
    assert sum(store.calls.values()) == 1
    assert group.consolidated
    np.testing.assert_array_equal(group.get_array("g0/a2")[:], np.arange(3))


def test_listing_200_arrays_sends_no_request(root: Group) -> None:
    nodes = {f"many/{i:03}": exzarr.array_metadata(shape=(i,), dtype="f4") for i in range(200)}
    store = CountingStore(exzarr.MemoryStore())
    for _ in exzarr.create_hierarchy(store=store, nodes=nodes):
        pass
    exzarr.consolidate_metadata(store)
    store.calls.clear()
    many = exzarr.open_group(store, mode="r").get_group("many")
    assert [array.shape for _, array in many.arrays()] == [(i,) for i in range(200)]
    assert sum(store.calls.values()) == 1


def test_zarr_python_reads_consolidated_metadata(tmp_path: Any, zarr_format: Any) -> None:
    root = exzarr.create_group(tmp_path / "x", zarr_format=zarr_format)
    root.create_array("g/h/a", data=np.arange(3), attributes={"i": 1})
    root.create_group("e", attributes={"b": 2})
    root.attrs["top"] = 1
    exzarr.consolidate_metadata(root)
    theirs = zarr.open_consolidated(tmp_path / "x")
    assert sorted(path for path, _ in theirs.members(None)) == ["e", "g", "g/h", "g/h/a"]
    assert dict(theirs["g/h/a"].attrs) == {"i": 1}
    assert dict(theirs.attrs) == {"top": 1}
    np.testing.assert_array_equal(theirs["g"]["h"]["a"][:], np.arange(3))
    assert stored(root) == {"e": None, "g": None, "g/h": None, "g/h/a": [3]}


def test_consolidated_metadata_of_zarr_python_is_read(tmp_path: Any, zarr_format: Any) -> None:
    theirs = zarr.create_group(tmp_path / "x", zarr_format=zarr_format, attributes={"top": 1})
    theirs.create_array("g/h/a", data=np.arange(3), attributes={"i": 1})
    theirs.create_group("e", attributes={"b": 2})
    zarr.consolidate_metadata(tmp_path / "x")
    store = CountingStore(exzarr.LocalStore(tmp_path / "x"))
    group = exzarr.open_consolidated(store, zarr_format=zarr_format)
    assert [path for path, _ in group.walk()] == ["e", "g", "g/h", "g/h/a"]
    assert group["g/h/a"].attrs["i"] == 1
    assert group.attrs.asdict() == {"top": 1}
    assert sum(store.calls.values()) == 1


CHANGES: dict[str, tuple[Any, dict[str, Any]]] = {
    "create": (lambda g: g.create_array("g0/new", shape=(7,), dtype="i1"), {**BEGIN, "g0/new": [7]}),
    "create deep": (
        lambda g: g["g0"].create_group("x/y"),
        {**BEGIN, "g0/x": None, "g0/x/y": None},
    ),
    "overwrite": (
        lambda g: g.create_array("g0", shape=(7,), dtype="i1", overwrite=True),
        {"g0": [7], "g1": None, "g1/a1": [2]},
    ),
    "resize": (lambda g: g["g0/a2"].resize((9,)), {**BEGIN, "g0/a2": [9]}),
    "shrink": (lambda g: g["g0/a2"].resize((1,)), {**BEGIN, "g0/a2": [1]}),
    "append": (lambda g: g["g0"]["a2"].append([1, 2]), {**BEGIN, "g0/a2": [5]}),
    "delete": (lambda g: g.__delitem__("g0"), {"g1": None, "g1/a1": [2]}),
    "move": (
        lambda g: g.move("g1", "g3"),
        {"g0": None, "g0/a0": [1], "g0/a2": [3], "g3": None, "g3/a1": [2]},
    ),
    "copy": (lambda g: g.copy("g0/a0", "b"), {**BEGIN, "b": [1]}),
    "own attributes": (lambda g: g.attrs.update(new=1), BEGIN),
    "attributes": (lambda g: g["g0/a2"].attrs.update(new=1), BEGIN),
    "group attributes": (lambda g: g["g0"].attrs.update(new=1), BEGIN),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("how", ["consolidated", "not consolidated", "by path", "pickled"])
def test_writes_through_the_group_update_consolidated_metadata(root: Group, change: str, how: str) -> None:
    make, expected = CHANGES[change]
    writer = exzarr.open_group(root.store, use_consolidated=None if how != "not consolidated" else False)
    if how == "by path" and "/" in change:
        pytest.skip("the change is the group's")
    if how == "pickled":
        if isinstance(root.store, exzarr.MemoryStore):
            writer = pickle.loads(pickle.dumps(writer))
        else:
            writer = pickle.loads(pickle.dumps(writer))
    make(writer)
    assert stored(root) == expected
    direct = exzarr.open_group(root.store, mode="r", use_consolidated=False)
    for reader in (writer, exzarr.open_consolidated(root.store, mode="r")):
        found = dict(reader.walk())
        assert found.keys() == {*expected}
        for path, node in direct.walk():
            assert found[path] == node, path
        assert reader.attrs == direct.attrs


def test_nodes_opened_by_path_update_consolidated_metadata(root: Group) -> None:
    array = exzarr.open_array(root.store, path="g0/a2")
    array.append([5])
    array.attrs["j"] = 3
    exzarr.open_group(root.store, path="g1").create_group("sub")
    found = exzarr.open_consolidated(root.store, mode="r")
    assert found["g0/a2"].attrs.asdict() == {"i": 2, "j": 3} | (
        {"_ARRAY_DIMENSIONS": ["x"]} if root.zarr_format == 2 else {}
    )
    assert found.get_array("g0/a2").shape == (4,)
    assert "g1/sub" in found


def test_nested_consolidated_groups_are_updated(root: Group) -> None:
    inner = root.get_group("g0").consolidate_metadata()
    inner.create_array("new", shape=(1,), dtype="i1")
    root.get_array("g0/a0").resize((8,))
    for group, prefix in (
        (exzarr.open_consolidated(root.store), "g0/"),
        (exzarr.open_consolidated(root.store, path="g0"), ""),
    ):
        assert group.get_array(f"{prefix}a0").shape == (8,)
        assert group.get_array(f"{prefix}new").shape == (1,)


def test_two_group_handles_keep_changes_of_each_other(root: Group) -> None:
    first, second = exzarr.open_group(root.store), exzarr.open_group(root.store)
    first.create_array("from first", shape=(1,), dtype="i1")
    second.create_array("from second", shape=(1,), dtype="i1")
    first.attrs["a"] = 1
    assert {"from first", "from second"} < {*exzarr.open_consolidated(root.store)}


def test_changes_of_other_software_are_kept(root: Group) -> None:
    """Writes use the node's own document, not consolidated metadata."""
    consolidated = exzarr.open_group(root.store)
    array = consolidated.get_array("g0/a2")
    # A program that does not support consolidated metadata makes the array longer.
    name = "g0/a2/zarr.json" if root.zarr_format == 3 else "g0/a2/.zarray"
    document = json.loads(bytes(root.store.get(name) or b""))
    root.store.put(name, json.dumps({**document, "shape": [10]}).encode())
    array.attrs["new"] = 1
    assert array.shape == (10,)
    assert json.loads(bytes(root.store.get(name) or b""))["shape"] == [10]
    assert exzarr.open_consolidated(root.store).get_array("g0/a2").shape == (10,)
    assert array.refresh().shape == (10,)


def test_nodes_missing_from_consolidated_metadata_are_not_overwritten(root: Group) -> None:
    document = root.store.get("g0/a2/zarr.json" if root.zarr_format == 3 else "g0/a2/.zarray")
    assert document is not None
    root.store.put("other/zarr.json" if root.zarr_format == 3 else "other/.zarray", document)
    group = exzarr.open_group(root.store)
    assert "other" not in group
    with pytest.raises(KeyError, match="use_consolidated=False, or consolidate the metadata again"):
        group["other"]
    with pytest.raises(exzarr.NodeExistsError):
        group.create_group("other")
    assert group.require_array("other", shape=3).shape == (3,)
    assert "other" in exzarr.open_group(root.store, use_consolidated=False)
    del group["other"]
    assert root.store.get("other/zarr.json") is None


def test_nodes_missing_from_store_can_be_deleted(root: Group) -> None:
    root.store.delete_prefix("g1/a1")
    group = exzarr.open_group(root.store)
    assert "g1/a1" in group
    del group["g1/a1"]
    assert "g1/a1" not in group
    assert "g1/a1" not in stored(root)


def test_required_consolidated_metadata_raises_if_missing(store: exzarr.Store) -> None:
    exzarr.create_group(store)
    with pytest.raises(ValueError, match=r"exzarr.consolidate_metadata writes it"):
        exzarr.open_consolidated(store)
    with pytest.raises(exzarr.ArgumentError, match="its mode is"):
        exzarr.open_consolidated(store, mode="a")
    with pytest.raises(exzarr.NodeNotFoundError):
        exzarr.open_consolidated(exzarr.MemoryStore())


def test_broken_consolidated_metadata_can_be_ignored(root: Group) -> None:
    if root.zarr_format == 3:
        document = json.loads(bytes(root.store.get("zarr.json") or b""))
        document["consolidated_metadata"]["metadata"]["g0"] = {"zarr_format": 3, "node_type": "planet"}
        root.store.put("zarr.json", json.dumps(document).encode())
        group = exzarr.open_group(root.store)
        with pytest.raises(exzarr.MetadataError, match="consolidated metadata of 'g0'"):
            group["g0"]
    else:
        root.store.put(".zmetadata", b"{}")
        with pytest.raises(exzarr.MetadataError, match="open with use_consolidated=False"):
            exzarr.open_group(root.store)
    assert "a2" in exzarr.open_group(root.store, use_consolidated=False).get_group("g0")


def test_consolidated_paths_outside_of_group_are_refused(root: Group) -> None:
    key = "zarr.json" if root.zarr_format == 3 else ".zmetadata"
    document = json.loads(bytes(root.store.get(key) or b""))
    members = document["consolidated_metadata"]["metadata"] if root.zarr_format == 3 else document["metadata"]
    name = "../evil" if root.zarr_format == 3 else "../evil/.zgroup"
    members[name] = {"zarr_format": root.zarr_format, "node_type": "group"}
    root.store.put(key, json.dumps(document).encode())
    group = exzarr.open_group(root.store)
    assert [*group] == ["g0", "g1"]
    assert "../evil" not in group
    assert "EXZ601" in {finding.code for finding in exzarr.check(root.store, grace=0).findings}


def test_other_versions_of_the_format_are_an_error_or_left_out(store: exzarr.Store) -> None:
    root = exzarr.create_group(store, zarr_format=3)
    exzarr.create_array(store, name="old", shape=(1,), dtype="i1", zarr_format=2)
    root.create_array("new", shape=(1,), dtype="i1")
    with pytest.raises(exzarr.MetadataError, match=r"old has Zarr format 2.*on_error='skip'"):
        root.consolidate_metadata()
    assert not exzarr.open_group(store).consolidated
    with pytest.warns(exzarr.LeftOutWarning, match="old: the node at"):
        assert [*root.consolidate_metadata(on_error="skip")] == ["new"]
    assert [*exzarr.open_group(store, use_consolidated=False)] == ["new", "old"]


def test_consolidate_metadata_of_store_or_path(root: Group) -> None:
    assert exzarr.consolidate_metadata(root.store).consolidated
    assert exzarr.consolidate_metadata(root.store, path="g0").path == "g0"
    assert exzarr.consolidate_metadata(root, path="g1").consolidated
    with pytest.raises(exzarr.NodeTypeError):
        exzarr.consolidate_metadata(root, path="g0/a0")
    with pytest.raises(exzarr.NodeTypeError):
        exzarr.consolidate_metadata(root.store, path="g0/a0")
    with pytest.raises(exzarr.NodeNotFoundError):
        exzarr.consolidate_metadata(exzarr.MemoryStore())


@pytest.mark.parametrize("broken", [5, None, [], {}, {"zarr_format": 9, "node_type": "array"}])
def test_broken_member_does_not_affect_other_members(root: Group, broken: Any) -> None:
    key = "zarr.json" if root.zarr_format == 3 else ".zmetadata"
    root.create_array("good", data=np.arange(3))
    root.create_array("bad", data=np.arange(4))
    root.consolidate_metadata()
    document = json.loads(bytes(root.store.get(key) or b""))
    if root.zarr_format == 3:
        document["consolidated_metadata"]["metadata"]["bad"] = broken
    else:
        document["metadata"]["bad/.zarray"] = broken
    root.store.put(key, json.dumps(document).encode())
    group = exzarr.open_group(root.store)
    assert [*group.get_array("good")[:]] == [0, 1, 2]
    assert "bad" in [*group]
    with pytest.raises(exzarr.MetadataError, match=r"'bad'.*use_consolidated=False"):
        group["bad"]
    assert [*exzarr.open_group(root.store, use_consolidated=False).get_array("bad")[:]] == [0, 1, 2, 3]
    report = exzarr.check(root.store, grace=0)
    assert "EXZ601" in {finding.code for finding in report.findings}
    exzarr.repair(root.store, report.plan())
    assert exzarr.check(root.store, grace=0).ok
    assert [*exzarr.open_group(root.store).get_array("bad")[:]] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "broken", [{"kind": "other"}, {"kind": "inline"}, 5, {"kind": "inline", "metadata": []}]
)
def test_unreadable_consolidated_metadata_can_be_ignored(broken: Any) -> None:
    store = exzarr.MemoryStore()
    root = exzarr.open_group(store, mode="w")
    root.create_array("a", data=np.arange(3))
    store.put(
        "zarr.json",
        json.dumps({"zarr_format": 3, "node_type": "group", "consolidated_metadata": broken}).encode(),
    )
    with pytest.raises(exzarr.MetadataError, match="use_consolidated=False"):
        exzarr.open_group(store)
    group = exzarr.open_group(store, mode="r+", use_consolidated=False)
    assert [*group.get_array("a")[:]] == [0, 1, 2]
    copy = exzarr.MemoryStore()
    exzarr.copy(group, copy)
    assert [*exzarr.open_group(copy).get_array("a")[:]] == [0, 1, 2]
    assert [finding.code for finding in exzarr.check(store, grace=0).findings] == ["EXZ601"]
    exzarr.consolidate_metadata(store)
    assert [*exzarr.open_group(store, use_consolidated=True).get_array("a")[:]] == [0, 1, 2]


def test_consolidated_metadata_is_rewritten_as_strict_json() -> None:
    store = exzarr.MemoryStore()
    root = exzarr.open_group(store, mode="w")
    root.create_array("a", shape=(3,), dtype="f4", fill_value=np.nan)
    root.consolidate_metadata()
    for key in ("zarr.json", "a/zarr.json"):
        store.put(key, bytes(store.get(key) or b"").replace(b'"NaN"', b"-NaN"))
    exzarr.open_group(store, mode="r+").create_array("b", shape=(1,), dtype="i1")
    json.loads(bytes(store.get("zarr.json") or b""), parse_constant=pytest.fail)
    assert np.isnan(exzarr.open_group(store).get_array("a")[:]).all()
