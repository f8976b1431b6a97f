"""`exzarr pyramid`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr import multiscale
from exzarr._cli.app import app


@pytest.fixture
def source(tmp_path: Path) -> str:
    image = np.random.default_rng(0).integers(0, 9, (3, 40, 40), dtype="i4")
    exzarr.create_array(
        tmp_path / "a.zarr", data=image, chunks=(1, 8, 16), shards=(1, 16, 16), compressors="gzip"
    )
    return str(tmp_path / "a.zarr")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as raised:
        app([*arguments])
    assert isinstance(raised.value.code, int)
    return raised.value.code


def test_options_reach_the_pyramid(source: str, tmp_path: Path, capsys: Any) -> None:
    target = str(tmp_path / "i.zarr")
    arguments = [
        *("--axes", "c,y,x", "--scale", "y=0.5,x=0.25", "--translation=0,1,2", "--unit", "micrometer"),
        *("--method", "max", "--factors", "1,2,2", "--levels", "3", "--version", "0.6", "--name", "n"),
        *("--chunks", "1,8,8", "--shards", "none", "--compressors", "none", "--workers", "1"),
    ]
    assert run("pyramid", source, target, *arguments, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    found: Any = multiscale.open(target)
    assert [level["shape"] for level in printed["levels"]] == [[3, 40, 40], [3, 20, 20], [3, 10, 10]]
    assert found.metadata.version == printed["version"] == "0.6"
    assert (found.name, found.metadata.method, found.axes[1].unit) == ("n", "max", "micrometer")
    assert found.levels[0].scale == (1, 0.5, 0.25)
    assert found.levels[0].translation == (0, 1, 2)
    array = found.levels[1].array
    assert (array.chunks, array.shards, array.compressors) == ((1, 8, 8), None, ())
    np.testing.assert_array_equal(
        array[...], multiscale.reduce_blocks(exzarr.open_array(source)[...], (1, 2, 2), "max")
    )


def test_the_layout_is_that_of_the_source(source: str, tmp_path: Path, capsys: Any) -> None:
    assert run("pyramid", source, str(tmp_path / "i.zarr"), "--axes", "cyx") == 0
    assert "3 × 20 × 20" in capsys.readouterr().out
    array = exzarr.open_array(tmp_path / "i.zarr" / "1")
    assert (array.chunks, array.shards) == ((1, 8, 16), (1, 16, 16))
    assert array.compressors[0].name == "gzip"


def test_errors_are_one_line(source: str, tmp_path: Path, capsys: Any) -> None:
    target = str(tmp_path / "i.zarr")
    cases = [
        (["--scale", "a"], "--scale 'a': write one number"),
        (["--axes", "qqq"], "names of axes are unique"),
        (["--method", "median"], "method is one of"),
        (["--convention", "multiscales", "--unit", "m"], "states no units"),
        (["--anon"], "is a local path"),
    ]
    for arguments, message in cases:
        assert run("pyramid", source, target, *arguments) == 2
        assert message in capsys.readouterr().err
        assert not Path(target).exists()
