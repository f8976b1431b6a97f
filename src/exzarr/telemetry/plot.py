"""Plot of a report's timeline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from exzarr.errors import ArgumentError, MissingDependencyError

if TYPE_CHECKING:
    import os

    from exzarr.telemetry.figures import Span
    from exzarr.telemetry.report import Report

__all__ = ["plot"]

COLOURS = {
    "fetching": "#4477aa",
    "decoding": "#ee8866",
    "encoding": "#aa4499",
    "putting": "#228833",
    "other requests": "#bbbbbb",
}
BINS = 120
"""Number of time bins of the curves of bytes per second."""


def plot(report: Report, path: str | os.PathLike[str]) -> Path:
    """Draw the timeline of `report` to `path`. See `Report.plot`."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError("plot requires matplotlib: pip install 'exzarr[demo]'") from None
    if not report.spans:
        raise ArgumentError(
            "this report has nothing to draw: nothing was read or written while the profile ran"
        )
    begin = min(span.start for span in report.spans)
    lanes: dict[tuple[int, int], list[Span]] = {}
    for span in sorted(report.spans, key=lambda span: span.start):
        lanes.setdefault((span.process, span.thread), []).append(span)

    figure = Figure(figsize=(10, 2.2 + 0.35 * len(lanes)), layout="constrained")
    above, below = figure.subplots(
        2, 1, sharex=True, gridspec_kw={"height_ratios": [max(1, 0.35 * len(lanes)), 1]}
    )
    _draw_lanes(above, lanes, begin)
    _draw_speed(below, report.spans, begin)
    above.set_title(_title(report), loc="left", fontsize=9)
    where = Path(path)
    figure.savefig(where, dpi=150)
    return where


def _draw_lanes(axes: Any, lanes: dict[tuple[int, int], list[Span]], begin: float) -> None:
    """Draw one row for each thread, the first one at the top."""
    seen = []
    for phase, colour in COLOURS.items():
        for at, spans in enumerate(lanes.values()):
            bars = [(span.start - begin, span.end - span.start) for span in spans if span.phase == phase]
            if bars:
                axes.broken_barh(bars, (at - 0.4, 0.8), facecolors=colour, linewidth=0)
                seen.append(phase)
    processes = {process for process, _ in lanes}
    names = [
        f"thread {at + 1}" if len(processes) == 1 else f"process {process}, thread {at + 1}"
        for at, (process, _) in enumerate(lanes)
    ]
    axes.set_yticks(range(len(lanes)), names, fontsize=8)
    axes.set_ylim(len(lanes) - 0.4, -0.6)
    from matplotlib.patches import Patch

    handles = [Patch(color=COLOURS[phase], label=phase) for phase in dict.fromkeys(seen)]
    axes.figure.legend(handles=handles, ncols=len(handles), loc="outside lower center", fontsize=8)


def _draw_speed(axes: Any, spans: list[Span], begin: float) -> None:
    """Draw MiB per second: stored, and in memory."""
    ends = np.linspace(0, max(span.end for span in spans) - begin, BINS + 1)
    width = float(ends[1] - ends[0]) or 1.0
    for phases, name, colour in (
        (("fetching", "putting"), "stored", COLOURS["fetching"]),
        (("decoding", "encoding"), "in memory", COLOURS["decoding"]),
    ):
        chosen = [span for span in spans if span.phase in phases]
        if not chosen:
            continue
        at = np.array([span.end - begin for span in chosen])
        sums, _ = np.histogram(at, ends, weights=np.array([span.bytes for span in chosen], "f8"))
        axes.stairs(sums / width / 2**20, ends, color=colour, label=name, linewidth=1.2)
    axes.set_xlabel("seconds")
    axes.set_ylabel("MiB/s", fontsize=8)
    axes.legend(fontsize=8, loc="upper left")
    axes.set_ylim(bottom=0)


def _title(report: Report) -> str:
    from exzarr.telemetry.show import summary

    left_out = f" (without the last {report.spans_left_out:,} intervals)" if report.spans_left_out else ""
    return summary(report) + left_out
