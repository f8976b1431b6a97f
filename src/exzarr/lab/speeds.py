"""The speeds of a machine and a store: what the model multiplies counts with."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

__all__ = ["S3_BANDWIDTH", "S3_CONCURRENCY", "S3_LATENCY", "S3_TOTAL", "Speeds"]

# "roughly 100-200 milliseconds" for small objects and first bytes, and "one concurrent request for each 85-90 MB/s":
# AWS, Best Practices Design Patterns: Optimizing Amazon S3 Performance (2019),
# https://docs.aws.amazon.com/whitepapers/latest/s3-optimizing-performance-best-practices/
S3_LATENCY = 0.1
S3_BANDWIDTH = 85e6
S3_CONCURRENCY = 64
S3_TOTAL = 1.25e9  # a machine with 10 Gbit/s


@dataclass(frozen=True, slots=True)
class Speeds:
    """What requests, bytes and decoding cost.

    Attributes
    ----------
    call
        Seconds that any read takes, however little is read.
    request
        Seconds until the store answers.
    bandwidth, total_bandwidth
        Bytes per second of one request, and of all that are in flight together.
    concurrency
        Requests in flight. 0: a store that answers at once, where each thread does its own.
    chunk
        Seconds that decoding a chunk takes, however small it is.
    decode
        Bytes per second that come out of the codecs, in one thread.
    ratio
        How many times smaller stored bytes are.
    workers
        Threads that decode.
    source
        Where the figures of the store come from.
    """

    call: float = 20e-6
    request: float = 10e-6
    bandwidth: float = 5e9
    total_bandwidth: float = math.inf
    concurrency: int = 0
    chunk: float = 10e-6
    decode: float = 1e9
    ratio: float = 1.0
    workers: int = 1
    source: str = "stated"

    @classmethod
    def s3(cls, **changes: Any) -> Speeds:
        """An object store as AWS describes S3: 100 ms to the first byte, 85 MB/s for each of 64 requests in flight,
        1.25 GB/s (10 Gbit/s) for all. `changes` are other figures, by attribute.
        """
        stated = cls(
            request=S3_LATENCY,
            bandwidth=S3_BANDWIDTH,
            total_bandwidth=S3_TOTAL,
            concurrency=S3_CONCURRENCY,
            source="AWS, Optimizing Amazon S3 Performance (100 ms, 85 MB/s a request)",
        )
        return replace(stated, **changes)

    def asdict(self) -> dict[str, Any]:
        """The figures; None for no bound."""
        return {k: None if v == math.inf else v for k, v in asdict(self).items()}
