"""What a copy tells while it runs, and when it is done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from exzarr.telemetry.units import human_bytes

__all__ = ["CopyProgress", "CopyReport", "Tally"]


@dataclass(frozen=True, slots=True)
class CopyProgress:
    """How far a copy is.

    Attributes
    ----------
    path
        The array that is being copied.
    done, total
        Bytes of array elements, of all arrays; chunks that are not stored count as well.
    """

    path: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What was copied. Printing it shows it.

    Attributes
    ----------
    source, destination
        From where to where.
    arrays, groups
        How many of each.
    arrays_moved
        Arrays whose chunks were moved byte for byte; those of the others were decoded and encoded.
    chunks
        Stored chunks (shards, where there are shards) in the copy.
    bytes_stored
        Their bytes.
    bytes_data
        Bytes of all elements in memory.
    seconds
        How long it took.
    notes
        What of the source could not be said in the copy, and is of no consequence for the values; and keys beside the
        nodes that were not copied.
    left_out
        What was not copied, because ``on_error="skip"``: path and reason of each.
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
        """The figures as a plain dict."""
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
    """Counts what a copy has done. Used by many threads at once.

    Attributes
    ----------
    total
        Bytes of elements there are to copy.
    chunks, stored
        Chunks written, and their bytes.
    """

    def __init__(self, total: int, progress: Callable[[CopyProgress], object] | None) -> None:
        self.total = total
        self.chunks = self.stored = 0
        self._progress = progress
        self._lock = threading.Lock()
        self._path = ""
        self._done = self._end = 0

    def start(self, path: str, nbytes: int) -> None:
        """Now comes the array at `path`, of `nbytes` bytes of elements."""
        self._path = path
        self._end = self._done + nbytes

    def written(self, chunks: int, stored: int) -> None:
        """Some chunks were written."""
        with self._lock:
            self.chunks += chunks
            self.stored += stored

    def advance(self, nbytes: int) -> None:
        """Some elements are done."""
        if self._progress is not None:
            with self._lock:
                self._done = min(self._end, self._done + nbytes)
                self._progress(CopyProgress(self._path, self._done, self.total))

    def finish(self) -> None:
        """The array is done; what was not stored as well."""
        self.advance(self._end - self._done)
        self._done = self._end
