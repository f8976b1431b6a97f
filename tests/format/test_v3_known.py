"""Cached documents are read and written like others, and callers never share mutable metadata."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr._format import v3, v3_alike, v3_known
from exzarr._format.metadata import ArrayMetadata
from exzarr.errors import MetadataError

names = st.text(max_size=5)
attributes = st.dictionaries(
    names, st.recursive(st.integers() | names | st.none(), st.lists, max_leaves=5), max_size=3
)


def document(shape: list[int], attrs: dict[str, Any], **more: Any) -> bytes:
    """Return a document in the form that other software writes."""
    return json.dumps(
        {
            "zarr_format": 3,
            "node_type": "array",
            "shape": shape,
            "data_type": "float32",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4] * len(shape)}},
            "chunk_key_encoding": {"name": "default"},
            "fill_value": 0.0,
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
            "attributes": attrs,
            **more,
        }
    ).encode()


def parsed(data: bytes) -> Any:
    """Parse a document without a cache."""
    v3_alike._known.clear()
    return v3.parse(json.loads(data))


def spelled(meta: ArrayMetadata) -> bytes:
    return json.dumps(v3.to_json(meta), indent=2).encode()


@given(
    shapes=st.integers(0, 3).flatmap(
        lambda ndim: st.lists(
            st.lists(st.integers(0, 10**12), min_size=ndim, max_size=ndim), min_size=1, max_size=5
        )
    ),
    attrs=attributes,
    more=st.sampled_from(
        [{}, {"dimension_names": None}, {"later": {"must_understand": False, "shape": [1]}}]
    ),
)
def test_cached_documents_equal_uncached_ones(
    shapes: list[list[int]], attrs: dict[str, Any], more: dict[str, Any]
) -> None:
    more = (
        {**more, "dimension_names": [f"d{i}" for i in range(len(shapes[0]))]}
        if "dimension_names" in more
        else more
    )
    data = document(shapes[0], attrs, **more)
    for shape in shapes:
        meta: Any = v3.loads(data)
        assert meta == parsed(data)
        grown = meta.with_(shape=tuple(shape))
        data = v3.dumps(grown)
        assert data == spelled(grown)
        assert v3.loads(data) == parsed(data) == grown


@given(first=attributes, second=attributes)
def test_changed_attributes_are_stored(first: dict[str, Any], second: dict[str, Any]) -> None:
    meta: Any = v3.loads(document([8], first))
    v3.dumps(meta.with_(shape=(9,)))
    other: Any = v3.loads(document([8], first))
    other.attributes.clear()
    other.attributes.update(second)  # must not affect the cache
    assert v3.loads(document([8], first)) == meta
    grown = other.with_(shape=(10,))
    assert v3.dumps(grown) == spelled(grown)
    changed = meta.with_(attributes=second, shape=(10,))
    assert v3.dumps(changed) == spelled(changed)
    assert v3.loads(v3.dumps(changed)) == changed


@pytest.mark.parametrize(
    "change",
    [
        {"fill_value": np.float32(1)},
        {"codecs": exzarr.zeros((4,), chunks=(2,)).metadata.codecs},
        {"extra": {"more": {"must_understand": False}}},
        {"dimension_names": ("x",)},
        {"chunk_grid": exzarr.zeros((8,), chunks=(2,)).metadata.chunk_grid},
        {"chunk_grid": exzarr.zeros((8,), chunks=([2, 6],)).metadata.chunk_grid},
    ],
)
def test_changed_parts_are_written(change: dict[str, Any]) -> None:
    meta: Any = v3.loads(document([8], {}))
    v3.dumps(meta.with_(shape=(9,)))
    changed = meta.with_(**change)
    assert v3.dumps(changed) == spelled(changed)
    assert v3.loads(v3.dumps(changed)) == changed


def test_changes_in_the_store_are_read() -> None:
    array = exzarr.zeros((4,), chunks=(2,), attributes={"a": [1]})
    array.append([1, 2])
    with pytest.raises(exzarr.ArgumentError, match="in place"):  # a change in place would not be stored
        array.attrs["a"].append(2)
    array.append([1, 2])
    assert exzarr.open_array(array.store).attrs["a"] == [1]
    data = array.store.get("zarr.json")
    assert data is not None
    array.store.put("zarr.json", bytes(data).replace(b'"shape": [\n    8', b'"shape": [\n    6'))
    assert array.append([3, 4]) == (8,)
    assert array[6:].tolist() == [3, 4]


def test_invalid_documents_raise_each_time() -> None:
    data = document([8], {}, codecs=[])
    for _ in range(2):
        with pytest.raises(MetadataError, match="codecs"):
            v3.loads(data)


def test_cache_size_is_bounded() -> None:
    for i in range(3 * v3_known.MAX_ENTRIES):
        v3.dumps(v3.loads(document([i], {"i": i})).with_(shape=(i + 1,)))  # type: ignore[arg-type]
        v3.loads(document([i], {"long": "x" * v3_known.MAX_NBYTES}))
    assert len(v3_known._documents) <= v3_known.MAX_ENTRIES
    assert len(v3_known._kinds) <= v3_known.MAX_ENTRIES
    assert max(map(len, v3_known._documents)) <= v3_known.MAX_NBYTES
