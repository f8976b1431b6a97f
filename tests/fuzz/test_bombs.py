"""A kilobyte does not make it allocate a gibibyte, and what once broke something breaks it no more."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.bombs import CASES, corpus_cases

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited as Linux does it")


@pytest.fixture(scope="module")
def outcomes(worker_id: str) -> dict[str, str]:
    """What came of each, in a child process of its own with 512 MiB of memory and 20 seconds."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.bombs"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", [*CASES, *corpus_cases()])
def test_memory_and_time_are_bounded_and_errors_are_ours(outcomes: dict[str, str], name: str) -> None:
    assert outcomes[name] == "fine", outcomes[name]


def test_the_limit_is_one() -> None:
    """What all of this rests on: a GiB is not to be had."""
    source = "from tests.fuzz.limits import limit_memory\nlimit_memory()\nbytearray(1 << 30)"
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert "MemoryError" in done.stderr
