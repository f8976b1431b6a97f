"""Measurements in separate processes: the time of an import, and the peak memory of a whole read.

``python -m benchmarks.probe PEER PATH`` prints the bytes that a read needs in addition to its result.
"""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.data import Workspace, cube
from benchmarks.floor import cores
from benchmarks.harness import describe
from benchmarks.peers import FACTORIES, Peer

ROOT = Path(__file__).resolve().parents[1]

IMPORTS = "Import time over numpy's, ms"
MEMORY = "Peak memory of a whole read over its result, MiB"
MIB = 2**20

# Import only NumPy first, so that the measurement includes modules that the library shares with this benchmark.
IMPORT = """
import numpy, time
start = time.perf_counter()
{}
print(time.perf_counter() - start)
"""
# A package may import its modules lazily, so `import` alone is not enough.
ENTRIES = {
    "exzarr": "open_array",
    "tensorstore": "open",
    "zarr": "open_array",
    "zarrs": "ZarrsCodecPipeline",
}

MEASURED = [cube(64, "raw"), cube(64, "zstd"), cube(32, "blosc"), cube(32, "blosc", 128)]


class ProbeError(Exception):
    """Last line of the error output of a failed process."""


@dataclass
class Figures:
    """One row of numbers other than the times of a cell. `bound` is exzarr's target."""

    group: str
    name: str
    bound: float
    values: dict[str, float] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def import_times(work: Workspace, peers: Sequence[Peer], rounds: int) -> list[Figures]:
    """Measure the first import after NumPy's, with cached bytecode: alone, and including the open function."""
    packages = {peer.package for peer in peers}
    rows: list[Figures] = []
    for name, code in (
        ("import", "import {0}"),
        ("import, reach what opens an array", "import {0}; {0}.{1}"),
    ):
        row = Figures(IMPORTS, name, bound=30)
        times: dict[str, list[float]] = {package: [] for package in packages}
        problems: dict[str, str] = {}
        for turn in range(rounds + 1):
            for package in packages - set(problems):
                try:
                    statement = code.format(package, ENTRIES[package])
                    seconds = _probe(work.folder, "-c", IMPORT.format(statement))
                except (ProbeError, subprocess.TimeoutExpired) as error:
                    problems[package] = describe(error)
                else:
                    if turn:  # the first one fills the caches
                        times[package].append(seconds * 1e3)
        for peer in peers:  # all pipelines of a package have the same import time
            if peer.package in problems:
                row.problems[peer.label] = problems[peer.package]
            else:
                row.values[peer.label] = statistics.median(times[peer.package])
        rows.append(row)
    return rows


def peak_memory(work: Workspace, peers: Sequence[Peer], *, quick: bool) -> list[Figures]:
    """Measure the peak memory of whole reads. The target is two chunks per worker plus 16 MiB."""
    rows: list[Figures] = []
    for layout in MEASURED[-1:] if quick else MEASURED:
        row = Figures(MEMORY, layout.name, 2 * layout.chunk_bytes * cores() / MIB + 16)
        for peer in peers:
            try:
                path = str(work.store(layout))
                tries = [
                    _probe(work.folder, "-m", "benchmarks.probe", peer.label, path) / MIB
                    for _ in range(1 if quick else 3)
                ]
            except (ProbeError, subprocess.TimeoutExpired, OSError) as error:
                row.problems[peer.label] = describe(error)
            else:
                row.values[peer.label] = statistics.median(tries)
        rows.append(row)
        work.clear()
    return rows


def _probe(folder: Path, *arguments: str) -> float:
    environment = dict(os.environ)
    if environment.pop("PYTHONDONTWRITEBYTECODE", None):
        environment["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise ProbeError(done.stderr.strip().rpartition("\n")[2] or f"exit status {done.returncode}")
    return float(done.stdout)


def _memory_over_result(label: str, path: Path) -> int:
    peer = FACTORIES[label]()
    with peer.settings():
        array = peer.open(path)
        peer.select(array, (0, 0, 0))  # triggers lazy imports
        gc.collect()
        # Linux only. `ru_maxrss` is not suitable: a child inherits its parent's value.
        Path("/proc/self/clear_refs").write_text("5")
        before = _status("VmRSS")
        result = peer.read(array)
        peak = _status("VmHWM")
    return peak - before - result.nbytes


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {name} in /proc/self/status")


if __name__ == "__main__":
    print(_memory_over_result(sys.argv[1], Path(sys.argv[2])))
