"""Groups: finding, listing, creating, copying and deleting nodes by path."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import zarr

import exzarr
from exzarr import Array, Group, NodeExistsError, NodeNotFoundError, NodeTypeError


def fill(root: Group) -> Group:
    """``a`` (array), ``g/b`` (array), ``g/h/c`` (array), ``e`` (empty group)."""
    root["a"] = np.arange(6).reshape(2, 3)
    root.create_array("g/b", data=np.arange(4.0), chunks=2, attributes={"unit": "m"})
    root["g"].create_array("h/c", shape=(5,), dtype="u1")  # type: ignore[call-arg, arg-type, union-attr]
    root.create_group("e", attributes={"empty": True})
    return root


def test_nodes_are_found_by_path(root: Group) -> None:
    fill(root)
    assert isinstance(root["g"], Group)
    assert isinstance(root["g/h"], Group)
    for found in (
        root["g/b"],
        root["/g/b/"],
        root.get("g/b"),
        root.get_group("g")["b"],
        root.get_array("g/b"),
    ):
        assert isinstance(found, Array)
        assert (found.path, found.name, found.basename) == ("g/b", "/g/b", "b")
        assert found.attrs.asdict() == {"unit": "m"}
        np.testing.assert_array_equal(found[:], np.arange(4.0))
    assert root["g/h"].zarr_format == root.zarr_format


def test_membership(root: Group) -> None:
    fill(root)
    for path in ("a", "g", "g/b", "g/h/c", "e", "g/h/", "g//b"):
        assert path in root
    absent: tuple[Any, ...] = ("b", "g/a", "a/a", "../a", 5, "zarr.json")
    for path in absent:
        assert path not in root
    assert root.get("nothing") is None
    assert root.get("nothing", 5) == 5


def test_listing_has_sorted_direct_children(root: Group) -> None:
    fill(root)
    assert [*root] == [*root.keys()] == ["a", "e", "g"]
    assert len(root) == root.nmembers() == 3
    assert [*root.array_keys()] == ["a"]
    assert [*root.group_keys()] == ["e", "g"]
    assert [(name, type(node)) for name, node in root.items()] == [("a", Array), ("e", Group), ("g", Group)]
    assert [node.path for node in root.values()] == ["a", "e", "g"]
    assert [array.path for array in root.array_values()] == ["a"]
    assert [group.path for group in root.group_values()] == ["e", "g"]
    assert [name for name, _ in root.get_group("g").arrays()] == ["b"]
    assert [name for name, _ in root.get_group("g").groups()] == ["h"]


def test_members_to_any_depth(root: Group) -> None:
    fill(root)
    everything = ["a", "e", "g", "g/b", "g/h", "g/h/c"]
    assert [path for path, _ in root.members(None)] == [path for path, _ in root.walk()] == everything
    assert [path for path, _ in root.members(0)] == ["a", "e", "g"]
    assert [path for path, _ in root.members(1)] == everything[:5]
    assert root.nmembers(None) == 6


def test_members_without_a_depth_are_refused(root: Group) -> None:
    """xarray's ZarrStore calls it so, and would open an empty data set."""
    with pytest.raises(exzarr.ArgumentError, match=r"items\(\) .* pass exzarr\.zarr\.as_zarr\(group\)"):
        root.members()


def test_zarr_python_sees_the_same_hierarchy(tmp_path: Any, zarr_format: Any) -> None:
    root = fill(exzarr.create_group(tmp_path / "x", zarr_format=zarr_format))
    root.attrs["title"] = "all"
    theirs = zarr.open_group(tmp_path / "x", mode="r")
    assert sorted(path for path, _ in theirs.members(None)) == sorted(path for path, _ in root.members(None))
    assert dict(theirs.attrs) == {"title": "all"}
    assert dict(theirs["e"].attrs) == {"empty": True}
    np.testing.assert_array_equal(theirs["g/b"][:], np.arange(4.0))


def test_hierarchy_of_zarr_python_is_read(tmp_path: Any, zarr_format: Any) -> None:
    theirs = zarr.create_group(tmp_path / "x", zarr_format=zarr_format, attributes={"title": "all"})
    theirs.create_array("g/b", data=np.arange(4.0))
    theirs.create_group("e")
    root = exzarr.open_group(tmp_path / "x", mode="r")
    assert [path for path, _ in root.walk()] == ["e", "g", "g/b"]
    assert root.attrs.asdict() == {"title": "all"}
    np.testing.assert_array_equal(root["g/b"][:], np.arange(4.0))  # type: ignore[index]


def test_missing_node_error_names_documents(root: Group) -> None:
    with pytest.raises(KeyError, match=r"no array or group at .*nothing \(looked for zarr.json, .zarray"):
        root["nothing"]
    with pytest.raises(FileNotFoundError):
        root["nothing/deeper"]
    with pytest.raises(NodeNotFoundError):
        del root["nothing"]
    with pytest.raises(exzarr.InvalidKeyError):
        root["../other"]


def test_wrong_kind_of_node_raises(root: Group) -> None:
    fill(root)
    with pytest.raises(NodeTypeError, match=r"a group at .*, not an array"):
        root.get_array("g")
    with pytest.raises(NodeTypeError, match=r"an array at .*, not a group"):
        root.get_group("a")


def test_new_nodes_replace_others_only_with_overwrite(root: Group) -> None:
    fill(root)
    for create in (root.create_group, lambda name: root.create_array(name, shape=3, dtype="i1")):
        for path, kind in (("a", "an array"), ("g", "a group"), ("g/b", "an array")):
            with pytest.raises(NodeExistsError, match=f"there is {kind} at .*overwrite=True replaces it"):
                create(path)  # type: ignore[operator]
        with pytest.raises(NodeExistsError, match="arrays have no children"):
            create("a/below")  # type: ignore[operator]
    assert [path for path, _ in root.walk()] == ["a", "e", "g", "g/b", "g/h", "g/h/c"]


def test_overwriting_deletes_old_node(root: Group) -> None:
    fill(root)
    root.create_array("g", shape=(2,), dtype="i1", overwrite=True)
    assert [path for path, _ in root.walk()] == ["a", "e", "g"]
    root["a"] = [True]
    np.testing.assert_array_equal(root.get_array("a")[:], [True])
    root.create_group("a", overwrite=True)
    assert not [
        key
        for key in root.store.list("a")
        if key.rpartition("/")[2] not in ("zarr.json", ".zgroup", ".zattrs")
    ]


def test_require_returns_or_creates_node(root: Group) -> None:
    fill(root)
    assert root.require_group("g") == root["g"]
    assert root.require_group("new/deep").path == "new/deep"
    assert [group.path for group in root.require_groups("x", "g")] == ["x", "g"]
    assert "b" in root.require_group("g")
    assert "b" not in root.require_group("g", overwrite=True)
    with pytest.raises(NodeTypeError, match="is an array, not a group"):
        root.require_group("a")
    found = root.require_array("a", shape=(2, 3), dtype="i4")
    assert found == root["a"]
    assert root.require_array("new/array", shape=5).dtype == np.float64
    for wrong, message in (
        ({"shape": (3, 2)}, "has the shape"),
        ({"shape": (2, 3), "dtype": "c16"}, "has the data type"),
        ({"shape": (2, 3), "dtype": "i4", "exact": True}, "has the data type"),
    ):
        with pytest.raises(TypeError, match=message):
            root.require_array("a", **wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="is a group, not an array"):
        root.require_array("e", shape=1)


def test_deleting(root: Group) -> None:
    fill(root)
    del root["g"]
    assert [path for path, _ in root.walk()] == ["a", "e"]
    assert [*root.store.list("g")] == []
    del root["a"]
    assert "a" not in root
    with pytest.raises(exzarr.InvalidKeyError, match="the group itself"):
        del root["/"]


def test_copying_and_moving(root: Group) -> None:
    fill(root)
    copied = root.copy("g", "deep/copy")
    assert isinstance(copied, Group)
    assert [path for path, _ in copied.walk()] == ["b", "h", "h/c"]
    np.testing.assert_array_equal(copied["b"][:], np.arange(4.0))  # type: ignore[index]
    assert "g/h/c" in root
    moved = root.move("g/b", "b2")
    assert isinstance(moved, Array)
    np.testing.assert_array_equal(moved[:], np.arange(4.0))
    assert "g/b" not in root
    moved[:] = 0
    np.testing.assert_array_equal(copied["b"][:], np.arange(4.0))  # type: ignore[index]


def test_copy_refuses_existing_destination_and_copy_into_itself(root: Group) -> None:
    fill(root)
    with pytest.raises(NodeExistsError):
        root.copy("a", "g")
    for source, dest in (("g", "g"), ("g", "g/h/x"), ("g/h", "g")):
        with pytest.raises(exzarr.ArgumentError, match="one is inside the other"):
            root.copy(source, dest, overwrite=True)
    with pytest.raises(NodeNotFoundError):
        root.move("nothing", "x")
    root.copy("a", "g", overwrite=True)
    assert isinstance(root["g"], Array)
    assert "g/h" not in root


def test_attributes_are_stored_immediately(root: Group) -> None:
    root.attrs["a"] = (1, np.float32(2))
    root.attrs.update({"b": {"c": None}}, d="e")
    assert root.update_attributes({"f": [np.arange(2)]}) is root
    del root.attrs["d"]
    expected = {"a": [1, 2.0], "b": {"c": None}, "f": [[0, 1]]}
    assert root.attrs.asdict() == expected
    assert exzarr.open_group(root.store).attrs.asdict() == expected
    with pytest.raises(KeyError):
        del root.attrs["d"]
    with pytest.raises(exzarr.ArgumentError, match="must be JSON"):
        root.attrs["x"] = {1, 2}
    assert root.attrs == expected
    root.attrs.put({"only": 1})
    assert exzarr.open_group(root.store).attrs == {"only": 1}


def test_attributes_written_by_other_handles_are_kept(root: Group) -> None:
    first, second = exzarr.open_group(root.store), exzarr.open_group(root.store)
    first.attrs["a"] = 1
    second.attrs["b"] = 2
    assert second.attrs.asdict() == {"a": 1, "b": 2}
    assert first.refresh().attrs.asdict() == {"a": 1, "b": 2}


def test_read_only_groups_refuse_every_change(root: Group) -> None:
    fill(root)
    group = exzarr.open_group(root.store, mode="r")
    assert group.read_only
    assert group["a"].read_only
    assert group["g"].read_only
    changes: list[Any] = [
        lambda: group.create_group("x"),
        lambda: group.create_array("x", shape=1, dtype="i1"),
        lambda: group.require_group("x"),
        lambda: group.attrs.update(a=1),
        lambda: group.copy("a", "x"),
        lambda: group.move("a", "x"),
        lambda: group.__delitem__("a"),
        lambda: group.__setitem__("x", [1]),
        lambda: group.consolidate_metadata(),
        lambda: group.get_array("a").__setitem__(0, 1),
        lambda: group.get_array("a").attrs.update(a=1),
        lambda: group.get_array("a").resize((1, 1)),
    ]
    for change in changes:
        with pytest.raises(PermissionError, match=r"read|open it with"):
            change()
    assert [path for path, _ in group.walk()] == ["a", "e", "g", "g/b", "g/h", "g/h/c"]


def test_options_of_group_apply_to_its_arrays(root: Group) -> None:
    fill(root)
    group = exzarr.open_group(root.store, mode="r", missing="error")
    with pytest.raises(exzarr.ChunkMissingError):
        group.get_array("g/h/c")[:]
    again = pickle.loads(pickle.dumps(group))
    with pytest.raises(exzarr.ChunkMissingError):
        again["g/h/c"][:]
    assert again.read_only


def test_identity(root: Group) -> None:
    fill(root)
    same = exzarr.open_group(root.store)
    assert root == same
    assert hash(root) == hash(same)
    assert root["g"] == same["g"] != root["e"]
    assert root["a"] == same["a"]
    assert root != root["g"]
    assert root != 5
    for node in (root, root["g"], root["g/b"]):
        assert pickle.loads(pickle.dumps(node)) == node
    assert repr(root["g"]) == f"<exzarr.Group {str(root.store).rstrip('/')}/g v{root.zarr_format}>"


def test_other_keys_are_not_listed_as_nodes(root: Group) -> None:
    fill(root)
    for key in ("junk/file", "__hidden/file", "c/0", "zarr.json.bak"):
        root.store.put(key, b"{}")
    assert [*root] == ["a", "e", "g"]
    assert [path for path, _ in root.walk()] == ["a", "e", "g", "g/b", "g/h", "g/h/c"]


def test_a_broken_child_does_not_hide_the_others(root: Group) -> None:
    fill(root)
    root.store.put("bad/zarr.json", b"{")
    assert [*root] == ["a", "bad", "e", "g"]
    assert "bad" in root
    with pytest.raises(exzarr.MetadataError, match=r"bad/zarr.json: not valid JSON"):
        root["bad"]
    assert "bad (unreadable: bad/zarr.json: not valid JSON" in str(root.tree())
    with pytest.raises(NodeExistsError, match="cannot be read"):
        root.create_group("bad")
    assert root.create_group("bad", overwrite=True).path == "bad"


def test_tree(root: Group) -> None:
    fill(root)
    assert str(root.tree()).splitlines() == [
        "/",
        "├── a (2, 3) int64 chunks (2, 3)",
        "├── e",
        "└── g",
        "    ├── b (4,) float64 chunks (2,)",
        "    └── h",
        "        └── c (5,) uint8 chunks (5,)",
    ]
    assert str(root.tree(level=1)).splitlines()[1:] == [
        "├── a (2, 3) int64 chunks (2, 3)",
        "├── e",
        "└── g ...",
    ]
    assert str(exzarr.tree(root)) == repr(root.tree()) == str(exzarr.tree(root.store))
    html = root.tree()._repr_html_()
    assert html.count("<details open>") == 3


def test_html_is_escaped(root: Group) -> None:
    root.create_array("<b>&", shape=(2,), dtype="i1", dimension_names=["<x>"])
    for html in (root._repr_html_(), root.tree()._repr_html_(), root.get_array("<b>&")._repr_html_()):
        assert "<b>&" not in html
        assert "<x>" not in html
        assert "&lt;" in html


def test_info(root: Group) -> None:
    fill(root)
    info = root.info_complete()
    assert info.asdict() == {
        "path": "",
        "store": str(root.store),
        "zarr_format": root.zarr_format,
        "read_only": False,
        "consolidated": False,
        "arrays": 3,
        "groups": 3,
    }
    assert "Arrays        3" in str(info)
    assert "Arrays" not in str(root.info)
