"""Parallel maps that compute the mean of an array, chunk by chunk.

exzarr maps in threads and, in a separate cell, in processes. dask reads through zarr-python, with its threads.
TensorStore has a hand-written loop over the chunks with twice as many reads in flight as there are cores.
"""

from __future__ import annotations

import itertools
import operator
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import CUBE, Layout, Workspace
from benchmarks.floor import cores
from benchmarks.harness import Cell, Contest
from benchmarks.peers import BASELINE, NotSupportedError, Peer

MAPS = "Parallel maps"
THREADS, PROCESSES = "threads", "processes"

FULL = (1024, 512, 512)
QUICK = (256, 512, 256)


def map_cells(work: Workspace, *, quick: bool) -> Iterator[Cell]:
    for edge in (128,) if quick else (128, 64):
        layout = Layout(QUICK if quick else FULL, (edge,) * 3, "zstd")
        yield mean(work, layout, THREADS)
        if edge == 128 and not quick:
            yield mean(work, layout, PROCESSES)
        work.clear()


def mean(work: Workspace, layout: Layout, how: str) -> Cell:
    size = 4 * int(np.prod(layout.shape)) // 2**20

    def contest(peer: Peer) -> Contest:
        run = mean_of(peer, work.store(layout), how)
        wanted = float(work.data(Layout(CUBE, layout.chunks, layout.codec)).mean(dtype="f8"))

        def check() -> None:
            found = run()
            if not np.isclose(found, wanted, rtol=1e-9):
                raise AssertionError(f"the mean is {wanted}, not {found}")

        return Contest(check, lambda _: run(), repeatable=False)

    return Cell(MAPS, f"mean of {size} MiB, {layout.name}, {how}", contest)


def chunk_sum(chunk: Any) -> float:
    return float(chunk.sum(dtype="f8"))


def mean_of(peer: Peer, path: Path, how: str) -> Any:
    """Return the function that computes the mean of the array at `path` with that library."""
    array = peer.open(path)
    if peer.label == BASELINE:
        return lambda: array.parallel_chunk_map(chunk_sum, executor=how, reduce=operator.add) / array.size
    if how == PROCESSES:
        raise NotSupportedError("compared in threads")
    if peer.package == "tensorstore":
        return lambda: tensorstore_sum(array) / array.size
    import dask.array

    return lambda: float(dask.array.from_zarr(array).mean(dtype="f8").compute(scheduler="threads"))


def tensorstore_sum(array: Any) -> float:
    """Sum the chunks in a loop, with several reads in flight."""
    shape, chunks = array.shape, array.chunk_layout.read_chunk.shape
    corners = itertools.product(*[range(0, n, c) for n, c in zip(shape, chunks, strict=True)])
    total, ahead = 0.0, deque[Any]()
    for corner in corners:
        region = tuple([slice(at, min(at + c, n)) for at, c, n in zip(corner, chunks, shape, strict=True)])
        ahead.append(array[region].read())
        if len(ahead) > 2 * cores():
            total += chunk_sum(ahead.popleft().result())
    for future in ahead:
        total += chunk_sum(future.result())
    return total
