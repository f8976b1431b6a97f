"""``with exzarr.profile() as report:``: record and sum up the events of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from exzarr.telemetry.registry import listening
from exzarr.telemetry.report import Report

__all__ = ["profile"]


@contextmanager
def profile(*, scope: Literal["process", "context"] = "process") -> Iterator[Report]:
    """Measure where a block of code spends time and bytes.

    >>> import exzarr
    >>> a = exzarr.zeros((100, 100), chunks=(50, 50), dtype="u1")
    >>> a[...] = 7
    >>> with exzarr.profile() as report:
    ...     a[:10, :10].sum()
    np.uint64(700)
    >>> report.total("read").chunks
    1

    Parameters
    ----------
    scope
        ``process``: all reads and writes of this process, in all its threads (those of dask, of a pool, of a
        server). ``context``: only those of this thread (or asyncio task), and of exzarr's own threads that work for
        it. Use it in programs that do several things concurrently. Threads that the block starts are not
        included, unless they run in a copy of its context (`contextvars.copy_context`).

    Yields
    ------
    Report
        Print it, inside the block or after it. It is also complete if the block raises an exception.

    Notes
    -----
    Profiles can be nested: each records all of its block. Other processes are not included, but their reports and
    events can be pickled, and `Report.merge` adds them.
    """
    report = Report()
    try:
        with listening(report, scope=scope):
            yield report
    finally:
        report.end()
