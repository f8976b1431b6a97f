"""Documents that differ only in attributes share their parsed parts, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import exzarr
from exzarr._format import v3, v3_alike
from exzarr._format.metadata import ArrayMetadata
from exzarr.errors import MetadataError


def document(attributes: Any = None, **members: Any) -> dict[str, Any]:
    """Return a document, as a JSON parser returns it."""
    made = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [8, 4],
        "data_type": "float32",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 4]}},
        "chunk_key_encoding": {"name": "default"},
        "fill_value": 0.0,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
        "attributes": {} if attributes is None else attributes,
        **members,
    }
    parsed: dict[str, Any] = json.loads(json.dumps(made))
    return parsed


def fresh(found: dict[str, Any]) -> ArrayMetadata:
    """Parse a document without the cache."""
    v3_alike._known.clear()
    return v3.parse_array(found)


def test_arrays_with_other_attributes_share_all_parts_but_these() -> None:
    one, other = v3.parse_array(document({"units": "K"})), v3.parse_array(document({"units": "m", "l": [1]}))
    assert (one.attributes, other.attributes) == ({"units": "K"}, {"units": "m", "l": [1]})
    for part in ("codecs", "chunk_grid", "data_type", "fill_value"):
        assert getattr(one, part) is getattr(other, part)
    assert other == fresh(document({"units": "m", "l": [1]}))


@pytest.mark.parametrize(
    "members",
    [
        {"shape": [8, 5]},
        {"data_type": "float64"},
        {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 4]}}},
        {"chunk_key_encoding": {"name": "v2"}},
        {"fill_value": -0.0},
        {"codecs": [{"name": "bytes", "configuration": {"endian": "big"}}]},
        {"dimension_names": ["y", "x"]},
        {"later": {"must_understand": False}},
    ],
)
def test_arrays_with_another_member_are_parsed_on_their_own(members: dict[str, Any]) -> None:
    v3.parse_array(document())
    found = v3.parse_array(document(**members))
    assert v3.to_json(found) == v3.to_json(fresh(document(**members)))
    assert found != fresh(document())


def test_numbers_that_are_equal_in_python_are_different_documents() -> None:
    later = [{"must_understand": False, "n": n} for n in (1, 1.0, True)]
    found = [v3.to_json(v3.parse_array(document(later=one)))["later"]["n"] for one in later]
    assert [json.dumps(n) for n in found] == ["1", "1.0", "true"]


def test_invalid_document_is_an_error_after_a_valid_one() -> None:
    v3.parse_array(document())
    with pytest.raises(MetadataError, match="'attributes' must be an object"):
        v3.parse_array(document([1]))
    with pytest.raises(MetadataError, match="'fill_value'|fill value"):
        v3.parse_array(document(fill_value="x"))


def test_attributes_of_one_array_do_not_change_with_those_of_another(tmp_path: Path) -> None:
    root = exzarr.create_group(tmp_path / "a.zarr")
    for name in "ab":
        root.create_array(name, shape=(8,), chunks=(4,), dtype="f4", attributes={"n": [name]})
    exzarr.consolidate_metadata(root)
    found = exzarr.open_group(tmp_path / "a.zarr", mode="r+")
    one, other = found.get_array("a"), found.get_array("b")
    assert one.metadata.codecs is other.metadata.codecs
    one.attrs["n"] = 1
    assert (one.attrs["n"], other.attrs["n"]) == (1, ["b"])
    assert exzarr.open_array(tmp_path / "a.zarr", path="b").attrs["n"] == ["b"]


def test_cache_is_bounded() -> None:
    for n in range(3 * v3_alike.MAX_ENTRIES):
        v3.parse_array(document(shape=[n, 4]))
    v3.parse_array(document(dimension_names=["y" * v3_alike.MAX_NBYTES, "x"]))
    assert 0 < len(v3_alike._known) <= v3_alike.MAX_ENTRIES
    assert max(map(len, v3_alike._known)) <= v3_alike.MAX_NBYTES
