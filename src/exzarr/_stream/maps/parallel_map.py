"""`parallel_chunk_map`: call a function for every chunk, in threads, in processes or on a cluster."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from exzarr import config
from exzarr._engine.pool import in_flight
from exzarr._retrying import Retry, as_retry
from exzarr._stream.chunks.chunk_stream import (
    IndexFilter,
    Where,
    choose,
    cut,
    default_prefetch,
    piece_size,
    single_key,
)
from exzarr._stream.chunks.grid import Entry, StreamGrid, as_region
from exzarr._stream.chunks.reader import Missing
from exzarr._stream.failures import Failures, OnError
from exzarr._stream.maps.map_stream import Answer, MapStream, Piece, map_piece, map_single
from exzarr._stream.maps.map_task import MapTask
from exzarr._stream.maps.output import by_shards_of, gather, workers_write
from exzarr._stream.maps.reducing import Tree
from exzarr._stream.maps.runners import ExecutorLike, InThreads, Runner, open_runner
from exzarr._stream.progress.progress import Progress, open_meter
from exzarr._stream.stop import Stop
from exzarr._stream.window import Window
from exzarr.errors import ArgumentError, ReadOnlyError

if TYPE_CHECKING:
    from exzarr._nodes.array import Array

__all__ = ["parallel_chunk_map"]


def parallel_chunk_map(
    fn: Callable[..., Any],
    arrays: Array | Sequence[Array],
    *,
    region: Any = None,
    where: Where | None = None,
    missing: Missing = "fill",
    with_chunk: bool = False,
    executor: ExecutorLike = "threads",
    workers: int | None = None,
    prefetch: int | None = None,
    ordered: bool = True,
    timeout: float | None = None,
    retries: int | Retry | None = None,
    on_error: OnError = "raise",
    progress: Progress = False,
    out: Array | None = None,
    reduce: Callable[[Any, Any], Any] | None = None,
    initial: Any = None,
) -> Any:
    """Call `fn` with the data of several arrays of one shape, chunk by chunk; see `Array.parallel_chunk_map`.

    The chunks are those of the first array. Arrays with the same chunks (inner chunks, if there are shards) are read
    chunk by chunk. Of an array with other chunks, the same region is read; its chunks may be decoded more than once.

    All other parameters are those of `Array.parallel_chunk_map`.
    """
    sources = tuple(arrays) if isinstance(arrays, (list, tuple)) else (arrays,)
    _check(sources, out, reduce, initial)
    failures, retry, source = Failures(on_error), as_retry(retries), sources[0].chunk_source
    grid, box, ordered = StreamGrid(source), as_region(region, sources[0].shape), ordered and out is None
    wanted = IndexFilter(where) if callable(where) else None
    entries, total = choose(grid, box, wanted or where, ordered)
    worker_out = out if out is not None and workers_write(grid, out, executor) else None
    if out is not None and worker_out is None and (wanted or where is None):
        together = by_shards_of(out, grid, box)
        if together is not None:
            entries = filter(wanted, together) if wanted else together
    task = MapTask(fn, sources, missing=missing, with_chunk=with_chunk, out=worker_out)
    if executor == "processes" and not total:
        executor = "threads"
    touched = sources if out is None else (*sources, out)
    if executor == "threads" and workers is None:
        workers = _threads_for(touched)
    # If a store wants many requests in flight, each piece is one chunk.
    single = not source.sharded and any(array.store.concurrency for array in touched)
    runner = open_runner(task, executor, workers, timeout, total)
    try:
        stream = MapStream(
            _window(runner, task, sources, entries, prefetch, ordered, retry, single),
            failures,
            total,
            open_meter(progress, total, stream="parallel_chunk_map", array=source.path),
            runner=runner,
            task=task,
            wanted=wanted,
            source=source,
            itemsize=sum(array.dtype.itemsize for array in sources),
        )
    except BaseException:
        runner.close()
        raise
    if reduce is not None:
        return _reduced(stream, reduce, initial)
    if out is None:
        return stream
    if worker_out is None:
        return gather(stream, out, grid, retries=retry, on_error=on_error)
    with stream:
        deque(stream, maxlen=0)
    return stream.stats


def _threads_for(arrays: Sequence[Array]) -> int:
    """Return the default number of threads: more than cores if a store wants many requests in flight."""
    nbytes = sum(array.chunk_source.nbytes for array in arrays)
    return max(in_flight(array.store, nbytes) for array in arrays)


def _window(
    runner: Runner,
    task: MapTask,
    sources: Sequence[Array],
    entries: Iterator[Entry],
    prefetch: int | None,
    ordered: bool,
    retry: Retry | None,
    single: bool,
) -> Window[Piece, Answer]:
    """Return the window. Threads get small chunks in pieces of several, unless `single`; other runners get one by one."""
    first, stop = sources[0].chunk_source, Stop()
    nbytes, workers = sum(array.chunk_source.nbytes for array in sources), runner.workers
    if prefetch is None:
        prefetch = default_prefetch(nbytes, workers)
    task.share = workers
    work: Callable[[Piece], Answer]
    if isinstance(runner, InThreads) and runner.timeout is None:
        most = 1 if single else piece_size(nbytes, workers, prefetch)
        if most > 1:
            prefetch = (workers + prefetch) // most - workers
        work, retry = partial(map_piece, task, first, retry, stop), None
    else:
        most, work = 1, partial(map_single, runner, first)
    with config.override(workers=1):  # each thread reads and writes alone
        return Window(
            work,
            cut(entries, most, single_key(first)),
            workers=workers,
            prefetch=prefetch,
            ordered=ordered,
            timeout=runner.timeout,
            retry=retry,
            stop=stop,
        )


def _reduced(stream: MapStream, reduce: Callable[[Any, Any], Any], initial: Any) -> Any:
    tree = Tree(reduce)
    with stream:
        for value in stream:
            tree.add(value)
            del value  # release it before the next one arrives
    return tree.result(initial)


def _check(sources: tuple[Array, ...], out: Array | None, reduce: Any, initial: Any) -> None:
    """Raise ArgumentError if the arguments contradict each other."""
    from exzarr._nodes.array import Array

    if not sources:
        raise ArgumentError("parallel_chunk_map got no array: give at least one")
    for array in (*sources, *(() if out is None else (out,))):
        if not isinstance(array, Array):
            raise ArgumentError(f"parallel_chunk_map is for exzarr arrays, not {type(array).__name__}")
        if array.shape != sources[0].shape:
            raise ArgumentError(
                f"the mapped arrays and out must have one shape: {sources[0].shape} and {array.shape}"
            )
    if out is None:
        if reduce is None and initial is not None:
            raise ArgumentError("initial requires reduce, and there is no reduce")
        return
    if reduce is not None:
        raise ArgumentError("results are written to out or combined by reduce, not both")
    if out.read_only:
        raise ReadOnlyError(f"out, array {out.name!r} in {out.store}, is read-only: open it with mode='r+'")
    if any(out.store == array.store and out.path == array.path for array in sources):
        raise ArgumentError(
            "out is one of the arrays that are mapped: a chunk that is tried again would be mapped twice"
        )
