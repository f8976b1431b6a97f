"""The methods of an array that stream it.

What they do is in `exzarr._stream`, which is built on arrays. They are methods because that is where
people look for them; so this module, and no other of its room, reaches up, and only when one is called.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

from exzarr._nodes.names import ZarrNames

if TYPE_CHECKING:
    from exzarr._nodes.array import Array
    from exzarr._nodes.casting import Casting
    from exzarr._retrying import Retry
    from exzarr._stream.chunks.chunk_stream import ChunkStream, Where
    from exzarr._stream.failures import OnError
    from exzarr._stream.maps.runners import ExecutorLike
    from exzarr._stream.progress.progress import Progress
    from exzarr._stream.slices.slice_stream import SliceStream
    from exzarr._stream.writing.write_stream import WriteReport

__all__ = ["ArrayStreams"]


class ArrayStreams(ZarrNames):
    """The part of `exzarr.array.Array` that goes through it chunk by chunk."""

    __slots__ = ()

    def chunk_stream(
        self,
        region: Any = None,
        *,
        workers: int | None = None,
        prefetch: int | None = None,
        ordered: bool = True,
        where: Where | None = None,
        missing: Literal["fill", "skip"] = "fill",
        timeout: float | None = None,
        retries: int | Retry | None = None,
        on_error: OnError = "raise",
        progress: Progress = False,
    ) -> ChunkStream:
        """The chunks, one after the other, read ahead in threads; however large the array, few are in memory.

        ::

            for chunk in a.chunk_stream(workers=4, prefetch=8):
                chunk.index, chunk.region, chunk.data

        Chunks come in grid order (C order of the index) and are cropped to the array. Of a sharded array they
        are the inner chunks, as in `chunks`; each shard is opened once where that can be (always with
        ``ordered=False``, which goes shard by shard).

        At most ``workers + prefetch`` chunks are in memory, the one that was handed out last included, as long
        as you let go of it when you ask for the next (as a loop does). Leaving the loop, an exception,
        `ChunkStream.close`, the end of a ``with`` block or the garbage collector end the threads; what is
        being read then is finished and thrown away.

        Parameters
        ----------
        region
            A tuple of slices (step 1) in array coordinates: the chunks that it touches, cropped to it. Default:
            all.
        workers
            Threads that read and decode. Default: ``config.workers``; one where chunks are so small that more
            would be in each other's way; as many as the store wants requests in flight, if it wants more (of large
            chunks no more than ``config.fetch_bytes`` in all).
        prefetch
            How many more chunks may be in memory. Default: what makes 8 MiB, at least `workers`. Small chunks
            are read several at a time, if there is room for it: with a small `prefetch` they are not.
        ordered
            False: chunks come as they are ready.
        where
            Which chunks: a predicate on the index (called in your thread, one by one as the stream goes on),
            an integer array of indices of shape (n, dimensions), or a boolean array of the grid's shape.
            They come in grid order, each once.
        missing
            Chunks that are not stored: ``"fill"`` gives the fill value (an error, if the array was opened with
            ``missing="error"``), ``"skip"`` leaves them out.
        timeout
            Seconds for one attempt at a chunk. Threads can't be killed: one that takes longer is no longer waited
            for, and another takes its place. The chunk fails with a ChunkTimeoutError, or is read again.
        retries
            How often to try again what a store failed at, or an `exzarr.Retry`. Damage is never tried again.
        on_error
            ``"raise"`` ends the stream with a ChunkError that names the chunk; ``"skip"`` leaves the chunk out;
            a callable gets the error, and the chunk is left out if it returns.
        progress
            True for a bar (in a terminal by rich, or in a notebook); or a callable that gets ``(done, total)`` in
            chunks. Chunks that were left out count, so that it ends at `total`.

        Returns
        -------
        ChunkStream
            An iterator over `exzarr._stream.Chunk`, and a context manager; ``.stats`` says what it has done.
        """
        from exzarr._stream.chunks.chunk_stream import ChunkStream

        return ChunkStream(
            self._bound,
            region,
            workers=workers,
            prefetch=prefetch,
            ordered=ordered,
            where=where,
            missing=missing,
            timeout=timeout,
            retries=retries,
            on_error=on_error,
            progress=progress,
        )

    def slice_stream(
        self,
        axis: int | str = 0,
        start: int | None = None,
        stop: int | None = None,
        step: int | None = None,
        *,
        region: Any = None,
        workers: int | None = None,
        prefetch: int | None = None,
        timeout: float | None = None,
        retries: int | Retry | None = None,
        on_error: OnError = "raise",
        progress: Progress = False,
    ) -> SliceStream:
        """The array position by position along one axis: days, frames, rows.

        ::

            for day in a.slice_stream("time", 0, 365):
                day.index, day.region, day.data

        Each stored chunk is read once, however many positions it holds: what is read together is a *slab*,
        all chunks at one place along the axis. One slab is read, by several threads, while you go through
        the one before it.

        Parameters
        ----------
        axis
            The number of a dimension, or its name.
        start, stop, step
            Which positions, by the rules of slices (``a[start:stop:step]``); a negative step goes backwards.
        region
            For the other dimensions: which part of them. Default: all.
        workers
            Threads that read and decode. Default: ``config.workers``.
        prefetch
            How many slabs may be in memory besides the one you are at. Default: one; where the store wants many
            requests in flight, so many that it gets them, within ``config.fetch_bytes``.
        timeout
            Seconds for one attempt at a slab; see `chunk_stream`.
        retries
            As for `chunk_stream`, for slabs.
        on_error
            As for `chunk_stream`. An error is one of a slab: all its positions fail with it.
        progress
            As for `chunk_stream`, in slices.

        Returns
        -------
        SliceStream
            An iterator over `exzarr._stream.Slice`, and a context manager; ``.stats`` says what it has done.
        """
        from exzarr._stream.slices.slice_stream import SliceStream

        return SliceStream(
            self._bound,
            axis,
            start,
            stop,
            step,
            names=self._meta.dimension_names,
            region=region,
            workers=workers,
            prefetch=prefetch,
            timeout=timeout,
            retries=retries,
            on_error=on_error,
            progress=progress,
        )

    def write_stream(
        self,
        items: Iterable[Any],
        *,
        workers: int | None = None,
        max_pending: int | None = None,
        on_error: OnError = "raise",
        checkpoint: str | os.PathLike[str] | Callable[[tuple[slice, ...]], object] | None = None,
        retries: int | Retry | None = None,
        copy: bool = True,
        casting: Casting = "same_kind",
        progress: Progress = False,
    ) -> WriteReport:
        """Write what `items` yields, encoded and stored in threads while the next is made.

        ::

            def days():
                for day in range(365):
                    yield (slice(day, day + 1),), simulate(day)

            report = a.write_stream(days(), checkpoint="days.checkpoint")

        `items` is advanced in your thread, and only while less than `max_pending` items are pending: a slow
        store slows the producer down, and memory stays bounded. Items may come in any order and may overlap:
        the later one wins. Those that share a stored chunk (shard, where there are shards) are gathered, and
        written together once they cover it; at most one thread writes a stored chunk at a time. So it pays
        to give the parts of a shard one after the other.

        Parameters
        ----------
        items
            Pairs of a chunk index (of an inner chunk, where there are shards) or a region (slices of step 1), and
            data that has, or broadcasts to, its shape. What `chunk_stream` gives is welcome too.
        workers
            Threads that encode and write. Default: ``config.workers``; as many as the store wants requests in
            flight, if it wants more.
        max_pending
            How many items may be taken and not yet written: waiting, or being written. Default: what makes 64 MiB,
            at least twice ``config.workers``, or twice `workers` where they are given. The threads need room
            besides: for a shard that is put together from its parts, its size in memory and encoded.
        on_error
            ``"raise"`` ends with the first item that failed, as a ChunkError; ``"skip"`` goes on, and the
            report names it; a callable gets the error, and if it returns, the same.
        checkpoint
            A path: what was written is noted there, and items that an earlier run noted are left out. So a run
            that was interrupted is resumed by giving the same items once more. Or a callable that gets
            the region of each item once it is in the store.
        retries
            How often to try again what a store failed at, or an `exzarr.Retry`.
        copy
            False: data is not copied when it is taken. Then the producer must leave it alone until it is written.
        casting
            Which conversions to the array's data type are allowed, as for `set`.
        progress
            As for `chunk_stream`, in items. The total of a generator is None until it has ended.

        Returns
        -------
        WriteReport
            What was written, what failed and why.

        Raises
        ------
        ChunkError
            With ``on_error="raise"``. What `items` itself raises is raised once all that it had given is written.
        """
        from exzarr._stream.writing.write_stream import write_stream

        return write_stream(
            self,  # type: ignore[arg-type]  # every array is an Array
            items,
            workers=workers,
            max_pending=max_pending,
            on_error=on_error,
            checkpoint=checkpoint,
            retries=retries,
            copy=copy,
            casting=casting,
            progress=progress,
        )

    def parallel_chunk_map(
        self,
        fn: Callable[..., Any],
        *,
        region: Any = None,
        where: Where | None = None,
        missing: Literal["fill", "skip"] = "fill",
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
        """``fn(data)`` for every chunk, several at once: in threads, in processes, or on a cluster.

        ::

            a.parallel_chunk_map(np.mean)                                    # an iterator over means
            a.parallel_chunk_map(np.sum, reduce=operator.add)                # one number
            a.parallel_chunk_map(np.sqrt, out=b)                             # another array
            a.parallel_chunk_map(slow, executor="processes", timeout=30, retries=2)

        Whoever calls `fn` reads and decodes the chunk too, so that data goes nowhere but into `fn`. The chunks are
        those of `chunk_stream`, cropped and in the same order; of a sharded array they are the inner chunks.
        `exzarr.parallel_chunk_map` maps over several arrays together.

        At most ``workers + prefetch`` chunks, or what became of them, are in memory. `fn` may be called more than
        once for a chunk: where `retries` say so, and on a dask cluster that loses a worker.

        Parameters
        ----------
        fn
            Called with the chunk's data, an array that is its own to change. For other processes it is pickled, by
            cloudpickle where that is installed, so that lambdas and functions of a notebook will do.
        region, where, missing
            Which chunks: see `chunk_stream`.
        with_chunk
            Call `fn` with an `exzarr._stream.Chunk` instead: ``index``, ``region``, ``data``.
        executor
            ``"threads"``: for what releases the interpreter lock, as NumPy does with large arrays. ``"processes"``:
            for Python code; processes are fresh interpreters (no fork, and no need for a guarded main module),
            watched, and replaced when they die. Or any `concurrent.futures.Executor`, which is left running, or a
            `distributed.Client`. For all but threads the array's store must be within reach of other processes: not
            a `MemoryStore`.
        workers
            How many chunks are worked on at once. Default: ``config.workers``; with threads, as many as a store wants
            requests in flight, if it wants more; of an executor, the workers it has; of a cluster, its threads.
        prefetch
            How many more chunks or results may be in memory. Default: as in `chunk_stream`.
        ordered
            False: results come as they are ready.
        timeout
            Seconds for one attempt at a chunk. A process that takes longer is killed and replaced. Threads can't be
            killed: one that takes longer is no longer waited for, but goes on. The same holds for executors and
            clusters. The chunk fails with a ChunkTimeoutError, or is tried again.
        retries
            How often to try again after an error that may pass (of the store or the system, a timeout, a process
            that died), or an `exzarr._stream.Retry`, which can say which errors.
        on_error
            ``"raise"`` ends the map with a ChunkError that names the chunk, its cause being what `fn` raised (a
            WorkerDiedError where `fn` took its process with it); ``"skip"`` leaves the chunk out; a callable gets the
            error, and the chunk is left out if it returns.
        progress
            True for a bar, or a callable that gets ``(done, total)`` in chunks.
        out
            An array of the same shape, with chunks of its own, to which results are written, each to its chunk's
            region. None is lost where chunks share one of `out`'s. Whoever calls `fn` writes; results that share
            a shard come back and are gathered here, as `write_stream` does it, so that each shard is written once.
        reduce
            ``reduce(a, b)`` combines two results into one, as they come, `a` being of earlier chunks: neighbours
            first, then pairs of pairs. With `ordered` the brackets are the same every time, so that floating-point
            results are too. It should be associative; it runs in this thread.
        initial
            What to begin with; the result where there are no chunks.

        Returns
        -------
        MapStream, StreamStats, or what `reduce` makes of the results
            Without `out` and `reduce`, an iterator over results and a context manager; its ``items()`` come with the
            chunk's index, and ``.stats`` says what it has done. With `out`, those stats.

        Raises
        ------
        ArgumentError
            What does not fit together; an `fn` or a store that processes can't be given; no results to reduce.
        ChunkError
            The first chunk that failed, with ``on_error="raise"``.
        StreamError
            The executor takes no more work.
        """
        from exzarr._stream.maps.parallel_map import parallel_chunk_map

        return parallel_chunk_map(
            fn,
            self,  # type: ignore[arg-type]  # no other class derives from this one
            region=region,
            where=where,
            missing=missing,
            with_chunk=with_chunk,
            executor=executor,
            workers=workers,
            prefetch=prefetch,
            ordered=ordered,
            timeout=timeout,
            retries=retries,
            on_error=on_error,
            progress=progress,
            out=out,
            reduce=reduce,
            initial=initial,
        )
