"""Findings about ragged arrays."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

import exzarr

LENGTHS = [3, 0, 5, 2]


@pytest.fixture
def place(tmp_path):
    made = exzarr.ragged.create(tmp_path / "r.zarr", "i4")
    made.extend([np.arange(n, dtype="i4") for n in LENGTHS])
    return tmp_path / "r.zarr"


def found(place, **options):
    report = exzarr.check(place, grace=0, **options)
    assert not report.unsettled
    return [(one.code, one.key) for one in report.findings], [one.detail for one in report.findings]


def change(place, name, index, value):
    array = zarr.open_group(place, use_consolidated=False)[name]
    array[index] = value


def test_sound_ragged_arrays_have_no_findings(place, tmp_path):
    assert found(place, deep=True)[0] == []
    exzarr.ragged.create(tmp_path / "empty.zarr", "f4")
    assert found(tmp_path / "empty.zarr", deep=True)[0] == []


@pytest.mark.parametrize(
    ("index", "value", "deep", "detail"),
    [
        (0, 1, False, "the first offset is 1, not 0"),
        (-1, 11, False, "the last offset is 11, and there are 10 values"),
        (-1, 9, False, "the last offset is 9, and there are 10 values"),
        (2, 9, True, "offset 3 is 8, less than the one before it"),
        (2, 4, True, "item 1 has 1 values by its offsets, and the row size 0"),
    ],
)
def test_broken_offsets_are_found(place, index, value, deep, detail):
    layout = exzarr.ragged.open(place).layout
    change(place, layout.offsets, index, value)
    # index 2 and value 9: offsets 0, 3, 9, 8, 10
    codes, details = found(place, deep=deep)
    assert codes == [("EXZ902", layout.offsets)]
    assert details[0] == detail
    if not deep:
        assert found(place, deep=True)[0] == codes
    else:
        assert found(place)[0] == [], "without deep, only the ends are read"


def test_wrong_row_sizes_without_offsets_are_found(tmp_path):
    root = zarr.create_group(tmp_path / "cf.zarr")
    root.create_array("values", data=np.arange(10.0), dimension_names=["obs"])
    root.create_array(
        "n", data=np.array([4, 6]), dimension_names=["item"], attributes={"sample_dimension": "obs"}
    )
    assert found(tmp_path / "cf.zarr", deep=True)[0] == []
    change(tmp_path / "cf.zarr", "n", 0, 5)
    codes, details = found(tmp_path / "cf.zarr", deep=True)
    assert codes == [("EXZ902", "n")]
    assert details == ["the row sizes add up to 11, and there are 10 values"]


def test_different_lengths_are_found(place):
    layout = exzarr.ragged.open(place).layout
    root = zarr.open_group(place, use_consolidated=False)
    root[layout.offsets].resize((3,))
    zarr.consolidate_metadata(place)
    codes, details = found(place)
    assert codes == [("EXZ901", "")]
    assert "different numbers of items" in details[0]


def test_other_uses_of_the_attribute_are_no_finding(tmp_path):
    root = zarr.create_group(tmp_path / "cf.zarr")
    root.create_array("n", data=np.array([4, 6]), attributes={"sample_dimension": "obs"})
    assert found(tmp_path / "cf.zarr", deep=True)[0] == []
