"""What counts cost at given speeds. Pure arithmetic; nothing is read or measured here.

Of a store that answers at once, a thread does one thing after the other: it asks, gets the bytes, decodes
them. So the work adds up, and the threads share it where there is enough of it:

    seconds = call + (requests · request + fetched / bandwidth + chunks · chunk + decoded / decode) / threads

A store that takes long to answer has `concurrency` requests in flight, and what has come is decoded
meanwhile. So the longer of both counts, and nothing is faster than its requests that wait for one another
(`steps`):

    fetching = max(steps, requests / lanes) · request + fetched / min(lanes · bandwidth, total)
    decoding = (chunks · chunk + decoded / decode) / threads
    seconds  = call + max(fetching, decoding)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from exzarr.lab.counts import Counts
from exzarr.lab.speeds import Speeds

__all__ = ["Cost", "cost_of", "score", "slowdowns"]

INLINE_BYTES = 256 * 1024
"""Less than this is done by the thread that asks (`exzarr.config.Config.inline_bytes`)."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one go of a pattern costs.

    Attributes
    ----------
    seconds
        How long it takes.
    asking, moving, decoding
        Where the time goes: waiting for answers, for bytes, for codecs. Threads' shares of the work; where
        fetching and decoding overlap, more than `seconds` in all.
    """

    seconds: float
    asking: float
    moving: float
    decoding: float

    @property
    def mostly(self) -> str:
        """What it is that takes most of the time."""
        parts = {"requests": self.asking, "bytes": self.moving, "decoding": self.decoding}
        return max(parts, key=lambda name: parts[name])


def cost_of(counts: Sequence[Counts], speeds: Speeds) -> Cost:
    """The cost of one go of a pattern whose reads come to `counts`."""
    seconds = asking = moving = decoding = 0.0
    for read in counts:
        one = _read_cost(read, speeds)
        seconds += one.seconds * read.times
        asking += one.asking * read.times
        moving += one.moving * read.times
        decoding += one.decoding * read.times
    return Cost(seconds, asking, moving, decoding)


def _read_cost(read: Counts, speeds: Speeds) -> Cost:
    decoding = read.chunks * speeds.chunk + read.decode_bytes / speeds.decode
    if speeds.concurrency:
        lanes = max(1.0, min(speeds.concurrency, read.requests))
        asking = max(read.steps, read.requests / lanes) * speeds.request
        moving = read.fetch_bytes / min(lanes * speeds.bandwidth, speeds.total_bandwidth)
        decoding /= max(1.0, min(speeds.workers, read.chunks))
        return Cost(speeds.call + max(asking + moving, decoding), asking, moving, decoding)
    small = read.fetch_bytes < INLINE_BYTES
    threads = 1.0 if small else max(1.0, min(speeds.workers, read.chunks))
    asking = read.requests * speeds.request / threads
    moving = read.fetch_bytes / speeds.bandwidth / threads
    decoding /= threads
    return Cost(speeds.call + asking + moving + decoding, asking, moving, decoding)


def slowdowns(seconds: Mapping[str, float], best: Mapping[str, float]) -> dict[str, float]:
    """For each pattern, how many times longer it takes than with the layout that is best for it alone."""
    return {name: value / best[name] if best[name] else 1.0 for name, value in seconds.items()}


def score(slower: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The weighted mean of slowdowns: 1 is as good as possible for every pattern at once.

    It is the time a user spends in all, over the time if each pattern had its own best layout, where weights
    are the shares of that time.
    """
    total = sum(weights[name] for name in slower)
    return sum(weights[name] * value for name, value in slower.items()) / total
