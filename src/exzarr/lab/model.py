"""The cost model: seconds for counts at given speeds. Pure arithmetic without reads or measurements.

For a store with a low latency, each thread requests, receives and decodes in sequence. The work therefore adds up,
and threads share it if there is enough of it:

    seconds = call + (requests · request + fetched / bandwidth + chunks · chunk + decoded / decode) / threads

A store with a high latency has `concurrency` requests in flight, and threads decode received chunks meanwhile. The
longer of both therefore counts. Requests that must follow one another (`steps`) are a lower bound:

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
"""The calling thread handles smaller reads alone (`exzarr.config.Config.inline_bytes`)."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of one run of a pattern.

    Attributes
    ----------
    seconds
        Duration.
    waiting, transferring, decoding
        Seconds of waiting for responses, of transferring bytes, and in the codecs, divided by the number of threads. If
        fetching and decoding overlap, their sum exceeds `seconds`.
    """

    seconds: float
    waiting: float
    transferring: float
    decoding: float

    @property
    def mostly(self) -> str:
        """The part that takes most of the time."""
        parts = {"requests": self.waiting, "bytes": self.transferring, "decoding": self.decoding}
        return max(parts, key=lambda name: parts[name])


def cost_of(counts: Sequence[Counts], speeds: Speeds) -> Cost:
    """Return the cost of one run of a pattern with the given counts."""
    seconds = waiting = transferring = decoding = 0.0
    for read in counts:
        one = _read_cost(read, speeds)
        seconds += one.seconds * read.times
        waiting += one.waiting * read.times
        transferring += one.transferring * read.times
        decoding += one.decoding * read.times
    return Cost(seconds, waiting, transferring, decoding)


def _read_cost(read: Counts, speeds: Speeds) -> Cost:
    decoding = read.chunks * speeds.chunk + read.decode_bytes / speeds.decode
    if speeds.concurrency:
        lanes = max(1.0, min(speeds.concurrency, read.requests))
        waiting = max(read.steps, read.requests / lanes) * speeds.request
        transferring = read.fetch_bytes / min(lanes * speeds.bandwidth, speeds.total_bandwidth)
        decoding /= max(1.0, min(speeds.workers, read.chunks))
        return Cost(speeds.call + max(waiting + transferring, decoding), waiting, transferring, decoding)
    small = read.fetch_bytes < INLINE_BYTES
    threads = 1.0 if small else max(1.0, min(speeds.workers, read.chunks))
    waiting = read.requests * speeds.request / threads
    transferring = read.fetch_bytes / speeds.bandwidth / threads
    decoding /= threads
    return Cost(speeds.call + waiting + transferring + decoding, waiting, transferring, decoding)


def slowdowns(seconds: Mapping[str, float], best: Mapping[str, float]) -> dict[str, float]:
    """Return the slowdown of each pattern against its own best layout."""
    return {name: value / best[name] if best[name] else 1.0 for name, value in seconds.items()}


def score(slower: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Return the weighted mean of slowdowns; 1 means that each pattern has its best layout.

    It is the user's total time, divided by the total time if each pattern had its own best layout. The weights are the
    shares of the latter.
    """
    total = sum(weights[name] for name in slower)
    return sum(weights[name] * value for name, value in slower.items()) / total
