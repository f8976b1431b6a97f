"""Layouts that are worth a look for a mix of accesses. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from exzarr._creation.auto_chunks import auto_chunks, auto_shards
from exzarr.lab.access import Patterns

__all__ = ["Layout", "candidates", "neighbours"]

TARGETS = (16 * 2**10, 128 * 2**10, 2**20, 8 * 2**20)
"""Bytes of a chunk that are tried."""

MIN_CHUNK, MAX_CHUNK = 4 * 2**10, 64 * 2**20
"""Bytes that a chunk has at least and at most, where candidates are varied."""

SHARD_TARGET = 32 * 2**20
"""Bytes that a shard is about."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How an array is cut.

    Attributes
    ----------
    chunks, shards
        Their shapes; no shards: None.
    origin
        Why it is among the candidates.
    """

    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None = None
    origin: str = "given"

    @property
    def stored(self) -> tuple[int, ...]:
        """The shape of what the store keeps under one key."""
        return self.shards or self.chunks

    def objects(self, shape: Sequence[int]) -> int:
        """How many values (files, objects) an array of `shape` has, all of it stored."""
        return math.prod(-(-n // c) for n, c in zip(shape, self.stored, strict=True))

    def clipped(self, shape: Sequence[int]) -> Layout:
        """The same for an array of `shape`, which may be shorter than its chunks."""
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
    """Layouts for an array of `shape`, each once: of several sizes, cubes and such as follow the accesses.

    Parameters
    ----------
    sharded
        Whether shards may be used.
    objects
        Most values (files, objects) that the whole array may come to; layouts with more are left out, unless all
        have more.
    """
    shapes: dict[tuple[int, ...], str] = {}
    for target in TARGETS:
        shapes.setdefault(auto_chunks(shape, itemsize, target), "as even as possible")
        for name, access in accesses.items():
            if access.kind != "random":
                shapes.setdefault(
                    _like(access.extents(shape), shape, itemsize, target), f"shaped like {name}"
                )
        if len(accesses) > 1:
            shapes.setdefault(
                _like(_between(accesses, shape), shape, itemsize, target), "between the accesses"
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
    """Layouts a step away: chunks twice or half as long along one dimension, or longer along one and shorter along
    another; with shards, where this has some, else without.
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
            made.append(Layout(size, shards, "a step further"))
    return made


def _like(extents: Sequence[float], shape: Sequence[int], itemsize: int, target: int) -> tuple[int, ...]:
    """A chunk of about `target` bytes with the proportions of `extents`, none longer than the array.

    What a dimension that is too short does not use is left to the others. Lengths are then made such that the
    last chunk is no sliver.
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
        # One at a time: each that is settled changes what is left for the others.
        d = max(over, key=lambda d: extents[d] / shape[d]) if over else under[0]
        lengths[d] = float(max(1, shape[d])) if over else 1.0
        free.discard(d)
    chunks = []
    for n, length in zip(shape, lengths, strict=True):
        parts = max(1, round(max(1, n) / max(1.0, length)))
        chunks.append(max(1, -(-n // parts)))
    return tuple(chunks)


def _between(accesses: Patterns, shape: Sequence[int]) -> tuple[float, ...]:
    """Proportions between those of the accesses: their weighted geometric mean."""
    total = sum(a.weight for a in accesses.values())
    logs = [0.0] * len(shape)
    for access in accesses.values():
        for d, extent in enumerate(access.extents(shape)):
            logs[d] += access.weight / total * math.log(max(1.0, extent))
    return tuple(map(math.exp, logs))
