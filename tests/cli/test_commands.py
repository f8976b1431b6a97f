"""The commands, on stores that zarr-python wrote."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import zarr
from typer.testing import CliRunner

import exzarr
from exzarr._cli.app import app
from exzarr._cli.lab import fitting
from exzarr.telemetry.show import Table

pytestmark = pytest.mark.slow

SOURCE = str(Path(exzarr.__file__).parents[1])


@pytest.fixture
def tree(tmp_path):
    path = tmp_path / "tree.zarr"
    root = zarr.create_group(path, attributes={"title": "a tree", "nested": {"a": [1, 2]}})
    array = root.create_array(
        "ocean/sst",
        shape=(6, 5, 4),
        chunks=(2, 5, 2),
        shards=(4, 5, 4),
        dtype="f4",
        dimension_names=("time", "lat", "lon"),
        attributes={"units": "K"},
    )
    array[...] = np.arange(120, dtype="f4").reshape(6, 5, 4) / 4
    root.create_array("ocean/time", data=np.arange(6.0), dimension_names=("time",))
    root.create_group("empty")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(path)
    return path


def invoke(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def parsed(*arguments):
    result = invoke(*arguments, "--json")
    assert result.stderr == ""

    def refuse(token):
        raise ValueError(f"{token} is not JSON")

    return json.loads(result.stdout, parse_constant=refuse)


# -- info ------------------------------------------------------------------------------


def test_info_of_an_array(tree):
    facts = parsed("info", tree / "ocean/sst")
    stored = sum(path.stat().st_size for path in (tree / "ocean/sst/c").rglob("*") if path.is_file())
    assert facts["shape"] == [6, 5, 4]
    assert facts["dimension_names"] == ["time", "lat", "lon"]
    assert (facts["chunks"], facts["shards"], facts["nchunks"], facts["nshards"]) == (
        [2, 5, 2],
        [4, 5, 4],
        6,
        2,
    )
    assert facts["nbytes"] == 480
    assert (facts["stored_objects"], facts["nbytes_stored"]) == (2, stored)
    assert facts["compression_ratio"] == pytest.approx(480 / stored, abs=1e-3)
    assert facts["attributes"] == {"units": "K"}
    text = invoke("info", tree / "ocean/sst").stdout
    assert "time: 6, lat: 5, lon: 4" in text
    assert "2 × 5 × 2 (6 of them)" in text
    assert "units  K" in text


def test_info_with_no_scan_omits_sizes(tree):
    assert "nbytes_stored" not in parsed("info", tree / "ocean/sst", "--no-scan")
    assert "stored" not in invoke("info", tree, "--no-scan").stdout


def test_info_of_a_group(tree):
    facts = parsed("info", tree)
    assert (facts["node_type"], facts["arrays"], facts["groups"], facts["consolidated"]) == (
        "group",
        2,
        2,
        True,
    )
    assert facts["members"] == ["empty", "ocean"]
    assert facts["nbytes"] == 480 + 48
    assert facts["attributes"]["nested"] == {"a": [1, 2]}
    assert "Zarr v3, consolidated" in invoke("info", tree).stdout


def test_info_prints_nan_and_infinity_as_strings(tmp_path):
    zarr.create_array(
        tmp_path / "a", shape=(2,), dtype="f8", fill_value=np.nan, attributes={"x": float("inf")}
    )
    facts = parsed("info", tmp_path / "a")
    assert facts["fill_value"] == "NaN"
    assert facts["attributes"] == {"x": "Infinity"}


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", ["<f4", ">i2", "|b1", "<M8[s]", "<c8", "|S3", "<U2", "T"])
def test_every_data_type_can_be_shown(tmp_path, dtype, zarr_format):
    data = np.array([1, 0, 1], "U1" if dtype == "T" else dtype)
    data = data.astype(np.dtypes.StringDType()) if dtype == "T" else data
    options = {"chunks": (2,), "zarr_format": zarr_format}
    array = zarr.create_array(tmp_path / "a", shape=(3,), dtype=data.dtype, **options)
    array[...] = data
    for command in ("info", "tree", "head"):
        parsed(command, tmp_path / "a")
        assert invoke(command, tmp_path / "a").stdout


# -- tree ------------------------------------------------------------------------------


def test_tree_shows_every_node_in_order(tree):
    lines = invoke("tree", tree).stdout.splitlines()
    assert [re.match(r"[│├└─ ]*\S+", line)[0] for line in lines[1:]] == [
        "tree.zarr",
        "├── empty",
        "└── ocean",
        "    ├── sst",
        "    └── time",
    ]
    assert "time 6, lat 5, lon 4" in lines[4]
    assert "2×5×2" in lines[4]
    assert all(line == line.rstrip() for line in lines)


def test_tree_as_json(tree):
    nodes = {node["path"]: node for node in parsed("tree", tree)["nodes"]}
    assert [*nodes] == ["", "empty", "ocean", "ocean/sst", "ocean/time"]
    assert nodes["ocean/sst"]["shards"] == [4, 5, 4]
    assert nodes["ocean/time"]["nbytes"] == 48
    assert parsed("tree", tree, "--no-scan")["nodes"][3].keys().isdisjoint({"nbytes_stored"})


def test_tree_to_a_depth(tree):
    assert [node["path"] for node in parsed("tree", tree, "--depth", 1)["nodes"]] == ["", "empty", "ocean"]
    assert [node["path"] for node in parsed("tree", tree, "-d", 0)["nodes"]] == [""]


def test_tree_shows_an_unreadable_node_and_all_others(tree):
    (tree / "ocean" / "time" / "zarr.json").write_text("{")
    nodes = {node["path"]: node for node in parsed("tree", tree)["nodes"]}
    assert nodes["ocean/time"]["node_type"] == "unreadable"
    assert "not valid JSON" in nodes["ocean/time"]["error"]
    assert nodes["ocean/sst"]["shape"] == [6, 5, 4]
    assert "unreadable" in invoke("tree", tree).stdout


def test_info_shows_an_unknown_codec(tree):
    path = tree / "ocean" / "time" / "zarr.json"
    document = json.loads(path.read_text())
    document["codecs"].append({"name": "of the future", "configuration": {"x": 1}})
    path.write_text(json.dumps(document))
    assert parsed("info", tree / "ocean/time")["chunks"] == [6]
    assert "of the future(x=1)" in invoke("info", tree / "ocean/time").stdout
    assert "of the future" in invoke("head", tree / "ocean/time", code=3).stderr


# -- head ------------------------------------------------------------------------------


def test_head_prints_a_corner(tree):
    values = parsed("head", tree / "ocean/sst", "--rows", 2, "--columns", 3)
    assert values["region"] == "0, 0:2, 0:3"
    assert values["values"] == [[0, 0.25, 0.5], [1, 1.25, 1.5]]
    assert "1.25" in invoke("head", tree / "ocean/sst").stdout


@pytest.mark.parametrize(
    ("region", "index"),
    [
        ("0:3, ..., 1", np.s_[0:3, ..., 1]),
        ("[-1, ::2, 3:0:-1]", np.s_[-1, ::2, 3:0:-1]),
        ("...", np.s_[...]),
        ("2", np.s_[2]),
        ("2,", np.s_[2,]),
        ("5, 4, 3", np.s_[5, 4, 3]),
        ("0:0", np.s_[0:0]),
    ],
)
def test_head_of_a_region_equals_numpys_selection(tree, region, index):
    wanted = (np.arange(120, dtype="f4").reshape(6, 5, 4) / 4)[index]
    result = parsed("head", tree / "ocean/sst", f"--region={region}")
    assert result["shape"] == [*wanted.shape]
    np.testing.assert_array_equal(np.array(result["values"], "f4").reshape(wanted.shape), wanted)
    invoke("head", tree / "ocean/sst", f"--region={region}")


def test_head_names_rows_and_columns_by_their_index(tree):
    text = invoke("head", tree / "ocean/sst", "-r", "2:4, 1:3, ::-2").stdout
    assert "[2, :, :]" in text
    assert "[3, :, :]" in text
    rows = text.splitlines()
    header = next(i for i, line in enumerate(rows) if "[2, :, :]" in line) + 1
    assert rows[header].split() == ["3", "1"]
    assert rows[header + 1].split() == ["1", "11.75", "11.25"]


@pytest.mark.parametrize("region", ["a", "1:2:3:4", "1.5", ":;", "0,,1", "99", "0,0,0,0", "::0"])
def test_head_of_an_invalid_region_is_an_error_of_one_line(tree, region):
    result = invoke("head", tree / "ocean/sst", f"--region={region}", code=2)
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_head_of_a_group_suggests_exzarr_tree(tree):
    assert "exzarr tree" in invoke("head", tree, code=3).stderr


def test_head_refuses_a_large_region(tmp_path):
    zarr.create_array(tmp_path / "a", shape=(10_000, 10_000), chunks=(100, 100), dtype="u1")
    assert "narrow" in invoke("head", tmp_path / "a", "--region=...", code=2).stderr


# -- copy and convert ------------------------------------------------------------------


def test_copy_changes_chunks(tree, tmp_path):
    report = parsed(
        "copy", tree / "ocean/sst", tmp_path / "b", "--chunks", "time=3,lon=-1", "--shards", "none"
    )
    assert (report["arrays"], report["arrays_moved"]) == (1, 0)
    copied = zarr.open_array(tmp_path / "b")
    assert (copied.chunks, copied.shards) == ((3, 5, 4), None)
    np.testing.assert_array_equal(copied[...], zarr.open_array(tree / "ocean/sst")[...])


def test_copy_changes_codecs(tree, tmp_path):
    codec = '{"name": "blosc", "configuration": {"cname": "lz4", "clevel": 3}}'
    invoke("copy", tree / "ocean/time", tmp_path / "b", "--compressors", codec, "--dtype", "f4")
    copied = zarr.open_array(tmp_path / "b")
    assert copied.dtype == np.float32
    assert copied.compressors[0].to_dict()["configuration"]["cname"] == "lz4"
    invoke("copy", tree / "ocean/time", tmp_path / "c", "--compressors", "none", "--zarr-format", "2")
    assert zarr.open_array(tmp_path / "c").metadata.zarr_format == 2


def test_copy_a_hierarchy_into_a_zip(tree, tmp_path):
    text = invoke("copy", tree, tmp_path / "b.zip").stdout
    assert "3 groups and 2 arrays" in text
    assert "moved as they are" in text
    assert [node["path"] for node in parsed("tree", tmp_path / "b.zip")["nodes"]][-1] == "ocean/time"
    assert parsed("head", f"{tmp_path / 'b.zip'}/ocean/time")["values"] == [0, 1, 2, 3, 4, 5]


def test_copy_replaces_only_with_overwrite(tree, tmp_path):
    invoke("copy", tree, tmp_path / "b")
    assert "overwrite" in invoke("copy", tree, tmp_path / "b", code=3).stderr
    invoke("copy", tree, tmp_path / "b", "--overwrite")


@pytest.mark.parametrize(
    "options",
    [
        ["--chunks", "x"],
        ["--compressors", "{"],
        ["--memory", "much"],
        ["--compressors", "nope"],
        ["--dtype", "nope"],
    ],
)
def test_copy_with_an_invalid_option_is_an_error_of_one_line(tree, tmp_path, options):
    result = invoke("copy", tree / "ocean/time", tmp_path / "b", *options, code=2)
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "b").exists()


def test_convert_in_place_and_back(tmp_path):
    data = np.arange(12).reshape(3, 4)
    zarr.create_array(tmp_path / "a", data=data, chunks=(2, 2), zarr_format=2)
    assert "1 array" in invoke("convert", tmp_path / "a").stdout
    assert zarr.open_array(tmp_path / "a", zarr_format=3).metadata.zarr_format == 3
    report = parsed("convert", tmp_path / "a", "--to", 2)
    assert report["arrays"] == 1
    assert zarr.open_array(tmp_path / "a").metadata.zarr_format == 2
    invoke("convert", tmp_path / "a", tmp_path / "b", "--to", 3)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "b", zarr_format=3)[...], data)


# -- errors, and the command as a process ----------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["info", "/nowhere/at/all"], 3),
        (["check", "/nowhere/at/all"], 3),
        (["head"], 2),
        (["nonsense"], 2),
        (["info", "--nonsense", "x"], 2),
        (["convert", "x", "--to", "4"], 2),
        (["copy", "x", "y", "--memory", "much"], 2),
        (["check", "x", "--apply"], 2),
    ],
)
def test_errors_are_one_line_and_exit_status_distinguishes_usage_from_failure(arguments, code):
    result = invoke(*arguments, code=code)
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def run(*arguments, **environment):
    source = "from exzarr._cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", source, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": SOURCE, **environment},
    )


@pytest.mark.slow
def test_command_runs_as_a_process(tree):
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("exzarr ")
    done = run("info", tree, "--json")
    assert json.loads(done.stdout)["arrays"] == 2
    assert run().returncode == 0
    done = run("info", tree / "nothing")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)


def test_exzarr_debug_prints_the_traceback(tree):
    done = run("info", tree / "nothing", EXZARR_DEBUG="1")
    assert done.returncode == 3
    assert "Traceback" in done.stderr
    assert "NodeNotFoundError" in done.stderr


def test_closed_output_pipe_is_not_an_error(tree):
    source = "from exzarr._cli import main; main()"
    command = [sys.executable, "-c", source, "tree", str(tree)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": SOURCE}
    )
    process.stdout.close()
    _, errors = process.communicate()
    assert errors == b""


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_missing_cli_library_is_named_with_its_extra(missing, run_python):
    done = run_python(
        "import sys\n"
        f"sys.modules[{missing!r}] = None\n"
        f"sys.path.insert(0, {SOURCE!r})\n"
        "from exzarr._cli import main\n"
        "main()\n"
    )
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr == f"error: the command line needs {missing}: pip install 'exzarr[cli]'\n"


def test_import_exzarr_does_not_import_typer_or_rich(run_python):
    done = run_python(
        f"import sys; sys.path.insert(0, {SOURCE!r}); import exzarr, exzarr._cli\n"
        "print([name for name in ('typer', 'rich', 'matplotlib', 'h5netcdf', 'zarr') if name in sys.modules])"
    )
    assert done.stdout.strip() == "[]", done.stderr


# -- lab ---------------------------------------------------------------------------------


def test_lab_chunks_estimates_for_a_shape():
    access = ["-a", "maps=window:1,-1,-1", "-a", "scan:0,4*0.5"]
    found = parsed("lab", "chunks", "60,50,40", "--dtype", "f4", *access, "--measure", "0")
    assert found["accesses"]["maps"]["shape"] == [1, 50, 40]
    assert (found["accesses"]["scan"]["step"], found["accesses"]["scan"]["weight"]) == (4, 0.5)
    assert len(found["best"]["chunks"]) == 3
    assert found["best"]["trial"] is None


def test_lab_chunks_measures_an_array(tree):
    path = tree / "ocean/sst"
    text = invoke("lab", "chunks", path, "-a", "window:time=1", "--seconds", "1", "--measure", "2").stdout
    assert "measured, on a sample (the whole array: 6 × 5 × 4)" in text
    assert "The present layout (2×5×2 in 4×5×4" in text or "The array already has this layout" in text


def test_lab_codecs_prints_a_table_of_trials(tree, tmp_path):
    text = invoke(
        "lab", "codecs", tree / "ocean/sst", "--only", "none", "--only", "zstd", "--seconds", "0.1"
    ).stdout
    assert re.search(r"^\S?\s+zstd", text, re.MULTILINE)
    found = parsed("lab", "codecs", tree / "ocean/sst", "--only", "none", "--disk", "1GB", "--seconds", "0.1")
    assert found["destinations"][0]["bandwidth"] == 1e9


def test_narrow_terminal_drops_columns_and_cuts_none():
    table = Table(
        ("", "chunks", "speed", "stored", "map"),
        [("now", "10×10", "12.5 MiB/s", "1 KiB", "3 ms")],
        frozenset({1}),
    )
    assert fitting(table, 80) == table
    narrow = fitting(table, 30)
    assert narrow.header == ("", "chunks", "stored", "map")
    assert narrow.rows == [("now", "10×10", "1 KiB", "3 ms")]
    assert narrow.words == {1}
    assert fitting(table, 10).header == ("", "chunks", "map")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chunks", "10,10"], "needs a data type: give dtype="),
        (["chunks", "10,10", "--dtype", "f4", "-a", "scam"], "write one of scan, window"),
        (["chunks", "10,10", "--dtype", "f4", "-a", "batch:many"], "'many' is not valid for batch"),
        (["chunks", "10,10", "--dtype", "f4", "-a", "scan", "-a", "scan"], "exists already; write NAME"),
        (["chunks", "10,10", "--dtype", "f4", "-a", "x=scan", "-a", "x=random"], "'x' exists already"),
        (["codecs", "10,10", "--dtype", "f4", "--effort", "great"], "quick, normal or thorough"),
        (["chunks", "nowhere.zarr"], "there is no array"),
    ],
)
def test_lab_with_an_invalid_option_names_it(arguments, message):
    code = 3 if arguments[-1].endswith(".zarr") else 2
    result = invoke("lab", *arguments, code=code)
    assert message in result.stderr
    assert "mode" not in result.stderr
