"""The requests that a read makes.

These pure functions choose them for local reads, for remote reads, for streams and for `explain`. Therefore `explain`
describes the actual read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

from exzarr import config
from exzarr._engine.run_buffer import HUGE_NBYTES
from exzarr._typing import AnyArray

if TYPE_CHECKING:
    from exzarr._engine.planning.plan import Plan
    from exzarr._engine.shards import ShardLayout
    from exzarr._engine.source import ChunkSource

__all__ = [
    "FirstRequest",
    "Method",
    "ShardRequests",
    "adjacent",
    "coalesce",
    "method_of",
    "takes_little",
    "window",
]


Method = Literal["shards", "rows", "windows", "runs", "chunks"]
"""The method of a read:

``shards``   read inner chunks of shards
``rows``     read contiguous rows: the selection takes whole rows of the chunks; raw chunks are read only in these rows
``windows``  read raw chunks only from the first to the last selected byte
``runs``     read whole chunks, neighbors together
``chunks``   read whole chunks, one by one
"""


def method_of(
    source: ChunkSource, plan: Plan, chunks: int, nbytes: int, work: AnyArray | None = None
) -> Method:
    """Return the method to read `plan` from `source`.

    Parameters
    ----------
    chunks
        Number of chunks in the plan.
    nbytes
        Bytes of the result.
    work
        The result. None is a new array of the same data type.
    """
    if source.sharded:
        return "shards"
    pipeline, remote = source.pipeline, source.store.traits.concurrency
    if pipeline is None:
        return "chunks"
    if work is None or work.dtype == source.dtype:
        if (
            plan.rows
            and not remote
            and pipeline.plain
            and (work is None or (work.ndim and work.flags.c_contiguous))
        ):
            return "rows"
        if pipeline.raw and plan.sliced and takes_little(source, chunks, nbytes):
            return "windows"
    return "chunks" if remote or source.nbytes > HUGE_NBYTES else "runs"


def takes_little(source: ChunkSource, chunks: int, nbytes: int) -> bool:
    """Return True if `nbytes` are so little of some raw chunks that reading only these saves time."""
    return 2 * nbytes < chunks * source.nbytes


def window(chunk_index: Sequence[slice], shape: Sequence[int], itemsize: int) -> tuple[int, int, list[int]]:
    """Return the first and last byte (exclusive) that a selection takes of a raw chunk, and the strides between."""
    start, end, stride = 0, itemsize, itemsize
    steps: list[int] = []
    for here, length in zip(reversed(chunk_index), reversed(shape), strict=True):
        start += here.start * stride
        end += (here.stop - 1) * stride
        steps.append(here.step * stride)
        stride *= length
    return start, end, steps[::-1]


# -- shards --------------------------------------------------------------------------------------


class FirstRequest(Enum):
    """The first request for a shard."""

    NONE = "its index is cached"
    INDEX = "its index"
    WHOLE = "all of it"


@dataclass(frozen=True, slots=True)
class ShardRequests:
    """The requests that a read makes for shards.

    Attributes
    ----------
    gap
        Ranges that are at most this many bytes apart are joined.
    most
        Maximum bytes of one request.
    remote
        The store is slow to answer. One large request is better than two small ones.
    """

    gap: int
    most: int
    remote: bool = False

    @classmethod
    def of(cls, source: ChunkSource, share: int | None = None) -> ShardRequests:
        """Return the requests of a read from the store of `source`.

        In a stream, `share` is the number of threads. Each makes its own requests and holds their bytes.
        """
        settings = config.get()
        if source.store.traits.concurrency:
            most = settings.remote_most if share is None else settings.fetch_bytes // share
            return cls(settings.remote_gap, min(most, settings.remote_most), remote=True)
        return cls(settings.coalesce_gap, settings.coalesce_max // (share or settings.workers))

    def first(self, layout: ShardLayout, chunks: int, *, cached: bool) -> FirstRequest:
        """Return the first request for a shard of which `chunks` inner chunks are selected."""
        if cached:
            return FirstRequest.NONE
        whole = 2 * chunks >= layout.shards.count and layout.shards.spec.nbytes <= self.most
        return FirstRequest.WHOLE if self.remote and whole else FirstRequest.INDEX

    def ranges(self, wanted: Sequence[Any]) -> Iterator[tuple[int, int, int, int]]:
        """Iterate over the ranges to read; see `coalesce`."""
        return coalesce(wanted, self.gap, self.most)


def adjacent(group: Sequence[Any], nbytes: int) -> bool:
    """Return True if ranges, tuples that begin with start and length, have `nbytes` each and no gaps between them."""
    place = group[0][0]
    for start, length, *_ in group:
        if start != place or length != nbytes:
            return False
        place += nbytes
    return True


def coalesce(wanted: Sequence[Any], gap: int, most: int) -> Iterator[tuple[int, int, int, int]]:
    """Join ranges that are at most `gap` bytes apart, up to `most` bytes.

    `wanted` holds tuples that begin with start and length, sorted. Yield ``(begin, end, first, until)``: a range of
    bytes, and the slice of `wanted` inside it.
    """
    first, total = 0, len(wanted)
    while first < total:
        begin = wanted[first][0]
        end = begin + wanted[first][1]
        until = first + 1
        while until < total:
            start, length = wanted[until][:2]
            if start > end + gap or start + length - begin > most:
                break
            end = max(end, start + length)
            until += 1
        yield begin, end, first, until
        first = until
