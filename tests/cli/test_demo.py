"""`exzarr demo` on the real data, in a new folder."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import zarr
from typer.testing import CliRunner

import exzarr
from exzarr._cli.app import app

pytestmark = pytest.mark.slow

for _package in ("iris_sample_data", "h5netcdf", "h5py", "matplotlib"):
    pytest.importorskip(_package, reason=f"the demo needs {_package}: pip install 'exzarr[demo]'")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo's folder and its output."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    result = CliRunner().invoke(app, ["demo", "--output", str(folder)])
    assert result.exit_code == 0, result.output
    return folder, result


def netcdf(file, name):
    import h5py
    import iris_sample_data

    with h5py.File(os.path.join(iris_sample_data.path, file)) as opened:  # noqa: PTH118
        return opened[name][...], dict(opened[name].attrs)


def opened(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return zarr.open_consolidated(folder / "climate.zarr", mode="r")


def test_demo_reports_that_all_values_are_equal(demo):
    _, result = demo
    assert "values of 19 arrays are equal" in result.stdout
    assert "✗" not in result.stdout
    assert "Where the time and the bytes went" in result.stdout
    assert "decoding" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("file", "group", "name"),
    [
        ("ostia_monthly.nc", "ocean", "surface_temperature"),
        ("E1_north_america.nc", "north_america", "air_temperature"),
    ],
)
def test_hierarchy_equals_the_netcdf_files(demo, file, group, name):
    folder, _ = demo
    wanted, _ = netcdf(file, name)
    array = opened(folder)[group][name]
    np.testing.assert_array_equal(array[...], wanted)
    assert array.dtype == wanted.dtype
    assert array.metadata.dimension_names == ("time", "latitude", "longitude")
    assert array.attrs["standard_name"] == name
    assert array.attrs["units"] == "K"
    assert array.shards is not None
    assert array.chunks != array.shards
    time = opened(folder)[group]["time"]
    np.testing.assert_array_equal(time[...], netcdf(file, "time")[0])
    assert time.attrs["units"] == "hours since 1970-01-01 00:00:00"
    assert time.attrs["calendar"] in ("gregorian", "360_day")
    assert {"DIMENSION_LIST", "_Netcdf4Dimid"}.isdisjoint(array.attrs)


def test_missing_values_have_the_attribute_of_xarray(demo):
    import base64

    folder, _ = demo
    array = opened(folder)["ocean/surface_temperature"]
    _, attributes = netcdf("ostia_monthly.nc", "surface_temperature")
    (mark,) = struct.unpack("<d", base64.b64decode(array.attrs["_FillValue"]))
    assert np.float32(mark) == array.fill_value == attributes["_FillValue"].item()


def test_monthly_means_equal_those_of_numpy(demo):
    folder, _ = demo
    values, attributes = netcdf("ostia_monthly.nc", "surface_temperature")
    masked = np.ma.masked_equal(values, attributes["_FillValue"].item())
    first_month = 3  # April 2006
    means = opened(folder)["ocean/surface_temperature_monthly_mean"]
    assert means.shape == (12, 18, 432)
    for month in range(12):
        wanted = masked[(month - first_month) % 12 :: 12].mean(axis=0, dtype="f8")
        got = np.ma.masked_equal(means[month], means.fill_value)
        np.testing.assert_array_equal(got.mask, wanted.mask)
        np.testing.assert_allclose(got.compressed(), wanted.compressed(), rtol=1e-6)


def test_picture_is_a_png_that_is_not_blank(demo):
    folder, _ = demo
    data = (folder / "map.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    assert min(width, height) > 1000
    assert (depth, colour) == (8, 6)
    pixels, at = b"", 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        pixels += data[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += length + 12
    assert len(set(zlib.decompress(pixels))) > 200


def test_demo_can_run_again_in_its_folder_and_print_json(demo):
    folder, _ = demo
    result = CliRunner().invoke(app, ["demo", "-o", str(folder), "--json"])
    facts = json.loads(result.stdout)
    assert facts["held"] is True
    assert facts["different"] == 0
    assert facts["values"] == sum(
        array.size for _, array in opened(folder).members(max_depth=None) if hasattr(array, "size")
    )


def test_demo_does_not_replace_other_data(tmp_path):
    zarr.create_array(tmp_path / "climate.zarr", data=np.arange(3))
    result = CliRunner().invoke(app, ["demo", "-o", str(tmp_path)])
    assert result.exit_code == 3
    assert "left alone" in result.stderr
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "climate.zarr")[...], np.arange(3))


def test_one_wrong_value_fails_the_demo(tmp_path, monkeypatch):
    from exzarr._cli.demo import hierarchy

    write = hierarchy.write_variable

    def wrong(group, variable):
        seconds = write(group, variable)
        if variable.name == "air_temperature":
            group[variable.name][5, 6, 7] += 1
        return seconds

    monkeypatch.setattr(hierarchy, "write_variable", wrong)
    result = CliRunner().invoke(app, ["demo", "-o", str(tmp_path)])
    assert result.exit_code == 1
    assert "1 differ" in result.stdout
    assert "1 of 19 arrays differ" in result.stdout


def test_missing_data_package_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "iris_sample_data", None)
    result = CliRunner().invoke(app, ["demo", "-o", str(tmp_path)])
    assert result.exit_code == 3
    assert "exzarr[demo]" in result.stderr
    assert [*tmp_path.iterdir()] == []


@pytest.mark.slow
def test_demo_runs_with_an_empty_home_and_without_a_terminal(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "from exzarr._cli import main; main()", "demo"],
        cwd=tmp_path,
        env={
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(exzarr.__file__).parents[1]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert {path.name for path in (tmp_path / "exzarr-demo").iterdir()} == {"climate.zarr", "map.png"}


def test_demo_prints_masked_means_and_no_speeds(demo):
    _, result = demo
    values, attributes = netcdf("ostia_monthly.nc", "surface_temperature")
    masked = np.ma.masked_equal(values, np.ravel(attributes["_FillValue"])[0])
    assert f"{masked.mean(dtype='f8'):.2f} K   of {masked.count():,} values" in result.stdout
    assert f"{values.astype('f8').mean():.2g} K   the fill value counts" in result.stdout
    assert re.search(r"[BX]/s\b", result.stdout) is None


def test_head_shows_land_as_masked(demo):
    folder, _ = demo
    arguments = ["head", str(folder / "climate.zarr/ocean/surface_temperature"), "-r", "45, :4, 334:342"]
    shown = CliRunner().invoke(app, arguments).stdout
    values, attributes = netcdf("ostia_monthly.nc", "surface_temperature")
    land = int((values[45, :4, 334:342] == attributes["_FillValue"]).sum())
    assert land
    assert f"-- has no value: {land} of 32 elements are 1e+20" in shown
    assert shown.count("--") == land + 1
