"""`exzarr gallery`: lists, runs and opens notebooks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from exzarr._cli.app import app
from exzarr.gallery.catalog import notebooks

pytest.importorskip("marimo", reason="the notebooks need marimo: pip install 'exzarr[gallery]'")


def test_list_shows_each_notebook_with_theme_and_summary():
    result = CliRunner().invoke(app, ["gallery", "list"])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert "Core Zarr" in lines
    for one in notebooks():
        (line,) = [line for line in lines if line.startswith(f"  {one.name} ")]
        assert line.endswith(one.header.summary)


def test_list_as_json_has_all_header_fields():
    result = CliRunner().invoke(app, ["gallery", "list", "--json"])
    listed = json.loads(result.stdout)
    assert [one["name"] for one in listed] == [one.name for one in notebooks()]
    assert all(len(one) == 10 and all(one.values()) for one in listed)


@pytest.mark.slow
def test_run_prints_its_checks(tmp_path: Path):
    command = [sys.executable, "-m", "exzarr", "gallery", "run", "first_zarr"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "checked: " in done.stdout
    assert done.stdout.endswith("01_01_first_zarr_array ran to its end\n")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("command", ["run", "open"])
def test_unknown_notebook_name_is_an_error_of_one_line(command: str):
    done = subprocess.run(
        [sys.executable, "-m", "exzarr", "gallery", command, "nothing_like_it"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr.startswith("error: there is no notebook 'nothing_like_it'; there are 01_01_first")
    assert done.stderr.count("\n") == 1


def test_notebook_of_an_installed_package_is_copied_before_editing(tmp_path: Path, monkeypatch, capsys):
    from exzarr._cli import gallery

    monkeypatch.chdir(tmp_path)
    source = notebooks()[0].path
    copied = gallery._copy(source)
    assert copied == tmp_path / source.name
    assert copied.read_text() == source.read_text()
    copied.write_text("mine")
    assert gallery._copy(source).read_text() == "mine"
    assert str(copied) in capsys.readouterr().out
