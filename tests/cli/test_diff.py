"""``exzarr diff``: its table, JSON and exit status."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import exzarr
from exzarr._cli.app import app


@pytest.fixture
def sides(tmp_path):
    values = np.arange(12.0).reshape(3, 4)
    exzarr.create_array(tmp_path / "a.zarr", data=values, chunks=(2, 2))
    values[1, 2] += 0.5
    exzarr.create_array(tmp_path / "b.zarr", data=values, chunks=(3, 3))
    return tmp_path / "a.zarr", tmp_path / "b.zarr"


def run(*arguments, code):
    result = CliRunner().invoke(app, ["diff", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.stdout


def test_differences_are_a_table_and_status_1(sides):
    out = run(*sides, code=1)
    assert "1 of 12 differ" in out
    assert "element [1, 2]" in out
    assert "chunks (does not count)" in out


@pytest.mark.parametrize(
    "options", [["--atol", "0.5"], ["--rtol", "0.1"], ["--region", "2:"], ["--region", "..., :2"]]
)
def test_equal_within_options_is_status_0(sides, options):
    run(*sides, *options, code=0)
    run(*sides, *options, "--strict", code=1)


def test_json_has_the_report(sides):
    found = json.loads(run(*sides, "--json", code=1))
    assert found["equal"] is False
    assert found["nodes"][0]["elements"]["first"] == [{"index": [1, 2], "left": 6.0, "right": 6.5}]


def test_trouble_is_a_status_above_1(sides, tmp_path):
    run(sides[0], tmp_path / "missing", code=3)
    run(*sides, "--region", "3", code=2)
    run(*sides, "--ignore", "chunk", code=2)


def test_positions_are_written_to_a_group(sides, tmp_path):
    run(*sides, "--into", tmp_path / "o.zarr", "--form", "sparse", code=1)
    assert exzarr.open_array(tmp_path / "o.zarr/index")[...].tolist() == [[1, 2]]
