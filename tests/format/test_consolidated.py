"""exzarr and zarr-python read each other's consolidated metadata, in both formats."""

from __future__ import annotations

import json
from typing import Any, Literal

import numpy as np
import pytest
import zarr
from zarr.core.buffer.cpu import Buffer
from zarr.storage import MemoryStore

from exzarr._format import consolidated, json_text, nodes, v2, v3
from exzarr._format.consolidated import Consolidated
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr.errors import MetadataError, UnsupportedError

TREE = {"": 1, "g": 2, "g/h": 3, "g/h/x": 4, "g/y": 5, "empty": 6, "z": 7, "gh": 8}
"""Paths of nodes, each with a distinct attribute. Nodes named x, y and z are arrays."""


def is_array(path: str) -> bool:
    return path.rpartition("/")[2] in ("x", "y", "z")


def written_by_zarr(zarr_format: Literal[2, 3]) -> dict[str, bytes]:
    stored: dict[str, Any] = {}
    store = MemoryStore(stored)
    for path, mark in TREE.items():
        if is_array(path):
            zarr.create_array(
                store,
                name=path,
                shape=(mark,),
                chunks=(2,),
                dtype="i4",
                zarr_format=zarr_format,
                attributes={"mark": mark},
            )
        else:
            zarr.open_group(store, path=path, mode="a", zarr_format=zarr_format, attributes={"mark": mark})
    zarr.consolidate_metadata(store, zarr_format=zarr_format)
    return {key: value.to_bytes() for key, value in stored.items()}


def read(stored: dict[str, bytes], zarr_format: Literal[2, 3]) -> Consolidated:
    if zarr_format == 2:
        return consolidated.from_v2(json_text.decode(stored[".zmetadata"], ".zmetadata"))
    root = v3.loads(stored["zarr.json"])
    assert isinstance(root, GroupMetadata)
    assert root.consolidated is not None
    return root.consolidated


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_all_nodes_consolidated_by_zarr_python_are_found(zarr_format: Literal[2, 3]) -> None:
    found = read(written_by_zarr(zarr_format), zarr_format)
    for path, mark in TREE.items():
        if path == "" and zarr_format == 3:
            continue  # the group itself is not included
        assert found.kind(path) == ("array" if is_array(path) else "group")
        node = nodes.consolidated_node(found, path)
        assert node is not None
        assert node.attributes == {"mark": mark}
        if isinstance(node, ArrayMetadata):
            assert node.shape == (mark,)
    assert found.kind("nope") is None
    assert nodes.consolidated_node(found, "nope") is None
    assert sorted(found.children()) == ["empty", "g", "gh", "z"]
    assert sorted(found.children("g")) == ["h", "y"]
    assert found.children("g/h") == ("x",)
    assert found.children("empty") == ()
    assert found.children("nope") == ()


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_child_group_has_its_own_consolidated_metadata(zarr_format: Literal[2, 3]) -> None:
    found = read(written_by_zarr(zarr_format), zarr_format)
    group = nodes.consolidated_node(found, "g")
    assert isinstance(group, GroupMetadata)
    assert group.consolidated is not None
    assert sorted(group.consolidated.children()) == ["h", "y"]
    assert nodes.consolidated_node(group.consolidated, "h/x").attributes == {"mark": 4}  # type: ignore[union-attr]
    assert found.below("") is found


def ours(zarr_format: Literal[2, 3]) -> Consolidated:
    """Return exzarr's consolidated metadata of the tree, from the nodes' own documents."""
    stored = written_by_zarr(zarr_format)
    tree: dict[str, ArrayMetadata | GroupMetadata] = {}
    for path in TREE:
        prefix = path + "/" if path else ""
        if zarr_format == 3:
            if path:
                tree[path] = v3.loads(stored[prefix + "zarr.json"])
        elif is_array(path):
            tree[path] = v2.loads(stored[prefix + ".zarray"], stored[prefix + ".zattrs"], kind="array")
        else:
            tree[path] = v2.loads(stored[prefix + ".zgroup"], stored[prefix + ".zattrs"], kind="group")
    return nodes.consolidate(tree, zarr_format)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_python_reads_consolidated_metadata_of_exzarr(zarr_format: Literal[2, 3]) -> None:
    stored = written_by_zarr(zarr_format)
    if zarr_format == 2:
        stored = {".zgroup": stored[".zgroup"], ".zmetadata": json_text.encode(consolidated.to_v2(ours(2)))}
    else:
        root = v3.loads(stored["zarr.json"])
        stored = {"zarr.json": v3.dumps(root.with_(consolidated=ours(3)))}
    # The store has only this document, so zarr-python reads everything from it.
    store = MemoryStore({key: Buffer.from_bytes(value) for key, value in stored.items()})
    group = zarr.open_consolidated(store, zarr_format=zarr_format)
    found = dict(group.members(max_depth=None))
    assert {path: node.attrs["mark"] for path, node in found.items()} == {p: m for p, m in TREE.items() if p}
    assert {path for path, node in found.items() if isinstance(node, zarr.Array)} == set(
        filter(is_array, TREE)
    )
    x = group["g/h/x"]
    assert isinstance(x, zarr.Array)
    assert x.dtype == np.dtype("i4")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_rewrite_loses_nothing(zarr_format: Literal[2, 3]) -> None:
    stored = written_by_zarr(zarr_format)
    if zarr_format == 2:
        document = json.loads(stored[".zmetadata"]) | {"note": 1}
        assert consolidated.to_v2(consolidated.from_v2(document)) == document
    else:
        document = json.loads(stored["zarr.json"])
        document["consolidated_metadata"]["note"] = 1
        assert v3.to_json(v3.parse(document)) == document


def test_parents_come_before_children() -> None:
    found = Consolidated(3, {"b/a": {}, "b": {}, "a/c/d": {}, "a": {}})
    assert list(consolidated.to_v3(found)["metadata"]) == ["a", "b", "b/a", "a/c/d"]


def test_documents_are_parsed_when_a_node_is_opened() -> None:
    broken = {"zarr_format": 3, "node_type": "array", "shape": "x"}
    root = v3.parse({"zarr_format": 3, "node_type": "group", "consolidated_metadata":
                     {"kind": "inline", "must_understand": False, "metadata": {"a": broken}}})  # fmt: skip
    assert isinstance(root, GroupMetadata)
    assert root.consolidated is not None
    assert root.consolidated.children() == ("a",)
    with pytest.raises(MetadataError, match="consolidated metadata of 'a'"):
        nodes.consolidated_node(root.consolidated, "a")


@pytest.mark.parametrize("path", ["..", "../x", "a/../b", "/a", "a/", "a//b", ".", "a/./b"])
def test_paths_outside_the_group_are_kept_but_are_not_nodes(path: str) -> None:
    inline = {"kind": "inline", "must_understand": False, "metadata": {path: {}}}
    document = {"zarr_consolidated_format": 1, "metadata": {f"{path}/.zgroup": {}}}
    for found in (consolidated.from_v3(inline), consolidated.from_v2(document)):
        assert found is not None
        assert found.documents == {}
        assert found.children() == ()
        assert found.kind(path) is None
        back = consolidated.to_v3(found) if found.zarr_format == 3 else consolidated.to_v2(found)
        assert back == (inline if found.zarr_format == 3 else document)


@pytest.mark.parametrize(
    "json",
    [
        1,
        [1],
        "inline",
        {"kind": "inline"},
        {"kind": "inline", "metadata": []},
    ],
)
def test_invalid_v3_members_raise_metadata_error(json: Any) -> None:
    with pytest.raises(MetadataError):
        consolidated.from_v3(json)


def test_unknown_v3_kinds_are_ignored_unless_they_must_be_understood() -> None:
    assert consolidated.from_v3(None) is None
    future = {"kind": "external", "must_understand": False, "where": "x"}
    assert consolidated.from_v3(future) is None
    document = {"zarr_format": 3, "node_type": "group", "attributes": {}, "consolidated_metadata": future}
    assert v3.to_json(v3.parse(document)) == document
    with pytest.raises(UnsupportedError):
        consolidated.from_v3({"kind": "external"})


@pytest.mark.parametrize(
    "json",
    [None, 1, [], {}, {"metadata": {}}, {"zarr_consolidated_format": "1", "metadata": {}}, {"zarr_consolidated_format": True, "metadata": {}},
     {"zarr_consolidated_format": 1}, {"zarr_consolidated_format": 1, "metadata": []}],
)  # fmt: skip
def test_invalid_v2_documents_raise_metadata_error(json: Any) -> None:
    with pytest.raises(MetadataError):
        consolidated.from_v2(json)


def test_other_v2_versions_are_unsupported() -> None:
    with pytest.raises(UnsupportedError):
        consolidated.from_v2({"zarr_consolidated_format": 2, "metadata": {}})
