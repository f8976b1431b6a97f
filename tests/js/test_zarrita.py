"""The oracle itself: what zarr-python writes, read.mjs hands over unchanged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from tests.conftest import Zarrita

FLOATS = [0.0, -0.0, 1.5, np.nan, np.inf, -np.inf, 1e-45, 3.4e38]
INT64 = [0, -1, 2**53 + 1, -(2**63), 2**63 - 1, 7, 8, 9]


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(
    "values",
    [
        np.array(FLOATS, "f4"),
        np.array(FLOATS, "f8"),
        np.array(INT64, "i8"),
        np.array([0, 2**64 - 1], "u8"),
        np.arange(-60, 60, dtype="i1").reshape(2, 3, 20),
        np.array([[True, False], [False, True]]),
        np.zeros((0, 3), "i4"),
        np.array(5, "u2"),
    ],
    ids=lambda values: f"{values.dtype}-{values.shape}",
)
def test_numbers_arrive_bit_for_bit(
    tmp_path: Path, zarrita: Zarrita, values: np.ndarray, zarr_format: Any
) -> None:
    zarr.create_array(tmp_path / "a.zarr", data=values, zarr_format=zarr_format)
    (seen,) = zarrita.read(tmp_path / "a.zarr")
    assert seen["data"].dtype == values.dtype
    assert seen["data"].shape == values.shape
    assert seen["data"].tobytes() == values.tobytes()


def test_transposed_sharded_array_arrives_in_c_order(tmp_path: Path, zarrita: Zarrita) -> None:
    values = np.arange(7 * 5, dtype="i4").reshape(7, 5)
    root = zarr.create_group(tmp_path / "g.zarr", attributes={"title": "×"})
    sharded = root.create_array("s", shape=(7, 5), dtype="i4", chunks=(2, 2), shards=(4, 4))
    transposed = root.create_array(
        "deep/t",
        shape=(7, 5),
        dtype="i4",
        chunks=(3, 3),
        filters=[zarr.codecs.TransposeCodec(order=(1, 0))],
        dimension_names=("y", "x"),
        attributes={"units": "K"},
    )
    sharded[...] = values
    transposed[...] = values
    first, second = zarrita.read(tmp_path / "g.zarr", "s", "deep/t")
    np.testing.assert_array_equal(first["data"], values)
    np.testing.assert_array_equal(second["data"], values)
    assert second["dimension_names"] == ["y", "x"]
    assert second["attributes"] == {"units": "K"}


def test_strings_arrive(tmp_path: Path, zarrita: Zarrita) -> None:
    words = np.array(["a", "", "çà ✓", "null"], dtype=np.dtypes.StringDType())
    array = zarr.create_array(tmp_path / "a.zarr", shape=(4,), dtype="string")
    array[:] = words
    (seen,) = zarrita.read(tmp_path / "a.zarr")
    assert seen["data"].tolist() == words.tolist()


def test_absent_array_is_an_error(tmp_path: Path, zarrita: Zarrita) -> None:
    with pytest.raises(RuntimeError, match="NotFoundError"):
        zarrita.read(tmp_path)
