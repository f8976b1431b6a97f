"""The chunk shapes that exzarr chooses where the user leaves it to it. Pure arithmetic."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from exzarr.errors import ArgumentError

__all__ = ["CHUNK_TARGET", "SHARD_TARGET", "auto_chunks", "auto_shards", "dividing_chunks", "parse_size"]

CHUNK_TARGET = 2**20
"""Bytes of a decoded chunk that `auto_chunks` aims at: 1 MiB."""

SHARD_TARGET = 32 * 2**20
"""Bytes of a decoded shard that `auto_shards` does not exceed: 32 MiB."""

_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kMGT]?)(i?)B\s*", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_size(text: str, what: str) -> int:
    """Bytes of a size in words: ``"1MB"`` is 10**6, ``"1 MiB"`` 2**20; ArgumentError naming `what`."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ArgumentError(f"{what}={text!r}: a size is written like '1MB', '512 KiB' or '64MiB'")
    number, power, binary = match.groups()
    size = int(float(number) * (1024 if binary else 1000) ** _POWERS[power.lower()])
    if size < 1:
        raise ArgumentError(f"{what}={text!r}: a size is at least 1 byte")
    return size


def auto_chunks(shape: Sequence[int], itemsize: int, target: int = CHUNK_TARGET) -> tuple[int, ...]:
    """A chunk shape for an array of `shape`, of at most `target` bytes (one element at least).

    The rule: an array that fits into `target` is one chunk. Else chunks are as near to a cube as
    the array allows: every dimension that is shorter than the cube's side is taken whole, the
    others share what is left equally, and each is then cut into parts of equal length, so that
    the last chunk is not a sliver. A dimension of length 0 is one that will grow: it counts as
    endless.

    >>> auto_chunks((1_000_000, 64, 4), 8)
    (512, 64, 4)
    >>> auto_chunks((256, 256, 256), 4)
    (64, 64, 64)
    """
    left = max(1, target // max(1, itemsize))
    chunks = [1] * len(shape)
    # Shortest first: what a short dimension does not use is left to the longer ones.
    order = sorted(range(len(shape)), key=lambda d: shape[d] or math.inf)
    for done, d in enumerate(order):
        side = _root(left, len(shape) - done)
        length = shape[d]
        if not length:
            chunks[d] = side
        elif length <= side:
            chunks[d] = length
        else:
            parts = -(-length // side)
            chunks[d] = -(-length // parts)
        left //= chunks[d]
    return tuple(chunks)


def auto_shards(
    shape: Sequence[int], chunks: Sequence[int], itemsize: int, target: int = SHARD_TARGET
) -> tuple[int, ...]:
    """A shard shape: whole chunks, at most `target` bytes (one chunk at least), none past the array.

    The shortest side is doubled again and again, so that shards are near to a cube too.

    >>> auto_shards((256, 256, 256), (64, 64, 64), 4)
    (128, 256, 256)
    """
    most = [-(-n // c) if n else math.inf for n, c in zip(shape, chunks, strict=True)]
    counts = [1] * len(shape)
    nbytes = max(1, itemsize) * math.prod(chunks)
    growing = set(range(len(shape)))
    while growing:
        d = min(growing, key=lambda d: (counts[d] * chunks[d], -d))
        count = int(min(2 * counts[d], most[d]))
        if count == counts[d] or nbytes // counts[d] * count > target:
            growing.discard(d)
            continue
        nbytes = nbytes // counts[d] * count
        counts[d] = count
    return tuple([n * c for n, c in zip(counts, chunks, strict=True)])


def dividing_chunks(shards: Sequence[int], itemsize: int, target: int = CHUNK_TARGET) -> tuple[int, ...]:
    """A chunk shape that divides `shards`: in each dimension the divisor nearest to what `auto_chunks` wants."""
    wanted = auto_chunks(shards, itemsize, target)
    return tuple([_divisor(n, c) for n, c in zip(shards, wanted, strict=True)])


def _divisor(n: int, wanted: int) -> int:
    """The divisor of `n` whose ratio to `wanted` is nearest to 1."""
    # Bounded: a shard may be as long as a dimension of 2**60.
    small = [d for d in range(1, min(math.isqrt(n), 2**20) + 1) if n % d == 0]
    divisors = [*small, *[n // d for d in small]]
    return min(divisors, key=lambda d: (max(d, wanted) / min(d, wanted), d))


def _root(n: int, k: int) -> int:
    """The largest integer whose `k`-th power is at most `n`."""
    root: int = round(n ** (1 / k))
    while root**k > n:
        root -= 1
    while (root + 1) ** k <= n:
        root += 1
    return max(1, root)
