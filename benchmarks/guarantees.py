"""Data that libraries lose when several processes write to one array concurrently.

``python -m benchmarks.guarantees`` runs the same tasks with each library, in the way its documentation shows. Real
processes start at the same moment. The printed table is part of docs/guides/guarantees.md.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

ON_EXZARR = "zarr-python on exzarr"
LIBRARIES = ("exzarr", "TensorStore", "zarr-python", ON_EXZARR)
PACKAGES = {"exzarr": "exzarr", "TensorStore": "tensorstore", "zarr-python": "zarr", ON_EXZARR: "zarr"}
WRITERS, ROUNDS = 8, 25
ELEMENTS = 400
APPENDERS, APPENDS, ROWS = 10, 10, 10
CHANGES = 25
LAYOUTS: dict[str, dict[str, Any]] = {
    "chunks": {"chunks": (100,)},
    "shards": {"chunks": (20,), "shards": (100,)},
}


class MissingOperationError(Exception):
    """The library has no such operation."""


def open_array(library: str, path: str) -> Any:
    if library == "exzarr":
        import exzarr

        return exzarr.open_array(path, mode="r+")
    if library == ON_EXZARR:
        import zarr

        from exzarr.zarr import enable

        with enable():
            return zarr.open_array(path, mode="r+")
    if library == "zarr-python":
        import zarr

        return zarr.open_array(path, mode="r+")
    import tensorstore

    return tensorstore.open({"driver": "zarr3", "kvstore": {"driver": "file", "path": path}}).result()


def create(path: Path, **options: Any) -> None:
    """Create an array with exzarr for all libraries, which read the same format."""
    import exzarr

    exzarr.create_array(path, dtype="int64", fill_value=0, compressors=None, **options)


def read(path: Path) -> Any:
    import exzarr

    return exzarr.open_array(path)[...]


# -- tasks of a process ------------------------------------------------------------------


def write_parts(array: Any, me: int) -> None:
    """Write every eighth element, so that every chunk has elements of every process."""
    for i in range(1, ROUNDS + 1):
        array[me::WRITERS] = np.full(ELEMENTS // WRITERS, 1000 * i + me)


def append(array: Any, me: int) -> None:
    for i in range(APPENDS):
        array.append(np.full((ROWS, 4), 1 + me * APPENDS + i))


def change_attributes(array: Any, me: int) -> None:
    for i in range(CHANGES):
        array.attrs[f"{me}-{i}"] = i


TASKS: dict[str, Callable[[Any, int], None]] = {
    "parts": write_parts,
    "append": append,
    "attributes": change_attributes,
}


def worker(library: str, task: str, path: str, me: str) -> None:
    warnings.simplefilter("ignore")
    array = open_array(library, path)
    print("ready", flush=True)
    sys.stdin.readline()
    TASKS[task](array, int(me))


def run_concurrently(library: str, task: str, path: Path, processes: int) -> int:
    """Run `task` in concurrent processes, and return the number of processes that failed."""
    command = [sys.executable, "-m", "benchmarks.guarantees", "worker", library, task, str(path)]
    started = [
        subprocess.Popen(
            [*command, str(me)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for me in range(processes)
    ]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        process.communicate()
    return sum(process.returncode != 0 for process in started)


# -- results -----------------------------------------------------------------------------


def parts_lost(library: str, folder: Path, layout: str) -> str:
    path = folder / f"{library}-{layout}"
    create(path, shape=(ELEMENTS,), **LAYOUTS[layout])
    failed = run_concurrently(library, "parts", path, WRITERS)
    wanted = np.arange(ELEMENTS) % WRITERS + 1000 * ROUNDS
    return _loss(int((read(path) != wanted).sum()), ELEMENTS, "elements", failed)


def rows_lost(library: str, folder: Path) -> str:
    if library == "TensorStore":
        raise MissingOperationError("no append")
    path = folder / f"{library}-append"
    create(path, shape=(0, 4), chunks=(25, 4))
    failed = run_concurrently(library, "append", path, APPENDERS)
    found = read(path)
    wanted = APPENDERS * APPENDS * ROWS
    whole = [int((found == 1 + i).all(axis=1).sum()) for i in range(APPENDERS * APPENDS)]
    return _loss(wanted - sum(min(n, ROWS) for n in whole), wanted, "rows", failed)


def attributes_lost(library: str, folder: Path) -> str:
    if library == "TensorStore":
        raise MissingOperationError("no attributes")
    import exzarr

    path = folder / f"{library}-attributes"
    create(path, shape=(4,), chunks=(4,))
    failed = run_concurrently(library, "attributes", path, WRITERS)
    wanted = WRITERS * CHANGES
    return _loss(wanted - len(exzarr.open_array(path).attrs), wanted, "attributes", failed)


def dask_lost(library: str, folder: Path) -> str:
    if library == "TensorStore":
        raise MissingOperationError("no target of dask's")
    import dask.array

    path = folder / f"{library}-dask"
    create(path, shape=(300, 300), chunks=(50, 50), shards=(150, 150))
    data = np.arange(90_000).reshape(300, 300) + 1
    array = open_array(library, str(path))
    dask.array.store(
        dask.array.from_array(data, chunks=(20, 70)), array, lock=False, scheduler="threads", num_workers=8
    )
    return _loss(int((read(path) != data).sum()), data.size, "elements", 0)


def _loss(lost: int, of: int, what: str, failed: int) -> str:
    if not lost:
        return "nothing"
    share = f"{lost} of {of} {what}"
    return share + (f"; {failed} processes failed" if failed else "")


ROWS_OF_TABLE: dict[str, Callable[[str, Path], str]] = {
    f"{WRITERS} processes write elements of the same chunks": lambda name, at: parts_lost(name, at, "chunks"),
    f"{WRITERS} processes write elements of the same shards": lambda name, at: parts_lost(name, at, "shards"),
    f"{APPENDERS} processes append, {APPENDS} times {ROWS} rows each": rows_lost,
    f"{WRITERS} processes set {CHANGES} attributes each": attributes_lost,
    "`dask.array.store(blocks, array, lock=False)`, 8 threads, blocks smaller than shards": dask_lost,
}


def table() -> list[str]:
    lines = [
        f"| What is lost when | {' | '.join(f'{n} {metadata.version(PACKAGES[n])}' for n in LIBRARIES)} |",
        "| --- " * (1 + len(LIBRARIES)) + "|",
    ]
    with tempfile.TemporaryDirectory(prefix="exzarr-guarantees-") as folder:
        for name, lost in ROWS_OF_TABLE.items():
            cells = []
            for library in LIBRARIES:
                try:
                    cells.append(lost(library, Path(folder)))
                except MissingOperationError as error:
                    cells.append(f"({error})")
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(*sys.argv[2:])
    else:
        warnings.simplefilter("ignore")
        print("\n".join(table()))
