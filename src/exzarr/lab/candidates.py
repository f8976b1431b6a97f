"""Candidate layouts for a mix of accesses. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from exzarr._creation.auto_chunks import auto_chunks, auto_shards
from exzarr.lab.access import Patterns

__all__ = ["Layout", "candidates", "neighbours"]

TARGETS = (16 * 2**10, 128 * 2**10, 2**20, 8 * 2**20)
"""Chunk sizes to try, in bytes."""

MIN_CHUNK, MAX_CHUNK = 4 * 2**10, 64 * 2**20
"""Least and most bytes of a chunk when candidates are varied."""

SHARD_TARGET = 32 * 2**20
"""Approximate bytes of a shard."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Chunks and shards of an array.

    Attributes
    ----------
    chunks, shards
        Their shapes. `shards` is None without shards.
    origin
        Why it is a candidate.
    """

    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None = None
    origin: str = "given"

    @property
    def stored(self) -> tuple[int, ...]:
        """Shape of a stored chunk: a shard if there are shards."""
        return self.shards or self.chunks

    def objects(self, shape: Sequence[int]) -> int:
        """Return the number of stored values (files, objects) of an array of `shape`, all of it stored."""
        return math.prod(-(-n // c) for n, c in zip(shape, self.stored, strict=True))

    def clipped(self, shape: Sequence[int]) -> Layout:
        """Return the layout for an array of `shape`, which can be shorter than the chunks."""
        chunks = tuple([max(1, min(c, n)) for c, n in zip(self.chunks, shape, strict=True)])
        if self.shards is None:
            return Layout(chunks, None, self.origin)
        shards = [
            max(c, min(s, -(-n // c) * c) // c * c)
            for c, s, n in zip(chunks, self.shards, shape, strict=True)
        ]
        return Layout(chunks, tuple(shards), self.origin)

    def __str__(self) -> str:
        text = "×".join(map(str, self.chunks)) or "()"
        return text if self.shards is None else f"{text} in {'×'.join(map(str, self.shards))}"

    def asdict(self) -> dict[str, Any]:
        """Return the layout as a plain dict."""
        return {
            "chunks": [*self.chunks],
            "shards": None if self.shards is None else [*self.shards],
            "origin": self.origin,
        }


def candidates(
    shape: Sequence[int],
    itemsize: int,
    accesses: Patterns,
    *,
    sharded: bool = True,
    objects: int,
) -> list[Layout]:
    """Return distinct layouts for an array of `shape`, of several sizes and proportions.

    Parameters
    ----------
    shape, itemsize
        Shape of the array, and bytes of an element.
    accesses
        Settled patterns by name. Some candidates have the proportions of their reads.
    sharded
        Whether shards are allowed.
    objects
        Most stored values (files, objects) of the whole array. If all layouts have more, the one with the fewest
        is returned.
    """
    shapes: dict[tuple[int, ...], str] = {}
    for target in TARGETS:
        shapes.setdefault(auto_chunks(shape, itemsize, target), "even proportions")
        for name, access in accesses.items():
            if access.kind != "random":
                shapes.setdefault(
                    _like(access.extents(shape), shape, itemsize, target), f"proportions of {name}"
                )
        if len(accesses) > 1:
            shapes.setdefault(
                _like(_between(accesses, shape), shape, itemsize, target), "compromise between the accesses"
            )
    found = []
    for chunks, origin in shapes.items():
        found.append(Layout(chunks, None, origin))
        nbytes = math.prod(chunks) * itemsize
        if sharded and 4 * nbytes <= SHARD_TARGET:
            shards = auto_shards(shape, chunks, itemsize, SHARD_TARGET)
            if math.prod(shards) >= 4 * math.prod(chunks):
                found.append(Layout(chunks, shards, origin))
    few = [layout for layout in found if layout.objects(shape) <= objects]
    return few or [min(found, key=lambda layout: layout.objects(shape))]


def neighbours(layout: Layout, shape: Sequence[int], itemsize: int, *, sharded: bool) -> list[Layout]:
    """Return layouts one step away: a dimension of the chunk doubled or halved, or one doubled and another one halved.

    They have shards if `layout` has shards.
    """
    chunks, dims = layout.chunks, range(len(shape))
    found: dict[tuple[int, ...], None] = {}
    for up in (None, *dims):
        for down in (None, *dims):
            if up == down:
                continue
            sizes = [*chunks]
            if up is not None:
                sizes[up] = min(2 * sizes[up], shape[up])
            if down is not None:
                sizes[down] = -(-sizes[down] // 2)
            if MIN_CHUNK <= math.prod(sizes) * itemsize <= MAX_CHUNK:
                found.setdefault(tuple(sizes))
    found.pop(chunks, None)
    made = []
    for size in found:
        shards = auto_shards(shape, size, itemsize, SHARD_TARGET) if layout.shards and sharded else None
        if shards is None or math.prod(shards) > math.prod(size):
            made.append(Layout(size, shards, "neighbour of the best"))
    return made


def _like(extents: Sequence[float], shape: Sequence[int], itemsize: int, target: int) -> tuple[int, ...]:
    """Return a chunk of about `target` bytes with the proportions of `extents`, limited to the array.

    Elements that a short dimension does not use are distributed to the others. Lengths are then adjusted so that the
    last chunk is not much shorter than the others.
    """
    elements = max(1.0, target / max(1, itemsize))
    free = set(range(len(shape)))
    lengths = [1.0] * len(shape)
    while free:
        fixed = math.prod(lengths[d] for d in range(len(shape)) if d not in free)
        volume = math.prod(max(1.0, extents[d]) for d in free)
        scale = (elements / fixed / volume) ** (1 / len(free))
        over = [d for d in free if max(1.0, extents[d]) * scale >= shape[d]]
        under = [d for d in free if max(1.0, extents[d]) * scale < 1]
        if not over and not under:
            for d in free:
                lengths[d] = max(1.0, extents[d]) * scale
            break
        # One at a time: each fixed length changes the rest for the others.
        d = max(over, key=lambda d: extents[d] / shape[d]) if over else under[0]
        lengths[d] = float(max(1, shape[d])) if over else 1.0
        free.discard(d)
    chunks = []
    for n, length in zip(shape, lengths, strict=True):
        parts = max(1, round(max(1, n) / max(1.0, length)))
        chunks.append(max(1, -(-n // parts)))
    return tuple(chunks)


def _between(accesses: Patterns, shape: Sequence[int]) -> tuple[float, ...]:
    """Return the weighted geometric mean of the proportions of the accesses."""
    total = sum(a.weight for a in accesses.values())
    logs = [0.0] * len(shape)
    for access in accesses.values():
        for d, extent in enumerate(access.extents(shape)):
            logs[d] += access.weight / total * math.log(max(1.0, extent))
    return tuple(map(math.exp, logs))
