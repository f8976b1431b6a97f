"""What an ingestion has done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from exzarr.telemetry.units import human_bytes

__all__ = ["IngestReport", "LeftOut"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A block that failed and was left out: which one of the source (from 0), and why."""

    number: int
    error: Exception


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one call of `exzarr.ingest` has done.

    Attributes
    ----------
    key
        The source.
    blocks, rows
        Blocks that were stored, and rows that they added.
    already
        Blocks that earlier runs stored.
    unverified
        How many of those were dropped from the source without a comparison: their position was stored by a version
        of exzarr that kept no fingerprints.
    left_out
        Blocks that failed.
    commits
        How often the metadata document was written.
    nbytes
        Bytes of the stored blocks in memory.
    seconds
        How long it took.
    position
        Where the source stands now: what `exzarr.ingest_position` says.
    """

    key: str
    blocks: int
    rows: int
    already: int
    left_out: tuple[LeftOut, ...]
    commits: int
    nbytes: int
    seconds: float
    position: Any
    unverified: int = 0

    def __str__(self) -> str:
        rate = self.nbytes / self.seconds if self.seconds else 0.0
        text = (
            f"{self.blocks} blocks ({self.rows} rows, {human_bytes(self.nbytes)}) of {self.key!r} stored in "
            f"{self.commits} commits, {self.seconds:.2f} s ({human_bytes(round(rate))}/s)"
        )
        if self.already:
            text += f"; {self.already} were there already"
        if self.unverified:
            text += f"; {self.unverified} of them were not compared with the source (an old position)"
        if self.left_out:
            text += f"; {len(self.left_out)} left out, the first because of {self.left_out[0].error}"
        return text
