"""Figures that a report is made of, and how they are added up."""

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
    """What was read of one array, or written to it.

    Attributes
    ----------
    selections, failed
        Reads (writes), and how many of them raised an exception.
    bytes_wanted
        Bytes in memory of what was selected.
    chunks, absent
        Chunks that were read (written), and how many of them are not stored: they read as the
        fill value, or held nothing else.
    bytes_stored, bytes_decoded
        Bytes of these chunks as they are stored, and in memory.
    seconds
        In these reads (writes), from beginning to end.
    phases
        Seconds of threads, by what they did.
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
        """Bytes decoded (encoded) for each byte that was wanted; 0 where none was."""
        return self.bytes_decoded / self.bytes_wanted if self.bytes_wanted else 0.0


@dataclass(slots=True)
class RequestUse:
    """What a store was asked.

    Attributes
    ----------
    requests, missing, failed
        How often; how often there was no such key; and how often it ended in an exception.
    bytes
        Bytes that came or went.
    seconds
        Seconds of threads.
    cached, cached_bytes
        How many of `requests` and of `bytes` a cache answered: they reached no store.
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
    """How often a cache had what was wanted, and how many bytes were not read therefore."""

    hits: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of the timeline: what a thread did from `start` to `end` (seconds since the epoch)."""

    phase: str
    start: float
    end: float
    thread: int
    process: int
    bytes: int


def total(uses: Iterable[ArrayUse]) -> ArrayUse:
    """All of `uses` together."""
    whole = ArrayUse()
    for use in uses:
        add(whole, use)
    return whole


def add(to: Any, other: Any) -> None:
    """Add up the figures of two `ArrayUse`, or of two others of a kind."""
    for each in fields(to):
        value = getattr(other, each.name)
        if isinstance(value, dict):
            mine = getattr(to, each.name)
            for name, seconds in value.items():
                mine[name] = mine.get(name, 0.0) + seconds
        else:
            setattr(to, each.name, getattr(to, each.name) + value)


def by_phase(uses: Iterable[ArrayUse], phases: tuple[str, ...]) -> dict[str, float]:
    """Seconds of all of `uses` together, for each of `phases`."""
    known = [*uses]
    return {phase: sum(use.phases.get(phase, 0.0) for use in known) for phase in phases}
