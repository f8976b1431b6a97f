"""Fuzz exzarr: ``python -m tests.fuzz [TARGET ...] --seconds 60``.

With atheris (``pip install atheris``), coverage guides the inputs. Without it, seeds are mutated at random. An input
that fails is written to ``tests/corpus/TARGET/`` and becomes a test.
"""

from __future__ import annotations

import argparse
import importlib
import random
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from exzarr.testing.fuzzing import Target, fuzz

CORPUS = Path(__file__).parents[1] / "corpus"
NAMES = ("zarr_json", "zarray", "zmetadata", "plan", "chunk", "shard", "zip")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(NAMES))
    parser.add_argument("--seconds", type=float, default=60.0, help="total time for all targets")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = set(options.targets) - set(NAMES)
    if unknown:
        parser.error(f"unknown targets: {', '.join(sorted(unknown))}")
    targets = options.targets or [*NAMES]
    seed = random.SystemRandom().randrange(2**31) if options.seed is None else options.seed
    if options.inside:
        make = partial(_target, targets[0])
        return not fuzz(make, seconds=options.seconds, seed=seed, corpus=CORPUS)
    failed = []
    for target in targets:
        # Each target has its own process, so that a crash does not end the others.
        command = [sys.executable, "-m", "tests.fuzz", target, "--inside"]
        command += ["--seconds", str(options.seconds / len(targets)), "--seed", str(seed)]
        if subprocess.run(command, check=False).returncode:
            failed.append(target)
    print(f"failed: {', '.join(failed)}" if failed else "no failures found")
    return bool(failed)


def _target(name: str) -> Target:
    """Return a target; atheris instruments what this imports."""
    targets: Any = importlib.import_module("tests.fuzz.targets")
    return Target(name, targets.TARGETS[name], targets.SEEDS[name]())


if __name__ == "__main__":
    sys.exit(main())
