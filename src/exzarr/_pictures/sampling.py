"""Choose elements of an array for a picture, so that few enough chunks are read.

A picture needs at most one element per pixel. Elements at equal distances are chosen if their chunks are within the limits.
Otherwise, chunks are left out at equal distances, and the elements are those of the chunks that remain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from exzarr._format.metadata import ArrayMetadata
from exzarr._nodes.chunk_sizes import inner_chunks
from exzarr._typing import IntArray
from exzarr.errors import ArgumentError
from exzarr.telemetry.units import human_bytes

__all__ = ["Limits", "Sample", "sample"]

Part = int | range
"""The elements of one dimension that a region selects; an integer removes the dimension."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a picture may need.

    Attributes
    ----------
    points
        Maximum number of elements along each dimension of the picture.
    decoded
        Maximum number of bytes of all chunks that are decoded.
    chunks
        Maximum number of chunks that are read.
    colours
        True if the last dimension holds colours, which are read together.
    """

    points: tuple[int, ...]
    decoded: int = 256 << 20
    chunks: int = 4096
    colours: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """The chosen elements.

    Attributes
    ----------
    parts
        For each dimension of the array, an index or the indices of the elements, in order.
    chunks, of_chunks
        Number of chunks that are read, and of chunks in the region.
    decoded
        Bytes of the decoded chunks.
    """

    parts: tuple[int | IntArray, ...]
    chunks: int
    of_chunks: int
    decoded: int
    of: tuple[int, ...]
    """Number of elements of the region along each dimension of the picture."""

    @property
    def positions(self) -> tuple[IntArray, ...]:
        """The indices along each dimension of the picture."""
        return tuple([part for part in self.parts if not isinstance(part, int)])

    def __str__(self) -> str:
        shown = " × ".join([f"{len(at):,}" for at in self.positions])
        whole = all(len(at) == n for at, n in zip(self.positions, self.of, strict=True))
        of = "" if whole else f" of {' × '.join([f'{n:,}' for n in self.of])}"
        left_out = "" if self.chunks == self.of_chunks else f" of {self.of_chunks:,}"
        return f"{shown}{of} elements from {self.chunks:,}{left_out} chunks ({human_bytes(self.decoded)} decoded)"


def sample(meta: ArrayMetadata, region: Sequence[Part], limits: Limits) -> Sample:
    """Choose elements of a region.

    Parameters
    ----------
    meta
        The array.
    region
        What to show of each dimension.
    limits
        `Limits.points` has one number for each range of the region.

    Raises
    ------
    ArgumentError
        One chunk alone exceeds the limit, or the chunks with the colours of one place.
    """
    nbytes = math.prod(inner_chunks(meta) or meta.chunk_grid.max_chunk_shape) * meta.data_type.dtype.itemsize
    if nbytes > limits.decoded:
        raise ArgumentError(
            f"a chunk has {human_bytes(nbytes)} decoded, and a picture may decode {human_bytes(limits.decoded)}: "
            "allow more (--budget)"
        )
    points = iter(limits.points)
    parts: list[int | IntArray] = []
    touched: dict[int, IntArray] = {}
    wanted: dict[int, int] = {}
    of_chunks = 1
    for dim, part in enumerate(region):
        if isinstance(part, int):
            parts.append(part)
            continue
        wanted[dim] = next(points)
        stride = max(1, -(-len(part) // wanted[dim]))
        chosen = np.arange(part.start, part.stop, part.step * stride)
        parts.append(chosen)
        touched[dim] = np.unique(_chunks(meta, dim, chosen))
        if len(part):
            first, last = _chunks(meta, dim, np.array([part[0], part[-1]]))
            of_chunks *= min(abs(int(last - first)) + 1, len(part))
    most = max(1, min(limits.chunks, limits.decoded // nbytes if nbytes else limits.chunks))
    kept = _kept({dim: len(chunks) for dim, chunks in touched.items()}, most, nbytes, limits)
    for dim, count in kept.items():
        if count < len(touched[dim]):
            chunks = touched[dim][np.linspace(0, len(touched[dim]) - 1, count).round().astype(np.int64)]
            part = region[dim]
            assert isinstance(part, range)
            found = np.concatenate([_within(meta, dim, int(c), part, wanted[dim] // count) for c in chunks])
            parts[dim] = found if part.step > 0 else found[::-1]
    number = math.prod(kept.values())
    of = tuple([len(part) for part in region if not isinstance(part, int)])
    return Sample(tuple(parts), number, max(number, of_chunks), number * nbytes, of)


def _kept(counts: dict[int, int], most: int, nbytes: int, limits: Limits) -> dict[int, int]:
    """Return how many of the chunks along each dimension are read, at most `most` altogether; of colours, all."""
    if not limits.colours:
        return _thinned(counts, most)
    *dims, last = counts
    if counts[last] > most:
        raise ArgumentError(
            f"the colours of one place are in {counts[last]} chunks of {human_bytes(nbytes)}, and a picture may decode "
            f"{human_bytes(limits.decoded)}: allow more (--budget)"
        )
    return {**_thinned({dim: counts[dim] for dim in dims}, most // counts[last]), last: counts[last]}


def _thinned(counts: dict[int, int], most: int) -> dict[int, int]:
    """Halve the largest numbers until their product is at most `most`."""
    kept = dict(counts)
    while math.prod(kept.values()) > most:
        largest = max(kept, key=lambda dim: kept[dim])
        kept[largest] = -(-kept[largest] // 2)
    return kept


def _within(meta: ArrayMetadata, dim: int, chunk: int, part: range, points: int) -> IntArray:
    """Return at most `points` elements of `part` in a chunk, at equal distances; at least one."""
    start, stop = _extent(meta, dim, chunk)
    step = abs(part.step)
    first, last = min(part[0], part[-1]), max(part[0], part[-1])
    begin = max(first, first + -(-(start - first) // step) * step)
    found = np.arange(begin, min(stop, last + 1), step)
    return found[:: max(1, -(-len(found) // max(1, points)))]


def _chunks(meta: ArrayMetadata, dim: int, positions: IntArray) -> IntArray:
    """Return the numbers of the chunks (inner chunks, if there are shards) that hold elements."""
    size = _size(meta, dim)
    if size is not None:
        return positions // size
    grid = meta.chunk_grid.dims[dim]
    starts = np.array([grid.offset(i) for i in range(grid.count(meta.shape[dim]))])
    return np.searchsorted(starts, positions, side="right") - 1


def _extent(meta: ArrayMetadata, dim: int, chunk: int) -> tuple[int, int]:
    size = _size(meta, dim)
    if size is not None:
        return chunk * size, min((chunk + 1) * size, meta.shape[dim])
    grid = meta.chunk_grid.dims[dim]
    return grid.offset(chunk), min(grid.offset(chunk) + grid.size(chunk), meta.shape[dim])


def _size(meta: ArrayMetadata, dim: int) -> int | None:
    inner = inner_chunks(meta)
    return meta.chunk_grid.dims[dim].uniform if inner is None else inner[dim]
