"""Pictures of arrays: values and coordinates as xarray decodes them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import exzarr
from exzarr._pictures.reading import read_picture
from exzarr.stores import CountingStore, MemoryStore


@pytest.fixture
def ocean() -> exzarr.Group:
    root = exzarr.create_group(MemoryStore())
    packed = {
        "units": "K",
        "long_name": "temperature",
        "scale_factor": 0.01,
        "add_offset": 280.0,
        "_FillValue": -999,
    }
    data = np.arange(4 * 9 * 18, dtype="i2").reshape(4, 9, 18)
    data[0, 2, 3] = -999
    root.create_array(
        "sst", data=data, chunks=(2, 3, 6), dimension_names=("time", "lat", "lon"), attributes=packed
    )
    root.create_array(
        "lat", data=np.linspace(80, -80, 9), dimension_names=["lat"], attributes={"units": "degrees_north"}
    )
    root.create_array(
        "lon", data=np.arange(18) * 20.0, dimension_names=["lon"], attributes={"units": "degrees_east"}
    )
    root.create_array(
        "time",
        data=np.arange(4) * 6,
        dimension_names=["time"],
        attributes={"units": "hours since 2024-01-01"},
    )
    return root


def test_values_and_coordinates_are_those_of_xarray(ocean: exzarr.Group) -> None:
    xarray = pytest.importorskip("xarray")
    theirs = xarray.open_dataset(ocean, engine="exzarr")["sst"]
    image = read_picture(ocean.get_array("sst"), (0,))
    np.testing.assert_allclose(image.values.filled(np.nan), theirs[0].values)
    assert image.kind == "image"
    assert [axis.label for axis in image.axes] == ["lat [degrees_north]", "lon [degrees_east]"]
    np.testing.assert_array_equal(image.axes[0].values, theirs["lat"].values)
    assert image.label == "temperature [K]"
    assert image.title == "temperature (time=0)"
    line = read_picture(ocean.get_array("sst"), (slice(None, None, -1), 5, -1))
    np.testing.assert_allclose(line.values.filled(np.nan), theirs[::-1, 5, -1].values)
    np.testing.assert_array_equal(line.axes[0].values, theirs["time"].values[::-1])
    assert (line.kind, line.title) == ("line", "temperature (lat=5, lon=17)")
    whole = read_picture(ocean.get_array("sst"), ())
    assert whole.kind == "histogram"
    assert whole.values.count() == 4 * 9 * 18 - 1


@pytest.mark.parametrize(
    ("name", "values", "attributes"),
    [
        ("lat", np.array([1.0, 3, 2, 4, 5, 6, 7, 8, 9]), {}),  # not sorted
        ("lat", np.full(9, np.nan), {}),
        ("lat", np.arange(8.0), {}),  # another length
        ("lat", np.array([*"abcdefghi"]), {}),
        ("lat", np.array([5, 1, 3, 4, 2, 6, 7, 8, 9]), {"units": "days since 1850-01-01"}),
        ("lat", np.arange(9) * 400_000_000, {"units": "days since 1850-01-01"}),  # after the year 9999
        (
            "lat",
            np.array(["2020-01-01", "NaT", *[f"2020-01-{day:02}" for day in range(3, 10)]], "M8[ns]"),
            {},
        ),
    ],
)
def test_coordinates_that_cannot_be_drawn_are_replaced_by_indices(
    ocean: exzarr.Group, name: str, values: np.ndarray, attributes: dict[str, str]
) -> None:
    ocean.create_array(name, data=values, attributes=attributes, overwrite=True)
    rows = read_picture(ocean.get_array("sst"), (0,)).axes[0]
    np.testing.assert_array_equal(rows.values, np.arange(9))
    assert rows.label == "lat"
    assert not rows.labelled


def test_another_calendar_is_drawn_as_numbers(ocean: exzarr.Group) -> None:
    ocean["time"].attrs["calendar"] = "360_day"
    (along,) = read_picture(ocean.get_array("sst"), (..., 0, 0)).axes
    assert along.label == "time [hours since 2024-01-01]"
    np.testing.assert_array_equal(along.values, [0, 6, 12, 18])


def test_dates_before_1970_and_parts_of_seconds(ocean: exzarr.Group) -> None:
    ocean["time"].attrs["units"] = "days since 1850-01-01"
    (along,) = read_picture(ocean.get_array("sst"), (..., 0, 0)).axes
    np.testing.assert_array_equal(along.values, np.datetime64("1850-01-01") + 6 * np.arange(4))
    ocean["time"].attrs["units"] = "milliseconds since 1850-01-01"
    (along,) = read_picture(ocean.get_array("sst"), (..., 0, 0)).axes
    np.testing.assert_array_equal(np.diff(along.values), np.timedelta64(6, "ms"))


def test_a_damaged_coordinate_does_not_hide_the_data(ocean: exzarr.Group) -> None:
    ocean.store.put("lat/c/0", b"damaged")
    assert not read_picture(ocean.get_array("sst"), (0,)).axes[0].labelled


def test_colours(tmp_path: Path) -> None:
    a = exzarr.create_array(
        tmp_path / "photo.zarr", data=np.arange(300, dtype="u1").reshape(10, 10, 3), chunks=(5, 5, 3)
    )
    picture = read_picture(a, ())
    assert (picture.kind, picture.colours, picture.title) == ("image", True, "photo.zarr")
    np.testing.assert_array_equal(picture.values.data, a[...])
    assert read_picture(a, (), "histogram").kind == "histogram"


def test_colours_are_read_together_or_not_at_all() -> None:
    a = exzarr.create_array(None, shape=(20, 20, 3), chunks=(10, 10, 1), dtype="u1")
    assert read_picture(a, (), decoded=300).values.shape[-1] == 3
    with pytest.raises(exzarr.ArgumentError, match="the colours of one place are in 3 chunks"):
        read_picture(a, (), decoded=100)


def test_complex_numbers_are_drawn_and_labelled_by_their_absolute_value() -> None:
    a = exzarr.create_group(None).create_array("z", data=np.array([3 + 4j]))
    picture = read_picture(a, ())
    assert (picture.values.tolist(), picture.label) == ([5.0], "|z|")


def test_an_array_of_100_gib_is_drawn_from_few_bytes() -> None:
    counting = CountingStore(MemoryStore())
    a = exzarr.create_array(counting, shape=(100_000, 100_000), chunks=(1000, 1000), dtype="f8")
    assert a.nbytes > 70 << 30
    a[20_000:22_000, 30_000:40_000] = 1
    counting.reset()
    picture = read_picture(a, (), decoded=64 << 20)
    assert picture.sample.decoded <= 64 << 20
    assert picture.values.size < 1200 * 1200
    assert counting.requests.total() <= 2 * picture.sample.chunks


@pytest.mark.parametrize(
    ("region", "kind", "message"),
    [
        ((0, 0, 0), None, "needs at least one dimension"),
        ((), "image", "an image has two dimensions, and the region has 3"),
        ((0,), "line", "a line has one dimension, and the region has 2"),
        ((0, slice(3, 3)), None, "has no elements"),
    ],
)
def test_regions_that_cannot_be_drawn(
    ocean: exzarr.Group, region: tuple, kind: str | None, message: str
) -> None:
    with pytest.raises(exzarr.ArgumentError, match=message):
        read_picture(ocean.get_array("sst"), region, kind)  # type: ignore[arg-type]


def test_text_cannot_be_drawn() -> None:
    with pytest.raises(exzarr.ArgumentError, match="has no numbers"):
        read_picture(exzarr.create_array(None, data=np.array(["a", "b"])), ())


@pytest.mark.parametrize("dtype", ["bool", "c8", "M8[s]", "m8[h]", "f2", "u8", "i1"])
def test_data_types(dtype: str) -> None:
    data = np.arange(6).astype(dtype)
    picture = read_picture(exzarr.create_array(None, data=data), ())
    expected = np.abs(data) if dtype == "c8" else data.astype("i8") if data.dtype.kind in "mM" else data
    np.testing.assert_array_equal(picture.values.data, expected.astype("f8"))
