"""Shuffled epochs with `exzarr.batches`, compared with hand-written loaders that read one index per sample.

A map-style data set of PyTorch reads ``array[i]`` for every sample and stacks the samples of a batch. The peers do the
same, for indices in random order: one sample after another and, if the library supports it, with all samples of a
batch in flight.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.data import AnyArray, Layout, Workspace
from benchmarks.harness import Cell, Contest
from benchmarks.peers import BASELINE, NotSupportedError, Peer

EPOCHS = "Shuffled epochs"
FIRST = "First batch of a shuffled epoch"
SIZE = 256

ROWS = Layout((2048, 64), (16, 64), "raw")
PACKED = Layout((2048, 64), (16, 64), "zstd", (512, 64))
IMAGE = Layout((2048, 64, 64), (1, 64, 64), "blosc")
IMAGES = Layout((2048, 64, 64), (32, 64, 64), "zstd")

ONE_BY_ONE, IN_FLIGHT = "samples one by one", "samples of a batch in flight"


def batch_cells(work: Workspace, *, quick: bool) -> Iterator[Cell]:
    """Yield the cells. There are few, because an epoch takes peers about a second."""
    for layout in (ROWS,) if quick else (ROWS, PACKED, IMAGE, IMAGES):
        yield epoch(work, layout, "full", ONE_BY_ONE)
        if not quick:
            yield epoch(work, layout, "full", IN_FLIGHT)
            yield epoch(work, layout, "window", IN_FLIGHT)
        yield first_batch(work, layout, "full")
        work.clear()


def epoch(work: Workspace, layout: Layout, shuffle: str, how: str) -> Cell:
    """Return the cell that reads all batches of one epoch, a different epoch in each call."""

    def contest(peer: Peer) -> Contest:
        loader = loader_of(peer, peer.open(work.store(layout)), layout, shuffle, how)
        epochs = itertools.count()

        def check() -> None:
            found = np.concatenate([*loader(next(epochs))])
            check_samples(found, work.data(layout))

        def run(_: object) -> None:
            for _batch in loader(next(epochs)):
                pass

        return Contest(check, run, repeatable=False)

    return Cell(EPOCHS, f"{shuffle}, {layout.name}, {how}", contest)


def first_batch(work: Workspace, layout: Layout, shuffle: str) -> Cell:
    """Return the cell that reads the first batch from an open array."""

    def contest(peer: Peer) -> Contest:
        array = peer.open(work.store(layout))
        epochs = itertools.count()

        def run(_: object = None) -> AnyArray:
            batch: AnyArray = next(loader_of(peer, array, layout, shuffle, ONE_BY_ONE)(next(epochs)))
            return batch

        def check() -> None:
            if run().shape != (SIZE, *layout.shape[1:]):
                raise AssertionError("the first batch has the wrong shape")

        return Contest(check, run, repeatable=False)

    return Cell(FIRST, f"{shuffle}, {layout.name}", contest)


def loader_of(
    peer: Peer, array: Any, layout: Layout, shuffle: str, how: str
) -> Callable[[int], Iterator[AnyArray]]:
    """Return the function that yields the batches of an epoch."""
    if peer.label == BASELINE:
        import exzarr

        return lambda epoch: iter(exzarr.batches(array, SIZE, shuffle=shuffle, epoch=epoch))  # type: ignore[arg-type]
    if how == ONE_BY_ONE:
        samples = peer.select
    elif peer.package == "tensorstore":
        samples = start_read
    else:
        raise NotSupportedError("reads one sample at a time")
    rest = (slice(None),) * (len(layout.shape) - 1)

    def batches(epoch: int) -> Iterator[AnyArray]:
        order = np.random.default_rng(epoch).permutation(layout.shape[0]).tolist()
        for start in range(0, len(order), SIZE):
            batch = [samples(array, (i, *rest)) for i in order[start : start + SIZE]]
            yield np.stack(batch if how == ONE_BY_ONE else [future.result() for future in batch])

    return batches


def start_read(array: Any, selection: Any) -> Any:
    return array[selection].read()


def check_samples(found: AnyArray, wanted: AnyArray) -> None:
    """Raise AssertionError unless `found` has all samples of `wanted`, in any order."""

    def in_order(samples: AnyArray) -> AnyArray:
        flat = samples.reshape(len(samples), -1)
        ordered: AnyArray = flat[np.lexsort(flat.T[:8])]
        return ordered

    if found.shape != wanted.shape or not np.array_equal(in_order(found), in_order(wanted)):
        raise AssertionError("the batches do not contain each stored sample exactly once")
