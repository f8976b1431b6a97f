"""v2 documents are parsed correctly, and a rewrite loses nothing."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr._format import v2
from exzarr._format.chunk_grids import ChunkGrid
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr.errors import ArgumentError, ExzarrError, MetadataError, UnsupportedError
from tests.breadth import examples

ZARRAY: dict[str, Any] = {
    "zarr_format": 2,
    "shape": [10, 20],
    "chunks": [4, 20],
    "dtype": ">f4",
    "compressor": {"id": "zlib", "level": 1},
    "fill_value": "NaN",
    "order": "F",
    "filters": [{"id": "delta", "dtype": ">f4"}],
    "dimension_separator": "/",
}
ZATTRS = {"_ARRAY_DIMENSIONS": ["time", "x"], "units": "K"}


def zarray(**changes: Any) -> dict[str, Any]:
    """Return `ZARRAY` with members replaced, or removed if the value is `...`."""
    document = copy.deepcopy(ZARRAY) | changes
    return {key: value for key, value in document.items() if value is not ...}


def test_an_array() -> None:
    metadata = v2.parse_array(ZARRAY, ZATTRS)
    assert metadata.zarr_format == 2
    assert metadata.shape == (10, 20)
    assert metadata.chunk_grid.chunk_shape == (4, 20)
    assert metadata.data_type.dtype == np.dtype(">f4")
    assert metadata.chunk_key_encoding.encode((1, 0)) == "1/0"
    assert np.isnan(metadata.fill_value)
    assert metadata.order == "F"
    assert metadata.filters == ({"id": "delta", "dtype": ">f4"},)
    assert metadata.compressor == {"id": "zlib", "level": 1}
    assert metadata.codecs == ()
    assert metadata.dimension_names == ("time", "x")
    assert metadata.attributes == ZATTRS


def test_a_rewrite_is_the_same_documents_in_one_order() -> None:
    metadata = v2.parse_array(dict(reversed(ZARRAY.items())), ZATTRS)
    documents = v2.array_documents(metadata)
    assert json.loads(documents[".zarray"]) == ZARRAY
    assert list(json.loads(documents[".zarray"])) == list(ZARRAY)
    assert json.loads(documents[".zattrs"]) == ZATTRS


def test_optional_members() -> None:
    metadata = v2.parse_array(
        zarray(dimension_separator=..., filters=..., compressor=None, fill_value=None), None
    )
    assert metadata.chunk_key_encoding.encode((1, 0)) == "1.0"
    assert metadata.filters == ()
    assert metadata.compressor is None
    assert metadata.fill_value is None
    assert metadata.attributes == {}
    assert v2.array_json(metadata)[0] == zarray(
        dimension_separator=".", filters=None, compressor=None, fill_value=None
    )
    assert v2.parse_array(zarray(filters=[])).filters == ()


def test_unknown_members_survive_a_rewrite() -> None:
    extra = {"_nczarr_array": {"dimrefs": ["/x"]}, "note": 1}
    assert v2.array_json(v2.parse_array(zarray(**extra)))[0] == zarray(**extra)
    group = v2.parse_group({"zarr_format": 2, "_nczarr_group": {}}, {"a": 1})
    assert v2.group_json(group) == ({"zarr_format": 2, "_nczarr_group": {}}, {"a": 1})
    assert {key: json.loads(value) for key, value in v2.group_documents(group).items()} == {
        ".zgroup": {"zarr_format": 2, "_nczarr_group": {}},
        ".zattrs": {"a": 1},
    }


@pytest.mark.parametrize("names", [["a"], ["a", 1], "ab", None, [], ["a", None]])
def test_array_dimensions_of_wrong_length_are_a_plain_attribute(names: Any) -> None:
    metadata = v2.parse_array(ZARRAY, {"_ARRAY_DIMENSIONS": names})
    assert metadata.dimension_names is None
    assert v2.array_json(metadata)[1] == {"_ARRAY_DIMENSIONS": names}


def test_dimension_names_go_into_the_attributes() -> None:
    metadata = v2.parse_array(ZARRAY, {"units": "K"}).with_(dimension_names=("a", "b"))
    assert v2.array_json(metadata)[1] == {"units": "K", "_ARRAY_DIMENSIONS": ["a", "b"]}
    assert metadata.attributes == {"units": "K"}
    with pytest.raises(ArgumentError, match="all dimensions"):
        v2.array_json(metadata.with_(dimension_names=("a", None)))


def test_dimension_names_follow_the_attributes() -> None:
    metadata = v2.parse_array(ZARRAY, ZATTRS)
    renamed = metadata.with_(attributes={"_ARRAY_DIMENSIONS": ["u", "v"]})
    assert renamed.dimension_names == ("u", "v")
    gone = metadata.with_(attributes={})
    assert gone.dimension_names is None
    assert v2.array_json(gone)[1] == {}


def test_resize_changes_the_grid() -> None:
    metadata = v2.parse_array(ZARRAY, ZATTRS).with_(shape=(11, 41))
    assert v2.array_json(metadata)[0] == zarray(shape=[11, 41])
    assert metadata.chunk_grid.chunk_counts == (3, 3)


@pytest.mark.parametrize(
    ("filters", "compressor", "kind"),
    [([{"id": "vlen-utf8"}], None, "string"), ([{"id": "vlen-bytes"}], None, "bytes"), ([{"id": "json2"}], None, "object"),
     (None, {"id": "vlen-utf8"}, "string"), ([{"id": "categorize", "labels": []}], {"id": "zlib"}, "object")],
)  # fmt: skip
def test_object_codec_sets_the_kind_of_objects(filters: Any, compressor: Any, kind: str) -> None:
    metadata = v2.parse_array(zarray(dtype="|O", fill_value=None, filters=filters, compressor=compressor))
    assert metadata.data_type.kind == kind
    assert v2.array_json(metadata)[0] == zarray(
        dtype="|O", fill_value=None, filters=filters, compressor=compressor
    )


def test_metadata_that_v2_cannot_store_raises_argument_error() -> None:
    metadata = v2.parse_array(ZARRAY)
    with pytest.raises(ArgumentError, match="vary"):
        v2.array_json(metadata.with_(chunk_grid=ChunkGrid.from_rectilinear((10, 20), ([4, 6], 20))))


def test_loads_names_the_document() -> None:
    metadata = v2.loads(json.dumps(ZARRAY).encode(), json.dumps(ZATTRS).encode(), kind="array", where="a/b")
    assert isinstance(metadata, ArrayMetadata)
    assert metadata.attributes == ZATTRS
    assert isinstance(v2.loads(b'{"zarr_format": 2}', None, kind="group"), GroupMetadata)
    for node, zattrs, where in [
        (b"{", None, "a/b/.zarray: "),
        (b"{}", None, "a/b/.zarray: "),
        (json.dumps(ZARRAY).encode(), b"[]", "a/b/.zattrs: "),
    ]:
        with pytest.raises(MetadataError) as caught:
            v2.loads(node, zattrs, kind="array", where="a/b")
        assert str(caught.value).startswith(where)


def test_attributes_with_nan_are_read_and_written() -> None:
    metadata = v2.loads(json.dumps(ZARRAY).encode(), b'{"missing": NaN}', kind="array")
    assert np.isnan(metadata.attributes["missing"])
    assert isinstance(metadata, ArrayMetadata)
    assert b"NaN" in v2.array_documents(metadata)[".zattrs"]


def test_format_1_is_unsupported() -> None:
    with pytest.raises(UnsupportedError, match="format 1"):
        v2.parse_array(zarray(zarr_format=1))


@pytest.mark.parametrize("key", ["zarr_format", "shape", "chunks", "dtype", "fill_value", "order"])
def test_error_names_the_missing_member(key: str) -> None:
    with pytest.raises(MetadataError, match=key):
        v2.parse_array(zarray(**{key: ...}))


WRONG: dict[str, list[Any]] = {
    "zarr_format": [3, "2", 2.0, None, True],
    "shape": [None, 10, [10], [10, -1], [10.0, 20], [10, 2**63], "10", {}],
    "chunks": [None, 4, [4], [-1, 20], [4, 2**70], [4.0, 20], True],
    "dtype": [None, "f4", "float32", [], {}, 1, "|O", "<f4x"],
    "compressor": ["zlib", [], {}, {"id": 1}, 1, True],
    "fill_value": ["many", "0x7ff8000000000000", [], {}],
    "order": ["A", None, 1, []],
    "filters": ["delta", [None], [{}], ["delta"], 1],
    "dimension_separator": ["-", None, "", 1, []],
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in WRONG.items() for value in values]
)
def test_invalid_member_raises_metadata_error(key: str, value: Any) -> None:
    with pytest.raises(MetadataError):
        v2.parse_array(zarray(**{key: value}))


@pytest.mark.parametrize("zattrs", [[], 1, "x", True])
def test_attributes_are_an_object(zattrs: Any) -> None:
    with pytest.raises(MetadataError):
        v2.parse_array(ZARRAY, zattrs)
    with pytest.raises(MetadataError):
        v2.parse_group({"zarr_format": 2}, zattrs)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["C", "NaN", "<i4", "|O"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["id", "a"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.sampled_from(sorted(ZARRAY)), JSON)
@examples(67)
def test_damaged_document_parses_or_raises_exzarr_error(key: str, value: Any) -> None:
    try:
        metadata = v2.parse_array(zarray(**{key: value}))
    except ExzarrError:
        return
    again = v2.parse_array(json.loads(v2.array_documents(metadata)[".zarray"]))
    assert v2.array_documents(again) == v2.array_documents(metadata)
