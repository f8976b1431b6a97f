"""v3 documents are parsed correctly, and a rewrite loses nothing."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr._format import v3
from exzarr._format.metadata import ArrayMetadata, CodecConfig, GroupMetadata
from exzarr.errors import ArgumentError, ExzarrError, MetadataError, UnsupportedError
from tests.breadth import examples

ARRAY: dict[str, Any] = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [10, 20],
    "data_type": "float32",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 20]}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "fill_value": "NaN",
    "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "zstd", "configuration": {"level": 3}}],
    "attributes": {"units": "K", "nested": {"a": [1, None, True]}},
    "dimension_names": ["time", None],
}  # fmt: skip


def array(**changes: Any) -> dict[str, Any]:
    """Return `ARRAY` with members replaced, or removed if the value is `...`."""
    document = copy.deepcopy(ARRAY) | changes
    return {key: value for key, value in document.items() if value is not ...}


def parse_array(document: dict[str, Any]) -> ArrayMetadata:
    metadata = v3.loads(json.dumps(document).encode())
    assert isinstance(metadata, ArrayMetadata)
    return metadata


def test_an_array_document() -> None:
    metadata = parse_array(ARRAY)
    assert metadata.zarr_format == 3
    assert metadata.shape == (10, 20)
    assert metadata.ndim == 2
    assert metadata.data_type.dtype == np.dtype("f4")
    assert metadata.chunk_grid.chunk_shape == (4, 20)
    assert metadata.chunk_key_encoding.encode((1, 0)) == "c/1/0"
    assert np.isnan(metadata.fill_value)
    assert metadata.codecs == (CodecConfig("bytes", {"endian": "little"}), CodecConfig("zstd", {"level": 3}))
    assert metadata.dimension_names == ("time", None)
    assert metadata.attributes == ARRAY["attributes"]
    assert metadata.extra == {}


def test_a_rewrite_is_the_same_document_in_one_order() -> None:
    shuffled = dict(reversed(ARRAY.items()))
    rewritten = v3.to_json(parse_array(shuffled))
    assert rewritten == ARRAY
    assert list(rewritten) == list(ARRAY)
    assert json.loads(v3.dumps(parse_array(shuffled))) == ARRAY


def test_optional_members_may_be_absent_null_or_empty() -> None:
    metadata = parse_array(array(attributes=..., dimension_names=..., storage_transformers=[]))
    assert metadata.attributes == {}
    assert metadata.dimension_names is None
    assert "dimension_names" not in v3.to_json(metadata)
    assert parse_array(array(dimension_names=None)).dimension_names is None


def test_extensions_may_be_named_by_a_bare_string() -> None:
    metadata = parse_array(array(codecs=["bytes", {"name": "crc32c"}], chunk_key_encoding="v2"))
    assert metadata.codecs == (CodecConfig("bytes"), CodecConfig("crc32c"))
    assert metadata.chunk_key_encoding.encode((1, 0)) == "1.0"
    assert v3.to_json(metadata)["codecs"] == [{"name": "bytes"}, {"name": "crc32c"}]


def test_extra_members_of_a_codec_survive_a_rewrite() -> None:
    codec = {"name": "x", "configuration": {"a": 1}, "must_understand": False, "note": "hi"}
    metadata = parse_array(array(codecs=["bytes", codec]))
    assert metadata.codecs[1].extra == {"must_understand": False, "note": "hi"}
    assert v3.to_json(metadata)["codecs"][1] == codec


def test_unknown_members_that_need_not_be_understood_survive_a_rewrite() -> None:
    extra = {"my_index": {"must_understand": False, "root": [1, 2]}}
    assert v3.to_json(parse_array(array(**extra))) == {**ARRAY, **extra}
    group = v3.loads(json.dumps({"zarr_format": 3, "node_type": "group", **extra}).encode())
    assert v3.to_json(group) == {"zarr_format": 3, "node_type": "group", "attributes": {}, **extra}


@pytest.mark.parametrize(
    "value",
    [1, None, {}, {"must_understand": True}, {"must_understand": 0}, {"must_understand": "false"}, [], "x"],
)
def test_unknown_members_that_must_be_understood_raise_unsupported_error(value: Any) -> None:
    with pytest.raises(UnsupportedError, match="mystery"):
        parse_array(array(mystery=value))
    with pytest.raises(UnsupportedError, match="mystery"):
        v3.parse({"zarr_format": 3, "node_type": "group", "mystery": value})


def test_storage_transformers_are_unsupported() -> None:
    with pytest.raises(UnsupportedError, match="storage_transformers"):
        parse_array(array(storage_transformers=[{"name": "x"}]))


def test_a_group_document() -> None:
    document = {"zarr_format": 3, "node_type": "group", "attributes": {"a": 1}}
    group = v3.loads(json.dumps(document).encode())
    assert isinstance(group, GroupMetadata)
    assert group.attributes == {"a": 1}
    assert group.consolidated is None
    assert json.loads(v3.dumps(group)) == document
    assert v3.to_json(group.with_(attributes={}))["attributes"] == {}


def test_zero_dimensional_and_zero_length_arrays() -> None:
    grid = {"name": "regular", "configuration": {"chunk_shape": []}}
    metadata = parse_array(array(shape=[], chunk_grid=grid, dimension_names=[]))
    assert metadata.shape == ()
    assert metadata.chunk_grid.nchunks == 1
    assert v3.to_json(metadata) == array(shape=[], chunk_grid=grid, dimension_names=[])
    empty = parse_array(array(shape=[0, 20]))
    assert empty.chunk_grid.nchunks == 0


def test_shard_size_zero_reads_as_the_inner_size() -> None:
    shards = {"name": "sharding_indexed", "configuration": {"chunk_shape": [2, 5], "codecs": ["bytes"]}}
    grid = {"name": "regular", "configuration": {"chunk_shape": [0, 20]}}
    metadata = parse_array(array(shape=[0, 20], chunk_grid=grid, codecs=[shards]))
    assert metadata.chunk_grid.chunk_shape == (2, 20)


def test_changes_make_a_copy() -> None:
    metadata = parse_array(ARRAY)
    bigger = metadata.with_(shape=(40, 20), attributes={"b": 2})
    assert (bigger.shape, bigger.chunk_grid.shape, bigger.chunk_grid.chunk_counts) == (
        (40, 20),
        (40, 20),
        (10, 1),
    )
    assert bigger.attributes == {"b": 2}
    assert bigger.dimension_names == ("time", None)
    assert v3.to_json(metadata) == ARRAY


def test_attributes_may_hold_nan_and_numpy_values() -> None:
    metadata = v3.loads(
        b'{"zarr_format": 3, "node_type": "group", "attributes": {"a": NaN, "b": [-Infinity]}}'
    )
    assert np.isnan(metadata.attributes["a"])
    assert b"NaN" in v3.dumps(metadata)
    changed = metadata.with_(
        attributes={"n": np.float32(1.5), "i": np.int64(3), "b": np.True_, "a": np.arange(3), "t": (1, 2)}
    )
    assert json.loads(v3.dumps(changed))["attributes"] == {
        "n": 1.5,
        "i": 3,
        "b": True,
        "a": [0, 1, 2],
        "t": [1, 2],
    }


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", np.datetime64("2020"), {("a", "b"): 1}, 1j])
def test_attributes_that_are_not_json_raise_argument_error(value: Any) -> None:
    with pytest.raises(ArgumentError, match="attributes"):
        v3.dumps(GroupMetadata(3, {"a": value}))


def test_recursive_attributes_raise_argument_error() -> None:
    loop: list[Any] = []
    loop.append(loop)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (loop, deep):
        with pytest.raises(ArgumentError, match="attributes"):
            v3.dumps(GroupMetadata(3, {"a": value}))


@pytest.mark.parametrize(
    "key",
    [
        "zarr_format",
        "node_type",
        "shape",
        "data_type",
        "chunk_grid",
        "chunk_key_encoding",
        "fill_value",
        "codecs",
    ],
)
def test_error_names_the_missing_member(key: str) -> None:
    with pytest.raises(MetadataError, match=key):
        parse_array(array(**{key: ...}))


WRONG: dict[str, list[Any]] = {
    "zarr_format": [2, 4, "3", 3.0, None, True],
    "node_type": ["Array", None, 1, []],
    "shape": [None, 10, "10", [10], [10, 20, 30], [10, -1], [10, 20.0], [10, None], [10, 2**63], [10, 10**400], {"0": 1},
              [1] * 65, [10, float("nan")], [[10], [20]]],
    "data_type": [None, 4, "float31", [], {}],
    "chunk_grid": [None, [], "regular", {"name": "regular"}],
    "chunk_key_encoding": [None, [], {}, "v3"],
    "fill_value": [None, "many", []],
    "codecs": [None, [], {}, "bytes", [None], [1], [[]], [{}], [{"name": 1}], [{"name": "bytes", "configuration": []}],
               [{"name": "bytes", "must_understand": "no"}]],
    "attributes": [1, [1], "x", True],
    "dimension_names": [[], ["a"], "ab", ["a", 1], {"a": "b"}, ["a", "b", "c"], 1],
    "storage_transformers": [[1], {"a": 1}, "x"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in WRONG.items() for value in values]
)
def test_invalid_member_error_names_the_member(key: str, value: Any) -> None:
    with pytest.raises(MetadataError) as caught:
        v3.loads(json.dumps(array(**{key: value})).encode(), "a/b/zarr.json")
    assert str(caught.value).startswith("a/b/zarr.json: ")
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "JSON"), (b"{", "JSON"), (b"[]", "object"), (b"3", "object"), (b"null", "object"), (b"{} {}", "JSON"), (b"\xff{}", "UTF-8"),
        (b'{"a": 1, "a": 2}', "more than once"), (b'{"x": {"a": 1, "a": 2}}', "more than once"), (b"[" * 100_000, "deep"), (b'{"a":' * 100_000, "deep"),
        (b'{"a": ' + b"9" * 5000 + b"}", "JSON"), ("{}".encode("utf-16"), "UTF-8"), (b"{'a': 1}", "JSON"), (b'{"a": 01}', "JSON"),
        (b'{"a": "\n"}', "JSON"),
    ],
)  # fmt: skip
def test_invalid_bytes_raise_metadata_error(data: bytes, reason: str) -> None:
    with pytest.raises(MetadataError, match=f"x/zarr.json: .*{reason}"):
        v3.loads(data, "x/zarr.json")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["regular", "NaN", "int8"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "configuration", "chunk_shape", "fields", "must_understand", "a"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(st.data())
@examples(67)
def test_damaged_document_parses_or_raises_exzarr_error(data: st.DataObject) -> None:
    document = copy.deepcopy(ARRAY)
    document["chunk_grid"] = data.draw(
        st.sampled_from(
            [
                ARRAY["chunk_grid"],
                {
                    "name": "rectilinear",
                    "configuration": {"kind": "inline", "chunk_shapes": [[4, [3, 2]], 5]},
                },
            ]
        )
    )
    document["consolidated_metadata"] = {
        "kind": "inline",
        "must_understand": False,
        "metadata": {"a": dict(ARRAY)},
    }
    if data.draw(st.booleans()):
        document["node_type"] = "group"
        for key in [key for key in ARRAY if key not in ("zarr_format", "node_type", "attributes")]:
            del document[key]
    document = copy.deepcopy(document)
    target: Any = document
    while True:  # replace the value at a random place in the document
        keys = list(target) if isinstance(target, dict) else list(range(len(target)))
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if isinstance(target[key], dict | list) and data.draw(st.booleans()):
            target = target[key]
            continue
        target[key] = data.draw(JSON)
        break
    try:
        metadata = v3.loads(json.dumps(document).encode())
    except ExzarrError:
        return
    assert v3.dumps(v3.loads(v3.dumps(metadata))) == v3.dumps(metadata)
