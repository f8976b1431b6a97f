"""Chunk keys agree with zarr-python's encodings."""

from __future__ import annotations

from typing import Any

import pytest
import zarr.core.chunk_key_encodings as theirs
from hypothesis import given, strategies as st

from exzarr._format import chunk_keys
from exzarr._format.chunk_keys import ChunkKeyEncoding
from exzarr.errors import ArgumentError, MetadataError, UnsupportedError

ENCODINGS = st.builds(ChunkKeyEncoding, st.sampled_from(["default", "v2"]), st.sampled_from(["/", "."]))
INDICES = st.lists(st.integers(0, 2**40), max_size=5).map(tuple)


@given(ENCODINGS, INDICES)
def test_keys_equal_zarr_python_and_decode(encoding: ChunkKeyEncoding, index: tuple[int, ...]) -> None:
    key = encoding.encode(index)
    assert key == theirs.parse_chunk_key_encoding(encoding.to_v3()).encode_chunk_key(index)
    assert encoding.decode(key, len(index)) == index
    assert encoding.decode(key, len(index) + 1) is None or (index == () and encoding.name == "v2")
    if index or encoding.name == "default":
        assert encoding.decode(key) == index
    assert key.startswith(encoding.prefix) or not index


@pytest.mark.parametrize(
    ("encoding", "index", "key"),
    [
        (ChunkKeyEncoding(), (0, 1), "c/0/1"), (ChunkKeyEncoding(), (), "c"), (ChunkKeyEncoding("default", "."), (3,), "c.3"),
        (ChunkKeyEncoding("v2", "."), (0, 1), "0.1"), (ChunkKeyEncoding("v2", "/"), (0, 1), "0/1"), (ChunkKeyEncoding("v2", "."), (), "0"),
    ],
)  # fmt: skip
def test_keys_by_example(encoding: ChunkKeyEncoding, index: tuple[int, ...], key: str) -> None:
    assert encoding.encode(index) == key


@pytest.mark.parametrize(
    "key", ["", "c/", "c//0", "c/01", "c/+1", "c/-1", "c/ 1", "c/1 ", "c/1_0", "c/٣", "c/²", "c.0", "0/1", "c/0/1/", "zarr.json",
            "c/0/zarr.json", "x/c/0", "c/" + "9" * 5000, "c0", "C/0"]
)  # fmt: skip
def test_other_keys_decode_to_none(key: str) -> None:
    assert ChunkKeyEncoding().decode(key) is None
    assert ChunkKeyEncoding().decode(key, 1) is None


@pytest.mark.parametrize("key", ["", ".", "0.", "00", ".zarray", "0/1", "a", "c"])
def test_other_v2_keys_decode_to_none(key: str) -> None:
    assert ChunkKeyEncoding("v2", ".").decode(key) is None


@pytest.mark.parametrize(
    ("json", "encoding"),
    [
        ("default", ("default", "/")), ("v2", ("v2", ".")), ({"name": "default"}, ("default", "/")),
        ({"name": "v2", "configuration": {}}, ("v2", ".")), ({"name": "v2", "configuration": {"separator": "/"}}, ("v2", "/")),
        ({"name": "default", "configuration": {"separator": "."}, "must_understand": True}, ("default", ".")),
    ],
)  # fmt: skip
def test_spellings_in_documents(json: Any, encoding: tuple[str, str]) -> None:
    assert chunk_keys.parse_v3(json) == ChunkKeyEncoding(*encoding)
    assert chunk_keys.parse_v3(ChunkKeyEncoding(*encoding).to_v3()) == ChunkKeyEncoding(*encoding)


@pytest.mark.parametrize(
    "json",
    [None, 1, [], {}, {"name": None}, {"name": "default", "configuration": {"separator": "-"}},
     {"name": "default", "configuration": {"separator": []}}, {"name": "default", "configuration": {"separator": "/", "x": 1}},
     {"name": "default", "configuration": {"x": 1}}, {"name": "default", "configuration": "/"}, {"name": "v2", "must_understand": 0}],
)  # fmt: skip
def test_invalid_encodings_raise_metadata_error(json: Any) -> None:
    with pytest.raises(MetadataError):
        chunk_keys.parse_v3(json)


def test_unknown_encodings_are_unsupported() -> None:
    with pytest.raises(UnsupportedError, match="fanout"):
        chunk_keys.parse_v3({"name": "fanout"})
    with pytest.raises(ArgumentError):
        ChunkKeyEncoding("fanout")
    with pytest.raises(ArgumentError):
        ChunkKeyEncoding("v2", "-")
