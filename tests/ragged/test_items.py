"""Items in memory, and their exchange with awkward and pyarrow."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pytest

import exzarr.ragged
from exzarr.errors import ArgumentError, MissingDependencyError, SelectionError
from exzarr.ragged import Items

LISTS = [[3, 1, 4], [], [1, 5]]


def test_single_items_and_parts() -> None:
    items = Items.of(LISTS)
    assert [item.tolist() for item in items] == LISTS
    assert [items[i].tolist() for i in (0, -1, 1)] == [[3, 1, 4], [1, 5], []]
    assert [item.tolist() for item in items[1:]] == LISTS[1:]
    assert len(items[2:1]) == 0
    assert items.offsets.tolist() == [0, 3, 3, 5]
    assert items.values.tolist() == [3, 1, 4, 1, 5]
    copied = items.copy()
    copied.values[0] = 9
    assert items.values[0] == 3
    with pytest.raises(SelectionError):
        items[3]
    with pytest.raises(SelectionError, match="step 1"):
        items[::2]


def test_padding() -> None:
    padded = Items.of(LISTS).padded(-1)
    assert padded.values.tolist() == [[3, 1, 4], [-1, -1, -1], [1, 5, -1]]
    assert padded.mask.sum(1).tolist() == padded.lengths.tolist() == [3, 0, 2]
    assert Items.of(LISTS).padded(length=4).values.shape == (3, 4)
    wide = Items.of([np.ones((2, 3)), np.ones((1, 3))]).padded()
    assert wide.values.shape == (2, 2, 3)
    assert wide.values[1].tolist() == [[1, 1, 1], [0, 0, 0]]
    with pytest.raises(ArgumentError, match="an item has 3 values"):
        Items.of(LISTS).padded(length=2)
    two = Items.of([{"a": [1], "b": [2]}])
    with pytest.raises(ArgumentError, match="several fields"):
        two.padded()
    assert two.padded(field="b").values.tolist() == [[2]]
    with pytest.raises(ArgumentError, match="no field 'c'"):
        two.padded(field="c")


def test_invalid_items_are_refused() -> None:
    one = np.array([1])
    for wrong in (
        lambda: Items.of([]),
        lambda: Items.of([{"label": 1}], item_fields=["label"]),
        lambda: Items({}, one),
        lambda: Items({"a": one}, np.array([2])),
        lambda: Items({"a": one}, np.array([2, -1])),
        lambda: Items({"a": one}, one, {"label": np.array([1, 2])}),
    ):
        with pytest.raises(ArgumentError):
            wrong()


def records() -> exzarr.ragged.Ragged:
    r = exzarr.ragged.create(
        fields={"image": {"dtype": "u1", "shape": (2, 2), "chunks": 8}, "reward": "f4"},
        item_fields={"seed": "i8"},
    )
    many = [(3, 7), (0, 8), (1, 9)]
    r.extend(
        [{"image": np.full((n, 2, 2), seed), "reward": np.arange(n) / 2, "seed": seed} for n, seed in many],
        casting="unsafe",
    )
    return r


def test_awkward_arrays_go_out_and_in() -> None:
    r = exzarr.ragged.create(dtype="i4", data=ak.Array(LISTS))
    found = r[:].to_awkward()
    assert found.tolist() == LISTS
    assert ak.type(found).content.content.primitive == "int32"
    assert r.extend(ak.Array(LISTS)[1:]) == 5
    several = records()
    out = several[:].to_awkward()
    assert out.fields == ["image", "reward", "seed"]
    assert out.reward.tolist() == [[0, 0.5, 1], [], [0]]
    assert several.extend(out) == 6
    np.testing.assert_array_equal(several[3]["image"], several[0]["image"])
    for wrong, why in (
        (ak.Array([1, 2]), "not a list of values per item"),
        (ak.Array([[[1], [2, 3]]]), "not a list of values per item"),
        (ak.Array([[1, None]]), "not a list of values per item"),
        (ak.Array([{"seed": 1}]), "has none of the fields"),
        (ak.Array([{"image": [1], "reward": [], "seed": 1}]), "other lengths"),
    ):
        with pytest.raises(ArgumentError, match=why):
            (several if wrong.fields else r).extend(wrong)


def test_arrow_data_go_out_and_in() -> None:
    r = exzarr.ragged.create(dtype="i4", data=pa.array(LISTS))
    table = r[:].to_arrow()
    assert table.column("values").to_pylist() == LISTS
    r.extend(pa.chunked_array([pa.array(LISTS[:1]), pa.array(LISTS[1:])]))
    r.extend(table.slice(1))
    assert [item.tolist() for item in r] == LISTS * 2 + LISTS[1:]
    several = records()
    out = several[:].to_arrow()
    assert out.column("reward").to_pylist() == [[0, 0.5, 1], [], [0]]
    assert out.column("image").to_pylist()[2] == [[[9, 9], [9, 9]]]
    several.extend(out.slice(1))
    several.extend(out.to_batches()[0])
    np.testing.assert_array_equal(several[4]["image"], several[2]["image"])
    assert [item["seed"] for item in several] == [7, 8, 9, 8, 9, 7, 8, 9]
    text = exzarr.ragged.create(dtype="T", data=pa.array([["a", "bcd"], []]))
    assert [item.tolist() for item in text] == [["a", "bcd"], []]
    wrong: list[tuple[Any, str]] = [
        (pa.array([1, 2]), "must be a list of values"),
        (pa.array([[1], None]), "1 nulls"),
        (pa.array([[1, None]]), "1 nulls among"),
        (pa.scalar(1), "a table, a record batch or an array"),
        (pa.table({"seed": [1]}), "has none of the columns"),
        (pa.table({"image": [[1]], "reward": [[]], "seed": [1]}), "other lengths"),
    ]
    for data, why in wrong:
        with pytest.raises(ArgumentError, match=why):
            (several if isinstance(data, pa.Table) else r).extend(data)


@pytest.mark.parametrize(
    ("method", "library", "extra"), [("to_awkward", "awkward", "awkward"), ("to_arrow", "pyarrow", "parquet")]
)
def test_a_missing_library_names_the_extra(
    method: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, library, None)
    with pytest.raises(MissingDependencyError, match=rf"exzarr\[{extra}\]"):
        getattr(Items.of(LISTS), method)()
