"""Figures of a report, and their sums."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

__all__ = [
    "READ_PHASES",
    "WRITE_PHASES",
    "ArrayUse",
    "CacheUse",
    "RequestUse",
    "Span",
    "add",
    "by_phase",
    "total",
]

READ_PHASES = ("waiting", "fetching", "decoding", "copying")
WRITE_PHASES = ("waiting", "copying", "encoding", "putting")


@dataclass(slots=True)
class ArrayUse:
    """Reads of one array, or writes to it.

    Attributes
    ----------
    selections, failed
        Number of reads (writes), and how many of them raised an exception.
    bytes_wanted
        Bytes in memory of the selected elements.
    chunks, absent
        Number of chunks read (written), and how many of them are not stored. These read as the fill value, or were
        written with only the fill value.
    bytes_stored, bytes_decoded
        Bytes of these chunks, stored and in memory.
    seconds
        Total duration of these reads (writes).
    phases
        Thread time in seconds, by phase.
    """

    selections: int = 0
    failed: int = 0
    bytes_wanted: int = 0
    chunks: int = 0
    absent: int = 0
    bytes_stored: int = 0
    bytes_decoded: int = 0
    seconds: float = 0.0
    phases: dict[str, float] = field(default_factory=dict)

    @property
    def amplification(self) -> float:
        """Bytes decoded (encoded) divided by bytes selected; 0 if no bytes were selected."""
        return self.bytes_decoded / self.bytes_wanted if self.bytes_wanted else 0.0


@dataclass(slots=True)
class RequestUse:
    """Requests of one kind to a store.

    Attributes
    ----------
    requests, missing, failed
        Number of requests, how many of them found no key, and how many raised an exception.
    bytes
        Bytes read or written.
    seconds
        Thread time in seconds.
    cached, cached_bytes
        How many of `requests` and of `bytes` a cache answered instead of the store.
    """

    requests: int = 0
    missing: int = 0
    failed: int = 0
    bytes: int = 0
    seconds: float = 0.0
    cached: int = 0
    cached_bytes: int = 0


@dataclass(slots=True)
class CacheUse:
    """Number of hits of a cache, and the bytes that were therefore not read from the store."""

    hits: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """One interval of the timeline: the `phase` of a thread from `start` to `end`, in seconds since the epoch."""

    phase: str
    start: float
    end: float
    thread: int
    process: int
    bytes: int


def total(uses: Iterable[ArrayUse]) -> ArrayUse:
    """Return the sum of `uses`."""
    whole = ArrayUse()
    for use in uses:
        add(whole, use)
    return whole


def add(to: Any, other: Any) -> None:
    """Add the figures of `other` to `to`, an object of the same class."""
    for each in fields(to):
        value = getattr(other, each.name)
        if isinstance(value, dict):
            mine = getattr(to, each.name)
            for name, seconds in value.items():
                mine[name] = mine.get(name, 0.0) + seconds
        else:
            setattr(to, each.name, getattr(to, each.name) + value)


def by_phase(uses: Iterable[ArrayUse], phases: tuple[str, ...]) -> dict[str, float]:
    """Return the total seconds of `uses` for each of `phases`."""
    known = [*uses]
    return {phase: sum(use.phases.get(phase, 0.0) for use in known) for phase in phases}
