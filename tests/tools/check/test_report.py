"""Output of a check as text and JSON, in Python and on the command line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr._tools.check.findings import KINDS
from exzarr._tools.check.plan import _WHAT
from exzarr.errors import ArgumentError
from tests.tools.check.stores import make_old

pytestmark = pytest.mark.usefixtures("brisk")
GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "check-and-repair.md"


def test_guide_lists_every_code() -> None:
    rows = re.findall(
        r"^\| `(EXZ\d+)` \| (\w+) \| (.+) \| (.+) \|$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert [code for code, *_ in rows] == list(KINDS)
    does = {
        "quarantine": "quarantine",
        "rescue": "rescue",
        "removes it": "remove",
        "consolidates again": "consolidate",
        "stores a valid document": "mend",
    }
    for code, severity, title, repair in rows:
        kind = KINDS[code]
        assert (severity, title) == (kind.severity, kind.title)
        action, request, _ = repair.partition(", on request")
        assert does.get(action) == _WHAT.get(code)
        assert bool(request) == kind.on_request
        assert kind.repair.startswith("nothing") == (repair == "nothing")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with a truncated chunk and a chunk outside the grid."""
    root = exzarr.open_group(tmp_path / "s.zarr", mode="w")
    array = root.create_array("g/a", shape=(30,), chunks=(10,), dtype="i4")
    array[...] = np.arange(30)
    chunk = tmp_path / "s.zarr" / "g" / "a" / "c" / "1"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    (chunk.parent / "8").write_bytes(b"x")
    make_old(tmp_path / "s.zarr")
    return tmp_path / "s.zarr"


def test_report_can_be_printed_and_exported(path: Path) -> None:
    report = exzarr.check(path, deep=True)
    assert (report.ok, report.codes, report.arrays, report.groups, report.chunks) == (
        False,
        ("EXZ201", "EXZ401"),
        1,
        2,
        3,
    )
    text = str(report)
    for part in (
        str(path),
        "1 error, 1 warning",
        "EXZ201 error: chunk that cannot be decoded",
        "g/a/c/1: zstd",
        "EXZ401",
    ):
        assert part in text
    told: Any = json.loads(report.to_json())
    assert told["ok"] is False
    (first, second) = told["findings"]
    assert (first["code"], first["severity"], first["path"], first["key"], first["index"]) == (
        "EXZ201",
        "error",
        "/g/a",
        "g/a/c/1",
        [1],
    )
    assert second["meaning"] == KINDS["EXZ401"].meaning
    assert str(report.findings[0]).startswith("EXZ201 error: chunk that cannot be decoded: g/a/c/1: zstd")


def test_progress_is_reported(path: Path) -> None:
    told: list[tuple[int, int]] = []
    exzarr.check(path, deep=True, progress=lambda *at: told.append(at))
    assert told[-1] == (3, 3)
    assert told == sorted(told)


@pytest.mark.parametrize("options", [{"grace": -1}, {"limit": 0}, {"workers": 0}])
def test_invalid_options_raise_errors(path: Path, options: Any) -> None:
    with pytest.raises(ArgumentError, match="at least 1"):
        exzarr.check(path, **options)


# -- on the command line -----------------------------------------------------------------------


def run(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "exzarr", "check", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


@pytest.mark.slow
def test_command_checks_plans_and_repairs(path: Path) -> None:
    folder = path.parent
    quick = run("s.zarr", cwd=folder)
    assert quick.returncode == 0  # a warning is not an error
    assert "EXZ401 warning" in quick.stdout
    deep = run("s.zarr", "--deep", cwd=folder)
    assert deep.returncode == 1
    assert "EXZ201 error: chunk that cannot be decoded\n  g/a/c/1: zstd" in deep.stdout
    as_json = run("s.zarr", "--deep", "--json", cwd=folder)
    assert as_json.returncode == 1
    assert [finding["code"] for finding in json.loads(as_json.stdout)["findings"]] == ["EXZ201", "EXZ401"]
    before = sorted(file.as_posix() for file in path.rglob("*"))
    planned = run("s.zarr", "--deep", "--repair", "plan.json", "--quarantine", cwd=folder)
    assert planned.returncode == 1
    assert "to do exactly this: exzarr check s.zarr --repair plan.json --apply" in planned.stdout
    assert sorted(file.as_posix() for file in path.rglob("*")) == before
    assert len(json.loads((folder / "plan.json").read_text())["actions"]) == 2
    applied = run("s.zarr", "--repair", "plan.json", "--apply", cwd=folder)
    assert (applied.returncode, applied.stderr) == (0, "")
    assert "2 done" in applied.stdout
    again = run("s.zarr", "--repair", "plan.json", "--apply", "--json", cwd=folder)
    assert [outcome["result"] for outcome in json.loads(again.stdout)["outcomes"]] == ["skipped", "skipped"]
    clean = run("s.zarr", "--deep", cwd=folder)
    assert clean.returncode == 0
    assert "no problems found" in clean.stdout
    full = run("s.zarr", "--full", "g/*", "--grace", "0", cwd=folder)
    assert full.returncode == 1
    assert "EXZ204" in full.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["s.zarr", "--apply"], "requires --repair FILE"),
        (
            ["s.zarr", "--apply", "--repair", "plan.json", "--deep"],
            "only carries out the plan in the file",
        ),
        (["s.zarr", "--quarantine"], "requires --repair FILE"),
        (["s.zarr", "--apply", "--repair", "none.json"], "none.json: No such file"),
        (["s.zarr", "--repair", "s.zarr/zarr.json"], "is not a repair plan: choose another name"),
        (["nowhere.zarr"], "there is no array or group"),
    ],
)
def test_command_errors_have_one_line(path: Path, words: list[str], message: str) -> None:
    done = run(*words, cwd=path.parent)
    assert done.returncode == (3 if "No such file" in message or "no array" in message else 2)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
