"""`update`: recompute what a changed region touches."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from exzarr import config
from exzarr._engine.pool import in_flight
from exzarr._format.metadata import ArrayMetadata
from exzarr._nodes.array import Array
from exzarr._nodes.transactions import change
from exzarr._stream.chunks.grid import as_region
from exzarr._stream.maps.runners import ExecutorLike, open_runner
from exzarr._stream.options import StreamOptions
from exzarr._stream.progress.progress import Progress
from exzarr._stream.window import Window
from exzarr._typing import AnyArray
from exzarr.errors import ArgumentError, MetadataError
from exzarr.multiscale.blocks import Region
from exzarr.multiscale.methods import Method, check_method, reduce_blocks, reduced_shape
from exzarr.multiscale.pyramid import Level, Pyramid, check_writable

if TYPE_CHECKING:
    from exzarr._retrying import Retry

__all__ = ["UpdateOptions", "level_factors", "same_elements", "update"]


class UpdateOptions(TypedDict, total=False):
    """Keywords of `update`."""

    method: Method | None
    nodata: Any
    executor: ExecutorLike
    workers: int | None
    timeout: float | None
    retries: int | Retry | None
    progress: Progress


def update(
    pyramid: Pyramid,
    region: Any = None,
    *,
    method: Method | None = None,
    nodata: Any = None,
    executor: ExecutorLike = "threads",
    workers: int | None = None,
    timeout: float | None = None,
    retries: int | Retry | None = None,
    progress: Progress = False,
) -> Pyramid:
    """Recompute what a changed region of the first level touches, on every other level.

    Call it after you have written to the first level: painted a mask, replaced a plane, appended time steps. If the first
    level has another shape than before, the other levels are resized first.

    Parameters
    ----------
    pyramid
        The pyramid.
    region
        The changed elements of the first level: a tuple of slices, as for `Array.chunk_stream`. None: all.
    method, nodata
        As for `exzarr.multiscale.write`. Default: those that the metadata names, if `write` stored it.
    executor, workers, timeout, retries, progress
        As for `exzarr.multiscale.write`. Progress counts chunks of all levels.

    Returns
    -------
    Pyramid
        The pyramid, with the new shapes.

    Raises
    ------
    ArgumentError
        The metadata does not name a known method, and `method` is None.
    MetadataError
        The levels are not related by whole factors.

    Notes
    -----
    Any number of processes may write to the first level and update regions concurrently, also regions that overlap: when
    all updates have ended, each level is the reduction of the level before it. Each region is therefore read again after
    it was reduced and stored, and reduced again if it has changed. This requires a store without a cache, and that the
    first level does not become shorter meanwhile.
    """
    check_writable(pyramid)
    options = StreamOptions(workers=workers, timeout=timeout, retries=retries, progress=progress)
    chosen, missing = _method(pyramid, method, nodata)
    factors = level_factors(pyramid.levels)
    arrays = [pyramid.levels[0].array.refresh(), *[level.array.refresh() for level in pyramid.levels[1:]]]
    check_method(chosen, arrays[0].dtype)
    changed = as_region(region, arrays[0].shape)
    for number, reduction in enumerate(factors, 1):
        wanted = reduced_shape(arrays[number - 1].shape, reduction)
        if any(map(int.__lt__, wanted, arrays[number].shape)):
            arrays[number].resize(wanted)
        elif arrays[number].shape != wanted:
            arrays[number] = _grown(arrays[number], wanted)
    steps = [*_steps(arrays, factors, changed)]
    meter = options.meter(
        sum(step.count for step in steps), stream="multiscale.update", array=pyramid.group.path
    )
    with meter:
        task = UpdateTask(arrays, factors, chosen, missing)
        for _ in _run(task, steps, options, executor):
            meter.add()
        meter.finish()
    levels = tuple(
        [
            Level(level.number, array, level.scale, level.translation)
            for level, array in zip(pyramid.levels, arrays, strict=True)
        ]
    )
    return Pyramid(pyramid.group, pyramid.metadata, pyramid.axes, levels)


def _grown(array: Array, shape: Sequence[int]) -> Array:
    """Grow a level to at least `shape`. Another process may have grown it further meanwhile."""

    def make(stored: ArrayMetadata) -> ArrayMetadata:
        wanted = tuple(map(max, stored.shape, shape))
        return stored if wanted == stored.shape else stored.with_(shape=wanted)

    change(array.location, array.metadata, make)
    return array.refresh()


def _method(pyramid: Pyramid, method: Method | None, nodata: Any) -> tuple[Method, Any]:
    given = pyramid.metadata.details.get("kwargs")
    kept = given if isinstance(given, dict) else {}
    if nodata is None and "nodata" in kept:
        nodata = pyramid.levels[0].array.dtype.type(kept["nodata"])
    named: Any = pyramid.metadata.method if method is None else method
    if not callable(named) and named not in ("mean", "mode", "nearest", "min", "max"):
        raise ArgumentError(
            f"the metadata of {pyramid.group.name!r} names the method {named!r}, which exzarr does not have: give method"
        )
    return named, nodata


def level_factors(levels: Sequence[Level]) -> list[tuple[int, ...]]:
    """Return the factors between neighboring levels, from their scales."""
    found = []
    for before, level in itertools.pairwise(levels):
        ratios = [b / a for a, b in zip(before.scale, level.scale, strict=True)]
        factors = tuple([round(ratio) for ratio in ratios])
        if any(f < 1 or abs(f - ratio) > 1e-6 * f for f, ratio in zip(factors, ratios, strict=True)):
            raise MetadataError(
                f"level {level.path!r} is {ratios} times as coarse as the level before it: an update requires whole "
                "factors. Build the pyramid again with exzarr.multiscale.write"
            )
        found.append(factors)
    return found


@dataclass(frozen=True, slots=True)
class _Step:
    """The part of one level to recompute, from the level before it."""

    level: int
    target: Array
    region: Region

    @property
    def count(self) -> int:
        """Number of chunks that the region touches."""
        return math.prod([len(spans) for spans in self._spans()])

    def _spans(self) -> list[list[slice]]:
        """Cut the region along the chunks of the target."""
        found = []
        for part, size in zip(self.region, self.target.metadata.chunk_grid.max_chunk_shape, strict=True):
            first = part.start // size * size
            found.append(
                [
                    slice(max(at, part.start), min(at + size, part.stop))
                    for at in range(first, part.stop, size)
                ]
            )
        return found

    def items(self) -> Iterator[tuple[int, Region]]:
        """Yield the level and a region of one chunk each."""
        return ((self.level, region) for region in itertools.product(*self._spans()))


def _steps(arrays: Sequence[Array], factors: Sequence[tuple[int, ...]], region: Region) -> Iterator[_Step]:
    for number, step in enumerate(factors, 1):
        if any(part.start >= part.stop for part in region):
            return
        region = tuple(
            [slice(part.start // f, -(-part.stop // f)) for part, f in zip(region, step, strict=True)]
        )
        yield _Step(number, arrays[number], region)


class UpdateTask:
    """Recomputes a region of a level. It can be called in any thread, and pickled for any process."""

    def __init__(
        self, arrays: Sequence[Array], factors: Sequence[tuple[int, ...]], method: Method, nodata: Any
    ) -> None:
        self._arrays = tuple(arrays)
        self._factors = tuple(factors)
        self._method: Method = method
        self._nodata = nodata

    def __call__(self, item: tuple[int, Region]) -> None:
        level, region = item
        target = self._arrays[level]
        data = self._read(self._arrays[level - 1], level, region)
        while True:
            reduced = reduce_blocks(data, self._factors[level - 1], self._method, nodata=self._nodata)
            target.set((*region, ...), reduced, casting="unsafe")
            # Another process may have changed the source, and may have stored its result before this one.
            before, data = data, self._read(self._arrays[level - 1].refresh(), level, region)
            if same_elements(before, data):
                return

    def _read(self, source: Array, level: int, region: Region) -> AnyArray:
        """Return the elements of the level before that become `region`."""
        place = tuple(
            [
                slice(part.start * f, min(part.stop * f, n))
                for part, f, n in zip(region, self._factors[level - 1], source.shape, strict=True)
            ]
        )
        return np.asarray(source.get((*place, ...)))


def same_elements(one: AnyArray, other: AnyArray) -> bool:
    """Return True if two arrays of one data type have the same elements; NaN is the same as NaN."""
    if one.shape != other.shape:
        return False
    if one.dtype.kind not in "OT":
        return one.tobytes() == other.tobytes()
    # The bytes of these are addresses.
    return all(
        same_elements(a, b)
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray)
        else a == b or (a != a and b != b)
        for a, b in zip(one.flat, other.flat, strict=True)
    )


def _run(
    task: UpdateTask, steps: Sequence[_Step], options: StreamOptions, executor: ExecutorLike
) -> Iterator[None]:
    """Run the steps one after the other, and the chunks of each in parallel."""
    workers = options.workers
    if executor == "threads" and workers is None:
        workers = max(
            [in_flight(step.target.store, step.target.chunk_source.nbytes) for step in steps], default=1
        )
    runner = open_runner(
        task, executor, workers, options.timeout, max([step.count for step in steps], default=1)
    )
    try:
        for step in steps:
            with config.override(workers=1):  # each thread reads and writes alone
                window: Window[tuple[int, Region], None] = Window(
                    runner,
                    step.items(),
                    workers=runner.workers,
                    prefetch=0,
                    ordered=False,
                    timeout=runner.timeout,
                    retry=options.retry,
                )
            with window:
                for outcome in window:
                    if outcome.error is not None:
                        raise outcome.error
                    yield
    finally:
        runner.close()
