"""Report of an ingestion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from exzarr.telemetry.units import human_bytes

__all__ = ["IngestReport", "LeftOut"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A block that failed and was left out: its number in the source (from 0) and the reason."""

    number: int
    error: Exception


@dataclass(frozen=True, slots=True)
class IngestReport:
    """Result of one call of `exzarr.ingest`.

    Attributes
    ----------
    key
        Key of the source.
    blocks, rows
        Number of blocks that were stored, and of rows that they added.
    already
        Number of blocks that earlier runs stored.
    unverified
        Number of those blocks that were dropped without a comparison, because a version of exzarr without fingerprints
        stored their position.
    left_out
        Blocks that failed.
    commits
        Number of puts of the metadata document.
    nbytes
        Bytes of the stored blocks in memory.
    seconds
        Duration of the call.
    position
        Position of the source, as `exzarr.ingest_position` returns it.
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

    def _repr_html_(self) -> str:
        from exzarr._html.fragments import facts, folded, framed, heading, items

        rate = self.nbytes / self.seconds if self.seconds else 0.0
        pairs = [
            ("Stored", f"{self.blocks:,} blocks, {self.rows:,} rows, {human_bytes(self.nbytes)}"),
            ("Commits", f"{self.commits:,}"),
            ("Stored earlier", f"{self.already:,} blocks"),
            *([("Not compared", f"{self.unverified:,} of them")] if self.unverified else []),
            ("Time", f"{self.seconds:.2f} s ({human_bytes(round(rate))}/s)"),
        ]
        left_out = items([f"block {one.number}: {one.error}" for one in self.left_out])
        failed = folded("Left out", left_out, f"({len(self.left_out):,})", opened=True) if left_out else ""
        return framed(heading(f"Ingestion of {self.key!r}"), facts(pairs), failed)
