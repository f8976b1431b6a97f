"""Cells of the benchmark tables: the operations that are compared."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import batches, floor, latency, maps, safety, xarray_engine
from benchmarks.data import Layout, Workspace, cube, stored_bytes, table
from benchmarks.harness import Cell, Contest
from benchmarks.peers import Peer, Properties, Selection, ZarrPython

READS = "Whole reads"
CREATES = "Whole writes, new array"
REPLACES = "Whole writes, over an existing array"
SELECTIONS = "Selections"
ROWS = "256 random rows"
OPENING = "Opening"

GROUPS = (
    *(READS, CREATES, REPLACES, SELECTIONS, ROWS, OPENING),
    *(batches.EPOCHS, batches.FIRST, maps.MAPS, safety.PARTS, safety.APPENDS, latency.GROUP),
    xarray_engine.GROUP,
)

HIERARCHY = 200
LISTING = f"open and list {HIERARCHY} arrays, consolidated"

LAYOUTS = [
    *[cube(edge, codec) for codec in ("raw", "zstd", "blosc", "gzip") for edge in (16, 32, 64)],
    *[cube(edge, codec, 128) for codec in ("raw", "zstd", "blosc") for edge in (16, 32, 64)],
]
QUICK_READS = [cube(32, "raw"), cube(64, "zstd"), cube(32, "blosc", 128)]
QUICK_WRITES = [cube(64, "raw"), cube(32, "blosc")]
SELECTED = [cube(32, "raw"), cube(32, "zstd"), cube(64, "blosc"), cube(32, "blosc", 128)]
TABLES = [table(codec, rows) for codec in ("raw", "zstd") for rows in (None, 1024)]
OPENED = cube(32, "zstd")

SHAPES: dict[str, Selection] = {
    "one element": (131, 57, 201),
    "one row": (131, 57, slice(None)),
    "64³ window": (slice(37, 101), slice(51, 115), slice(77, 141)),
    "strided window": (slice(13, 205, 3), slice(7, 199, 2), slice(5, 235, 5)),
}


def all_cells(work: Workspace, *, quick: bool) -> Iterator[Cell]:
    """Yield all cells, grouped by layout, so that a long run keeps few stores on disk."""
    reads, writes = (QUICK_READS, QUICK_WRITES) if quick else (LAYOUTS, LAYOUTS)
    selected = [cube(32, "raw"), cube(32, "blosc", 128)] if quick else SELECTED
    cubes = list(dict.fromkeys([*reads, *writes, *selected, OPENED]))
    for layout in cubes:
        if layout in reads:
            yield whole_read(work, layout)
        if layout in selected:
            names = [*SHAPES][:-1] if quick and layout.shards is None else SHAPES
            yield from [selection(work, layout, name) for name in names]
        if layout == OPENED:
            yield from [opening(work, layout), first_element(work, layout)]
        if layout in writes:
            yield create(work, layout, settle=not quick)
            if not quick:
                yield replace(work, layout)
        work.clear()
    for layout in TABLES[::3] if quick else TABLES:
        yield random_rows(work, layout)
    yield listing(work)
    work.clear()
    yield from batches.batch_cells(work, quick=quick)
    work.clear()
    yield from maps.map_cells(work, quick=quick)
    yield from safety.safety_cells(work, quick=quick)
    yield from xarray_engine.xarray_cells(work, quick=quick)


def whole_read(work: Workspace, layout: Layout) -> Cell:
    def contest(peer: Peer) -> Contest:
        array = peer.open(work.store(layout))
        return Contest(lambda: check_same(peer.read(array), work.data(layout)), lambda _: peer.read(array))

    def bare() -> Contest:
        read = floor.reader(work.store(layout), layout)
        return Contest(lambda: check_same(read(), work.data(layout)), lambda _: read())

    has_floor = layout in (cube(32, "raw"), cube(64, "raw"))
    return Cell(READS, layout.name, contest, bare if has_floor else None)


def create(work: Workspace, layout: Layout, *, settle: bool) -> Cell:
    """Return the cell that writes the data of a new array; creating the metadata is not timed."""

    def contest(peer: Peer) -> Contest:
        def prepare() -> Any:
            array = peer.create(work.fresh("new.zarr"), layout)
            if settle:
                os.sync()  # write back pages of earlier contestants before the clock starts
            return array

        def run(array: Any) -> None:
            peer.write(array, work.data(layout))

        def check() -> None:
            run(prepare())
            check_written(work, layout, peer, work.folder / "new.zarr")

        return Contest(check, run, prepare, repeatable=False)

    return Cell(CREATES, layout.name, contest)


def replace(work: Workspace, layout: Layout) -> Cell:
    """Return the cell that overwrites an array of the same peer, in which all chunks exist."""

    def contest(peer: Peer) -> Contest:
        path = work.fresh(f"{peer.label}.zarr")
        array = peer.create(path, layout)

        def run(_: object = None) -> None:
            peer.write(array, work.data(layout))

        def check() -> None:
            run()
            run()
            check_written(work, layout, peer, path)

        return Contest(check, run, os.sync, repeatable=False)

    return Cell(REPLACES, layout.name, contest)


def check_written(work: Workspace, layout: Layout, peer: Peer, path: Path) -> None:
    """Raise AssertionError unless another library reads the same data and the compressed size is as usual."""
    other = work.other_reader(peer)
    with other.settings():
        check_same(other.read(other.open(path)), work.data(layout))
    size, usual = stored_bytes(path), stored_bytes(work.store(layout))
    if not 0.8 < size / usual < 1.25:  # gzip level 5 differs between implementations
        raise AssertionError(f"{size} bytes are stored instead of about {usual}: the codec settings differ")


def selection(work: Workspace, layout: Layout, name: str) -> Cell:
    """Return the cell that reads one shape at 16 offsets in turn, so that no element is read twice in a row."""
    shape = SHAPES[name]
    selections = [shifted(shape, 3 * i, i % 4, i % 7) for i in range(16)]

    def contest(peer: Peer) -> Contest:
        array = peer.open(work.store(layout))
        ring = itertools.cycle(selections)

        def check() -> None:
            for each in selections[:4]:
                check_same(peer.select(array, each), work.data(layout)[each])

        return Contest(check, lambda _: peer.select(array, next(ring)))

    return Cell(SELECTIONS, f"{name}, {layout.name}", contest)


def random_rows(work: Workspace, layout: Layout) -> Cell:
    """Return the cell that reads 256 random rows, like a shuffled minibatch, with different rows in each call."""
    rng = np.random.default_rng(5)
    batches = [rng.choice(layout.shape[0], 256, replace=False) for _ in range(16)]

    def contest(peer: Peer) -> Contest:
        array = peer.open(work.store(layout))
        ring = itertools.cycle(batches)

        def check() -> None:
            for rows in batches[:3]:
                check_same(peer.rows(array, rows), work.data(layout)[rows])

        return Contest(check, lambda _: peer.rows(array, next(ring)))

    return Cell(ROWS, layout.name, contest)


def opening(work: Workspace, layout: Layout) -> Cell:
    """Return the cell that opens an array and reads its shape, data type and chunk shape."""
    wanted = Properties(layout.shape, np.dtype("float32"), layout.chunks)

    def contest(peer: Peer) -> Contest:
        path = work.store(layout)
        return Contest(
            lambda: check_properties(peer.properties(path), wanted), lambda _: peer.properties(path)
        )

    return Cell(OPENING, "open an array", contest)


def first_element(work: Workspace, layout: Layout) -> Cell:
    """Return the cell that opens an array and reads one element, which includes work deferred by opening."""
    first = (100, 100, 100)

    def contest(peer: Peer) -> Contest:
        path = work.store(layout)

        def run(_: object = None) -> Any:
            return peer.select(peer.open(path), first)

        return Contest(lambda: check_same(run(), work.data(layout)[first]), run)

    return Cell(OPENING, "open an array, read one element", contest)


def listing(work: Workspace) -> Cell:
    """Return the cell that lists 200 arrays of a group with shape, data type and chunk shape of each."""
    wanted = Properties((365, 180, 360), np.dtype("float32"), (1, 180, 360))
    path = work.folder / "hierarchy.zarr"

    def contest(peer: Peer) -> Contest:
        if not path.exists():
            ZarrPython("", "zarr.core.codec_pipeline.BatchedCodecPipeline").create_hierarchy(path, HIERARCHY)

        def check() -> None:
            found = peer.listing(path)
            if len(found) != HIERARCHY:
                raise AssertionError(f"the listing has {len(found)} of {HIERARCHY} arrays")
            for properties in found.values():
                check_properties(properties, wanted)

        return Contest(check, lambda _: peer.listing(path))

    return Cell(OPENING, LISTING, contest)


def shifted(selection: Selection, *by: int) -> Selection:
    """Return the selection moved by `by`; whole dimensions do not move."""
    moved: list[int | slice] = []
    for part, step in zip(selection, by, strict=True):
        if isinstance(part, int):
            moved.append(part + step)
        elif part.start is None:
            moved.append(part)
        else:
            moved.append(slice(part.start + step, part.stop + step, part.step))
    return tuple(moved)


def check_same(found: Any, wanted: Any) -> None:
    """Raise AssertionError unless both arrays have the same data type and values."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    if found.dtype != wanted.dtype or not np.array_equal(found, wanted):
        raise AssertionError(
            f"the read {found.dtype} array of shape {found.shape} differs from the stored data"
        )


def check_properties(found: Properties, wanted: Properties) -> None:
    """Raise AssertionError unless both arrays have the same properties."""
    if found != wanted:
        raise AssertionError(f"the array has {found}, expected {wanted}")
