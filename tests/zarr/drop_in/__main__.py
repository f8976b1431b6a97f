"""Command `make drop-in-tests`: run the tests of zarr-python's synchronous interface with `exzarr.zarr` in its place.

The tests are those of the installed zarr-python (its source package has them). The plugin `in_place_of_zarr` counts the
tests that reach exzarr, without those of private and asynchronous names. ``exceptions.toml`` lists the tests that fail,
with the reason. The command fails if another test fails, or if fewer than 95 % pass; of zarr-python before 3.4, 85 %. The
tests of 3.1 have more about what exzarr supports and zarr-python refuses, and compare printed text.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tomllib
from collections import Counter
from importlib.metadata import version
from pathlib import Path

from tests.zarr.peer_tests import BUILD, ROOT, source_package

HERE = Path(__file__).parent
FILES = "indexing array group api v2 attributes tree info properties".split()
LEAST, LEAST_BEFORE = 0.95, 0.85
"""Which part of the tests must pass: of zarr-python 3.4, and of versions before it."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "files", nargs="*", help=f"names of zarr-python's test files (default: {' '.join(FILES)})"
    )
    wanted = parser.parse_args().files or FILES
    source = source_package(version("zarr"))
    known = {
        name: entry["reason"]
        for entry in tomllib.loads((HERE / "exceptions.toml").read_text(encoding="utf-8"))["exceptions"]
        for name in entry["tests"]
    }
    total: Counter[str] = Counter()
    unexpected: list[str] = []
    for file in wanted:
        outcomes = _outcomes(source, file)
        count = Counter(outcomes.values())
        total += count
        print(
            f"{file}: {count['passed']} of {count['passed'] + count['failed']} pass; private: {count['private']}"
        )
        failed = [name for name, outcome in outcomes.items() if outcome == "failed"]
        unexpected += [name for name in failed if _plain(name) not in known]
    for name in unexpected:
        print(f"not in exceptions.toml: {name}")
    least = LEAST if tuple(map(int, version("zarr").split(".")[:2])) >= (3, 4) else LEAST_BEFORE
    rate = total["passed"] / max(1, total["passed"] + total["failed"])
    print(f"{total['passed']} of {total['passed'] + total['failed']} tests pass: {rate:.1%}")
    return 1 if unexpected or rate < least else 0


def _outcomes(source: Path, file: str) -> dict[str, str]:
    report = BUILD / f"drop-in-{file}.json"
    report.unlink(missing_ok=True)
    paths = [str(BUILD / "site"), str(ROOT / "src"), str(HERE)]
    options = [
        "-q",
        "-c",
        "pyproject.toml",
        "-o",
        "addopts=",
        "-p",
        "no:cacheprovider",
        "-p",
        "in_place_of_zarr",
    ]
    command = [
        sys.executable,
        "-m",
        "pytest",
        *options,
        "--benchmark-disable",
        "--tb=short",
        f"--outcomes={report}",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    subprocess.run([*command, f"tests/test_{file}.py"], cwd=source, env=environment, check=False)
    outcomes: dict[str, str] = json.loads(report.read_text(encoding="utf-8"))
    return outcomes


def _plain(name: str) -> str:
    """Return the name of a test without its parameters and folders: ``test_group.py::test_group_open``."""
    return name.removeprefix("tests/").partition("[")[0]


if __name__ == "__main__":
    sys.exit(main())
