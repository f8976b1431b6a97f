"""Results of the chunk lab."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from exzarr.lab.access import Patterns
from exzarr.lab.candidates import Layout
from exzarr.lab.counts import Counts
from exzarr.lab.measuring import Measured, Trial
from exzarr.lab.model import Cost
from exzarr.lab.report import LabReport, shape_text
from exzarr.lab.speeds import Speeds
from exzarr.telemetry.show import Table
from exzarr.telemetry.units import human_bytes, human_seconds, human_speed

__all__ = ["AccessCost", "ChunkReport", "LayoutResult"]

SHOWN = 10
"""Most layouts in a table."""


@dataclass(frozen=True, slots=True)
class AccessCost:
    """Cost of one run of a pattern with a layout, on the whole array.

    Attributes
    ----------
    seconds
        Expected duration. If the layout was tried, corrected by the measured duration.
    counts
        Requests, chunks and bytes.
    cost
        Estimate of the model.
    slower
        Slowdown against the best layout for this pattern alone.
    """

    seconds: float
    counts: Counts
    cost: Cost
    slower: float = 1.0

    def asdict(self) -> dict[str, Any]:
        """Return the figures as a plain dict."""
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
    """Results of one candidate.

    Attributes
    ----------
    layout
        Its chunks and shards.
    accesses
        Cost of each pattern.
    score
        Weighted mean of the slowdowns of the patterns against their own best layouts; 1 is perfect.
    objects
        Stored values (files, objects) of the whole array.
    chunk_bytes
        Bytes of a chunk in memory.
    trial, predicted
        Measurements on the sample, and the model's estimates for the sample in seconds by pattern. None if the layout
        was not tried.
    """

    layout: Layout
    accesses: dict[str, AccessCost]
    score: float
    objects: int
    chunk_bytes: int
    trial: Trial | None = None
    predicted: dict[str, float] | None = None

    def asdict(self) -> dict[str, Any]:
        """Return the results as a plain dict."""
        return {
            **self.layout.asdict(),
            "score": self.score,
            "objects": self.objects,
            "chunk_bytes": self.chunk_bytes,
            "accesses": {name: one.asdict() for name, one in self.accesses.items()},
            "trial": None if self.trial is None else self.trial.asdict(),
            "predicted": self.predicted,
        }


@dataclass(frozen=True, slots=True, repr=False)
class ChunkReport(LabReport):
    """Recommended chunks and shards of an array, with all results.

    Attributes
    ----------
    name, shape, dtype
        The array.
    store
        Where it will be stored: ``local``, ``s3``, or the URL of a store.
    accesses
        Access patterns by name.
    speeds
        Speeds that the model uses.
    sample
        Description of the data on which layouts were tried.
    layouts
        All candidates, the best first.
    best
        The recommended layout: among those within 5 % of the best score, the one with the fewest objects.
    now
        The present layout. None for arrays that are not exzarr's.
    agreed
        Number of comparisons of two layouts in which model and measurement agree, and number of all comparisons with a
        clear difference, over all accesses.
    left_out
        Number of candidates with too many objects.
    synthetic
        Whether the sample is synthetic.
    reasons
        Explanations of the recommendation.
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
    synthetic: bool = False
    reasons: tuple[str, ...] = ()

    @property
    def options(self) -> dict[str, Any]:
        """``chunks`` and ``shards`` for `exzarr.create_array` and `exzarr.copy`."""
        return {"chunks": self.best.layout.chunks, "shards": self.best.layout.shards}

    def tables(self) -> Iterator[tuple[str, Table]]:
        """Yield titles and tables."""
        shown = self.shown()
        yield "expected, for the whole array", self._expected(shown)
        tried = [result for result in shown if result.trial is not None]
        if tried:
            yield f"measured, on a sample ({self.sample})", self._measured(tried)

    def shown(self, most: int = SHOWN) -> list[LayoutResult]:
        """Return the layouts to show: the tried ones, the best of the others, and the present one."""
        tried = [result for result in self.layouts if result.trial is not None or result is self.now]
        others = [result for result in self.layouts if result not in tried]
        chosen = [*tried, *others[: max(0, most - len(tried))]]
        return sorted(chosen, key=lambda result: result.score)

    def _expected(self, shown: Sequence[LayoutResult]) -> Table:
        header = ["", "chunks", "shards", "chunk size", "objects", *self.accesses, "score"]
        rows = []
        for result in shown:
            layout = result.layout
            cells = [f"{human_seconds(one.seconds)}{_times(one.slower)}" for one in result.accesses.values()]
            mark = "→" if result is self.best else "now" if result is self.now else ""
            rows.append(
                (
                    mark,
                    shape_text(layout.chunks),
                    shape_text(layout.shards) if layout.shards else "–",
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
                shape_text(trial.layout.chunks),
                shape_text(trial.layout.shards) if trial.layout.shards else "–",
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

    def headline(self) -> str:
        """Return the array and its accesses in two lines."""
        size = math.prod(self.shape) * _itemsize(self.dtype)
        reads = "; ".join(f"{name}: {access}" for name, access in self.accesses.items())
        return f"{self.name}: {shape_text(self.shape)} {self.dtype}, {human_bytes(size)}, on {self.store}\n{reads}"

    def asdict(self) -> dict[str, Any]:
        """Return the report as plain dicts, lists, numbers and strings."""
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

    def figure(self) -> Any:
        """Return the plot as a matplotlib ``Figure``."""
        from exzarr.lab.chunk_plot import figure

        return figure(self)


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
