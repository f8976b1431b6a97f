"""Command `make xarray-tests`: run xarray's own tests of Zarr with exzarr in the place of zarr-python.

The tests are those of the installed xarray (its wheel has them). They run with zarr-python first. Of the tests that pass
and use what is exchanged (reading, writing, or both), at least 95 % must pass with exzarr. ``exceptions.toml`` lists those
that do not, with the reason. The command fails if another test fails.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import xarray

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
BUILD = ROOT / "build" / "xarray-tests"
TESTS = Path(xarray.__file__).parent / "tests"
FILES = "test_backends.py test_backends_datatree.py test_distributed.py".split()
EXCHANGES = {"read": ("read",), "write": ("write",), "both": ("read", "write")}
LEAST = 0.95

Outcomes = dict[str, dict[str, Any]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("exchanges", nargs="*", help=f"which to run: {', '.join(EXCHANGES)} (default: all)")
    parser.add_argument("-k", dest="keyword", default="zarr or Zarr", help="pytest's -k")
    parser.add_argument("-n", dest="processes", default="2", help="processes")
    parser.add_argument("--errors", action="store_true", help="print the error of each failure")
    given = parser.parse_args()
    install_asyncio()
    theirs = outcomes((), given.keyword, given.processes)
    failed = False
    for name in given.exchanges or EXCHANGES:
        ours = outcomes(EXCHANGES[name], given.keyword, given.processes)
        failed |= not report_on(name, theirs, ours, given.errors)
    return 1 if failed else 0


def report_on(name: str, theirs: Outcomes, ours: Outcomes, errors: bool) -> bool:
    """Print how many tests pass, and return whether that is enough."""
    tests = comparable(theirs, EXCHANGES[name])
    private = [test for test in tests if ours.get(test, {}).get("outcome") == "private"]
    tests = [test for test in tests if test not in private]
    lost = [test for test in tests if ours.get(test, {}).get("outcome") != "passed"]
    known = exceptions()
    unexpected = [test for test in lost if plain(test) not in known]
    for test in unexpected:
        print(f"{name}: not in exceptions.toml: {test}")
        if errors:
            print(ours.get(test, {}).get("error", "did not run"))
    rate = 1 - len(lost) / max(1, len(tests))
    print(
        f"{name}: {len(tests) - len(lost)} of {len(tests)} tests that pass with zarr-python pass: {rate:.1%}"
    )
    print(f"{name}: {len(private)} tests of the calls of zarr-python's own methods are not counted")
    return bool(tests) and not unexpected and rate >= LEAST


def comparable(theirs: Outcomes, exchange: tuple[str, ...]) -> list[str]:
    """Return the tests that pass with zarr-python and use what is exchanged."""
    return [
        test
        for test, seen in theirs.items()
        if seen["outcome"] == "passed" and not {*exchange}.isdisjoint(seen["uses"])
    ]


def exceptions() -> dict[str, str]:
    """Return the reasons of ``exceptions.toml`` by test, without parameters."""
    listed = tomllib.loads((HERE / "exceptions.toml").read_text(encoding="utf-8")).get("exceptions", [])
    return {name: entry["reason"] for entry in listed for name in entry["tests"]}


def plain(test: str) -> str:
    """Return the name of a test without folders, class and parameters: ``test_backends.py::test_load_async``."""
    file, _, name = test.partition("[")[0].rpartition("/")[2].partition("::")
    return f"{file}::{name.rpartition('::')[2]}"


def install_asyncio() -> None:
    """Install what xarray's tests of ``load_async`` require, beside this environment."""
    if not (BUILD / "site").exists():
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-deps"]
        subprocess.run([*pip, "--target", str(BUILD / "site"), "pytest-asyncio"], check=True)


def outcomes(exchange: tuple[str, ...], keyword: str, processes: str = "0", folder: Path = BUILD) -> Outcomes:
    """Run the tests in `folder`, and return the outcome of each by name."""
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / f"{'-'.join(exchange) or 'zarr-python'}.json"
    report.unlink(missing_ok=True)
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(BUILD / "site"), str(ROOT / "src"), str(HERE)]),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(folder / "pytest.ini"), f"--rootdir={TESTS}"]
    command += [
        "-p",
        "no:cacheprovider",
        "-p",
        "in_place_of_zarr",
        "-W",
        "ignore",
        "--tb=short",
        "--no-header",
    ]
    command += [
        *(f"--exchange={one}" for one in exchange),
        f"--outcomes={report}",
        "-n",
        processes,
        "-k",
        keyword,
    ]
    with (folder / f"{report.stem}.log").open("w", encoding="utf-8") as log:
        files = [str(TESTS / name) for name in FILES]
        work = folder / report.stem  # tests leave files in the current folder
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        subprocess.run([*command, *files], cwd=work, env=environment, stdout=log, stderr=log, check=False)
    if not report.exists():
        raise SystemExit(f"pytest did not run: see {folder / report.stem}.log")
    found: Outcomes = json.loads(report.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    sys.exit(main())
