"""`parallel_chunk_map`: call a function for every chunk, in threads, in processes or on a cluster."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypedDict

from exzarr import config
from exzarr._engine.pool import in_flight
from exzarr._retrying import Retry
from exzarr._stop import Stop
from exzarr._stream.chunks.chunk_stream import choose, cut, default_prefetch, piece_size, single_key
from exzarr._stream.chunks.grid import Entry, StreamGrid, as_region
from exzarr._stream.chunks.matching import chunks_where
from exzarr._stream.failures import OnError
from exzarr._stream.maps.map_stream import Answer, MapStream, Piece, map_piece, map_single
from exzarr._stream.maps.map_task import MapTask
from exzarr._stream.maps.output import by_shards_of, gather, workers_write
from exzarr._stream.maps.reducing import Tree
from exzarr._stream.maps.runners import ExecutorLike, InThreads, Runner, open_runner
from exzarr._stream.options import Missing, StreamOptions, Where
from exzarr._stream.progress.progress import Progress
from exzarr._stream.stored_array import StoredArray, is_stored_array
from exzarr._stream.window import Window
from exzarr.errors import ArgumentError, ReadOnlyError

__all__ = ["MapKeywords", "parallel_chunk_map"]


class MapKeywords(TypedDict, total=False):
    """Keywords of `parallel_chunk_map`, for functions that pass them on."""

    region: Any
    where: Where | None
    missing: Missing
    with_chunk: bool
    executor: ExecutorLike
    workers: int | None
    prefetch: int | None
    ordered: bool
    timeout: float | None
    retries: int | Retry | None
    on_error: OnError
    progress: Progress
    out: StoredArray | None
    reduce: Callable[[Any, Any], Any] | None
    initial: Any


def parallel_chunk_map(
    fn: Callable[..., Any],
    arrays: StoredArray | Sequence[StoredArray],
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
    out: StoredArray | None = None,
    reduce: Callable[[Any, Any], Any] | None = None,
    initial: Any = None,
) -> Any:
    """Call ``fn(data)`` for every chunk, in parallel: in threads, in processes, or on a cluster.

    ::

        a.parallel_chunk_map(np.mean)                                    # an iterator over means
        a.parallel_chunk_map(np.sum, reduce=operator.add)                # one number
        a.parallel_chunk_map(np.sqrt, out=b)                             # another array
        a.parallel_chunk_map(slow, executor="processes", timeout=30, retries=2)
        exzarr.parallel_chunk_map(np.subtract, [a, b], out=c)            # several arrays of one shape

    The worker that calls `fn` also reads and decodes the chunk; data is not sent between processes. The chunks are those of
    `Array.chunk_stream`, cropped and in the same order. For a sharded array they are the inner chunks.

    At most ``workers + prefetch`` chunks or results are in memory. `fn` may be called more than once for a chunk:
    with `retries`, and on a dask or Ray cluster that loses a worker.

    Parameters
    ----------
    fn
        The function. It receives the chunk's data, an array that it may change; with several arrays, the data of each. For
        other processes it is pickled, with cloudpickle if that is installed, so that lambdas and functions of a notebook
        work.
    arrays
        An array, or several of one shape. The chunks are those of the first one. Arrays with the same chunks (inner chunks,
        if there are shards) are read chunk by chunk. Of an array with other chunks, the same region is read; its chunks
        may be decoded more than once.
    region, where, missing
        The chunks to read: see `Array.chunk_stream`. A predicate applies to the values of the first array.
    with_chunk
        True calls `fn` with an `exzarr._stream.Chunk` instead: ``index``, ``region``, ``data``.
    executor
        ``"threads"`` suits functions that release the interpreter lock, as NumPy does for large arrays.
        ``"processes"`` suits Python code. The processes are new interpreters (no fork, and no guarded main module
        required); exzarr monitors them and replaces those that die. Or any `concurrent.futures.Executor`, which is
        left running, or a `distributed.Client`. ``"ray"`` is the Ray cluster to which this process is connected (or
        which ``ray.init()`` finds or starts); ``"ray://host:10001"`` connects to one. With all but threads, other
        processes must be able to open the array's store: a `MemoryStore` does not work.
    workers
        How many chunks are processed concurrently. Default: ``config.workers``. For threads: as many as the store
        requires requests in flight, if that is more. For an executor: the number of its workers. For a cluster:
        the number of its threads.
    prefetch
        How many more chunks or results may be in memory. Default: as in `Array.chunk_stream`.
    ordered
        False yields results as soon as they are ready.
    timeout
        Seconds for one attempt at a chunk. After the timeout, a process is killed and replaced. A thread cannot be
        killed: the map stops waiting for it, but it keeps running. The same applies to executors and clusters. The
        chunk fails with a ChunkTimeoutError, or is retried.
    retries
        Number of retries after a temporary error (of the store or the system, a timeout, a process that died), or
        an `exzarr._stream.Retry`, which can select the errors.
    on_error
        ``"raise"`` ends the map with a ChunkError that names the chunk. Its cause is the exception of `fn`, or a
        WorkerDiedError if `fn` ended its process. ``"skip"`` leaves the chunk out. A callable receives the error,
        and the chunk is left out if the callable returns.
    progress
        True shows a progress bar; a callable receives ``(done, total)`` in chunks.
    out
        An array of the same shape, with any chunks. Each result is written to its chunk's region. No result is
        lost if regions share a chunk of `out`. The worker that calls `fn` also writes. Results that share a shard
        are sent to this process and merged, as in `Array.write_stream`, so that each shard is written once.
    reduce
        ``reduce(a, b)`` combines two results into one, where `a` is of earlier chunks: first neighbours, then pairs
        of pairs. With `ordered`, the order of combination is the same in each run, and so are floating-point
        results. `reduce` should be associative. It runs in this thread.
    initial
        The initial value of the reduction, which is also the result if there are no chunks.

    Returns
    -------
    MapStream, StreamStats, or the reduced result
        Without `out` and `reduce`: an iterator over results and a context manager. Its ``items()`` yields pairs
        with the chunk index, and ``.stats`` has statistics. With `out`: these statistics.

    Raises
    ------
    ArgumentError
        Options do not fit together, `fn` or the store cannot be sent to processes, or there are no results to
        reduce.
    ChunkError
        A chunk failed, and ``on_error="raise"``.
    StreamError
        The executor accepts no more work.
    """
    sources = tuple(arrays) if isinstance(arrays, (list, tuple)) else (arrays,)
    _check(sources, out, reduce, initial)
    chunks, matching = chunks_where(sources[0], where, region)
    options = StreamOptions(
        region=region,
        where=chunks,
        matching=matching,
        missing=missing,
        workers=workers,
        prefetch=prefetch,
        ordered=ordered and out is None,
        timeout=timeout,
        retries=retries,
        on_error=on_error,
        progress=progress,
    )
    source = sources[0].chunk_source
    grid = StreamGrid(source)
    entries, total, wanted = choose(grid, options)
    worker_out = out if out is not None and workers_write(grid, out, executor) else None
    if out is not None and worker_out is None and (wanted or chunks is None):
        together = by_shards_of(out, grid, as_region(region, source.shape))
        if together is not None:
            entries = filter(wanted, together) if wanted else together
    task = MapTask(fn, sources, missing=missing, with_chunk=with_chunk, out=worker_out, matching=matching)
    if executor == "processes" and not total:
        executor = "threads"
    touched = sources if out is None else (*sources, out)
    if executor == "threads" and workers is None:
        workers = _threads_for(touched)
    # If a store wants many requests in flight, each piece is one chunk.
    single = not source.sharded and any(array.store.traits.concurrency for array in touched)
    runner = open_runner(task, executor, workers, timeout, total)
    try:
        stream = MapStream(
            _window(runner, task, sources, entries, options, single),
            options,
            total,
            options.meter(total, stream="parallel_chunk_map", array=source.path),
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
        return gather(stream, out, grid, options)
    with stream:
        deque(stream, maxlen=0)
    return stream.stats


def _threads_for(arrays: Sequence[StoredArray]) -> int:
    """Return the default number of threads: more than cores if a store wants many requests in flight."""
    nbytes = sum(array.chunk_source.nbytes for array in arrays)
    return max(in_flight(array.store, nbytes) for array in arrays)


def _window(
    runner: Runner,
    task: MapTask,
    sources: Sequence[StoredArray],
    entries: Iterator[Entry],
    options: StreamOptions,
    single: bool,
) -> Window[Piece, Answer]:
    """Return the window. Threads get small chunks in pieces of several, unless `single`; other runners get one by one."""
    first, stop = sources[0].chunk_source, Stop()
    nbytes, workers = sum(array.chunk_source.nbytes for array in sources), runner.workers
    prefetch, retry = options.prefetch, options.retry
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
            ordered=options.ordered,
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


def _check(sources: tuple[StoredArray, ...], out: StoredArray | None, reduce: Any, initial: Any) -> None:
    """Raise ArgumentError if the arguments contradict each other."""
    if not sources:
        raise ArgumentError("parallel_chunk_map got no array: give at least one")
    for array in (*sources, *(() if out is None else (out,))):
        if not is_stored_array(array):
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
