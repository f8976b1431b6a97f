"""Climatologies and anomalies equal those of pandas and NumPy for the whole cube."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import exzarr
from exzarr.errors import ArgumentError
from exzarr.gallery.climate import Anomaly, calendar_months, climatology, read_cube, window


@pytest.fixture(scope="module")
def cube():
    pytest.importorskip("iris_sample_data", reason="the climate data are those of iris-sample-data")
    pytest.importorskip("h5netcdf", reason="the climate data are netCDF")
    return read_cube()


def random_cube(months: int = 30) -> np.ndarray:
    values = np.random.default_rng(0).normal(290, 5, (months, 7, 11)).astype("f4")
    values[:, 2, 3] = np.nan
    values[5:9, 4, :] = np.nan
    return values


TIME = np.arange("2001-03", "2003-09", dtype="M8[M]")


@pytest.mark.parametrize("chunks", [(1, 7, 11), (30, 2, 3), (7, 4, 5)])
def test_climatology_equals_pandas(chunks) -> None:
    pd = pytest.importorskip("pandas")
    values = random_cube()
    array = exzarr.create_array(exzarr.stores.MemoryStore(), data=values, chunks=chunks, fill_value=np.nan)
    made = climatology(array, TIME, workers=2, prefetch=1)
    flat = pd.DataFrame(values.reshape(30, -1).astype("f8"), index=calendar_months(TIME))
    expected = flat.groupby(level=0).mean().to_numpy().reshape(12, 7, 11)
    np.testing.assert_allclose(made.means, expected, rtol=1e-12)
    assert np.isnan(made.means[:, 2, 3]).all()
    assert made.counts.sum() == np.isfinite(values).sum()
    assert made.chunks == array.nchunks


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_anomalies_are_values_minus_the_climatology(tmp_path, executor) -> None:
    values = random_cube()
    array = exzarr.create_array(tmp_path / "a.zarr", data=values, chunks=(8, 4, 6), fill_value=np.nan)
    out = exzarr.create_array(
        tmp_path / "b.zarr", shape=array.shape, dtype="f4", chunks=(30, 7, 2), fill_value=np.nan
    )
    usual = climatology(array, TIME)
    function = pickle.loads(pickle.dumps(Anomaly(usual.means, calendar_months(TIME))))
    array.parallel_chunk_map(function, with_chunk=True, out=out, executor=executor, workers=2)
    expected = values - usual.means[calendar_months(TIME)]
    np.testing.assert_allclose(out[...], expected, atol=1e-4)
    assert out.dtype == np.float32


def test_wrong_number_of_times_is_an_error() -> None:
    array = exzarr.create_array(exzarr.stores.MemoryStore(), data=random_cube(5), chunks=(5, 7, 11))
    with pytest.raises(ArgumentError, match="30 times for an array of 5"):
        climatology(array, TIME)


@pytest.mark.parametrize(
    ("first", "last", "found"),
    [
        (15, 30, (1, 3)),
        (10, 40, (0, 4)),
        (41, 50, (4, 4)),
        (0, 5, (0, 0)),
        (21, 29, (2, 2)),
        (30, 10, (2, 2)),
    ],
)
def test_window_selects_the_positions_between_two_values(first, last, found) -> None:
    assert window(np.array([10.0, 20.0, 30.0, 40.0]), first, last) == slice(*found)


def test_window_accepts_times() -> None:
    assert window(TIME, np.datetime64("2001-12"), np.datetime64("2002-02")) == slice(9, 12)


def test_sample_is_the_tropical_ocean(cube) -> None:
    assert cube.values.shape == (54, 18, 432)
    assert (str(cube.time[0]), str(cube.time[-1]), cube.units) == ("2006-04", "2010-09", "K")
    assert len(np.unique(cube.time)) == 54
    assert np.isnan(cube.values).any()
    # Borneo is land, the middle of the Pacific is warm.
    east = int(np.abs(cube.longitude - 114).argmin())
    assert np.isnan(cube.values[:, 9, east]).all()
    pacific = cube.values[:, :, window(cube.longitude, 170, 200)]
    assert 298 < np.nanmean(pacific) < 304
