"""What the chunk lab found out. Printing it shows it; a notebook shows it as tables."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from exzarr.lab.access import Patterns
from exzarr.lab.candidates import Layout
from exzarr.lab.counts import Counts
from exzarr.lab.measuring import Measured, Trial
from exzarr.lab.model import Cost
from exzarr.lab.speeds import Speeds
from exzarr.telemetry.show import Table, html_of, text_of
from exzarr.telemetry.units import human_bytes, human_seconds, human_speed

if TYPE_CHECKING:
    import os
    from pathlib import Path

__all__ = ["AccessCost", "ChunkReport", "LayoutResult"]

SHOWN = 10
"""Layouts that a table has at most."""


@dataclass(frozen=True, slots=True)
class AccessCost:
    """What one go of a pattern costs with a layout, on the whole array.

    Attributes
    ----------
    seconds
        What it is expected to take; where the layout was tried, put right by how long that took.
    counts
        What it does.
    cost
        What the model says.
    slower
        How many times longer than with the layout that is best for this pattern alone.
    """

    seconds: float
    counts: Counts
    cost: Cost
    slower: float = 1.0

    def asdict(self) -> dict[str, Any]:
        return {
            "seconds": self.seconds,
            "slower": self.slower,
            "requests": self.counts.requests,
            "chunks": self.counts.chunks,
            "fetch_bytes": self.counts.fetch_bytes,
            "decode_bytes": self.counts.decode_bytes,
            "result_bytes": self.counts.result_bytes,
            "amplification": self.counts.amplification,
            "model_seconds": self.cost.seconds,
            "mostly": self.cost.mostly,
        }


@dataclass(frozen=True, slots=True)
class LayoutResult:
    """One candidate.

    Attributes
    ----------
    layout
        Its chunks and shards.
    accesses
        What each pattern costs.
    score
        The weighted mean of what each pattern takes, over what it takes with its own best layout; 1 is perfect.
    objects
        Values (files, objects) that the whole array comes to.
    chunk_bytes
        A chunk in memory.
    trial, predicted
        How it did on the sample, and what the model says for the sample in seconds by pattern; None where it was not
        tried.
    """

    layout: Layout
    accesses: dict[str, AccessCost]
    score: float
    objects: int
    chunk_bytes: int
    trial: Trial | None = None
    predicted: dict[str, float] | None = None

    def asdict(self) -> dict[str, Any]:
        return {
            **self.layout.asdict(),
            "score": self.score,
            "objects": self.objects,
            "chunk_bytes": self.chunk_bytes,
            "accesses": {name: one.asdict() for name, one in self.accesses.items()},
            "trial": None if self.trial is None else self.trial.asdict(),
            "predicted": self.predicted,
        }


@dataclass(frozen=True, slots=True)
class ChunkReport:
    """How to cut an array.

    Attributes
    ----------
    name, shape, dtype
        The array.
    store
        Where it is to lie: ``local``, ``s3``, or a store's URL.
    accesses
        How it is read: patterns by name.
    speeds
        What the model reckons with.
    sample
        What the layouts were tried on, in words.
    layouts
        All candidates, the best first.
    best
        The one to take: of those within 5 % of the best, the one with the fewest objects.
    now
        How the array is cut today; None where it is not one of exzarr's.
    agreed
        Pairs of layouts that the model ordered as the measurement did, and all pairs that the measurement told clearly
        apart, over all accesses.
    left_out
        Candidates that came to more objects than allowed.
    made_up
        Whether the sample is made up.
    reasons
        Why, in words.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    store: str
    accesses: Patterns
    speeds: Speeds
    sample: str
    layouts: tuple[LayoutResult, ...]
    best: LayoutResult
    now: LayoutResult | None
    agreed: tuple[int, int]
    left_out: int = 0
    made_up: bool = False
    reasons: tuple[str, ...] = ()

    @property
    def options(self) -> dict[str, Any]:
        """``chunks`` and ``shards``, as `exzarr.create_array` and `exzarr.copy` take them."""
        return {"chunks": self.best.layout.chunks, "shards": self.best.layout.shards}

    def tables(self) -> Iterator[tuple[str, Table]]:
        """Titles and tables."""
        shown = self.shown()
        yield "expected, for the whole array", self._expected(shown)
        tried = [result for result in shown if result.trial is not None]
        if tried:
            yield f"measured, on a sample ({self.sample})", self._measured(tried)

    def shown(self, most: int = SHOWN) -> list[LayoutResult]:
        """The layouts to show: those that were tried, the best of the others, and the present one."""
        tried = [result for result in self.layouts if result.trial is not None or result is self.now]
        others = [result for result in self.layouts if result not in tried]
        chosen = [*tried, *others[: max(0, most - len(tried))]]
        return sorted(chosen, key=lambda result: result.score)

    def _expected(self, shown: Sequence[LayoutResult]) -> Table:
        header = ["", "chunks", "shards", "a chunk", "objects", *self.accesses, "× best"]
        rows = []
        for result in shown:
            layout = result.layout
            cells = [f"{human_seconds(one.seconds)}{_times(one.slower)}" for one in result.accesses.values()]
            mark = "→" if result is self.best else "now" if result is self.now else ""
            rows.append(
                (
                    mark,
                    _shape(layout.chunks),
                    _shape(layout.shards) if layout.shards else "–",
                    human_bytes(result.chunk_bytes),
                    f"{result.objects:,}",
                    *cells,
                    f"{result.score:.2f}",
                )
            )
        return Table(tuple(header), rows, frozenset({0, 1, 2}))

    def _measured(self, tried: Sequence[LayoutResult]) -> Table:
        header = ["", "chunks", "shards", "files", "stored", "written"]
        for name in self.accesses:
            header += [name, "requests", "speed"]
        header.append("memory")
        rows = []
        for result in tried:
            trial = result.trial
            assert trial is not None
            cells = [
                "→" if result is self.best else "now" if result is self.now else "",
                _shape(trial.layout.chunks),
                _shape(trial.layout.shards) if trial.layout.shards else "–",
                f"{trial.objects:,}",
                human_bytes(trial.stored_bytes),
                human_seconds(trial.write_seconds),
            ]
            for name in self.accesses:
                one = trial.accesses[name]
                speed = human_speed(int(one.result_bytes), one.seconds)
                cells += [human_seconds(one.seconds), f"{one.requests:,.0f}", speed]
            cells.append(_memory([*trial.accesses.values()]))
            rows.append(tuple(cells))
        return Table(tuple(header), rows, frozenset({0, 1, 2}))

    def __str__(self) -> str:
        parts = [self.headline()]
        for title, table in self.tables():
            parts.append(f"{title}\n{text_of(table)}")
        parts.append("\n".join([f"• {reason}" for reason in self.reasons]))
        return "\n\n".join(parts)

    __repr__ = __str__

    def headline(self) -> str:
        """One line: what it is about."""
        size = math.prod(self.shape) * _itemsize(self.dtype)
        reads = "; ".join(f"{name}: {access}" for name, access in self.accesses.items())
        return (
            f"{self.name}: {_shape(self.shape)} {self.dtype}, {human_bytes(size)}, on {self.store}\n{reads}"
        )

    def _repr_html_(self) -> str:
        from html import escape

        parts = [f"<p><b>{escape(self.headline())}</b></p>"]
        for title, table in self.tables():
            parts.append(f"<p>{escape(title)}</p>{html_of(table)}")
        parts.append("<ul>" + "".join(f"<li>{escape(reason)}</li>" for reason in self.reasons) + "</ul>")
        return f"<div>{''.join(parts)}</div>"

    def asdict(self) -> dict[str, Any]:
        """All of it as plain dicts, lists, numbers and strings."""
        return {
            "name": self.name,
            "shape": [*self.shape],
            "dtype": self.dtype,
            "store": self.store,
            "accesses": {
                name: {"kind": access.kind, "weight": access.weight, "text": str(access), **asdict(access)}
                for name, access in self.accesses.items()
            },
            "speeds": self.speeds.asdict(),
            "sample": self.sample,
            "best": self.best.asdict(),
            "now": None if self.now is None else self.now.asdict(),
            "layouts": [result.asdict() for result in self.layouts],
            "agreed": [*self.agreed],
            "reasons": [*self.reasons],
        }

    def to_json(self, *, indent: int | None = None) -> str:
        """As JSON."""
        return json.dumps(self.asdict(), indent=indent, allow_nan=False)

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw it to a file (.png, .svg, .pdf), with matplotlib."""
        from exzarr.lab.chunk_plot import plot

        return plot(self, path)

    def figure(self) -> Any:
        """The drawing, as matplotlib's ``Figure``."""
        from exzarr.lab.chunk_plot import figure

        return figure(self)


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "()"


def _times(slower: float) -> str:
    return "" if slower < 1.05 else f" ({slower:.2g}×)" if slower < 100 else f" ({slower:,.0f}×)"


def _memory(measured: Sequence[Measured]) -> str:
    known = [one.memory for one in measured if one.memory is not None]
    return human_bytes(max(known)) if known else "–"


def _itemsize(dtype: str) -> int:
    import numpy as np

    try:
        return np.dtype(dtype).itemsize
    except TypeError:
        from exzarr._format.dtypes import from_numpy

        return from_numpy(dtype, 3).dtype.itemsize
