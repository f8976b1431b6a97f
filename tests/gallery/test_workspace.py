"""The workspace folder of a notebook, and the size setting."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from exzarr.errors import ArgumentError
from exzarr.gallery.workspace import SIZE, Workspace, full_size, size


def test_workspace_is_removed_with_its_last_reference() -> None:
    work = Workspace("trial")
    path = work.path
    (work / "a").mkdir()
    (work / "a" / "b.txt").write_text("four")
    assert path.is_dir()
    assert path.name.startswith("exzarr-trial-")
    assert work.files() == [Path("a/b.txt")]
    assert work.bytes_on_disk("a") == work.bytes_on_disk("a/b.txt") == 4
    assert os.fspath(work) == str(path)
    del work
    assert not path.exists()


def test_workspace_can_be_closed_twice() -> None:
    work = Workspace()
    work.close()
    work.close()
    assert not work.path.exists()


@pytest.mark.parametrize("ending", ["", "raise SystemExit(3)", "1 / 0"])
def test_workspace_is_removed_when_the_process_ends(tmp_path: Path, ending: str) -> None:
    source = f"from exzarr.gallery.workspace import Workspace\nw = Workspace()\n(w / 'a').write_text('b')\n{ending}"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", source], env=environment, check=False, capture_output=True)
    assert [*tmp_path.iterdir()] == []


def test_environment_variable_sets_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SIZE, raising=False)
    assert size(1, full=2) == 1
    monkeypatch.setenv(SIZE, "full")
    assert full_size()
    assert size(1, full=2) == 2
    monkeypatch.setenv(SIZE, "huge")
    with pytest.raises(ArgumentError, match="'small' or 'full'"):
        size(1, full=2)
