"""Temporary files of dead processes are found; those of running processes are ignored."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

import exzarr
from exzarr.stores.base import KEEP
from exzarr.stores.local.write import temporary_name
from tests.tools.check.stores import make_old

pytestmark = pytest.mark.usefixtures("brisk")

KILLED = """
import os, signal, sys
import exzarr
from exzarr.stores.local import write

def killed(temporary, path):
    os.kill(os.getpid(), signal.SIGKILL)

array = exzarr.open_array(sys.argv[1], mode="r+")
write._rename = killed
array[0:10] = 7
"""
KILLED_ZARR_PYTHON = """
import os, pathlib, signal, sys
import zarr
array = zarr.open_array(sys.argv[1], mode="r+")
pathlib.Path.replace = lambda self, target: os.kill(os.getpid(), signal.SIGKILL)
array[0:10] = 7
"""
WAITING = """
import sys
import exzarr
from exzarr.stores.local import write

def wait(temporary, path):
    print("writing", flush=True)
    sys.stdin.read()
    raise SystemExit

array = exzarr.open_array(sys.argv[1], mode="r+")
write._rename = wait
with exzarr.config.override(workers=1):
    array[0:10] = 7
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "s.zarr"
    array = exzarr.create_array(path, name="g/a", shape=(30,), chunks=(10,), dtype="i4")
    array[...] = np.arange(30)
    return path


def temporaries(path: Path) -> list[str]:
    return sorted(file.relative_to(path).as_posix() for file in path.rglob(".*.exzarr-tmp"))


def run(source: str, path: Path, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", source, str(path / "g" / "a")]
    return subprocess.Popen(command, text=True, **options)  # type: ignore[call-overload,no-any-return]


def test_file_of_a_killed_writer_is_found_and_removed(path: Path) -> None:
    done = run(KILLED, path)
    done.wait()
    assert done.returncode == -9
    (left,) = temporaries(path)
    young = exzarr.check(path)
    assert young.findings == ()  # the process may run on another machine
    assert [(f.code, f.key) for f in young.unsettled] == [("EXZ501", left)]
    report = exzarr.check(path, deep=True, grace=0)
    assert [(f.code, f.key) for f in report.findings] == [("EXZ501", left)]
    assert f"process {done.pid}" in report.findings[0].detail
    assert report.ok
    make_old(path)
    report = exzarr.check(path)
    assert [(f.code, f.key) for f in report.findings] == [("EXZ501", left)]
    repaired = exzarr.repair(path, report.plan())
    assert [outcome.result for outcome in repaired.outcomes] == ["done"]
    assert temporaries(path) == []
    assert exzarr.check(path, deep=True, grace=0).findings == ()
    assert zarr.open_array(path / "g" / "a")[...].tolist() == list(range(30))


def test_zombie_writer_counts_as_dead(path: Path) -> None:
    """A killed process whose parent has not waited for it still has its id."""
    process = run(KILLED, path)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert [f.code for f in exzarr.check(path, grace=0).findings] == ["EXZ501"]
    process.wait()


@pytest.mark.parametrize("old", [False, True])
def test_running_writer_has_no_findings(path: Path, old: bool) -> None:
    process = run(WAITING, path, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    assert len(temporaries(path)) == 1
    report = exzarr.check(path, deep=True, grace=0)
    assert (report.findings, report.unsettled) == ((), ())
    if old:  # older than the process, so another process with this id wrote it
        make_old(path)
        assert [f.code for f in exzarr.check(path).findings] == ["EXZ501"]
    process.communicate("")
    assert temporaries(path) == []


@pytest.mark.parametrize("where", ["", "g", "g/a", "g/a/c"])
def test_files_are_found_in_all_folders(path: Path, where: str) -> None:
    name = temporary_name().replace(str(os.getpid()), "4194305")  # larger than any process id
    file = path / where / name
    file.write_bytes(b"half a chu")
    make_old(path)
    report = exzarr.check(path)
    assert [(f.code, f.key) for f in report.findings] == [("EXZ501", f"{where}/{name}".strip("/"))]


def test_folder_of_a_killed_deletion_is_found_and_removed(path: Path) -> None:
    aside = path / "g" / temporary_name().replace(str(os.getpid()), "4194305")
    (aside / "c").mkdir(parents=True)
    (aside / "c" / "0").write_bytes(b"1")
    make_old(path)
    os.utime(aside, (1, 1))
    report = exzarr.check(path)
    assert [f.code for f in report.findings] == ["EXZ501"]
    exzarr.repair(path, report.plan())
    assert not aside.exists()


def test_folder_that_another_machine_may_be_filling_is_unsettled(path: Path) -> None:
    """Files are written into folders below it, so its own time does not change."""
    aside = path / "g" / temporary_name().replace(str(os.getpid()), "4194305")
    (aside / "c").mkdir(parents=True)
    (aside / "c" / "0").write_bytes(b"1")
    os.utime(aside, (1, 1))
    report = exzarr.check(path)
    assert (report.findings, [f.code for f in report.unsettled]) == ((), ["EXZ501"])
    make_old(path)
    os.utime(aside, (1, 1))
    assert [f.code for f in exzarr.check(path).findings] == ["EXZ501"]


def test_document_of_an_append_on_another_machine_is_unsettled(path: Path) -> None:
    """A process that holds the document lock is running, even if not on this machine."""
    document = path / "g" / "a" / "zarr.json"
    left = document.with_name(temporary_name().replace(str(os.getpid()), "4194305"))
    left.write_bytes(document.read_bytes())
    make_old(path)
    reports = []

    def change(value: object) -> object:
        reports.append(exzarr.check(path))
        return KEEP

    exzarr.LocalStore(path).update("g/a/zarr.json", change)  # type: ignore[arg-type]
    assert (reports[0].findings, [f.code for f in reports[0].unsettled]) == ((), ["EXZ501"])
    assert [f.code for f in exzarr.check(path).findings] == ["EXZ501"]


@pytest.mark.parametrize("name", ["0.0123456789abcdef0123456789abcdef.partial", "zarr.json.__lock"])
@pytest.mark.parametrize("where", ["", "g/a", "g/a/c"])
def test_files_of_other_software_are_found_after_an_hour(path: Path, where: str, name: str) -> None:
    file = path / where / name
    file.write_bytes(b"half a chu")
    assert [f.code for f in exzarr.check(path).unsettled] == ["EXZ502"]
    make_old(path, 30 * 60)
    assert [f.code for f in exzarr.check(path).unsettled] == ["EXZ502"]  # one hour must have passed
    make_old(path)
    report = exzarr.check(path)
    assert [(f.code, f.key) for f in report.findings] == [("EXZ502", f"{where}/{name}".strip("/"))]
    assert report.ok
    exzarr.repair(path, report.plan())
    assert not file.exists()


def test_temporary_file_of_zarr_python_is_recognized(path: Path) -> None:
    process = run(KILLED_ZARR_PYTHON, path)
    assert process.wait() == -9
    make_old(path)
    report = exzarr.check(path)
    assert [f.code for f in report.findings] == ["EXZ502"]
    assert "zarr-python" in report.findings[0].detail


def test_file_written_since_the_check_is_not_removed(path: Path) -> None:
    file = path / "g" / temporary_name().replace(str(os.getpid()), "4194305")
    file.write_bytes(b"1")
    make_old(path)
    plan = exzarr.check(path).plan()
    file.write_bytes(b"12")
    (outcome,) = exzarr.repair(path, plan).outcomes
    assert outcome.result == "skipped"
    assert file.exists()


def test_lock_files_have_no_findings(path: Path) -> None:
    (path / ".exzarr-lock").touch()
    (path / "g" / "a" / ".exzarr-lock").touch()
    make_old(path)
    assert exzarr.check(path, deep=True).findings == ()
