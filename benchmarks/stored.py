"""Results of complete runs: one JSON file for each run in benchmarks/results/, which git tracks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.harness import Result
from benchmarks.probe import Figures
from benchmarks.targets import Run

__all__ = ["RESULTS", "StoredRun", "load_all", "save"]

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class StoredRun:
    """A complete run, with the time (UTC), the command and the machine that made it."""

    date: str
    command: str
    machine: str
    libraries: dict[str, str]
    run: Run

    @property
    def name(self) -> str:
        """Name of the file: date and version."""
        return f"{self.date.replace(':', '')}-{self.libraries.get('exzarr', 'unknown')}.json"


def save(stored: StoredRun, folder: Path = RESULTS) -> Path:
    """Write a run to a file of its own, with the milliseconds of every sample, and the median CPU time."""
    folder.mkdir(exist_ok=True)
    path = folder / stored.name
    path.write_text(_as_json(stored), encoding="utf-8")
    return path


def load_all(folder: Path = RESULTS) -> Sequence[StoredRun]:
    """Return all stored runs, the oldest first."""
    return [_load(path) for path in sorted(folder.glob("*.json"))]


def _load(path: Path) -> StoredRun:
    document = json.loads(path.read_text(encoding="utf-8"))
    results = [
        Result(
            cell["group"],
            cell["name"],
            {label: [ms / 1e3 for ms in times] for label, times in cell["ms"].items()},
            cell.get("problems", {}),
            cpu={label: [ms / 1e3] for label, ms in cell.get("cpu_ms", {}).items()},
        )
        for cell in document["cells"]
    ]
    figures = [
        Figures(row["group"], row["name"], row["bound"], row["values"], row.get("problems", {}))
        for row in document["figures"]
    ]
    run = Run(results, figures, document.get("missing", {}))
    return StoredRun(document["date"], document["command"], document["machine"], document["libraries"], run)


def _as_json(stored: StoredRun) -> str:
    run = stored.run
    document = {
        "date": stored.date,
        "command": stored.command,
        "machine": stored.machine,
        "libraries": stored.libraries,
        "missing": run.missing,
        "cells": [
            {
                "group": result.group,
                "name": result.name,
                "ms": {k: [float(f"{t * 1e3:.3g}") for t in times] for k, times in result.times.items()},
                "cpu_ms": {k: float(f"{median(times) * 1e3:.3g}") for k, times in result.cpu.items()},
                **_problems(result),
            }
            for result in run.results
        ],
        "figures": [
            {
                "group": figure.group,
                "name": figure.name,
                "bound": figure.bound,
                "values": {label: round(value, 2) for label, value in figure.values.items()},
                **_problems(figure),
            }
            for figure in run.figures
        ],
    }
    return _one_line_per_cell(document)


def _problems(row: Result | Figures) -> dict[str, Any]:
    return {"problems": row.problems} if row.problems else {}


def _one_line_per_cell(document: dict[str, Any]) -> str:
    parts = []
    for key, value in document.items():
        if isinstance(value, list):
            items = ",\n  ".join(json.dumps(item, ensure_ascii=False) for item in value)
            parts.append(f'"{key}": [\n  {items}\n]')
        else:
            parts.append(f'"{key}": {json.dumps(value, ensure_ascii=False)}')
    return "{" + ",\n".join(parts) + "}\n"
