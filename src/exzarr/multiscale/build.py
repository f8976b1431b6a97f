"""Build all levels of a pyramid in one pass over the source.

Workers build trees of blocks (`task`), which are independent of each other. The caller's thread puts their reduced data
together to the blocks of the coarser levels, which are few. In memory are one block of each level for each worker, and
the incomplete blocks of the coarser levels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from exzarr import config
from exzarr._stop import Stop
from exzarr._stream.maps.runners import ExecutorLike, open_runner
from exzarr._stream.options import StreamOptions
from exzarr._stream.window import Window, may_wait
from exzarr._typing import AnyArray
from exzarr.errors import ExzarrError, StreamError
from exzarr.multiscale.blocks import Blocks, Index, Region
from exzarr.multiscale.task import TreeTask

__all__ = ["Record", "build"]


class Record(Protocol):
    """Regions of the first level whose trees an earlier run has built."""

    def __contains__(self, region: Region) -> bool: ...
    def add(self, region: Region) -> None: ...


@dataclass(frozen=True, slots=True)
class _Open:
    """An incomplete block: its data, and the blocks that are missing."""

    data: AnyArray
    missing: set[Index]


class _Top:
    """Puts the blocks above the tasks together."""

    def __init__(self, task: TreeTask, blocks: Blocks) -> None:
        self._task = task
        self._blocks = blocks
        self._open: dict[tuple[int, Index], _Open] = {}

    def add(self, level: int, block: Index, reduced: AnyArray | None) -> None:
        """Add the reduced data of a block, and write the blocks above it that are now complete."""
        blocks = self._blocks
        while reduced is not None and level < blocks.top:
            parent = blocks.parent(level, block)
            key = (level + 1, parent)
            found = self._open.get(key)
            if found is None:
                data = self._task.empty(level + 1, parent)
                found = self._open[key] = _Open(data, {*blocks.children(level + 1, parent)})
            found.data[blocks.place(level, block)] = reduced
            found.missing.discard(block)
            if found.missing:
                return
            del self._open[key]
            level, block = level + 1, parent
            self._task.write(level, block, found.data)
            reduced = None if level == blocks.top else self._task.reduced(level, found.data)


def build(
    task: TreeTask,
    blocks: Blocks,
    level: int,
    options: StreamOptions,
    *,
    executor: ExecutorLike = "threads",
    record: Record | None = None,
    path: str = "",
) -> None:
    """Build all levels. `level` is the level of the task's blocks; `path` names the pyramid in errors."""
    total = math.prod(blocks.counts(level))
    meter = options.meter(math.prod(blocks.counts(0)), "blocks", stream="multiscale", array=path)
    runner = open_runner(task, executor, options.workers, options.timeout, total)
    stop = Stop()
    with config.override(workers=1):  # each thread reads and writes alone
        window: Window[tuple[Index, bool], AnyArray | None] = Window(
            runner,
            _items(blocks, level, record),
            workers=runner.workers,
            prefetch=0,
            ordered=False,
            timeout=runner.timeout,
            retry=options.retry,
            stop=stop,
        )
    top = _Top(task, blocks)
    try:
        for outcome in window:
            block, built = outcome.item
            if outcome.error is not None:
                raise _named(outcome.error, blocks.region(level, block), level, path)
            if record is not None and not built:
                record.add(_base_region(blocks, level, block))
            top.add(level, block, outcome.value)
            meter.add(task.leaves(block))
        meter.finish()
    except BaseException as error:
        window.close(wait=may_wait(error))
        raise
    finally:
        window.close(wait=False)
        runner.close()
        meter.close()


def _items(blocks: Blocks, level: int, record: Record | None) -> Iterator[tuple[Index, bool]]:
    for block in blocks.walk(level):
        yield block, record is not None and _base_region(blocks, level, block) in record


def _base_region(blocks: Blocks, level: int, block: Index) -> Region:
    """Return the region of the first level that a block is made of."""
    region = blocks.region(level, block)
    for at in range(level, 0, -1):
        region = tuple(
            [
                slice(part.start * f, min(part.stop * f, n))
                for part, f, n in zip(region, blocks.factors[at], blocks.shapes[at - 1], strict=True)
            ]
        )
    return region


def _named(error: BaseException, region: Region, level: int, path: str) -> BaseException:
    """Return an error of exzarr as it is, and any other as one that names the region."""
    if isinstance(error, ExzarrError) or not isinstance(error, Exception):
        return error
    place = ", ".join([f"{part.start}:{part.stop}" for part in region])
    made = StreamError(
        f"the pyramid {path or '/'!r} could not be built: region [{place}] of level {level}: "
        f"{type(error).__name__}: {error}"
    )
    made.__cause__ = error
    return made
