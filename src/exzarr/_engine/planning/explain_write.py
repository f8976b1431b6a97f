"""Estimate the cost of a write. Only the sizes of chunks that are written in part are read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from exzarr._engine.planning.plan import SelectionPlan
from exzarr._engine.remote.requests import asked
from exzarr._engine.source import ChunkSource
from exzarr.stores.instrument import instrument
from exzarr.telemetry.units import human_bytes

__all__ = ["WriteExplanation", "explain_write"]


@dataclass(frozen=True, slots=True)
class WriteExplanation:
    """Estimated cost of a write. Print it to see the figures.

    A stored chunk is a shard if the array has shards, else a chunk. One that the selection covers completely is encoded
    and put: nothing is read, and no lock is taken. Writers that each write whole chunks of their own therefore need no
    lock, on any store.

    Attributes
    ----------
    array
        The array's path.
    value_bytes
        Bytes of the selected elements in memory.
    whole
        Stored chunks that are written whole.
    partial
        Stored chunks that are written in part: read, changed and put, while other writers are excluded.
    at_end
        Those of `partial` that the selection covers up to the end of the array. Their rest lies outside of it, where
        another process may have appended.
    locks
        Locks that the write takes, one after the other: 0 if the store has conditional puts.
    conditional_puts
        Puts on the condition that no other writer has changed the value: 0 if the store has locks.
    read_bytes
        Stored bytes that are read back.
    encode_bytes
        Bytes of all encoded chunks in memory.
    amplification
        Bytes encoded for each selected byte: ``encode_bytes / value_bytes``.
    """

    array: str
    value_bytes: int
    whole: int
    partial: int
    at_end: int
    locks: int
    conditional_puts: int
    read_bytes: int
    encode_bytes: int

    @property
    def chunks(self) -> int:
        """Stored chunks that are written."""
        return self.whole + self.partial

    @property
    def aligned(self) -> bool:
        """True if every stored chunk is written whole: the write needs no lock."""
        return not self.partial

    @property
    def amplification(self) -> float:
        return self.encode_bytes / self.value_bytes if self.value_bytes else 0.0

    def asdict(self) -> dict[str, Any]:
        """Return the figures as a dict."""
        return {
            **asdict(self),
            "chunks": self.chunks,
            "aligned": self.aligned,
            "amplification": round(self.amplification, 3),
        }

    def _facts(self) -> list[tuple[str, str]]:
        parts = f"{self.partial:,} in part" + (
            f", of which {self.at_end:,} end after the array" if self.at_end else ""
        )
        return [
            ("values", human_bytes(self.value_bytes)),
            ("chunks", f"{self.chunks:,} ({self.whole:,} whole, {parts})"),
            ("locks", self._exclusion()),
            ("read back", human_bytes(self.read_bytes)),
            ("to encode", f"{human_bytes(self.encode_bytes)} ({self.amplification:.3g} x the values)"),
        ]

    def __str__(self) -> str:
        lines = [f"  {name:<10} {text}" for name, text in self._facts()]
        return "\n".join([f"writing to {self.array or '/'}", *lines])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from exzarr._html.fragments import facts, framed, heading

        sizes = {"values": self.value_bytes, "read back": self.read_bytes, "to encode": self.encode_bytes}
        return framed(heading(f"writing to {self.array or '/'}"), facts(self._facts(), sizes))

    def _exclusion(self) -> str:
        if self.aligned:
            return "none needed: every chunk is written whole"
        if self.conditional_puts:
            return f"none; {self.conditional_puts:,} conditional puts"
        return f"{self.locks:,}, one after the other in each thread"


def explain_write(source: ChunkSource, plan: SelectionPlan, *, field: bool = False) -> WriteExplanation:
    """Estimate the cost of writing to the elements that `plan` selects. `field`: to one field of each."""
    itemsize = source.dtype.itemsize
    values = math.prod(plan.work_shape) * itemsize
    whole = at_end = encode = 0
    partial: list[str] = []
    for key, covered, complete, nbytes in _stored_chunks(source, plan) if values else ():
        encode += nbytes
        if complete and not field:
            whole += 1
        else:
            partial.append(key)
            at_end += covered and not field

    def size(key: str) -> int:
        return instrument(source.store).size(key) or 0

    excluded = len(partial) if source.store.traits.exclusive_update else 0
    return WriteExplanation(
        array=source.path,
        value_bytes=values,
        whole=whole,
        partial=len(partial),
        at_end=at_end,
        locks=excluded,
        conditional_puts=len(partial) - excluded,
        read_bytes=sum(asked(source.store, size, iter(partial))),
        encode_bytes=encode,
    )


def _stored_chunks(source: ChunkSource, plan: SelectionPlan) -> Iterator[tuple[str, bool, bool, int]]:
    """Yield the key, whether the selection covers its part of the array, whether it is written whole, and the bytes.

    The rules are those of `_engine.writing.write`.
    """
    work = np.broadcast_to(
        np.empty((), source.dtype), plan.work_shape
    )  # shapes only: it has no memory of its own
    for item in source.items(plan, covers=True):
        key, _, work_index, covers = item
        if source.sharded:
            layout = source.layout or source.layout_at(key)
            extents = source.extents_at(key, layout)
            inner = plan.within(item, layout.dims, extents).chunks
            complete = covers and (*extents,) == layout.shape
            yield key, covers, complete, inner * layout.inner.spec.nbytes
        else:
            spec = (source.pipeline or source.pipeline_at(key)).spec
            yield key, covers, covers and work[work_index].shape == spec.shape, spec.nbytes
