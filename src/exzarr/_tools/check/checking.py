"""`exzarr.check`: inspect a whole hierarchy without changing it."""

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
from exzarr._tools.check.pyramids import check_pyramids
from exzarr._tools.check.ragged import check_ragged
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
"""Number of suspicions that are inspected again together."""


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
    """Find problems in an array, or in a group and everything below it.

    Nothing is changed. You can check any Zarr hierarchy, v2 or v3, from any software, also while other processes
    write to it: possible problems are inspected again before they are reported.

    Parameters
    ----------
    target, path
        An array or a group; or a store (or a path, or URL), and a path in it.
    deep
        Read and decode every chunk. By default, only cheap checks are done: metadata, keys, the indexes of shards, and
        the sizes of chunks whose size is fixed.
    full
        Arrays whose chunks must all be stored: True for all arrays, or paths or patterns (``"ocean/*"``) from the root
        of the store. Arrays with a true attribute ``exzarr_full`` are always included.
    workers
        Number of threads. By default the number in `exzarr.config`, or the number of requests that the store
        keeps in flight, whichever is larger.
    grace
        Seconds during which a process on another machine may still be writing. Temporary files, chunks outside the grid
        and chunks without an array that are younger than this are reported as unsettled.
    limit
        Maximum number of findings to keep for each code and node. Further findings are only counted.
    progress
        True for a progress bar, or a callable that gets ``(done, total)``, in chunks (shards) of all arrays.
    storage_options
        Options for a URL: see `exzarr.open`.

    Returns
    -------
    CheckReport
        The findings. Print it to see them. ``report.ok`` is True if there are no errors.

    Raises
    ------
    NodeNotFoundError
        There is no array or group at `target`.
    ArgumentError
        `grace`, `limit` or `workers` is out of range.
    """
    if grace < 0 or limit < 1 or (workers is not None and workers < 1):
        raise ArgumentError(
            f"grace must be at least 0, limit and workers at least 1; got {grace}, {limit}, {workers}"
        )
    started = time.perf_counter()
    patterns: bool | Sequence[str] = [full] if isinstance(full, str) else full
    with ExitStack() as opened:
        location = locate(target, path, "r", opened, storage_options)
        # On stores with high latency, most of these threads wait for requests.
        workers = workers or max(config.get().workers, location.store.traits.concurrency)
        options = Options(deep, patterns, workers, grace)
        run = Run(instrument(location.store), options, limit)
        nodes = find_nodes(run, location)
        run.findings.settle(MANY)
        stored = _check_arrays(run, nodes, progress)
        check_consolidated(run, nodes)
        check_dimensions(run, nodes)
        check_pyramids(run, nodes)
        check_ragged(run, nodes)
        run.findings.settle()
        _require_something(location, nodes, run)
        return _report(location, options, run, nodes, stored, time.perf_counter() - started)


def _check_arrays(run: Run, nodes: Nodes, progress: Progress) -> int:
    """Check the keys below every array. Return the number of stored chunks."""
    stored = 0
    total = sum(node.meta.chunk_grid.nchunks for node in nodes.arrays)
    with open_meter(progress, total, "checking") as meter:
        run.counter = Counter(meter)
        for node in nodes.arrays:
            array = ArrayCheck(run, node.location, node.meta, node.usable)
            array.check()
            stored += array.stored
            run.findings.settle(MANY)
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
