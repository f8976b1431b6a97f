"""Execution of a notebook from start to end, in its own process and folders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exzarr.gallery.show import OUT, RESULTS

__all__ = ["Run", "export", "run"]


@dataclass(frozen=True, slots=True)
class Run:
    """The result of running a notebook.

    Attributes
    ----------
    code
        Exit status; 0 if the notebook ran to its end and all checks passed.
    output
        Printed text, errors included.
    left
        Files and folders left in the working folder or the temporary folder. There should be none.
    results, measured
        Published values.
    figures
        SVG text of each published figure, by name.
    cells
        Cells with their outputs, in the ipynb format. Empty unless the notebook was exported.
    """

    code: int
    output: str
    left: tuple[str, ...] = ()
    results: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, str] = field(default_factory=dict)
    cells: tuple[dict[str, Any], ...] = ()

    @property
    def checks(self) -> list[str]:
        """Texts of the checks that passed."""
        return [
            line.removeprefix("checked: ")
            for line in self.output.splitlines()
            if line.startswith("checked: ")
        ]


@dataclass(frozen=True, slots=True)
class _RunFolders:
    """The folders of one run: working folder, temporary files, and published values."""

    base: Path

    @property
    def left(self) -> tuple[str, ...]:
        paths = [path for name in ("work", "tmp") for path in sorted((self.base / name).rglob("*"))]
        return tuple([str(path.relative_to(self.base)) for path in paths])

    def published(self) -> dict[str, Any]:
        results = self.base / "published" / RESULTS
        values = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
        drawn = sorted((self.base / "published").glob("*.svg"))
        return {**values, "figures": {path.stem: path.read_text(encoding="utf-8") for path in drawn}}

    def call(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run Python with `arguments` in these folders."""
        variables = {
            **os.environ,
            OUT: str(self.base / "published"),
            "TMPDIR": str(self.base / "tmp"),
            "MARIMO_SKIP_UPDATE_CHECK": "1",
        }
        return subprocess.run(  # noqa: S603 - this interpreter, with the path of a notebook
            [sys.executable, *arguments],
            cwd=self.base / "work",
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            check=False,
        )


@contextmanager
def _run_folders() -> Iterator[_RunFolders]:
    with tempfile.TemporaryDirectory(prefix="exzarr-gallery-") as name:
        folders = _RunFolders(Path(name))
        for folder in ("work", "tmp", "published"):
            (folders.base / folder).mkdir()
        yield folders


def run(notebook: Path) -> Run:
    """Run the notebook at path `notebook` as a script, and collect what it publishes."""
    with _run_folders() as folders:
        done = folders.call([str(notebook.resolve())])
        return Run(done.returncode, done.stdout, folders.left, **folders.published())


def export(notebook: Path) -> Run:
    """Run the notebook like `run`, and collect the outputs of its cells as well."""
    with _run_folders() as folders:
        target = folders.base / "notebook.ipynb"
        options = ["--include-outputs", "--sort", "top-down", "--output", str(target)]
        done = folders.call(["-m", "marimo", "export", "ipynb", *options, str(notebook.resolve())])
        cells = json.loads(target.read_text(encoding="utf-8"))["cells"] if target.exists() else []
        return Run(done.returncode, done.stdout, (), **folders.published(), cells=tuple(cells))
