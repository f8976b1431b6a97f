"""Running a notebook from start to end, in a process and in folders of its own."""

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
    """What came of it.

    Attributes
    ----------
    code
        The exit status: 0 where the notebook ran to its end, so that all its checks held.
    output
        What it printed, errors included.
    left
        Files and folders it left behind in its folder, or in that for temporary files: there should be none.
    results, measured
        What it published.
    figures
        The SVG text of each published figure, by name.
    cells
        Its cells with what they showed, as ipynb has them; where it was exported.
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
        """What it says it has checked."""
        return [
            line.removeprefix("checked: ")
            for line in self.output.splitlines()
            if line.startswith("checked: ")
        ]


@dataclass(frozen=True, slots=True)
class _Place:
    """The folders of one run: to work in, for temporary files, and for what is published."""

    base: Path

    @property
    def left(self) -> tuple[str, ...]:
        paths = [path for name in ("work", "tmp") for path in sorted((self.base / name).rglob("*"))]
        return tuple([str(path.relative_to(self.base)) for path in paths])

    def published(self) -> dict[str, Any]:
        said = self.base / "published" / RESULTS
        values = json.loads(said.read_text(encoding="utf-8")) if said.exists() else {}
        drawn = sorted((self.base / "published").glob("*.svg"))
        return {**values, "figures": {path.stem: path.read_text(encoding="utf-8") for path in drawn}}

    def call(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run Python with `arguments` here."""
        variables = {
            **os.environ,
            OUT: str(self.base / "published"),
            "TMPDIR": str(self.base / "tmp"),
            "MARIMO_SKIP_UPDATE_CHECK": "1",
        }
        return subprocess.run(  # noqa: S603 - our own interpreter, and a notebook that was named
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
def _place() -> Iterator[_Place]:
    with tempfile.TemporaryDirectory(prefix="exzarr-gallery-") as name:
        place = _Place(Path(name))
        for folder in ("work", "tmp", "published"):
            (place.base / folder).mkdir()
        yield place


def run(notebook: Path) -> Run:
    """Run the notebook at `notebook` as a script, and collect what it publishes."""
    with _place() as place:
        done = place.call([str(notebook.resolve())])
        return Run(done.returncode, done.stdout, place.left, **place.published())


def export(notebook: Path) -> Run:
    """Run the notebook at `notebook` as `run` does, and collect what each cell shows, too."""
    with _place() as place:
        target = place.base / "notebook.ipynb"
        options = ["--include-outputs", "--sort", "top-down", "--output", str(target)]
        done = place.call(["-m", "marimo", "export", "ipynb", *options, str(notebook.resolve())])
        cells = json.loads(target.read_text(encoding="utf-8"))["cells"] if target.exists() else []
        return Run(done.returncode, done.stdout, (), **place.published(), cells=tuple(cells))
