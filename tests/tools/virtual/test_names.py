"""Variables with names that Zarr v3 reserves are virtualized like all others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import exzarr

h5py = pytest.importorskip("h5py")
pytest.importorskip("kerchunk")


def test_variables_whose_names_begin_with_underscores_are_virtualized(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["__xarray_dataarray_variable__"] = np.arange(4.0)
        file.create_group("__categories")["kind"] = np.arange(3)
    group = exzarr.virtualize(tmp_path / "a.h5")
    assert [path for path, _ in group.walk()] == [
        "__categories",
        "__categories/kind",
        "__xarray_dataarray_variable__",
    ]
    np.testing.assert_array_equal(group.get_array("__xarray_dataarray_variable__")[:], np.arange(4.0))
    copy = exzarr.MemoryStore()
    exzarr.copy(group, copy, zarr_format=3)
    np.testing.assert_array_equal(exzarr.open_group(copy).get_array("__categories/kind")[:], np.arange(3))
