"""Default chunk and shard shapes. Pure arithmetic."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from exzarr.errors import ArgumentError

__all__ = ["CHUNK_TARGET", "SHARD_TARGET", "auto_chunks", "auto_shards", "dividing_chunks", "parse_size"]

CHUNK_TARGET = 2**20
"""Target size of a decoded chunk for `auto_chunks`: 1 MiB."""

SHARD_TARGET = 32 * 2**20
"""Maximum size of a decoded shard for `auto_shards`: 32 MiB."""

_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kMGT]?)(i?)B\s*", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_size(text: str, what: str) -> int:
    """Return a size as bytes: ``"1MB"`` is 10**6, ``"1 MiB"`` is 2**20.

    `what` is the name of the argument, for the ArgumentError.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ArgumentError(f"{what}={text!r}: write a size like '1MB', '512 KiB' or '64MiB'")
    number, power, binary = match.groups()
    size = int(float(number) * (1024 if binary else 1000) ** _POWERS[power.lower()])
    if size < 1:
        raise ArgumentError(f"{what}={text!r}: a size is at least 1 byte")
    return size


def auto_chunks(shape: Sequence[int], itemsize: int, target: int = CHUNK_TARGET) -> tuple[int, ...]:
    """Return a chunk shape of at most `target` bytes (at least one element) for an array of `shape`.

    An array that fits into `target` is one chunk. Other chunks are as near to a cube as the array allows. A dimension
    shorter than the cube's side is taken whole, and the other dimensions share the remaining elements equally. Each
    dimension is then divided into parts of equal length, so that the last chunk is not much shorter. A dimension of
    length 0 is expected to grow and counts as infinite.

    >>> auto_chunks((1_000_000, 64, 4), 8)
    (512, 64, 4)
    >>> auto_chunks((256, 256, 256), 4)
    (64, 64, 64)
    """
    left = max(1, target // max(1, itemsize))
    chunks = [1] * len(shape)
    # Shortest first: longer dimensions get the elements that a short one does not use.
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
    """Return a shard shape of whole chunks, at most `target` bytes (at least one chunk), within the array.

    It repeatedly doubles the shortest side. Therefore shards are nearly cubes, too.

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
    """Return a chunk shape that divides `shards`: in each dimension the divisor nearest to that of `auto_chunks`."""
    wanted = auto_chunks(shards, itemsize, target)
    return tuple([_divisor(n, c) for n, c in zip(shards, wanted, strict=True)])


def _divisor(n: int, wanted: int) -> int:
    """Return the divisor of `n` whose ratio to `wanted` is nearest to 1."""
    # Bounded, because a shard may be as long as a dimension of 2**60.
    small = [d for d in range(1, min(math.isqrt(n), 2**20) + 1) if n % d == 0]
    divisors = [*small, *[n // d for d in small]]
    return min(divisors, key=lambda d: (max(d, wanted) / min(d, wanted), d))


def _root(n: int, k: int) -> int:
    """Return the largest integer whose `k`-th power is at most `n`."""
    root: int = round(n ** (1 / k))
    while root**k > n:
        root -= 1
    while (root + 1) ** k <= n:
        root += 1
    return max(1, root)
