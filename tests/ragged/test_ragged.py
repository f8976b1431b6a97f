"""A ragged array behaves like a list of arrays, and other libraries read it."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, strategies as st

import exzarr
import exzarr.ragged
from exzarr.errors import (
    ArgumentError,
    MetadataError,
    NodeExistsError,
    ReadOnlyError,
    SelectionError,
    UnsupportedError,
)
from exzarr.ragged import Items, Ragged
from exzarr.stores import CountingStore, LatencyStore, MemoryStore
from tests.breadth import examples

LAYOUTS: list[dict[str, Any]] = [
    {"chunks": 3},
    {"chunks": 5, "compressors": None},
    {"chunks": (2,), "shards": (6,)},
]


def numbers(sizes: list[int], width: int = 0) -> list[np.ndarray]:
    """Return items of these sizes, of which no two values are equal."""
    ends = np.cumsum(sizes)
    parts = [np.arange(end - size, end) for size, end in zip(sizes, ends, strict=True)]
    return [np.repeat(part[:, None], width, 1) if width else part for part in parts]


def assert_items(found: Any, wanted: list[Any]) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


@examples(13)
@given(
    st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=4),
    st.sampled_from(LAYOUTS),
    st.sampled_from([0, 2]),
    st.data(),
)
def test_any_selection_equals_that_of_a_list(
    groups: list[list[int]], layout: dict[str, Any], width: int, data: Any
) -> None:
    if width:
        layout = {name: (*shape, 2) if isinstance(shape, tuple) else shape for name, shape in layout.items()}
    field = {"dtype": "i4", "shape": (width,) if width else (), **layout}
    r = exzarr.ragged.create(fields={"values": field})
    items = numbers([size for group in groups for size in group], width)
    rest = iter(items)
    for group in groups:  # one commit each
        r.extend([next(rest) for _ in group])
    n = len(items)
    assert len(r) == n
    assert r.total == sum(map(len, items))
    assert_items([*r], items)
    np.testing.assert_array_equal(r.lengths, [len(item) for item in items])
    start, stop = data.draw(st.integers(-n - 1, n + 1)), data.draw(st.integers(-n - 1, n + 1))
    step = data.draw(st.sampled_from([None, 1, 2, -1, -3]))
    assert_items(r[start:stop:step], items[start:stop:step])
    if n:
        one = data.draw(st.integers(-n, n - 1))
        np.testing.assert_array_equal(r[one], items[one])
        chosen = data.draw(st.lists(st.integers(-n, n - 1), max_size=6))
        assert_items(r[chosen], [items[i] for i in chosen])
        mask = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
        assert_items(r[np.array(mask)], [item for item, wanted in zip(items, mask, strict=True) if wanted])
    assert_items(exzarr.ragged.open(r.group).refresh(), items)


def test_other_libraries_read_the_layout(tmp_path: Path) -> None:
    import xarray

    path = tmp_path / "tracks.zarr"
    r = exzarr.ragged.create(
        path,
        fields={"lat": "f4", "lon": "f4"},
        item_fields={"drifter": "i8"},
        dimensions=("trajectory", "obs"),
        attributes={"featureType": "trajectory"},
    )
    tracks = [{"lat": np.arange(n) / 10, "lon": -np.arange(n) / 10, "drifter": n} for n in (3, 0, 5)]
    r.extend(tracks)
    group: Any = zarr.open_group(path, mode="r")
    np.testing.assert_array_equal(group["offsets"][:], [0, 3, 3, 8])
    np.testing.assert_array_equal(group["row_size"][:], [3, 0, 5])
    with xarray.open_zarr(path) as found:
        assert dict(found.sizes) == {"trajectory": 3, "trajectory_bound": 4, "obs": 8}
        assert found.row_size.attrs["sample_dimension"] == "obs"
        start, stop = found.offsets.values[2:4]
        np.testing.assert_allclose(found.lat[start:stop], tracks[2]["lat"])
        np.testing.assert_array_equal(found.drifter, [3, 0, 5])
    assert exzarr.check(path, deep=True, grace=0).findings == ()


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_files_with_row_sizes_alone_are_read(zarr_format: Any, tmp_path: Path) -> None:
    import xarray

    path = tmp_path / "cf.zarr"
    data = xarray.Dataset(
        {
            "row_size": ("traj", np.array([2, 0, 3], "i4"), {"sample_dimension": "obs"}),
            "temp": ("obs", np.arange(5.0)),
            "id": ("traj", np.array([7, 8, 9])),
        }
    )
    data.to_zarr(path, zarr_format=zarr_format)
    r = exzarr.ragged.open(path)
    assert [item["temp"].tolist() for item in r] == [[0, 1], [], [2, 3, 4]]
    assert [item["id"] for item in r[[2, 0]]] == [9, 7]
    new = {"temp": [5.0], "id": 10}
    assert r.append(new) == 4
    if zarr_format == 2:
        with pytest.raises(UnsupportedError, match="convert"):
            exzarr.ingest(r, [new], key="k")
    with xarray.open_zarr(path) as found:
        np.testing.assert_array_equal(found.row_size, [2, 0, 3, 1])
        np.testing.assert_array_equal(found.temp, np.arange(6.0))


def test_several_fields_and_fields_of_items() -> None:
    r = exzarr.ragged.create(
        fields={"tokens": "u2", "scores": {"dtype": "f4", "shape": (2,), "chunks": 4}},
        item_fields={"label": "U3"},
    )
    one = {"tokens": [1, 2, 3], "scores": np.ones((3, 2)), "label": "abc"}
    assert r.append(one) == 1
    assert r.extend([one, {"tokens": [], "scores": np.ones((0, 2)), "label": "x"}]) == 3
    found = r[1]
    assert found["tokens"].tolist() == [1, 2, 3]
    assert found["tokens"].dtype == "u2"
    assert found["scores"].shape == (3, 2)
    assert (found["label"], r[-1]["label"], r[-1]["scores"].shape) == ("abc", "x", (0, 2))
    assert r.fields == {"tokens": np.dtype("u2"), "scores": np.dtype("f4")}
    assert "label" in repr(r)
    assert [len(item["tokens"]) for item in r[:]] == [3, 3, 0]


WRONG: list[tuple[Any, str]] = [
    ([[1, 2], 3], "item 1: field 'values' is a scalar"),
    ([[1, 70_000]], "array 'values' of ragged array '/'"),
    ([[1.5]], "array 'values' of ragged array '/'"),
    ([[[1, 2]]], "can't be appended"),
    ([[1], [[2, 3]]], "different shapes"),
    ([{"other": [1]}], "has the fields"),
    ([[1], {"values": [1], "other": [2]}], "item 1 has the fields"),
    ([[1, [2]]], "can't be converted to an array"),
    ({"values": [1]}, "append\\(item\\) appends one item"),
    (5, "append\\(item\\) appends one item"),
    ("text", "append\\(item\\) appends one item"),
]


@pytest.mark.parametrize(("items", "why"), WRONG, ids=[why[:30] for _, why in WRONG])
def test_items_that_do_not_fit_change_nothing(items: Any, why: str) -> None:
    store = MemoryStore()
    r = exzarr.ragged.create(store, "u2", data=[[1, 2]])
    before = {key: store.get(key) for key in store.list("")}
    with pytest.raises(ArgumentError, match=why):
        r.extend(items)
    assert {key: store.get(key) for key in store.list("")} == before
    assert len(r) == 1


def test_fields_of_different_lengths_are_refused() -> None:
    r = exzarr.ragged.create(fields={"a": "i4", "b": "i4"})
    with pytest.raises(ArgumentError, match="item 1: all fields must have the same length"):
        r.extend([{"a": [1], "b": [1]}, {"a": [1], "b": []}])


@pytest.mark.parametrize("selection", [3, -4, [0, 3], "a", None, 1.5, (0, 1), np.array([True])])
def test_selections_outside_raise(selection: Any) -> None:
    r = exzarr.ragged.create(dtype="i4", data=[[1], [2], [3]])
    with pytest.raises(SelectionError):
        r[selection]


def test_a_read_only_ragged_array_refuses_items(tmp_path: Path) -> None:
    exzarr.ragged.create(tmp_path / "a.zarr", "i4", data=[[1]])
    r = exzarr.ragged.open(tmp_path / "a.zarr", mode="r")
    assert r.read_only
    with pytest.raises(ReadOnlyError, match="mode='r\\+'"):
        r.append([2])
    with pytest.raises(ReadOnlyError):
        exzarr.ingest(r, [[2]], key="k")
    assert exzarr.ingest_position(r, "k") is None
    copy = pickle.loads(pickle.dumps(r))
    assert isinstance(copy, Ragged)
    assert copy.read_only
    assert [*copy] == [1]


def test_creation_in_a_group_and_its_errors(tmp_path: Path) -> None:
    root = exzarr.create_group(tmp_path / "all.zarr")
    r = exzarr.ragged.create(root, "i4", path="sets/train", data=[[1, 2]])
    assert_items(exzarr.ragged.open(root, path="sets/train"), [[1, 2]])
    assert_items(exzarr.ragged.open(tmp_path / "all.zarr", path="sets/train"), [[1, 2]])
    assert r.group.path == "sets/train"
    with pytest.raises(NodeExistsError):
        exzarr.ragged.create(root, "i4", path="sets/train")
    exzarr.ragged.create(root, "i4", path="sets/train", overwrite=True)
    assert len(exzarr.ragged.open(root, path="sets/train")) == 0
    wrong: list[dict[str, Any]] = [
        {},
        {"dtype": "i4", "fields": {"a": "i4"}},
        {"fields": {}},
        {"fields": {"offsets": "i4"}},
        {"fields": {"a": "i4"}, "item_fields": {"a": "i4"}},
        {"fields": {"a": {"chunks": 4}}},
        {"fields": {"a": {"dtype": "i4", "chunks": (4, 4)}}},
        {"dtype": "i4", "dimensions": ("a", "a")},
    ]
    for options in wrong:
        with pytest.raises(ArgumentError):
            exzarr.ragged.create(**options)
    with pytest.raises(ArgumentError, match="mode"):
        exzarr.ragged.open(tmp_path / "all.zarr", mode="w")  # type: ignore[arg-type]


def test_groups_of_another_layout_are_refused() -> None:
    group = exzarr.create_group()
    with pytest.raises(MetadataError, match="not a ragged array"):
        exzarr.ragged.open(group)
    sizes = group.create_array("n", data=np.array([1, 2]), dimension_names=("item",))
    sizes.attrs["sample_dimension"] = "obs"
    with pytest.raises(MetadataError, match="no array has the first dimension 'obs'"):
        exzarr.ragged.open(group)
    group.create_array("a", data=np.arange(3), dimension_names=("obs",))
    group.create_array("id", data=np.arange(3), dimension_names=("item",))
    with pytest.raises(MetadataError, match="different numbers of items"):
        exzarr.ragged.open(group)
    del group["id"]
    assert [item.tolist() for item in exzarr.ragged.open(group)] == [[0], [1, 2]]
    group.create_array("b", data=np.zeros((2, 3)), dimension_names=("x", "obs"))
    with pytest.raises(MetadataError, match="must come first"):
        exzarr.ragged.open(group)


@pytest.mark.parametrize("name", ["offsets", "row_size"])
def test_damaged_offsets_are_reported(name: str) -> None:
    r = exzarr.ragged.create(dtype="i4", data=[[1, 2], [3]])
    if name == "row_size":
        del r.group["offsets"]
        r.group.consolidate_metadata()
    for wrong in (-1, 50):
        r.group.get_array(name)[1] = wrong
        with pytest.raises(MetadataError, match="are damaged"):
            exzarr.ragged.open(r.group)[:]


def test_values_are_read_in_one_plan_and_offsets_once() -> None:
    inner = MemoryStore()
    items = numbers([7] * 200)
    r = exzarr.ragged.create(inner, fields={"values": {"dtype": "i4", "chunks": 100}}, data=items)
    store = CountingStore(LatencyStore(inner, 0.0001))
    r = exzarr.ragged.open(store)
    chosen = [199, 3, 4, 50, 3]
    store.reset()
    assert_items(r[chosen], [items[i] for i in chosen])
    assert store.requests == {
        "get": 1 + 3
    }  # offsets; chunks 13, 0 and 3, whatever the number of items in each
    assert r.explain(chosen)["values"].chunks == 3
    store.reset()
    assert_items(r[chosen], [items[i] for i in chosen])
    assert store.requests == {"get": 3}
    r.append([1])
    store.reset()
    assert r[200].tolist() == [1]  # the last block of offsets has grown
    np.testing.assert_array_equal(r[199], items[199])
    assert store.requests["get"] <= 3


def test_iteration_reads_bounded_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    from exzarr.ragged import ragged

    monkeypatch.setattr(ragged, "READ_NBYTES", 64 * 20)
    items = numbers([10, 500, 3, 0, 40] * 20)
    r = exzarr.ragged.create(dtype="i8", data=items)
    sizes: list[int] = []
    read = Ragged._read

    def spy(self: Ragged, *args: Any) -> Items:
        found = read(self, *args)
        sizes.append(found.nbytes - found.lengths.nbytes)
        return found

    monkeypatch.setattr(Ragged, "_read", spy)
    assert_items([*r], items)
    assert max(sizes) == 500 * 8  # one item that is larger than the limit
    assert sorted(sizes)[-21] <= 64 * 20


def test_large_offsets_are_kept_within_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    from exzarr.ragged import offsets

    monkeypatch.setattr(sys.modules["exzarr.ragged.create"], "ITEMS_PER_CHUNK", 8)
    monkeypatch.setattr(offsets, "CACHE_NBYTES", 2 * 8 * 8)
    items = numbers([1, 2, 0, 3] * 25)
    r = exzarr.ragged.create(dtype="i4", data=items)
    assert r.group.get_array("offsets").chunks == (8,)
    for _ in range(2):
        assert_items(r[:], items)
        assert_items(r[[90, 2, 50]], [items[i] for i in (90, 2, 50)])
    assert r._cache._nbytes <= 2 * 8 * 8
    assert r._cache._nbytes == sum(block.nbytes for block in r._cache._blocks.values())
