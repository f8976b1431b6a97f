"""`exzarr.check`: a whole hierarchy, looked at without changing anything."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from exzarr import config
from exzarr._nodes import hierarchy
from exzarr._nodes.array import Array
from exzarr._nodes.group import Group
from exzarr._nodes.hierarchy import Location
from exzarr._spelling import known_arguments
from exzarr._stream.progress.progress import Progress, open_meter
from exzarr._tools.check.chunks import ArrayCheck
from exzarr._tools.check.consolidated import check_consolidated
from exzarr._tools.check.dimensions import check_dimensions
from exzarr._tools.check.nodes import Nodes, find_nodes
from exzarr._tools.check.report import CheckReport
from exzarr._tools.check.run import Counter, Options, Run
from exzarr._tools.copy import locate
from exzarr._tools.copy_plan import place_of
from exzarr.errors import ArgumentError
from exzarr.stores.instrument import instrument
from exzarr.stores.resolve import StoreLike

if TYPE_CHECKING:
    from exzarr.stores.url_options import StorageOptions

__all__ = ["check"]

MANY = 1000
"""Suspicions that are looked at again together."""


@known_arguments
def check(
    target: Array | Group | StoreLike,
    *,
    path: str = "",
    deep: bool = False,
    full: bool | str | Sequence[str] = False,
    workers: int | None = None,
    grace: float = 60.0,
    limit: int = 1000,
    progress: Progress = False,
    storage_options: StorageOptions | None = None,
) -> CheckReport:
    """Look for whatever may be wrong with an array, or with a group and everything below it.

    Nothing is changed. Any Zarr hierarchy can be checked, v2 or v3, whoever wrote it, and while others
    write to it: what looks wrong is looked at again before it is reported.

    Parameters
    ----------
    target, path
        An array or a group; or a store (or a path, or URL), and a path in it.
    deep
        Read and decode every chunk. Otherwise what costs little has to do: metadata, keys, sizes of chunks
        that have always the same size, the indexes of shards.
    full
        Arrays of which every chunk must be stored: True for all, or their paths (``"ocean/*"``), from the root
        of the store. An array may also say so itself, by an attribute ``exzarr_full`` that is true.
    workers
        Threads; by default as many as `exzarr.config` says, or as many as the store wants requests in flight.
    grace
        Seconds for which something may be left as it is by somebody who is still at work on another
        machine: temporary files, chunks outside of the grid, and chunks without an array that are younger
        are not judged, but counted as unsettled.
    limit
        Findings of one code that are kept for one node; others are only counted.
    progress
        True for a bar; a callable gets ``(done, total)``, in chunks (shards) of all arrays.
    storage_options
        For a URL: see `exzarr.open`.

    Returns
    -------
    CheckReport
        Printing it shows what was found. ``report.ok`` is whether there are no errors.

    Raises
    ------
    NodeNotFoundError
        There is nothing to be checked.
    """
    if grace < 0 or limit < 1 or (workers is not None and workers < 1):
        raise ArgumentError(
            f"grace must not be negative, limit and workers at least 1; got {grace}, {limit}, {workers}"
        )
    started = time.perf_counter()
    patterns: bool | Sequence[str] = [full] if isinstance(full, str) else full
    with ExitStack() as opened:
        location = locate(target, path, "r", opened, storage_options)
        # Most of them wait, where requests take their time.
        workers = workers or max(config.get().workers, location.store.concurrency)
        options = Options(deep, patterns, workers, grace)
        run = Run(instrument(location.store), options, limit)
        nodes = find_nodes(run, location)
        run.findings.settle(MANY)
        stored = _check_arrays(run, nodes, progress)
        check_consolidated(run, nodes)
        check_dimensions(run, nodes)
        run.findings.settle()
        _require_something(location, nodes, run)
        return _report(location, options, run, nodes, stored, time.perf_counter() - started)


def _check_arrays(run: Run, nodes: Nodes, progress: Progress) -> int:
    """Check what lies below every array; how many chunks are stored."""
    stored = 0
    meter = open_meter(progress, sum(node.meta.chunk_grid.nchunks for node in nodes.arrays), "checking")
    run.counter = Counter(meter)
    try:
        for node in nodes.arrays:
            array = ArrayCheck(run, node.location, node.meta, node.usable)
            array.check()
            stored += array.stored
            run.findings.settle(MANY)
    finally:
        if meter is not None:
            meter.close()
    return stored


def _require_something(location: Location, nodes: Nodes, run: Run) -> None:
    something = nodes.paths or run.findings.confirmed or run.findings.unsettled or run.quarantines
    if not something:
        raise hierarchy.not_found(location)


def _report(
    location: Location, options: Options, run: Run, nodes: Nodes, stored: int, seconds: float
) -> CheckReport:
    order: dict[str, Any] = {"error": 0, "warning": 1, "note": 2}
    findings = sorted(run.findings.confirmed, key=lambda f: (order[f.severity], f.code, f.key, f.number or 0))
    return CheckReport(
        place=place_of(location),
        deep=options.deep,
        findings=tuple(findings),
        unsettled=tuple(run.findings.unsettled),
        more=tuple(sorted([(code, path, n) for (path, code), n in run.findings.more.items()])),
        arrays=len(nodes.arrays),
        groups=len(nodes.groups),
        chunks=stored,
        quarantines=tuple(sorted(run.quarantines)),
        seconds=seconds,
        path=location.path,
    )
