"""Any sequence of operations on a group has the same result as on a dict."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import exzarr
from tests.breadth import examples

names = st.sampled_from(["a", "b", "c", "d0"])
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
numbers = st.integers(-9, 9)
Node = dict[str, Any]
"""``{"attrs": ..., "data": ...}``; groups have no data."""


class Hierarchy(RuleBasedStateMachine):
    """`root` is the group, `model` the dict of path to node. Every rule changes both."""

    @initialize(zarr_format=st.sampled_from([2, 3]))
    def begin(self, zarr_format: Any) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.root = exzarr.create_group(self.folder / "root", zarr_format=zarr_format)
        self.model: dict[str, Node] = {}
        self.top: Node = {"attrs": {}}

    def teardown(self) -> None:
        if hasattr(self, "root"):
            self.zarr_python_agrees()
            shutil.rmtree(self.folder)

    # -- operations ----------------------------------------------------------

    @rule(path=paths, data=st.lists(numbers, max_size=5), overwrite=st.booleans(), attrs=st.booleans())
    def create_array(self, path: str, data: list[int], overwrite: bool, attrs: bool) -> None:
        values = np.array(data, "i2")
        attributes = {"n": len(data)} if attrs else {}
        with self.refused_if(self.taken(path, overwrite)) as refused:
            self.root.create_array(path, data=values, chunks=2, overwrite=overwrite, attributes=attributes)
        if not refused:
            self.put(path, {"data": values, "attrs": attributes})

    @rule(path=paths, overwrite=st.booleans())
    def create_group(self, path: str, overwrite: bool) -> None:
        with self.refused_if(self.taken(path, overwrite)) as refused:
            self.root.create_group(path, overwrite=overwrite)
        if not refused:
            self.put(path, {"attrs": {}})

    @rule(path=paths)
    def require_group(self, path: str) -> None:
        is_array = "data" in self.model.get(path, {})
        with self.refused_if(is_array or self.below_array(path)) as refused:
            self.root.require_group(path)
        if not refused and path not in self.model:
            self.put(path, {"attrs": {}})

    @rule(path=paths)
    def delete(self, path: str) -> None:
        with self.refused_if(path not in self.model) as refused:
            del self.root[path]
        if not refused:
            self.drop(path)

    @rule(source=paths, dest=paths, overwrite=st.booleans(), move=st.booleans())
    def copy(self, source: str, dest: str, overwrite: bool, move: bool) -> None:
        nested = source == dest or source.startswith(f"{dest}/") or dest.startswith(f"{source}/")
        with self.refused_if(source not in self.model or nested or self.taken(dest, overwrite)) as refused:
            (self.root.move if move else self.root.copy)(source, dest, overwrite=overwrite)
        if refused:
            return
        copied = {
            dest + path[len(source) :]: {**node, "attrs": dict(node["attrs"])}
            for path, node in self.model.items()
            if path == source or path.startswith(f"{source}/")
        }
        self.put(dest, copied.pop(dest))
        self.model.update(copied)
        if move:
            self.drop(source)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), value=numbers)
    def change_attributes(self, data: Any, value: int) -> None:
        path = data.draw(st.sampled_from(["", *sorted(self.model)]))
        (self.root[path] if path else self.root).attrs["value"] = value
        (self.model[path] if path else self.top)["attrs"]["value"] = value

    @precondition(lambda self: any("data" in node for node in self.model.values()))
    @rule(data=st.data(), more=st.lists(numbers, max_size=3), length=st.integers(0, 6), append=st.booleans())
    def change_shape(self, data: Any, more: list[int], length: int, append: bool) -> None:
        path = data.draw(
            st.sampled_from([path for path, node in sorted(self.model.items()) if "data" in node])
        )
        node = self.model[path]
        array = self.root.get_array(path)
        if append:
            array.append(more)
            node["data"] = np.concatenate([node["data"], np.array(more, "i2")])
        else:
            array.resize(length)
            kept = node["data"][:length]
            node["data"] = np.concatenate([kept, np.zeros(length - len(kept), "i2")])

    @rule()
    def consolidate(self) -> None:
        self.root = exzarr.consolidate_metadata(self.root)

    @precondition(lambda self: any("data" not in node for node in self.model.values()))
    @rule(data=st.data())
    def consolidate_below(self, data: Any) -> None:
        groups = [path for path, node in sorted(self.model.items()) if "data" not in node]
        exzarr.consolidate_metadata(self.root, path=data.draw(st.sampled_from(groups)))

    @rule(use_consolidated=st.sampled_from([None, False]))
    def reopen(self, use_consolidated: Any) -> None:
        self.root = exzarr.open_group(self.folder / "root", use_consolidated=use_consolidated)

    # -- invariants --------------------------------------------------------------

    @invariant()
    def all_agree(self) -> None:
        if not hasattr(self, "root"):
            return
        for group in (
            self.root,
            exzarr.open_group(self.folder / "root"),
            exzarr.open_group(self.folder / "root", use_consolidated=False),
        ):
            self.agrees(group.walk(), group.attrs)
        for path, node in self.model.items():
            if "data" not in node:
                inner = exzarr.open_group(self.folder / "root", path=path)
                assert {f"{path}/{name}" for name, _ in inner.walk()} == {
                    other for other in self.model if other.startswith(f"{path}/")
                }

    def zarr_python_agrees(self) -> None:
        for use_consolidated in (None, False):
            theirs = zarr.open_group(self.folder / "root", mode="r", use_consolidated=use_consolidated)
            self.agrees(theirs.members(None), theirs.attrs)

    def agrees(self, found: Iterable[tuple[str, Any]], attrs: Any) -> None:
        nodes = dict(found)
        assert nodes.keys() == self.model.keys()
        assert dict(attrs) == self.top["attrs"]
        for path, node in self.model.items():
            assert dict(nodes[path].attrs) == node["attrs"], path
            assert hasattr(nodes[path], "shape") == ("data" in node)
            if "data" in node:
                np.testing.assert_array_equal(nodes[path][:], node["data"])

    # -- the dict ------------------------------------------------------------------

    def below_array(self, path: str) -> bool:
        parts = path.split("/")
        return any("data" in self.model.get("/".join(parts[:n]), {}) for n in range(1, len(parts)))

    def taken(self, path: str, overwrite: bool) -> bool:
        return (path in self.model and not overwrite) or self.below_array(path)

    def put(self, path: str, node: Node) -> None:
        self.drop(path)
        parts = path.split("/")
        for n in range(1, len(parts)):
            self.model.setdefault("/".join(parts[:n]), {"attrs": {}})
        self.model[path] = node

    def drop(self, path: str) -> None:
        gone = [other for other in self.model if other == path or other.startswith(f"{path}/")]
        for other in gone:
            del self.model[other]

    @staticmethod
    def refused_if(wrong: bool) -> Any:
        return pytest.raises(exzarr.ExzarrError) if wrong else _Allowed()


class _Allowed:
    """A falsy replacement for pytest.raises."""

    def __enter__(self) -> list[Any]:
        return []

    def __exit__(self, *_: object) -> None: ...


TestHierarchy = Hierarchy.TestCase
TestHierarchy.settings = examples(13, stateful_step_count=25, deadline=None)
