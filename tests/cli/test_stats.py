"""``exzarr stats``: its table, JSON and exit status."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import exzarr
from exzarr._cli.app import app


@pytest.fixture
def path(tmp_path):
    group = exzarr.create_group(tmp_path / "s.zarr")
    rain = group.create_array("sky/rain", shape=(8, 4), dtype="f4", chunks=(4, 4), fill_value=0)
    rain[0:3] = [[1, 2, np.nan, 0]]
    group.create_array("t", data=np.array(["2024-01-01", "2024-01-03"], "M8[s]"))
    group.create_array("names", data=np.array(["a", "b"]))
    return tmp_path / "s.zarr"


def run(*arguments, code=0):
    result = CliRunner().invoke(app, ["stats", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def test_statistics_are_built_and_shown(path):
    result = run(path)
    lines = result.stdout.splitlines()
    assert lines[1].split() == "/sky/rain float32 2 1 1 1 2 1.5 6 3 23".split()
    assert lines[2].split()[:8] == "/t datetime64[s] 1 1 1 2024-01-01T00:00:00 2024-01-03T00:00:00 –".split()
    assert "left out: /names" in result.stderr
    rain = exzarr.open_group(path)["sky/rain"]
    assert exzarr.statistics.open(rain).read().proved.all()
    assert run(path).stdout.splitlines()[1].split()[4] == "0"  # nothing was read


@pytest.mark.parametrize("trailing", ["", "/"])
def test_json_of_one_array_after_a_change(path, trailing):
    place = f"{path}/sky/rain{trailing}"
    run(place)
    exzarr.open_array(path, path="sky/rain", mode="r+")[7, 3] = 50
    (found,) = json.loads(run(place, "--json").stdout)["arrays"]
    assert (found["max"], found["read"], found["stored"]) == (50, 1, 2)
    for read in (1, 0):
        (found,) = json.loads(run(place, "--json", "--refresh").stdout)["arrays"]
        assert (found["max"], found["read"]) == (50, read)
    (found,) = json.loads(run(path / "t", "--json").stdout)["arrays"]
    assert found["mean"] is None


def test_errors_name_the_remedy(path, tmp_path):
    assert "no statistics" in run(path / "names", code=3).output + str(run(path / "names", code=3).stderr)
    exzarr.create_array(tmp_path / "alone.zarr", data=np.ones(3))
    assert "Store the array in a group" in run(tmp_path / "alone.zarr", code=2).output
    run(tmp_path / "missing", code=3)
