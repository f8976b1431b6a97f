"""Writes that are safe with concurrent writers: partial chunks and appends.

exzarr and TensorStore protect a partial write against other writers of the same chunk. zarr-python and zarrs-python
do not; `python -m benchmarks.guarantees` shows the loss. Only exzarr's append is safe with concurrent writers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.data import Layout, Workspace, cube
from benchmarks.harness import Cell, Contest
from benchmarks.peers import BASELINE, NotSupportedError, Peer, Selection

PARTS = "Parts of chunks (safety)"
APPENDS = "Appends (safety)"

LAYOUTS = [cube(32, "raw"), cube(32, "zstd"), cube(64, "blosc"), cube(32, "blosc", 128)]
QUICK = [cube(32, "zstd")]

SHAPES: dict[str, Selection] = {
    "one element": (131, 57, 201),
    "64³ window": (slice(37, 101), slice(51, 115), slice(77, 141)),
    "every other row": (slice(None), slice(None, None, 2), slice(None)),
}

ROWS, TIMES = 10, 30
TABLE = Layout((0, 64), (100, 64), "zstd")


def safety_cells(work: Workspace, *, quick: bool) -> Iterator[Cell]:
    for layout in QUICK if quick else LAYOUTS:
        # The third shape writes half of the cube, and takes as long as the other two together.
        yield from [part(work, layout, name) for name in [*SHAPES][: 1 if quick else 3]]
        work.clear()
    yield append(work)
    work.clear()


def part(work: Workspace, layout: Layout, shape: str) -> Cell:
    selection = SHAPES[shape]

    def contest(peer: Peer) -> Contest:
        array = peer.create(work.fresh(peer.label), layout)
        peer.write(array, work.data(layout))
        values = np.array(work.data(layout)[selection]) + 1

        def run(_: Any) -> None:
            array[selection] = values

        def check() -> None:
            run(None)
            expected = work.data(layout).copy()
            expected[selection] = values
            np.testing.assert_array_equal(peer.read(array), expected)

        return Contest(check, run)

    return Cell(PARTS, f"{shape}, {layout.name}", contest)


def append(work: Workspace) -> Cell:
    rows = np.arange(ROWS * 64, dtype="f4").reshape(ROWS, 64)

    def contest(peer: Peer) -> Contest:
        if not (peer.label == BASELINE or peer.package == "zarr"):
            raise NotSupportedError("no append of its own")

        def prepare() -> Any:
            return peer.create(work.fresh(peer.label), TABLE)

        def run(array: Any) -> None:
            for _ in range(TIMES):
                array.append(rows)

        def check() -> None:
            array = prepare()
            run(array)
            np.testing.assert_array_equal(peer.read(array), np.tile(rows, (TIMES, 1)))

        return Contest(check, run, prepare, repeatable=False)

    return Cell(APPENDS, f"{TIMES} × {ROWS} rows of 64 float32, chunks of 100 rows", contest)
