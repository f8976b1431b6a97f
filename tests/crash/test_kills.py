"""Kill writers at random moments (SIGKILL), and read everything with two libraries after each kill."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import zarr

import exzarr
from exzarr._nodes.hierarchy import DOCUMENTS
from exzarr._tools.check import confirm
from tests.crash.writers import LAYOUTS, WRITERS, Writer

KILLS = int(os.environ.get("EXZARR_TEST_KILLS", "12"))
"""For each writer and layout; there are 31 of these."""

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has neither fork nor SIGKILL")


class Forker:
    """The process of `tests.crash.forker`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.forker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def kill_one(self, name: str, path: Path, seconds: float) -> int:
        """Kill a writer after about this time, and return its number of writes."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(f"{name}\t{path}", file=self._process.stdin, flush=True)
        pid = int(self._process.stdout.readline())
        time.sleep(seconds)  # the exact moment does not matter
        os.kill(pid, signal.SIGKILL)
        status, writes = map(int, self._process.stdout.readline().split())
        assert status == -signal.SIGKILL, "the writer failed by itself"
        return writes

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def forker() -> Iterator[Forker]:
    made = Forker()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pause of checks, since the writer is dead."""
    monkeypatch.setattr(confirm, "PAUSE", 0.001)


CASES = [(name, layout) for name, writer in WRITERS.items() for layout in writer.layouts]


@pytest.mark.parametrize(("name", "layout"), CASES, ids=[f"{n}-{layout}" for n, layout in CASES])
def test_killed_writer_leaves_old_or_new_state(
    name: str, layout: str, forker: Forker, tmp_path: Path
) -> None:
    writer, path = WRITERS[name], tmp_path / "a.zarr"
    writer.prepare(path, LAYOUTS[layout])
    chance = random.Random(f"{name} {layout} {os.environ.get('EXZARR_TEST_SEED', '')}")
    writes = 0
    kill, longest = 0, 0.03
    while kill < KILLS or not writes:
        kill += 1
        longest *= 1 if kill < KILLS else 2  # on a busy machine, no writer may have reached its first write
        writes += forker.kill_one(name, path, chance.random() ** 2 * longest)
        look(writer, path, kill)
        try:
            report = exzarr.check(path, deep=True, grace=0)
        except exzarr.NodeNotFoundError:
            assert writer.comes_and_goes
            continue
        found = {finding.code for finding in report.findings}
        assert found <= {"EXZ501"}, f"after kill {kill}: {report}"
        if found and chance.random() < 0.3:  # limits the number of leftovers
            repaired = exzarr.repair(path, report.plan())
            assert {outcome.result for outcome in repaired.outcomes} == {"done"}, str(repaired)
            if writer.comes_and_goes:  # a quarantine is not overwritten, until its owner has removed it
                for quarantine in [*path.rglob("__exzarr_quarantine__")]:
                    shutil.rmtree(quarantine)
                continue
            after = exzarr.check(path, deep=True, grace=0)
            assert not after.findings, f"after the repair of kill {kill}: {after}\n{repaired}"
            look(writer, path, kill)


def look(writer: Writer, path: Path, kill: int) -> None:
    """Read all nodes with two libraries, and check them."""
    for name, library in product(writer.nodes, ("exzarr", "zarr")):
        place = path / name
        if writer.comes_and_goes and not any((place / document).exists() for document in DOCUMENTS[:3]):
            continue
        node: Any = exzarr.open(place, mode="r") if library == "exzarr" else zarr.open(place, mode="r")
        try:
            writer.check(node)
        except AssertionError as error:
            raise AssertionError(f"after kill {kill}, read by {library}: {error}") from error
