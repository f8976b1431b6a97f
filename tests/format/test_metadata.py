"""Metadata objects compare by value, can be pickled, and raise if a format cannot store them."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest

from exzarr._format import dtypes, fill_values, nodes, v2, v3
from exzarr._format.chunk_grids import ChunkGrid
from exzarr._format.chunk_keys import ChunkKeyEncoding
from exzarr._format.metadata import ArrayMetadata, CodecConfig, GroupMetadata
from exzarr.errors import ArgumentError, MetadataError
from tests.format.test_v2 import ZARRAY, ZATTRS
from tests.format.test_v3 import ARRAY


def metadata(dtype: Any, fill: Any) -> ArrayMetadata:
    data_type = dtypes.from_numpy(dtype)
    return ArrayMetadata(
        zarr_format=3,
        shape=(6, 4),
        data_type=data_type,
        chunk_grid=ChunkGrid.from_rectilinear((6, 4), ([1, 2, 3], 2)),
        chunk_key_encoding=ChunkKeyEncoding(),
        fill_value=fill_values.cast(fill, data_type),
        codecs=(CodecConfig("bytes", {"endian": "little"}),),
        attributes={"a": [1]},
    )


@pytest.mark.parametrize(
    ("dtype", "fill"),
    [("f4", "NaN"), ("f4", "0x7fc00001"), (str, "x"), (bytes, b"x"), ([("a", "f4"), ("b", "U2")], ("NaN", "y")), ("M8[s]", "NaT"),
     ("bfloat16", 1.5), ("V3", b"abc")],
)  # fmt: skip
def test_metadata_compare_and_pickle(dtype: Any, fill: Any) -> None:
    one, other = metadata(dtype, fill), metadata(dtype, fill)
    assert one == other
    assert pickle.loads(pickle.dumps(one)) == one
    assert v3.parse(v3.to_json(one)) == one
    assert one != one.with_(shape=(5, 4))
    assert one != one.with_(attributes={})
    assert one != "metadata"


def test_fill_values_compare_by_bits() -> None:
    assert metadata("f4", "NaN") != metadata("f4", "0x7fc00001")
    assert metadata("f4", 0.0) != metadata("f4", -0.0)


def test_documents_parse_to_equal_metadata() -> None:
    assert v3.parse(ARRAY) == v3.parse(dict(reversed(ARRAY.items())))
    assert v2.parse_array(ZARRAY, ZATTRS) == v2.parse_array(dict(ZARRAY), dict(ZATTRS))
    tree = {"a": v3.parse(ARRAY)}
    assert GroupMetadata(3, {}, nodes.consolidate(tree, 3)) == GroupMetadata(
        3, {}, nodes.consolidate(tree, 3)
    )
    assert pickle.loads(pickle.dumps(v2.parse_array(ZARRAY, ZATTRS))) == v2.parse_array(ZARRAY, ZATTRS)


def test_metadata_that_v3_cannot_store_raises_argument_error() -> None:
    array = metadata("f4", 0)
    with pytest.raises(ArgumentError, match="fill value"):
        v3.to_json(array.with_(fill_value=None))
    objects = dtypes.parse_v2("|O", object_codec="json2")
    with pytest.raises(ArgumentError, match="data type"):
        v3.to_json(array.with_(data_type=objects, fill_value=0))


def test_extra_members_do_not_replace_known_members() -> None:
    future = {"kind": "external", "must_understand": False}
    group = v3.parse({"zarr_format": 3, "node_type": "group", "consolidated_metadata": future})
    consolidated = nodes.consolidate({"a": v3.parse(ARRAY)}, 3)
    assert v3.to_json(group.with_(consolidated=consolidated))["consolidated_metadata"]["kind"] == "inline"


@pytest.mark.parametrize("document", [None, [], 1, "x"])
def test_documents_must_be_objects(document: Any) -> None:
    for parse in (v3.parse, v3.parse_array, v3.parse_group, v2.parse_array, v2.parse_group):
        with pytest.raises(MetadataError):
            parse(document)


def test_grid_without_chunks_has_a_max_chunk_shape() -> None:
    grid = ChunkGrid.from_rectilinear((0, 4), ([3, 9], 2))
    assert grid.max_chunk_shape == (3, 2)
    assert np.prod(grid.chunk_counts) == 0


def test_numcodecs_codecs_keep_an_empty_configuration_for_zarr_python(tmp_path) -> None:
    zarr = pytest.importorskip("zarr")
    import exzarr

    array = exzarr.create_array(
        tmp_path / "a.zarr", shape=(4,), dtype="i4", compressors={"name": "numcodecs.crc32"}
    )
    array[:] = [1, 2, 3, 4]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert zarr.open_array(tmp_path / "a.zarr", mode="r")[...].tolist() == [1, 2, 3, 4]
