"""An append is one commit for all variables, and is stored once with a key."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr

import exzarr
from exzarr.xarray import to_zarr
from tests.kill_points import kill_steps, killed_at
from tests.xarray.writing.compared import read, theirs


def days(start: int, count: int, *, units: str | None = None) -> xr.Dataset:
    """Return a dataset whose values are the day, for `count` days."""
    at = np.arange(start, start + count)
    times = pd.Timestamp("2000-01-01") + pd.to_timedelta(at, "D")
    data = xr.Dataset(
        {
            "t2m": (("time", "x"), np.repeat(at[:, None], 3, 1).astype("f4"), {"units": "K"}),
            "wind": (("x", "time"), np.repeat(at[None], 3, 0).astype("i4")),
            "mask": ("x", [True, False, True]),
        },
        {"time": times, "x": [10, 20, 30]},
        {"title": "days"},
    )
    if units:
        data["time"].encoding = {"units": units, "dtype": "i8"}
    return data


def appended(data: xr.Dataset, place: Path, **options: Any) -> exzarr.Appended:
    found: Any = to_zarr(data, place, append_dim="time", **options)
    assert isinstance(found.appended, exzarr.Appended)
    return found.appended


def check_days(place: Any, count: int) -> None:
    xr.testing.assert_identical(
        read(place).drop_attrs(deep=False).load(), days(0, count).drop_attrs(deep=False)
    )


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("consolidated", [None, False])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_appends_give_what_xarray_gives(
    zarr_format: Any, consolidated: bool | None, chunked: bool, tmp_path: Path
) -> None:
    for write, place in ((theirs, "theirs.zarr"), (to_zarr, "ours.zarr")):
        for start, count in ((0, 5), (5, 2), (7, 9)):
            data = days(start, count)
            data = data.chunk(time=4, x=2) if chunked and write is to_zarr else data
            write(
                data,
                tmp_path / place,
                zarr_format=zarr_format,
                consolidated=consolidated,
                append_dim="time" if start else None,
            )
    wanted, found = (
        read(tmp_path / place, consolidated=consolidated) for place in ("theirs.zarr", "ours.zarr")
    )
    xr.testing.assert_identical(found.load(), wanted.load())
    xr.testing.assert_identical(found, days(0, 16))
    assert found["time"].encoding["units"] == wanted["time"].encoding["units"]


def test_times_follow_the_stored_units(tmp_path: Path) -> None:
    to_zarr(days(0, 3, units="hours since 1999-01-01"), tmp_path / "a.zarr")
    to_zarr(days(3, 3, units="days since 2000-01-01"), tmp_path / "a.zarr", append_dim="time")
    check_days(tmp_path / "a.zarr", 6)
    assert read(tmp_path / "a.zarr")["time"].encoding["units"] == "hours since 1999-01-01"


def test_a_key_is_stored_once(tmp_path: Path) -> None:
    to_zarr(days(0, 3), tmp_path / "a.zarr")
    first = appended(days(3, 2), tmp_path / "a.zarr", key="monday")
    again = appended(days(3, 2), tmp_path / "a.zarr", key="monday")
    assert first == exzarr.Appended(3, 5, stored=True)
    assert again == exzarr.Appended(3, 5, stored=False)
    check_days(tmp_path / "a.zarr", 5)
    # Other writes of attributes keep the keys.
    to_zarr(days(0, 5), tmp_path / "a.zarr", mode="a")
    assert not appended(days(3, 2), tmp_path / "a.zarr", key="monday").stored
    # A copy of the dataset does not carry them on.
    to_zarr(read(tmp_path / "a.zarr").isel(time=slice(3)), tmp_path / "b.zarr")
    assert appended(days(3, 2), tmp_path / "b.zarr", key="monday").stored
    check_days(tmp_path / "b.zarr", 5)


def test_a_key_requires_an_append(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="requires append_dim"):
        to_zarr(days(0, 3), tmp_path / "a.zarr", key="k")
    to_zarr(days(0, 3), tmp_path / "v2.zarr", zarr_format=2)
    with pytest.raises(ValueError, match="Zarr format 3"):
        to_zarr(days(3, 3), tmp_path / "v2.zarr", append_dim="time", key="k")


def test_groups_of_one_store(tmp_path: Path) -> None:
    for group in ("a", "b/c"):
        to_zarr(days(0, 3), tmp_path / "a.zarr", group=group)
        to_zarr(days(3, 3), tmp_path / "a.zarr", group=group, append_dim="time", key="k")
    for group in ("a", "b/c"):
        found = read(tmp_path / "a.zarr", group=group)
        assert found.attrs.pop("exzarr_append_keys") == {"k": [3, 6]}
        xr.testing.assert_identical(found, days(0, 6))


@pytest.mark.parametrize("mode", ["a", "a-"])
def test_variables_without_the_dimension(mode: Any, tmp_path: Path) -> None:
    to_zarr(days(0, 3), tmp_path / "a.zarr")
    changed = days(3, 1).assign(mask=("x", [False, False, False]))
    to_zarr(changed, tmp_path / "a.zarr", mode=mode, append_dim="time")
    found = read(tmp_path / "a.zarr")
    assert found["mask"].values.tolist() == ([False] * 3 if mode == "a" else [True, False, True])
    assert found.sizes["time"] == 4


def test_a_new_variable_without_the_dimension_is_created(tmp_path: Path) -> None:
    to_zarr(days(0, 3), tmp_path / "a.zarr")
    to_zarr(days(3, 1).assign(area=("x", [1.0, 2.0, 3.0])), tmp_path / "a.zarr", append_dim="time")
    xr.testing.assert_identical(read(tmp_path / "a.zarr"), days(0, 4).assign(area=("x", [1.0, 2.0, 3.0])))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (days(3, 1).drop_vars("wind"), "'wind' has the dimension 'time', too"),
        (days(3, 1).assign(rain=("time", [1.0])), "'rain' is new and has the dimension"),
        (days(3, 1).isel(x=[0]), "different dimension sizes"),
        (days(3, 1).assign(t2m=("time", [1.0])), "different dimension names"),
        (days(3, 1).rename(time="day"), "different dimension names"),
    ],
    ids=["missing", "new", "sizes", "dimensions", "renamed"],
)
def test_what_does_not_fit_changes_nothing(data: xr.Dataset, error: str, tmp_path: Path) -> None:
    to_zarr(days(0, 3), tmp_path / "a.zarr")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=error):
        to_zarr(data, tmp_path / "a.zarr", append_dim="time")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_an_append_that_is_computed_later(tmp_path: Path) -> None:
    to_zarr(days(0, 3), tmp_path / "a.zarr")
    delayed = to_zarr(
        days(3, 4).chunk(time=1), tmp_path / "a.zarr", append_dim="time", compute=False, key="k"
    )
    check_days(tmp_path / "a.zarr", 3)
    assert delayed.compute() == exzarr.Appended(3, 7, stored=True)
    check_days(tmp_path / "a.zarr", 7)
    assert delayed.compute(scheduler="sync") == exzarr.Appended(3, 7, stored=False)


def test_a_block_that_fails_appends_nothing(tmp_path: Path) -> None:
    def fail(block: Any, block_info: Any = None) -> Any:
        if block_info is not None and block_info[0]["chunk-location"][0] == 2:
            raise RuntimeError("no data")
        return block

    to_zarr(days(0, 3), tmp_path / "a.zarr")
    data = days(3, 4).chunk(time=1)
    data["t2m"] = data["t2m"].copy(data=data["t2m"].data.map_blocks(fail, dtype="f4"))
    with pytest.raises(RuntimeError, match="no data"):
        to_zarr(data, tmp_path / "a.zarr", append_dim="time")
    check_days(tmp_path / "a.zarr", 3)
    to_zarr(days(3, 1), tmp_path / "a.zarr", append_dim="time")
    check_days(tmp_path / "a.zarr", 4)


@pytest.mark.slow
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_append_that_is_killed_has_happened_or_not(zarr_format: Any, tmp_path: Path) -> None:
    template, path = tmp_path / "template.zarr", tmp_path / "cube.zarr"
    encoding: Any = {"t2m": {"chunks": (2, 2)}, "wind": {"chunks": (3, 4)}, "time": {"chunks": (8,)}}
    to_zarr(days(0, 3), template, zarr_format=zarr_format, encoding=encoding)
    key = "k" if zarr_format == 3 else None

    def append() -> None:
        # dask's own threads do not survive a fork.
        with ThreadPoolExecutor(2) as pool, dask.config.set(pool=pool):
            to_zarr(days(3, 5).chunk(time=3), path, append_dim="time", key=key)

    def restore() -> None:
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(template, path)

    restore()
    steps = kill_steps(path, append)
    before = 0
    for step in steps:
        restore()
        killed_at(step, path, append)
        count = read(path).sizes["time"]
        assert count in (3, 8), step
        check_days(path, count)
        before += count == 3
        if count == 3 or key is not None:
            append()
            check_days(path, 8)
            xr.testing.assert_equal(read(path, consolidated=False), days(0, 8))
    assert before >= 3
    assert len(steps) >= 10


READER = """
import sys, warnings, xarray
warnings.simplefilter("ignore")
while True:
    for engine in ("zarr", "exzarr"):
        with xarray.open_dataset(sys.argv[1], engine=engine, decode_times=False) as data:
            times, values = data["time"].values, data["t2m"].values
            assert len(times) == len(values) == data.sizes["time"]
            assert (values[:, 0] == times).all(), (engine, times, values)
            print(len(times), flush=True)
"""


@pytest.mark.slow
def test_readers_see_all_variables_grown_or_none(tmp_path: Path) -> None:
    path = tmp_path / "cube.zarr"
    to_zarr(days(0, 3, units="days since 2000-01-01"), path, encoding={"t2m": {"chunks": (2, 2)}})
    reader = subprocess.Popen([sys.executable, "-c", READER, str(path)], stdout=subprocess.PIPE, text=True)
    assert reader.stdout is not None
    seen = [int(reader.stdout.readline())]
    for start in range(3, 60, 3):
        to_zarr(days(start, 3), path, append_dim="time")
        seen.append(int(reader.stdout.readline()))
    seen += [int(reader.stdout.readline()) for _ in range(6)]
    assert reader.poll() is None
    reader.kill()
    seen += [int(line) for line in reader.stdout.read().split("\n")[:-1]]
    reader.wait()
    reader.stdout.close()
    assert {*seen} <= {*range(3, 61, 3)}
    assert len({*seen}) > 2


@pytest.mark.parametrize("write_empty_chunks", [False, True])
def test_appended_chunks_of_fill_values(write_empty_chunks: bool, tmp_path: Path) -> None:
    data = xr.Dataset({"a": ("t", [np.nan, 1.0])})
    to_zarr(data, tmp_path / "a.zarr", encoding={"a": {"chunks": (1,)}})
    to_zarr(data, tmp_path / "a.zarr", append_dim="t", write_empty_chunks=write_empty_chunks)
    assert (tmp_path / "a.zarr/a/c/2").exists() is write_empty_chunks
    assert (tmp_path / "a.zarr/a/c/3").exists()


def test_threads_that_append_lose_nothing(tmp_path: Path) -> None:
    to_zarr(days(0, 1), tmp_path / "a.zarr", encoding={"t2m": {"chunks": (4, 3)}})

    def append(day: int) -> None:
        to_zarr(days(day, 1), tmp_path / "a.zarr", append_dim="time")

    threads = [threading.Thread(target=append, args=(day,)) for day in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    xr.testing.assert_equal(read(tmp_path / "a.zarr").sortby("time"), days(0, 9))


def test_an_append_by_xarray_without_consolidated_metadata_is_not_overwritten(tmp_path: Path) -> None:
    to_zarr(days(0, 3), tmp_path / "a.zarr")
    theirs(days(3, 1), tmp_path / "a.zarr", append_dim="time", consolidated=False)
    to_zarr(days(4, 1), tmp_path / "a.zarr", append_dim="time")
    check_days(tmp_path / "a.zarr", 5)


def test_an_append_of_one_variable_by_zarr_python_is_not_overwritten(tmp_path: Path) -> None:
    to_zarr(days(0, 3), tmp_path / "a.zarr")
    zarr.open_array(str(tmp_path / "a.zarr" / "t2m")).append(np.full((1, 3), 9.0, "f4"))
    with pytest.raises(exzarr.errors.StoreError, match="consolidate_metadata"):
        to_zarr(days(3, 1), tmp_path / "a.zarr", append_dim="time")
    exzarr.consolidate_metadata(tmp_path / "a.zarr")
    with pytest.raises(ValueError, match="differ in length along 'time' already"):
        to_zarr(days(3, 1), tmp_path / "a.zarr", append_dim="time")
    exzarr.open_array(tmp_path / "a.zarr", path="t2m", mode="r+").resize((3, 3))
    to_zarr(days(3, 1), tmp_path / "a.zarr", append_dim="time")
    check_days(tmp_path / "a.zarr", 4)
