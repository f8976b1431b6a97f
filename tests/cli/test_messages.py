"""Help, hints and exit statuses of the commands, and terminals that lack characters."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from typer.testing import CliRunner

import exzarr
from exzarr._cli.app import app
from exzarr._cli.failures import message_of
from exzarr.errors import StoreError

SOURCE = str(Path(exzarr.__file__).parents[1])
PYTHON = re.compile(r"\b\w+=(True|False|None|\[|\(|')|\bmode '|exzarr\.\w+\(|\w+Options\(|storage_options")
"""Hints that apply only to Python."""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("speech") / "climate.zarr"
    root = zarr.create_group(path)
    root.create_array(
        "temperature", data=np.arange(24.0).reshape(4, 6), chunks=(2, 3), dimension_names=("time", "lat")
    )
    return path


def invoke(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


COMMANDS = (
    ["info"], ["tree"], ["head"], ["copy"], ["convert"], ["virtualize"], ["check"], ["checksum"], ["profile"],
    ["demo"], ["lab", "chunks"], ["lab", "codecs"], ["gallery", "list"], ["gallery", "run"], ["gallery", "open"],
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_shows_flags_without_values_and_fits_80_columns(command):
    shown = invoke(*command, "--help").stdout
    assert "<bool>" not in shown
    assert not re.search(r"--json\s+<", shown)
    assert shown.isascii()
    options = shown[shown.index("Options:") :]
    assert max(map(len, options.splitlines())) <= 80
    if command[0] not in ("demo", "gallery"):
        example = next(
            line for line in shown.splitlines() if line.startswith(f"    exzarr {' '.join(command)} ")
        )
        assert example
    if command[0] in ("info", "tree", "head", "copy", "convert", "check", "checksum", "lab"):
        assert "-o, --option KEY=VALUE" in shown
        assert "--anon " in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inf", "x"], "Did you mean 'info'?"),
        (["lab", "chunk", "x"], "Did you mean 'chunks'?"),
        (["copy", "{path}", "{new}", "--compressors", "zstt"], "there is no codec 'zstt'; did you mean 'zstd'?"),
        (["copy", "{path}", "{new}", "--compressors", "zstd:x"], "is a level (blosc:9"),
        (["copy", "{path}", "{new}", "--compressors", "zstd:99"], "level must be between"),
        (["copy", "{path}", "{new}", "--chunks", "tim=3"], "there is no dimension 'tim'; did you mean 'time'?"),
        (["copy", "{path}", "{new}", "--shards", "lta=3"], "did you mean 'lat'?"),
        (["lab", "chunks", "{path}/temperature", "-a", "window:tim=1", "--measure", "0"], "did you mean 'time'?"),
        (["lab", "codecs", "4,4", "--dtype", "f4", "--only", "zstdd"], "did you mean 'zstd'?"),
        (["info", "s3:/bucket/x"], "a URL has two: s3://bucket/x"),
    ],
)  # fmt: skip
def test_misspelt_argument_is_wrong_usage_and_suggests_the_nearest(path, tmp_path, arguments, message):
    filled = [argument.format(path=path, new=tmp_path / "new.zarr") for argument in arguments]
    result = invoke(*filled, code=2)
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "new.zarr").exists()


@pytest.mark.parametrize("command", ["info", "tree", "head", "check", "checksum"])
def test_missing_path_suggests_the_nearest_and_exits_with_3(path, command):
    assert "did you mean 'temperature'?" in invoke(command, path / "temperatur", code=3).stderr
    assert "did you mean 'climate.zarr'?" in invoke(command, path.with_name("climat.zarr"), code=3).stderr


def test_check_exit_status_distinguishes_damage_from_a_typo(path, tmp_path):
    zarr.create_array(tmp_path / "a", data=np.arange(10), chunks=(5,))
    invoke("check", tmp_path / "a", "--deep")
    (tmp_path / "a" / "c" / "1").write_bytes(b"damaged")
    invoke("check", tmp_path / "a", "--deep", code=1)
    invoke("check", tmp_path / "b", "--deep", code=3)
    invoke("check", tmp_path / "a", "--depe", code=2)


def test_errors_have_no_hints_about_python_arguments(path, tmp_path):
    exzarr.save(tmp_path / "a.zip", np.arange(3))
    exzarr.save(tmp_path / "b.zarr", np.arange(3))
    for arguments in (
        ["lab", "chunks", tmp_path / "nowhere.zarr"],
        ["info", tmp_path / "nowhere.zarr"],
        ["convert", tmp_path / "a.zip", "--to", "2"],
        ["copy", path, tmp_path / "b.zarr"],
        ["copy", path, tmp_path / "a.zip"],
        ["head", path],
        ["info", tmp_path / "b.zarr", "--anon"],
        ["info", "s3://bucket/x", "-o", "anonn=1"],
        ["copy", path / "temperature", tmp_path / "new", "--chunks", "5,5,5"],
        ["copy", path / "temperature", tmp_path / "new", "--dtype", "floot"],
    ):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code in (2, 3), result.output
        assert not PYTHON.search(result.stderr), result.stderr


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("there is a file; overwrite=True replaces it", "there is a file; --overwrite replaces it"),
        ("no such node; mode 'a' or 'w' would create one", "no such node"),
        ("2 files: concat_dim='time' (--concat-dim time)", "2 files: --concat-dim time"),
        ("x; ReferenceStore(..., allow=[...]) names folders", "x; --allow PLACE names folders"),
        ("denied: give the option absent=(403,)", "denied: give the option --option absent=403"),
        ("chunks=(5, 5) has 2 entries", "--chunks 5,5 has 2 entries"),
        ("shards='big': a size is", "--shards big: a size is"),
        ("write --option endpoint=http://h", "write --option endpoint=http://h"),
    ],
)
def test_hints_name_options_instead_of_arguments(message, hint):
    assert (
        message_of(StoreError(message), {"--overwrite", "--concat-dim", "--option", "--chunks", "--shards"})
        == hint
    )


def test_compressors_with_a_level(path, tmp_path):
    invoke("copy", path, tmp_path / "b", "--compressors", "zstd:9")
    assert (
        zarr.open_array(tmp_path / "b" / "temperature").compressors[0].to_dict()["configuration"]["level"]
        == 9
    )
    invoke("copy", path, tmp_path / "c", "--compressors", "blosc:2", "--zarr-format", "2")
    assert zarr.open_array(tmp_path / "c" / "temperature", zarr_format=2).compressors[0].clevel == 2


def test_unnamed_access_patterns_are_named_by_their_text(path):
    access = ["-a", "window:1,-1", "-a", "window:-1,1*2", "-a", "scan"]
    shown = invoke("lab", "chunks", path / "temperature", *access, "--measure", "0", "--json").stdout
    accesses = json.loads(shown)["accesses"]
    assert sorted(accesses) == ["scan", "window:-1,1", "window:1,-1"]
    assert accesses["window:-1,1"]["weight"] == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LANG": "C"},
    ],
    ids=str,
)
def test_output_falls_back_to_ascii_if_the_encoding_lacks_characters(path, tmp_path, environment):
    exzarr.create_array(tmp_path / "größe.zarr", data=np.arange(4.0))
    for arguments in (["tree", path], ["info", path / "temperature"], ["head", tmp_path / "größe.zarr"], ["check", path],
                      ["checksum", tmp_path / "größe.zarr"], ["info", tmp_path / "nichts…"]):  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "exzarr", *map(str, arguments)],
            capture_output=True, check=False, env={**os.environ, "PYTHONPATH": SOURCE, **environment},
        )  # fmt: skip
        assert b"Unicode" not in done.stderr
        assert done.returncode == (3 if arguments[-1].name.startswith("nichts") else 0), done.stderr
        if environment.get("PYTHONIOENCODING") == "ascii":
            assert done.stdout.isascii()
            assert done.stderr.isascii()
            if arguments[0] == "tree":
                assert b"`-- temperature  time 4, lat 6  float64  2x3" in done.stdout


@pytest.mark.parametrize("name", ["x[bold]y", "[_x]", "t[dim", "[red]"])
def test_names_are_no_markup(tmp_path, name):
    group = exzarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array(name, data=np.arange(3.0), attributes={name: name, "[/closed]": 1})
    for command in ("head", "info", "tree"):
        assert name in invoke(command, f"{tmp_path}/a.zarr/{name}").stdout
    assert "[/closed]" in invoke("info", f"{tmp_path}/a.zarr/{name}").stdout


def test_reasons_of_broken_plug_ins_are_no_markup(monkeypatch):
    broken = exzarr.registry.Plugin("codec", "a[b]", "[pkg]", "broken", "ImportError: [/lib] [Errno 2]")
    monkeypatch.setattr(exzarr.registry, "plugins", lambda load: [broken])
    printed = invoke("plugins", code=1).stdout
    assert "broken: ImportError: [/lib] [Errno 2]" in printed
    assert "a[b]" in printed


def test_examples_of_store_options_can_be_typed(path):
    for option in ("--option", "--to-option"):
        printed = invoke("sync", path, path, option, "bogus", code=2).output
        assert "such as 'region=eu-west-1'" in printed


def test_head_refuses_a_corner_of_a_region_or_a_picture(path):
    array = f"{path}/temperature"
    for arguments in (
        ["--rows", 2, "--region", "0:3"],
        ["--columns", 2, "--region", "0:3"],
        ["--rows", 2, "--plot"],
    ):
        assert "leave it out together with --" in invoke("head", array, *arguments, code=2).output
    assert "[0:2, 0:3]" in invoke("head", array, "--rows", 2, "--columns", 3).stdout


def test_web_server_as_a_target_names_the_option(path):
    pytest.importorskip("obstore")
    printed = invoke("sync", path, "http://127.0.0.1:9/x", code=3).output
    assert "--to-option writable=true" in printed
    assert not PYTHON.search(printed)


def test_info_names_nodes_that_cannot_be_read(tmp_path):
    root = exzarr.open_group(tmp_path / "a.zarr", mode="w")
    root["good"] = root["bad"] = [1]
    (tmp_path / "a.zarr" / "bad" / "zarr.json").write_text("{nonsense")
    printed = " ".join(invoke("info", tmp_path / "a.zarr").stdout.split())
    assert "unreadable bad: bad/zarr.json: not valid JSON" in printed
