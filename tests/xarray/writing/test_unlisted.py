"""The names of xarray that its documentation does not list behave as the writer expects, in the installed version."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import exzarr.xarray
from exzarr.xarray.writing import unlisted
from exzarr.xarray.writing.targets import StoredTarget

WRITING = Path(str(exzarr.xarray.__file__)).parent / "writing"


def test_only_one_file_uses_unlisted_names() -> None:
    for file in WRITING.glob("*.py"):
        imports = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)]
        unlisted_ones = [node.module for node in imports if node.module and node.module.startswith("xarray.")]
        # The base class of data stores is documented, in xarray.backends.
        assert file.name == "unlisted.py" or {*unlisted_ones} <= {"xarray.backends"}, file.name


def test_the_writer_writes_memory_now_and_blocks_later(tmp_path: Path) -> None:
    pytest.importorskip("dask")
    array = exzarr.create_array(tmp_path / "a.zarr", shape=(6,), dtype="i8")
    target = StoredTarget(array)
    writer = unlisted.ArrayWriter()
    writer.add(np.arange(1, 3), target, (slice(4, 6),))
    assert array[:].tolist() == [0, 0, 0, 0, 1, 2]
    writer.add(xr.Variable("x", np.arange(3, 7)).chunk(x=3).data, target, (slice(0, 4),))
    assert array[:].tolist() == [0, 0, 0, 0, 1, 2]
    writer.sync(compute=True, chunkmanager_store_kwargs={"scheduler": "sync"})
    assert array[:].tolist() == [3, 4, 5, 6, 1, 2]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_encoding_and_decoding(zarr_format: int) -> None:
    times = xr.Variable("t", np.array(["2000-01-02"], "M8[ns]"), encoding={"units": "hours since 2000-01-01"})
    stored = unlisted.encoded(times, "t", zarr_format)
    assert stored.values.tolist() == [24]
    assert stored.attrs["units"] == "hours since 2000-01-01"
    again = unlisted.decoded({"t": stored})["t"]
    assert again.values[0] == times.values[0]
    assert again.encoding["units"] == "hours since 2000-01-01"


def test_text_of_variable_length() -> None:
    objects = unlisted.encoded(xr.Variable("x", np.array(["a"], object)), "x", 3)
    assert unlisted.is_text(objects)
    strings = xr.Variable("x", np.array(["a"], np.dtypes.StringDType()))
    assert unlisted.is_text(unlisted.encoded(strings, "x", 3))
    assert unlisted.is_text(unlisted.encoded(strings, "x", 2))
    assert not unlisted.is_text(unlisted.encoded(xr.Variable("x", np.array(["a"])), "x", 3))


def test_fill_values_and_attributes() -> None:
    assert unlisted.encode_fill_value(1.5, np.dtype("f4")) == "AAAAAAAA+D8="
    assert unlisted.encode_fill_value(3, np.dtype("i2")) == 3
    assert unlisted.encode_attribute(np.float64(2.0)) == 2.0
    assert unlisted.encode_attribute(np.array([1, 2])) == [1, 2]


def test_coordinates_become_an_attribute() -> None:
    data = xr.Dataset({"a": ("x", [1])}, {"lat": ("x", [2.0])})
    variables, attributes = unlisted.encode_dataset_coordinates(data)
    assert variables["a"].attrs["coordinates"] == "lat"
    assert attributes == {}
    assert (unlisted.DATAARRAY_NAME, unlisted.DATAARRAY_VARIABLE) == (
        "__xarray_dataarray_name__",
        "__xarray_dataarray_variable__",
    )
