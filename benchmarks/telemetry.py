"""Cost of telemetry, without hooks and with one.

``python -m benchmarks.telemetry`` prints a table. Each read and write checks once whether a hook is registered. The cost
is too small to see in the noise of whole reads. Therefore the check is measured on its own, and divided by the time of
the call. As a second proof, the call is also timed in turns with a variant without the check in its source.
"""

from __future__ import annotations

import ast
import inspect
import statistics
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

import exzarr
from benchmarks.harness import describe
from benchmarks.peers import BASELINE
from benchmarks.probe import Figures
from exzarr import telemetry
from exzarr._nodes import selection_io

GROUP = "Overhead of telemetry without a hook, %"

Call = Callable[[], Any]


def overhead(folder: Path, rounds: int) -> list[Figures]:
    """Return the share of the hook check in a call, in percent. The target is at most one."""
    rows: list[Figures] = []
    for name, call in calls(folder).items():
        row = Figures(GROUP, name, bound=1)
        try:
            row.values[BASELINE] = 100 * _hook_check(rounds) / _median(call, rounds)
        except Exception as error:  # noqa: BLE001
            row.problems[BASELINE] = describe(error)
        rows.append(row)
    return rows


def calls(folder: Path) -> dict[str, Call]:
    """Return small reads and a small write. A chunk of 8 × 8 float32 has 256 bytes."""
    options: dict[str, Any] = {"shape": (64, 64), "chunks": (8, 8), "dtype": "f4"}
    raw = exzarr.create_array(str(folder / "raw.zarr"), compressors=None, **options)
    zstd = exzarr.create_array(str(folder / "zstd.zarr"), compressors="zstd", **options)
    memory = exzarr.create_array(exzarr.MemoryStore(), compressors=None, **options)
    for array in (raw, zstd, memory):
        array[...] = np.arange(64 * 64, dtype="f4").reshape(64, 64)
    value = np.float32(7)

    def write() -> None:
        memory[9, 9] = value

    return {
        "one element, raw, memory": lambda: memory[9, 9],
        "one element, raw, file": lambda: raw[9, 9],
        "one chunk, zstd, file": lambda: zstd[8:16, 8:16],
        "one row of 8 chunks, raw, file": lambda: raw[9],
        "write of one element, raw, memory": write,
    }


def _hook_check(rounds: int) -> float:
    """Return the seconds that the hook check takes."""
    recorder = None
    return _median(lambda: recorder is None and telemetry.hooks(), rounds) - _median(lambda: None, rounds)


def _median(call: Call, rounds: int) -> float:
    return statistics.median([_sample(call) for _ in range(rounds)])


def _sample(call: Call, seconds: float = 0.004) -> float:
    start = perf_counter()
    loops = 0
    while True:
        for _ in range(50):
            call()
        loops += 50
        passed = perf_counter() - start
        if passed >= seconds:
            return passed / loops


# -- second proof: a variant without the check -------------------------------------------------


def without_hook_check(function: Any) -> Any:
    """Return a copy of `read` or `write` without the `if` that checks for hooks."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    (definition,) = tree.body
    assert isinstance(definition, ast.FunctionDef)
    kept = [
        part
        for part in definition.body
        if not (isinstance(part, ast.If) and "telemetry.hooks" in ast.unparse(part.test))
    ]
    assert len(kept) == len(definition.body) - 1
    definition.body = kept
    namespace = dict(vars(sys.modules[function.__module__]))
    exec(compile(tree, function.__code__.co_filename, "exec"), namespace)
    return namespace[function.__name__]


def in_turns(call: Call, rounds: int) -> tuple[float, float]:
    """Return the seconds of a call with the hook check and without it. Both take turns."""
    names = ("read", "write")
    variants = (
        {name: getattr(selection_io, name) for name in names},
        {name: without_hook_check(getattr(selection_io, name)) for name in names},
    )
    times: tuple[list[float], list[float]] = ([], [])
    try:
        for turn in range(2 * rounds):
            for which in (0, 1) if turn % 2 else (1, 0):
                vars(selection_io).update(variants[which])
                times[which].append(_sample(call))
    finally:
        vars(selection_io).update(variants[0])
    return statistics.median(times[0]), statistics.median(times[1])


def main() -> None:
    rounds = 101
    with TemporaryDirectory(prefix="exzarr-bench-") as folder:
        print(f"hook check: {_hook_check(rounds) * 1e9:.0f} ns\n")
        print(f"{'':36}{'µs':>7}{'check':>9}{'in turns':>10}{'with hook, µs':>15}{'profiled, µs':>14}")
        for name, call in calls(Path(folder)).items():
            checked, unchecked = in_turns(call, rounds)
            with telemetry.listening(lambda _: None):
                hooked = _median(call, 9)
            with exzarr.profile():
                profiled = _median(call, 9)
            share = _hook_check(rounds) / checked
            print(
                f"{name:36}{checked * 1e6:7.1f}{share:9.2%}{checked / unchecked - 1:+10.2%}"
                f"{hooked * 1e6:15.1f}{profiled * 1e6:14.1f}"
            )


if __name__ == "__main__":
    main()
