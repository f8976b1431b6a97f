"""Attributes are shown as they are stored; values that cannot be stored are refused."""

from __future__ import annotations

import copy
import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import exzarr


@pytest.fixture(params=["array", "group"])
def node(request: Any, tmp_path: Path) -> Any:
    attributes = {"l": [1, {"k": [2]}], "d": {"x": {"y": 1}}}
    if request.param == "group":
        return exzarr.create_group(tmp_path / "n.zarr", attributes=attributes)
    return exzarr.create_array(tmp_path / "n.zarr", shape=1, dtype="i4", attributes=attributes)


def stored(node: Any) -> Any:
    return json.loads(node.store.get("zarr.json"))["attributes"]


CHANGES = {
    "append": lambda a: a["l"].append(2),
    "extend": lambda a: a["l"].extend([2]),
    "insert": lambda a: a["l"].insert(0, 2),
    "item": lambda a: a["l"].__setitem__(0, 2),
    "delete": lambda a: a["l"].__delitem__(0),
    "pop": lambda a: a["l"].pop(),
    "sort": lambda a: a["l"].sort(),
    "reverse": lambda a: a["l"].reverse(),
    "clear": lambda a: a["l"].clear(),
    "remove": lambda a: a["l"].remove(1),
    "nested": lambda a: a["l"][1]["k"].append(3),
    "dict item": lambda a: a["d"].__setitem__("x", 2),
    "dict nested": lambda a: a["d"]["x"].update(y=2),
    "dict pop": lambda a: a["d"].pop("x"),
    "dict popitem": lambda a: a["d"].popitem(),
    "dict setdefault": lambda a: a["d"].setdefault("z", 2),
    "dict clear": lambda a: a["d"].clear(),
    "dict delete": lambda a: a["d"].__delitem__("x"),
    "get": lambda a: a.get("l").append(2),
    "values": lambda a: next(iter(a.values())).append(2),
    "setdefault": lambda a: a.setdefault("l", []).append(2),
    "setdefault new": lambda a: a.setdefault("new", []).append(2),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_change_in_place_raises_and_changes_nothing(node: Any, change: Any) -> None:
    with pytest.raises(exzarr.ArgumentError, match="assign it"):
        change(node.attrs)
    shown = {key: node.attrs[key] for key in ("l", "d")}
    assert shown == {"l": [1, {"k": [2]}], "d": {"x": {"y": 1}}}
    assert stored(node).items() >= shown.items()


def test_changes_by_assignment_are_stored(node: Any) -> None:
    node.attrs["l"] += [5]
    node.attrs["d"] |= {"z": 2}
    node.attrs["again"] = node.attrs["l"]
    node.attrs["longer"] = [*node.attrs["l"], 6]
    expected = {
        "l": [1, {"k": [2]}, 5],
        "d": {"x": {"y": 1}, "z": 2},
        "again": [1, {"k": [2]}, 5],
        "longer": [1, {"k": [2]}, 5, 6],
    }
    assert stored(node) == node.attrs == expected


def test_copies_are_plain_and_independent_of_stored_attributes(node: Any) -> None:
    taken = node.attrs.asdict()
    taken["l"].append(3)
    taken["d"]["x"]["y"] = 5
    for made in (copy.deepcopy(node.attrs["l"]), pickle.loads(pickle.dumps(node.attrs["l"]))):
        assert type(made) is list
        made[1]["k"].append(3)
    assert node.attrs == {"l": [1, {"k": [2]}], "d": {"x": {"y": 1}}}
    assert isinstance(node.attrs["l"], list)
    assert isinstance(node.attrs["d"], dict)
    assert json.loads(json.dumps(node.attrs["l"])) == [1, {"k": [2]}]


def test_numpy_numbers_become_json_numbers(node: Any) -> None:
    node.attrs.update(a=np.longdouble(1), b=np.float16(0.5), c=np.array([1, 2], np.longdouble), d=np.int8(3))
    assert stored(node).items() >= {"a": 1, "b": 0.5, "c": [1, 2], "d": 3}.items()
    assert math.isnan(exzarr.create_group(attributes={"n": np.longdouble("nan")}).attrs["n"])


@pytest.mark.parametrize(
    ("value", "match"),
    [
        pytest.param(
            np.longdouble(1) / 3,
            "more digits",
            marks=pytest.mark.skipif(np.finfo(np.longdouble).nmant == 52, reason="long doubles are doubles"),
        ),
        (np.array(["2020-01-01"], "M8[ns]"), "cannot be stored"),
        (np.datetime64("2020-01-01"), "cannot be stored"),
        (1j, "JSON"),
        (b"x", "JSON"),
    ],
    ids=repr,
)
def test_values_without_json_form_are_refused(node: Any, value: Any, match: str) -> None:
    before = node.store.get("zarr.json")
    for nested in (value, [value], {"k": [value]}):
        with pytest.raises(exzarr.ArgumentError, match=match):
            node.attrs["x"] = nested
    assert bytes(node.store.get("zarr.json")) == bytes(before)


@pytest.mark.parametrize("depth", [2_000, 100_000])
@pytest.mark.parametrize("kind", [list, dict])
def test_deep_nesting_is_refused(node: Any, depth: int, kind: Any) -> None:
    deep: Any = 1
    for _ in range(depth):
        deep = [deep] if kind is list else {"k": deep}
    with pytest.raises(exzarr.ArgumentError, match="nested too deeply"):
        node.attrs["x"] = deep
    with pytest.raises(exzarr.ArgumentError, match="nested too deeply"):
        exzarr.create_array(shape=1, dtype="i4", attributes={"x": deep})


def test_deeply_nested_stored_attributes_are_read_or_refused(tmp_path: Path) -> None:
    for depth in (50, 800, 5_000, 200_000):
        text = (
            '{"zarr_format": 3, "node_type": "group", "attributes": {"x": ' + "[" * depth + "]" * depth + "}}"
        )
        (tmp_path / "zarr.json").write_text(text)
        try:
            found = exzarr.open_group(tmp_path, mode="r").attrs["x"]
        except exzarr.MetadataError:
            assert depth > 50
        else:
            assert type(found).__mro__[1] is list


def test_nan_is_read_back_by_exzarr_and_zarr_python(node: Any, tmp_path: Path) -> None:
    node.attrs["n"] = [float("nan"), float("inf"), -float("inf")]
    found = zarr.open(tmp_path / "n.zarr", mode="r").attrs["n"]
    for values in (found, node.attrs["n"]):
        assert math.isnan(values[0])
        assert [*values[1:]] == [math.inf, -math.inf]
