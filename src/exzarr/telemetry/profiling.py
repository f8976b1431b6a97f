"""``with exzarr.profile() as report:`` - listen to a block of a program, and add up what it did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from exzarr.telemetry.registry import listening
from exzarr.telemetry.report import Report

__all__ = ["profile"]


@contextmanager
def profile(*, scope: Literal["process", "context"] = "process") -> Iterator[Report]:
    """Find out where the time and the bytes of a block go.

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
        ``process``: whatever this process reads and writes meanwhile, in all its threads (those of dask,
        of a pool, of a server). ``context``: only what this thread (or asyncio task) does, and
        exzarr's own threads for it. That is for programs that do several things at once; what
        threads do that were started in the block is not in it, unless they run in a copy
        of its context (`contextvars.copy_context`).

    Yields
    ------
    Report
        Print it, in the block or after it. It is complete also where the block raises an exception.

    Notes
    -----
    Profiles may be nested: each has all that happens in its block. What other processes do is not in it,
    but their reports and their events pickle, and `Report.merge` adds them.
    """
    report = Report()
    try:
        with listening(report, scope=scope):
            yield report
    finally:
        report.end()
