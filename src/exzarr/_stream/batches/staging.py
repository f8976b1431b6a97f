"""Batches from stages: the next stage is read while batches of the current one are returned.

Blocks are decoded directly into a buffer, in the order in which they are read. Each batch is gathered from the buffer
with one copy, which shuffles the samples and makes the batch an array of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from exzarr._stream.batches.batch_plan import Batching, Lookahead, Piece, pieces
from exzarr._stream.batches.chunk_cache import Rows, gather
from exzarr._stream.batches.orders import Stage
from exzarr._stream.batches.permutation import IntArray
from exzarr._stream.batches.reading import SampleReader
from exzarr._typing import AnyArray

__all__ = ["Staged", "staged_batches"]


class Staged:
    """One array whose samples are read in stages. At most two buffers are in use.

    Parameters
    ----------
    samples
        The array.
    whole
        True if blocks end where the array's chunks end. Otherwise the samples of a stage are read chunk by chunk.
    """

    __slots__ = ("_before", "_spare", "_whole", "samples")

    def __init__(self, samples: SampleReader, *, whole: bool) -> None:
        self.samples = samples
        self._whole = whole
        self._before = (slice(None),) * samples.axis
        self._spare: AnyArray | None = None

    def buffer(self, count: int) -> AnyArray:
        """Return a buffer for `count` samples: the one given back last, if it is large enough."""
        spare, self._spare = self._spare, None
        if spare is not None and spare.shape[self.samples.axis] >= count:
            return spare  # new memory would cause page faults
        return self.samples.empty(count)

    def give_back(self, buffer: AnyArray) -> None:
        self._spare = buffer

    def read(self, starts: IntArray, stops: IntArray, buffer: AnyArray, at: int) -> None:
        """Read these ranges of samples into `buffer`, one after the other, starting at `at`."""
        sizes = stops - starts
        ends = np.cumsum(sizes)
        into = buffer[(*self._before, slice(at, at + int(ends[-1])))]
        if self._whole:
            self.samples.read_ranges(starts, stops, into, ends - sizes)
        else:
            self.samples.read_rows(np.arange(ends[-1]) + np.repeat(stops - ends, sizes), into)

    def put(self, buffer: AnyArray, piece: Piece, out: AnyArray, at: int) -> None:
        """Copy the samples of a piece to `out`, starting at `at`."""
        start, stop, order = piece.start, piece.stop, piece.stage.order
        if stop - start != out.shape[self.samples.axis]:
            out = out[(*self._before, slice(at, at + stop - start))]
        if order is None:
            out[...] = buffer[(*self._before, slice(start, stop))]
        else:
            gather(buffer, order[start:stop], self.samples.axis, out)


class _StageBuffers:
    """A stage that is being read into one buffer for each array."""

    __slots__ = ("_arrays", "_ends", "_read", "buffers", "stage")

    def __init__(self, stage: Stage, arrays: Sequence[Staged]) -> None:
        self.stage = stage
        self._arrays = arrays
        self._read = 0  # number of blocks
        self._ends = [0, *np.cumsum(stage.stops - stage.starts).tolist()]
        self.buffers = [array.buffer(stage.size) for array in arrays]

    def advance(self, share: float, portion: int) -> None:
        """Read until `share` of the blocks are done, in steps of at least `portion` blocks."""
        starts, stops, first = self.stage.starts, self.stage.stops, self._read
        until = int(len(starts) * share)
        if until - first < (portion if share < 1 else 1):
            return
        self._read = until
        for array, buffer in zip(self._arrays, self.buffers, strict=True):
            array.read(starts[first:until], stops[first:until], buffer, self._ends[first])

    def put(self, piece: Piece, batch: Sequence[AnyArray], at: int) -> None:
        """Copy the samples of a piece to the arrays of a batch, starting at `at`."""
        for array, buffer, out in zip(self._arrays, self.buffers, batch, strict=True):
            array.put(buffer, piece, out, at)

    def give_back(self) -> None:
        for array, buffer in zip(self._arrays, self.buffers, strict=True):
            array.give_back(buffer)


def staged_batches(
    stages: Iterator[Stage],
    batching: Batching,
    number: int,
    arrays: Sequence[Staged | Rows],
    portion: int,
) -> Iterator[list[AnyArray]]:
    """Yield the batches from `number` on, each as a list with one array for each of `arrays`.

    Parameters
    ----------
    stages
        Stages to read; the first one starts at batch `number`.
    batching
        How samples are divided into batches.
    arrays
        Staged arrays, and arrays whose samples are taken individually.
    portion
        Number of blocks worth reading at a time.
    """
    staged = [array for array in arrays if isinstance(array, Staged)]
    coming = Lookahead(stages)
    current: _StageBuffers | None = None
    ahead: _StageBuffers | None = None
    for parts in pieces(coming, batching, number):
        count = sum([part.stop - part.start for part in parts])
        batch = [array.samples.empty(count) for array in staged]
        at = 0
        for part in parts:
            if current is None or current.stage is not part.stage:
                if current is not None:
                    current.give_back()
                current = ahead if ahead is not None and ahead.stage is part.stage else None
                current, ahead = current or _StageBuffers(part.stage, staged), None
                current.advance(1, portion)
            current.put(part, batch, at)
            at += part.stop - part.start
        batch = [*_in_order(arrays, batch, parts)]
        yield batch
        batch = []  # release it: the consumer owns it
        following = coming.peek()
        if current is not None and following is not None:
            if ahead is None:
                ahead = _StageBuffers(following, staged)
            # Read evenly, so that no batch waits for a whole stage.
            ahead.advance(parts[-1].stop / current.stage.size, portion)


def _in_order(
    arrays: Sequence[Staged | Rows], batch: Sequence[AnyArray], parts: Sequence[Piece]
) -> Iterator[AnyArray]:
    """Yield the staged arrays of a batch and the other arrays, in the order of `arrays`."""
    ready = iter(batch)
    samples: IntArray | None = None
    for array in arrays:
        if isinstance(array, Staged):
            yield next(ready)
            continue
        if samples is None:
            samples = np.concatenate([part.stage.samples(part.start, part.stop) for part in parts])
        yield array.take(samples)
