"""Running a notebook from start to end, in a process and a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exzarr.gallery.show import OUT, RESULTS

__all__ = ["Run", "run"]


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
    """

    code: int
    output: str
    left: tuple[str, ...]
    results: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, str] = field(default_factory=dict)

    @property
    def checks(self) -> list[str]:
        """What it says it has checked."""
        return [
            line.removeprefix("checked: ")
            for line in self.output.splitlines()
            if line.startswith("checked: ")
        ]


def run(notebook: Path, *, environment: Mapping[str, str] | None = None) -> Run:
    """Run the notebook at `notebook` as a script, and collect what it publishes; warnings of exzarr are errors."""
    with tempfile.TemporaryDirectory(prefix="exzarr-gallery-") as name:
        base = Path(name)
        work, temporary, published = base / "work", base / "tmp", base / "published"
        for made in (work, temporary, published):
            made.mkdir()
        variables = {**os.environ, **(environment or {}), OUT: str(published), "TMPDIR": str(temporary)}
        variables.setdefault("MPLBACKEND", "agg")
        done = subprocess.run(  # noqa: S603 - our own interpreter, and a notebook that was named
            [sys.executable, str(notebook.resolve())],
            cwd=work,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            check=False,
        )
        left = [str(path.relative_to(base)) for top in (work, temporary) for path in sorted(top.rglob("*"))]
        said = published / RESULTS
        values = json.loads(said.read_text(encoding="utf-8")) if said.exists() else {}
        figures = {path.stem: path.read_text(encoding="utf-8") for path in sorted(published.glob("*.svg"))}
    return Run(
        done.returncode,
        done.stdout,
        tuple(left),
        values.get("results", {}),
        values.get("measured", {}),
        figures,
    )
