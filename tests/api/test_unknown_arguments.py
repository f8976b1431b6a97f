"""Errors for unknown arguments name the public function and the nearest valid argument."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr.errors import ArgumentError, NodeNotFoundError, UnknownArgumentError

GROUP = exzarr.group()


@pytest.mark.parametrize(
    ("function", "given", "said"),
    [
        (exzarr.open, {"mod": "r"}, "open() has no argument 'mod'; did you mean mode=?"),
        (exzarr.open, {"mode": "a", "shape": 3, "chunk": 2}, "open() has no argument 'chunk'; did you mean chunks=?"),
        (exzarr.open_array, {"mode": "w", "shape": 3, "fillvalue": 2}, "open_array() has no argument 'fillvalue'; did you mean fill_value=?"),
        (exzarr.open_group, {"use_consolidate": True}, "open_group() has no argument 'use_consolidate'; did you mean use_consolidated=?"),
        (exzarr.open_consolidated, {"zarrformat": 3}, "did you mean zarr_format=?"),
        (exzarr.create_array, {"shap": 3}, "create_array() has no argument 'shap'; did you mean shape=?"),
        (exzarr.create, {"shape": 3, "compresor": None}, "create() has no argument 'compresor'; did you mean compressor=?"),
        (exzarr.zeros, {"shape": 3, "chnks": 1}, "zeros() has no argument 'chnks'; did you mean chunks=?"),
        (exzarr.ones, {"shape": 3, "dtpe": "i4"}, "ones() has no argument 'dtpe'; did you mean dtype=?"),
        (exzarr.empty, {"shape": 3, "ordr": "C"}, "empty() has no argument 'ordr'; did you mean order=?"),
        (exzarr.full, {"shape": 3, "fill_value": 1, "pth": "x"}, "full() has no argument 'pth'; did you mean path=?"),
        (exzarr.full, {"shape": 3, "fill_value": 1, "attrs": {}}, "full() has no argument 'attrs'"),
        (exzarr.array, {"data": [1], "shardss": 1}, "array() has no argument 'shardss'; did you mean shards=?"),
        (exzarr.from_array, {"data": [1], "overwrit": True}, "from_array() has no argument 'overwrit'; did you mean overwrite=?"),
        (exzarr.zeros_like, {"a": np.ones(3), "sape": 4}, "zeros_like() has no argument 'sape'; did you mean shape=?"),
        (exzarr.full_like, {"a": np.ones(3), "fil_value": 4}, "full_like() has no argument 'fil_value'; did you mean fill_value=?"),
        (exzarr.create_group, {"attribute": {}}, "create_group() has no argument 'attribute'; did you mean attributes=?"),
        (exzarr.group, {"overwrit": True}, "group() has no argument 'overwrit'"),
        (exzarr.create_hierarchy, {"node": {}}, "create_hierarchy() has no argument 'node'; did you mean nodes=?"),
        (exzarr.save_array, {"store": "x", "arr": [1], "chunk": 1}, "save_array() has no argument 'chunk'; did you mean chunks=?"),
        (exzarr.load, {"store": "x", "pat": "a"}, "load() has no argument 'pat'; did you mean path=?"),
        (exzarr.array_metadata, {"shape": 3, "dtype": "i4", "attribs": {}}, "array_metadata() has no argument 'attribs'"),
        (GROUP.create_array, {"name": "x", "shape": 3, "dimension_name": "t"}, "Group.create_array() has no argument 'dimension_name'; did you mean dimension_names=?"),
        (GROUP.require_array, {"name": "x", "shape": 3, "dtyp": "i4"}, "Group.require_array() has no argument 'dtyp'; did you mean dtype=?"),
        (GROUP.create_group, {"name": "x", "overwite": True}, "Group.create_group() has no argument 'overwite'"),
        (exzarr.copy, {"source": "x", "destination": "y", "chunk": 1}, "copy() has no argument 'chunk'; did you mean chunks=?"),
        (exzarr.convert, {"source": "x", "zarr_fmt": 2}, "convert() has no argument 'zarr_fmt'; did you mean zarr_format=?"),
        (exzarr.check, {"target": "x", "deeep": True}, "check() has no argument 'deeep'; did you mean deep=?"),
        (exzarr.checksum, {"target": "x", "storage_option": {}}, "checksum() has no argument 'storage_option'; did you mean storage_options=?"),
        (exzarr.diff, {"a": "x", "b": "y", "rtoll": 1}, "diff() has no argument 'rtoll'; did you mean rtol=?"),
        (exzarr.virtualize, {"files": "x", "concat_dims": "t"}, "virtualize() has no argument 'concat_dims'; did you mean concat_dim=?"),
        (exzarr.lab.chunks, {"target": (3,), "dtypes": "f4"}, "chunks() has no argument 'dtypes'; did you mean dtype=?"),
    ],
    ids=lambda value: getattr(value, "__qualname__", None),
)  # fmt: skip
def test_error_names_public_function_and_nearest_argument(function: Any, given: Any, said: str) -> None:
    with pytest.raises(UnknownArgumentError) as caught:
        function(**given)
    assert said in str(caught.value)
    assert isinstance(caught.value, (TypeError, ValueError))
    assert [*GROUP] == []


def test_argument_for_new_nodes_is_named_in_reading_modes() -> None:
    with pytest.raises(ArgumentError, match="shape= describes a new node"):
        exzarr.open("nowhere.zarr", mode="r", shape=3)


def test_missing_name_raises_with_the_nearest_name(tmp_path: Any) -> None:
    root = exzarr.open_group(tmp_path / "climate.zarr", mode="w")
    root["temperature"] = np.arange(3)
    for name in ("temperatur", "Temperature"):
        with pytest.raises(NodeNotFoundError, match="did you mean 'temperature'?"):
            root[name]
        with pytest.raises(NodeNotFoundError, match="did you mean 'temperature'?"):
            exzarr.open(tmp_path / "climate.zarr", mode="r", path=name)
    with pytest.raises(NodeNotFoundError, match=r"did you mean 'climate\.zarr'?"):
        exzarr.open(tmp_path / "climat.zarr")
    with pytest.raises(NodeNotFoundError) as caught:
        root["zzz"]
    assert "did you mean" not in str(caught.value)
    exzarr.consolidate_metadata(root)
    group = exzarr.open_group(tmp_path / "climate.zarr", mode="r")
    with pytest.raises(NodeNotFoundError, match="consolidated metadata"):
        group["temperatur"]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_append_along_a_dimension_by_name(tmp_path: Any, zarr_format: Any) -> None:
    a = exzarr.create_array(
        tmp_path / "a", data=np.ones((2, 3)), dimension_names=("time", "x"), zarr_format=zarr_format
    )
    assert a.append(np.zeros((2, 1)), axis="x") == (2, 4)
    assert a.append(np.zeros((1, 4)), axis="time") == (3, 4)
    np.testing.assert_array_equal(a[...], [[1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0]])
    with pytest.raises(ArgumentError, match="there is no dimension 'tim'.*did you mean 'time'?"):
        a.append(np.zeros((1, 4)), axis="tim")
    with pytest.raises(ArgumentError, match="number or the name"):
        a.append(np.zeros((1, 4)), axis=1.5)  # type: ignore[arg-type]
    assert a.shape == (3, 4)


def test_unknown_codec_error_names_the_nearest() -> None:
    with pytest.raises(exzarr.UnsupportedError, match="'zstdd' is not known; did you mean 'zstd'?"):
        exzarr.zeros(3, compressors="zstdd")
