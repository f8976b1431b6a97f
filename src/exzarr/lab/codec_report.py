"""Results of the codec lab."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from exzarr.lab.codec_trial import CodecTrial
from exzarr.lab.report import LabReport, shape_text
from exzarr.telemetry.show import Table
from exzarr.telemetry.units import human_speed

__all__ = [
    "ARCHIVE",
    "DESTINATIONS",
    "LEAST_GAIN",
    "LOCAL",
    "OBJECTS",
    "CodecReport",
    "Destination",
    "best_for",
    "bandwidth_text",
    "break_even",
    "ratio_text",
    "seconds_per_byte",
]

CLOSE = 1.03
"""Factor within which times count as equal. Among these, the smallest data wins."""


LEAST_GAIN = 1.02
"""Least ratio that counts as compression."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A place to store data, and how data is used there.

    Parameters
    ----------
    name
        Its name in tables.
    bandwidth
        Stored bytes per second.
    reads
        Number of reads for each write.
    overlap
        True: chunks are decoded while other requests are in flight, as for object stores. False: the thread that
        decodes also waits for its bytes.
    smallest
        Whether only size counts, if encoding reaches `least_encode`.
    least_encode
        Least encoding speed with all threads, in bytes per second.
    """

    name: str
    bandwidth: float
    reads: float = 10.0
    overlap: bool = False
    smallest: bool = False
    least_encode: float = 0.0

    def __str__(self) -> str:
        how = "smallest size" if self.smallest else f"{self.reads:g} reads per write"
        return f"{self.name} ({bandwidth_text(self.bandwidth)}; {how})"


LOCAL = Destination("local disk", 2e9)
OBJECTS = Destination("object store", 200e6, overlap=True)
ARCHIVE = Destination("archive", 100e6, reads=0.1, smallest=True, least_encode=5e6)
DESTINATIONS = (LOCAL, OBJECTS, ARCHIVE)


def seconds_per_byte(trial: CodecTrial, to: Destination) -> float:
    """Return the seconds per byte of data there: written once and read `to.reads` times."""
    transfer = 1 / (trial.ratio * to.bandwidth)
    encoding, decoding = 1 / trial.encode_all, 1 / trial.decode_all
    if to.overlap:
        return max(transfer, encoding) + to.reads * max(transfer, decoding)
    return transfer + encoding + to.reads * (transfer + decoding)


def best_for(trials: Sequence[CodecTrial], to: Destination) -> CodecTrial | None:
    """Return the recommended trial for a destination, or None if no trial is fast enough."""
    # Saving less than 2 % does not justify a codec.
    real = [t for t in trials if t.label == "none" or t.ratio > LEAST_GAIN] or [*trials]
    fit = [trial for trial in real if trial.encode_all >= to.least_encode]
    if not fit:
        return None
    if to.smallest:
        most = max(trial.ratio for trial in fit)
        return max((t for t in fit if t.ratio * 1.01 >= most), key=lambda t: t.decode_all)
    costs = [(seconds_per_byte(trial, to), trial) for trial in fit]
    least = min(cost for cost, _ in costs)
    return max((t for cost, t in costs if cost <= least * CLOSE), key=lambda t: (t.ratio, t.decode_all))


def break_even(trial: CodecTrial, plain: CodecTrial) -> float:
    """Return the bandwidth (bytes/s) below which reading compressed data is faster than reading uncompressed data.

    Without overlap of fetching and decoding: ``1/(ratio·b) + 1/decode < 1/b + 1/copy``.
    """
    saved, added = 1 - 1 / trial.ratio, 1 / trial.decode_all - 1 / plain.decode_all
    if saved <= 0:
        return 0.0
    return saved / added if added > 0 else float("inf")


@dataclass(frozen=True, slots=True, repr=False)
class CodecReport(LabReport):
    """Recommended codecs of an array, with all trials.

    Attributes
    ----------
    name, dtype
        The array.
    chunk_shape
        Shape of the chunks.
    sample
        Description of the chunks that were compressed.
    threads
        Number of threads for the figures with all threads.
    trials
        All trials, the smallest data first.
    best
        Recommended trial by name of the destination.
    destinations
        The destinations.
    left_out
        Labels of chains that failed or were not tried in time, with the reason.
    reasons
        Explanations of the recommendations.
    """

    legends: ClassVar[bool] = True
    name: str
    dtype: str
    chunk_shape: tuple[int, ...]
    sample: str
    threads: int
    trials: tuple[CodecTrial, ...]
    best: dict[str, CodecTrial]
    destinations: tuple[Destination, ...]
    left_out: tuple[tuple[str, str], ...]
    reasons: tuple[str, ...]

    @property
    def front(self) -> tuple[CodecTrial, ...]:
        """The Pareto front of ratio and decoding speed, the smallest data first."""
        return tuple([trial for trial in self.trials if trial.pareto])

    def trial(self, label: str) -> CodecTrial:
        """Return the trial with a label. Raise KeyError if it was not tried."""
        for trial in self.trials:
            if trial.label == label:
                return trial
        raise KeyError(
            f"{label!r} was not tried; the trials are {', '.join(trial.label for trial in self.trials)}"
        )

    def table(self) -> Table:
        """Return the table of all trials."""
        lossy = any(trial.chain.lossy for trial in self.trials)
        several = self.threads > 1
        header = ["", "codecs", "ratio", "encode", "decode"]
        if several:
            header += [f"encode ×{self.threads}", f"decode ×{self.threads}"]
        header += ["checksum"] + (["error (relative)"] if lossy else []) + ["best for"]
        rows = []
        for trial in self.trials:
            uses = ", ".join(name for name, best in self.best.items() if best is trial)
            raw = trial.label == "none"
            row = ["◆" if trial.pareto else "", trial.label, ratio_text(trial.ratio)]
            row += ["–" if raw else _speed(trial.encode), _speed(trial.decode)]
            if several:
                row += ["–" if raw else _speed(trial.encode_all), _speed(trial.decode_all)]
            row.append("yes" if trial.checks else "")
            if lossy:
                row.append(f"{trial.error:.2g} ({trial.relative_error:.1g})" if trial.chain.lossy else "")
            row.append(uses)
            rows.append(tuple(row))
        return Table(tuple(header), rows, frozenset({0, 1, len(header) - 1}))

    def tables(self) -> Iterator[tuple[str, Table]]:
        """Yield titles and tables."""
        yield "◆ no other chain is both smaller and faster to decode", self.table()

    def headline(self) -> str:
        """Return the array and the sample in two lines."""
        return f"{self.name}: {self.dtype} in chunks of {shape_text(self.chunk_shape)}\n{self.sample}"

    def asdict(self) -> dict[str, Any]:
        """Return the report as plain dicts, lists, numbers and strings. Speeds are in bytes per second."""
        return {
            "name": self.name,
            "dtype": self.dtype,
            "chunk_shape": [*self.chunk_shape],
            "sample": self.sample,
            "threads": self.threads,
            "trials": [trial.asdict() for trial in self.trials],
            "front": [trial.label for trial in self.front],
            "best": {name: trial.label for name, trial in self.best.items()},
            "destinations": [asdict(to) for to in self.destinations],
            "left_out": [{"label": label, "reason": reason} for label, reason in self.left_out],
            "reasons": [*self.reasons],
        }

    def figure(self) -> Any:
        """Return the plot as a matplotlib ``Figure``."""
        from exzarr.lab.codec_plot import figure

        return figure(self)


def bandwidth_text(bytes_per_second: float) -> str:
    """Format a bandwidth in powers of ten, as providers do: ``2 GB/s``."""
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if bytes_per_second >= factor:
            return f"{bytes_per_second / factor:.3g} {unit}/s"
    return f"{bytes_per_second:.3g} B/s"


def ratio_text(ratio: float) -> str:
    """Format a ratio: ``1.07``, ``12.3``, ``450``."""
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.1f}" if ratio < 100 else f"{ratio:,.0f}"


def _speed(bytes_per_second: float) -> str:
    return human_speed(int(bytes_per_second), 1.0)
