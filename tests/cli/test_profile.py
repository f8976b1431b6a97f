"""``exzarr profile`` and ``--profile``."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr

from tests.cli.test_commands import invoke


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "store.zarr"
    root = zarr.create_group(path)
    sst = root.create_array("ocean/sst", shape=(6, 5, 4), chunks=(2, 5, 2), shards=(4, 5, 4), dtype="f4")
    sst[...] = np.arange(120, dtype="f4").reshape(6, 5, 4) / 4
    root.create_array("ocean/time", data=np.arange(6.0))
    return path


def test_profile_goes_to_stderr_and_stdout_is_unchanged(store):
    plain = invoke("info", store / "ocean/sst")
    for arguments in (
        ("info", store / "ocean/sst", "--profile"),
        ("--profile", "info", store / "ocean/sst"),
        ("profile", "info", store / "ocean/sst"),
    ):
        result = invoke(*arguments)
        assert result.stdout == plain.stdout
        assert "profile of" in result.stderr
        assert "requests" in result.stderr


@pytest.mark.parametrize("command", ["info", "tree", "head", "copy", "convert"])
def test_every_command_can_be_profiled(store, tmp_path, command):
    arguments = {
        "info": ["ocean/sst"],
        "tree": [""],
        "head": ["ocean/sst", "--region", "0, 0, 0"],
        "copy": ["ocean/sst", tmp_path / "copy.zarr", "--chunks", "3,5,4", "--shards", "none"],
        "convert": ["ocean/time", tmp_path / "v2.zarr", "--to", "2"],
    }[command]
    path = store / arguments[0]
    result = invoke("profile", "--json", command, path, *arguments[1:])
    report = json.loads(result.stdout)
    assert result.stderr  # the output of the command
    got = sum(request["bytes"] for request in report["requests"] if request["kind"] in ("get", "range"))
    assert got > 0
    if command == "head":
        (use,) = report["arrays"]
        assert (use["chunks"], use["bytes_wanted"]) == (1, 4)
    if command == "copy":
        uses = {use["operation"]: use for use in report["arrays"]}
        assert uses["read"]["bytes_wanted"] == uses["write"]["bytes_wanted"] == 480
        put = [r for r in report["requests"] if r["kind"] == "put" and "copy.zarr" in r["store"]]
        files = [path for path in (tmp_path / "copy.zarr").rglob("*") if path.is_file()]
        assert sum(r["bytes"] for r in put) == sum(path.stat().st_size for path in files)


def test_failing_command_is_profiled_and_fails(store):
    for arguments in (["profile", "head"], ["--profile", "head"]):
        result = invoke(*arguments, store / "nothing", code=3)
        assert "profile of" in result.stderr
        assert result.stderr.splitlines()[-1].startswith("error: ")
        assert "Traceback" not in result.stderr


def test_profile_after_two_dashes_is_an_argument(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    zarr.create_array("--profile", shape=(3,), dtype="i4", chunks=(3,))
    result = invoke("info", "--", "--profile")
    assert "profile of" not in result.stderr


def test_profile_plot_draws_the_timeline(store, tmp_path):
    pytest.importorskip("matplotlib")
    invoke("profile", "--plot", tmp_path / "timeline.png", "tree", store)
    assert (tmp_path / "timeline.png").read_bytes().startswith(b"\x89PNG")
    assert invoke("profile", code=2).stderr.startswith("error: Missing argument")
