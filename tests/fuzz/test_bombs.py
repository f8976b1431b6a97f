"""Small hostile inputs never allocate a gibibyte, and inputs of the corpus no longer fail."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.bombs import CASES, corpus_cases

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the memory limit requires Linux")


@pytest.fixture(scope="module")
def outcomes(worker_id: str) -> dict[str, str]:
    """Return the result of each input, in its own process with 512 MiB of memory and 20 seconds."""
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
def test_hostile_input_has_bounded_cost_and_raises_exzarr_errors(outcomes: dict[str, str], name: str) -> None:
    assert outcomes[name] == "fine", outcomes[name]


def test_memory_limit_prevents_an_allocation_of_one_gib() -> None:
    """The other tests rely on this: allocating a GiB fails."""
    source = "from exzarr.testing.limits import limit_memory\nlimit_memory()\nbytearray(1 << 30)"
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert "MemoryError" in done.stderr
