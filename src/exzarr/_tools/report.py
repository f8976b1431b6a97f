"""Progress and report of a copy."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from exzarr.telemetry.units import human_bytes

__all__ = ["CopyProgress", "CopyReport", "Tally"]


@dataclass(frozen=True, slots=True)
class CopyProgress:
    """Progress of a copy.

    Attributes
    ----------
    path
        The array that is being copied.
    done, total
        Bytes of elements of all arrays. Chunks that are not stored count as well.
    """

    path: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class CopyReport:
    """The result of `exzarr.copy` or `exzarr.convert`. Print it to see a summary.

    Attributes
    ----------
    source, destination
        Locations of the source and of the copy.
    arrays, groups
        Number of arrays and groups.
    arrays_moved
        Number of arrays whose chunks were moved byte for byte. The chunks of the others were decoded and encoded.
    chunks
        Number of stored chunks (shards, if the array has shards) in the copy.
    bytes_stored
        Bytes of these chunks.
    bytes_data
        Bytes of all elements in memory.
    seconds
        Duration of the copy.
    notes
        Properties of the source that the copy cannot represent and that do not affect values, and keys that belong to
        no node and were not copied.
    left_out
        Nodes that were skipped because of ``on_error="skip"``: path and reason of each.
    """

    source: str
    destination: str
    arrays: int
    groups: int
    arrays_moved: int
    chunks: int
    bytes_stored: int
    bytes_data: int
    seconds: float
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def asdict(self) -> dict[str, Any]:
        """Return the report as a plain dict."""
        return {
            **asdict(self),
            "seconds": round(self.seconds, 6),
            "notes": [*self.notes],
            "left_out": [*self.left_out],
        }

    def __str__(self) -> str:
        counts = [
            f"{n} {word}{'' if n == 1 else 's'}"
            for n, word in ((self.groups, "group"), (self.arrays, "array"))
            if n
        ]
        in_place = self.source == self.destination
        verb = "converted" if in_place else "copied"
        lines = [f"{verb} {' and '.join(counts) or 'nothing'} in {self.seconds:.3g} s: {self._how(in_place)}"]
        places = (
            [f"  in   {self.source}"] if in_place else [f"  from {self.source}", f"  to   {self.destination}"]
        )
        return "\n".join(
            [
                *lines,
                *places,
                *[f"  note: {note}" for note in self.notes],
                *[f"  left out: {one}" for one in self.left_out],
            ]
        )

    def _repr_html_(self) -> str:
        from exzarr._html.fragments import facts, folded, framed, heading, items

        title, *places = str(self).splitlines()[: 2 if self.source == self.destination else 3]
        lists = [
            folded(name, items(texts), f"({len(texts):,})", opened=True)
            for name, texts in (("Notes", self.notes), ("Left out", self.left_out))
            if texts
        ]
        pairs = [(word, place) for word, _, place in (line.strip().partition(" ") for line in places)]
        return framed(heading(title), facts(pairs), *lists)

    def _how(self, in_place: bool) -> str:
        if in_place and not self.chunks:
            return "metadata only, the chunks stay as they are"
        how = (
            f"{self.chunks:,} stored chunk{'' if self.chunks == 1 else 's'}, {human_bytes(self.bytes_stored)}"
        )
        if not self.arrays:
            return how
        if self.arrays_moved == self.arrays:
            return f"{how}, moved as they are"
        return (
            f"{how}, those of {self.arrays_moved} of {self.arrays} arrays moved as they are"
            if self.arrays_moved
            else f"{how}, re-encoded"
        )


class Tally:
    """Counts the progress of a copy. Safe to use from several threads.

    Attributes
    ----------
    total
        Bytes of elements to copy.
    chunks, stored
        Number of chunks written, and their bytes.
    """

    def __init__(self, total: int, progress: Callable[[CopyProgress], object] | None) -> None:
        self.total = total
        self.chunks = self.stored = 0
        self._progress = progress
        self._lock = threading.Lock()
        self._path = ""
        self._done = self._end = 0

    def start(self, path: str, nbytes: int) -> None:
        """Start the array at `path`, with `nbytes` bytes of elements."""
        self._path = path
        self._end = self._done + nbytes

    def written(self, chunks: int, stored: int) -> None:
        """Count written chunks and their bytes."""
        with self._lock:
            self.chunks += chunks
            self.stored += stored

    def advance(self, nbytes: int) -> None:
        """Count bytes of finished elements."""
        if self._progress is not None:
            with self._lock:
                self._done = min(self._end, self._done + nbytes)
                self._progress(CopyProgress(self._path, self._done, self.total))

    def finish(self) -> None:
        """Finish the array. Chunks that are not stored count as done."""
        self.advance(self._end - self._done)
        self._done = self._end
