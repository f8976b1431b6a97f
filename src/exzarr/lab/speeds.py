"""Speeds of a machine and a store, by which the model multiplies counts."""

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
    """Costs of requests, bytes and decoding.

    Attributes
    ----------
    call
        Fixed seconds of each read.
    request
        Seconds until the store answers.
    bandwidth, total_bandwidth
        Bytes per second of one request, and of all requests in flight.
    concurrency
        Requests in flight. 0: a store with low latency, where each thread makes its own requests.
    chunk
        Fixed seconds of decoding a chunk.
    decode
        Decoded bytes per second, with one thread.
    ratio
        Bytes in memory divided by stored bytes.
    workers
        Threads that decode.
    source
        Source of the store's figures.
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
    source: str = "given"

    @classmethod
    def s3(cls, **changes: Any) -> Speeds:
        """Return the speeds of an object store as AWS describes S3, with `changes` by attribute.

        100 ms to the first byte, 85 MB/s for each of 64 requests in flight, and 1.25 GB/s (10 Gbit/s) for all.
        """
        base = cls(
            request=S3_LATENCY,
            bandwidth=S3_BANDWIDTH,
            total_bandwidth=S3_TOTAL,
            concurrency=S3_CONCURRENCY,
            source="AWS, Optimizing Amazon S3 Performance (100 ms, 85 MB/s a request)",
        )
        return replace(base, **changes)

    def asdict(self) -> dict[str, Any]:
        """Return the figures as a dict, with None for no limit."""
        return {k: None if v == math.inf else v for k, v in asdict(self).items()}
