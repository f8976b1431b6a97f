"""The command ``exzarr virtualize``."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

import exzarr
from exzarr._cli.app import app


def invoke(*arguments, code=0):
    result = CliRunner().invoke(app, ["virtualize", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / "a.h5", tmp_path / "b.h5"]
    for number, path in enumerate(paths):
        with h5py.File(path, "w") as file:
            file.create_dataset("x", data=np.arange(200) + 200 * number, chunks=(100,))
            file.create_dataset("odd", data=np.arange(200), chunks=(100,), compression="lzf")
    return paths


@pytest.mark.parametrize("name", ["refs.json", "refs.parq"])
def test_files_are_joined_into_references(tmp_path, files, name):
    output = tmp_path / name
    output_text = invoke(*files, "--output", output, "--concat-dim", "phony_dim_0", "--exclude", "odd").stdout
    assert "1 array of 2 files" in output_text
    assert "other places" not in output_text
    assert (exzarr.open(output)["x"][...] == np.arange(400)).all()


def test_references_are_printed_without_output(files):
    document = json.loads(invoke(files[0], "--exclude", "odd").stdout)
    assert document["refs"]["x/1"][0] == str(files[0])


def test_references_to_other_folders_print_a_hint_about_allow(tmp_path, files):
    (tmp_path / "refs").mkdir()
    output_text = invoke(files[0], "--exclude", "odd", "--output", tmp_path / "refs" / "a.json").stdout
    assert "--allow" in output_text


def test_unsupported_object_is_an_error_of_one_line(tmp_path, files, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["exzarr", "virtualize", str(files[0])])
    with pytest.raises(SystemExit) as raised:
        app()
    assert raised.value.code == 3
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "'odd'" in error
    assert "--exclude odd" in error
    assert Path(files[0]).name in error


def run(*arguments, code=0):
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def test_omitted_objects_are_listed_by_name(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=np.arange(200)).attrs["odd"] = np.void(b"abc")
        file.create_dataset("bad", data=np.arange(200), chunks=(100,), compression="lzf")
        file["gone"] = h5py.SoftLink("/nowhere")
    output_text = invoke(tmp_path / "a.h5", "-o", tmp_path / "r.json", "--on-unsupported", "skip").stdout
    assert "left out (3):" in output_text
    for name in (
        "dataset 'bad': Zarr has no codec for its filter lzf",
        "link 'gone'",
        "attribute 'odd' of 'x'",
    ):
        assert name in output_text
    printed = invoke(tmp_path / "a.h5", "--exclude", "bad")
    assert "left out (2):" in printed.stderr
    json.loads(printed.stdout)


@pytest.mark.parametrize("name", ["e1.json", "e1.parq"])
@pytest.mark.parametrize("relative", [False, True])
def test_other_commands_read_the_references(tmp_path, files, monkeypatch, name, relative):
    monkeypatch.chdir(tmp_path)
    invoke("a.h5", "-o", name, "--exclude", "odd", "--inline", "0", *(["--relative"] if relative else []))
    assert "0" in run("head", f"{name}/x")
    assert "no problems found" in run("check", name, "--deep")
    run("copy", name, "copy.zarr")
    assert (exzarr.open("copy.zarr")["x"][...] == np.arange(200)).all()


def test_check_reports_unreadable_chunks(tmp_path, files):
    (tmp_path / "refs").mkdir()
    output = tmp_path / "refs" / "e1.json"
    invoke(files[0], "-o", output, "--exclude", "odd", "--inline", "0")
    for options in ([], ["--deep"]):
        output_text = run("check", output, *options, code=1)
        assert "--allow PLACE" in output_text
        assert "ReferenceStore(" not in output_text
        assert "x/0" in output_text


def test_sizes_that_cannot_be_found_do_not_hide_the_other_facts(tmp_path, files):
    (tmp_path / "refs").mkdir()
    output = tmp_path / "refs" / "e1.json"
    invoke(files[0], "-o", output, "--exclude", "odd", "--inline", "0")
    for arguments in (["info", f"{output}/x"], ["info", output], ["tree", output]):
        text = " ".join(run(*arguments).split())
        assert "not known" in text
        assert "which is not allowed" in text
        assert "--allow PLACE" in text
        assert "ReferenceStore(" not in text
        facts = json.loads(run(*arguments, "--json"))
        assert "--allow PLACE" in json.dumps(facts)
        assert "not known" not in run(*arguments, "--allow", tmp_path)
    assert "shape phony_dim_0: 200" in " ".join(run("info", f"{output}/x").split())
