"""Creation of many arrays in one group with consolidated metadata: ``python -m benchmarks.creations [N]``.

Prints the seconds for N creations (default: 1,000) and for a tenth of them, each in a new folder. A linear method
takes about ten times as long for ten times as many arrays. The methods take turns, and the median counts.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

ROUNDS = 3
ARRAY: dict[str, Any] = {"shape": (100, 100), "dtype": "f4", "chunks": (50, 50)}


def in_a_batch(path: Path, count: int) -> None:
    import exzarr

    with exzarr.create_group(path).consolidate_metadata().batch() as group:
        for number in range(count):
            group.create_array(f"x{number}", **ARRAY)


def one_by_one(path: Path, count: int) -> None:
    import exzarr

    group = exzarr.create_group(path).consolidate_metadata()
    for number in range(count):
        group.create_array(f"x{number}", **ARRAY)


def not_consolidated(path: Path, count: int) -> None:
    import exzarr

    group = exzarr.create_group(path)
    for number in range(count):
        group.create_array(f"x{number}", **ARRAY)


def zarr_python(path: Path, count: int) -> None:
    """Create the arrays with zarr-python, and consolidate once at the end, because it does so only on request."""
    import zarr

    group = zarr.create_group(path)
    for number in range(count):
        group.create_array(f"x{number}", **ARRAY)
    zarr.consolidate_metadata(path)


WAYS: dict[str, Callable[[Path, int], None]] = {
    "exzarr, group.batch()": in_a_batch,
    "exzarr, one by one": one_by_one,
    "exzarr, not consolidated": not_consolidated,
    "zarr-python, consolidated at the end": zarr_python,
}


def seconds(way: Callable[[Path, int], None], count: int) -> float:
    with tempfile.TemporaryDirectory(prefix="exzarr-bench-") as folder:
        path = Path(folder) / "s.zarr"
        started = perf_counter()
        way(path, count)
        took = perf_counter() - started
        _check(path, count, consolidated=way is not not_consolidated)
    return took


def _check(path: Path, count: int, *, consolidated: bool) -> None:
    """Raise AssertionError unless zarr-python finds all arrays."""
    import zarr

    group = zarr.open_group(path, mode="r", use_consolidated=consolidated)
    found = len([*group.array_keys()])
    assert found == count, f"{found} of {count} arrays exist"


def main() -> None:
    warnings.simplefilter("ignore")
    count = int(sys.argv[1]) if sys.argv[1:] else 1000
    counts = (max(1, count // 10), count)
    taken: dict[tuple[str, int], list[float]] = {}
    for way in WAYS.values():
        seconds(way, 2)  # imports
    for _ in range(ROUNDS):
        for name, way in WAYS.items():
            for n in counts:
                taken.setdefault((name, n), []).append(seconds(way, n))
    print(f"{'seconds for':40}{counts[0]:>8,}{counts[1]:>8,}   ratio")
    for name in WAYS:
        few, many = (statistics.median(taken[name, n]) for n in counts)
        print(f"{name:40}{few:8.2f}{many:8.2f}{many / few:8.1f}")


if __name__ == "__main__":
    main()
