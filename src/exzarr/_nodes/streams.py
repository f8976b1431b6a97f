"""Streaming methods of arrays.

`exzarr._stream` implements them, on top of arrays. They are methods because users look for them there. This is
therefore the only module of `_nodes` that imports from `_stream`, and only when a method is called.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, Unpack

from exzarr._nodes.names import ZarrNames

if TYPE_CHECKING:
    from exzarr._nodes.casting import Casting
    from exzarr._retrying import Retry
    from exzarr._stream.chunks.chunk_stream import ChunkStream
    from exzarr._stream.failures import OnError
    from exzarr._stream.maps.parallel_map import MapKeywords
    from exzarr._stream.options import Where
    from exzarr._stream.progress.progress import Progress
    from exzarr._stream.slices.slice_stream import SliceStream
    from exzarr._stream.writing.write_stream import WriteReport

__all__ = ["ArrayStreams"]


class ArrayStreams(ZarrNames):
    """The methods of `exzarr.array.Array` that process it chunk by chunk."""

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
        """Iterate over the chunks, with read-ahead in threads and bounded memory.

        ::

            for chunk in a.chunk_stream(workers=4, prefetch=8):
                chunk.index, chunk.region, chunk.data

        Chunks arrive in grid order (C order of the index) and are cropped to the array. For a sharded array they
        are the inner chunks, as in `chunks`. Each shard is opened once where possible; always with
        ``ordered=False``, which proceeds shard by shard.

        At most ``workers + prefetch`` chunks are in memory, including the last one that you received, if you release
        it when you request the next (as a loop does). The threads end when you leave the loop, at an exception,
        at `ChunkStream.close`, at the end of a ``with`` block, or at garbage collection. Reads in progress
        then finish, and their results are discarded.

        Parameters
        ----------
        region
            A tuple of slices (step 1) in array coordinates. The stream yields the chunks that it touches, cropped to
            it. Default: the whole array.
        workers
            Threads that read and decode. Default: ``config.workers``; one if the chunks are so small that more threads
            would slow each other down; as many as the store requires requests in flight, if that is more (for
            large chunks at most ``config.fetch_bytes`` in total).
        prefetch
            How many more chunks may be in memory. Default: as many as fit 8 MiB, at least `workers`. Small chunks
            are read several at a time only if `prefetch` is large enough.
        ordered
            False yields chunks as soon as they are ready.
        where
            The chunks to read: a predicate on the index (called in your thread, for one chunk at a time),
            an integer array of indices of shape (n, dimensions), or a boolean array of the grid's shape.
            They arrive in grid order, each once.
        missing
            How to treat chunks that are not stored. ``"fill"`` yields the fill value, or raises an error if the array
            was opened with ``missing="error"``. ``"skip"`` leaves them out.
        timeout
            Seconds for one attempt at a chunk. A thread cannot be killed: after the timeout, the stream stops waiting
            for it and starts another one. The chunk fails with a ChunkTimeoutError, or is read again.
        retries
            Number of retries after a store error, or an `exzarr.Retry`. Damaged chunks are never retried.
        on_error
            ``"raise"`` ends the stream with a ChunkError that names the chunk; ``"skip"`` leaves the chunk out;
            a callable receives the error, and the chunk is left out if the callable returns.
        progress
            True shows a progress bar (with rich in a terminal, or in a notebook). A callable receives
            ``(done, total)`` in chunks. Chunks that are left out count, so that `done` reaches `total`.

        Returns
        -------
        ChunkStream
            An iterator over `exzarr._stream.Chunk` and a context manager, with statistics in ``.stats``.
        """
        from exzarr._stream.chunks.chunk_stream import ChunkStream
        from exzarr._stream.options import StreamOptions

        options = StreamOptions(
            region=region,
            where=where,
            missing=missing,
            workers=workers,
            prefetch=prefetch,
            ordered=ordered,
            timeout=timeout,
            retries=retries,
            on_error=on_error,
            progress=progress,
        )
        return ChunkStream(self.chunk_source, options)

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
        """Iterate over the positions along one axis: days, frames, rows.

        ::

            for day in a.slice_stream("time", 0, 365):
                day.index, day.region, day.data

        Each stored chunk is read once, for all positions that it holds. The unit of reading is a *slab*: all chunks
        at one chunk position along the axis. Several threads read the next slab while you process the current one.

        Parameters
        ----------
        axis
            The number of a dimension, or its name.
        start, stop, step
            The positions, by the rules of slices (``a[start:stop:step]``). A negative step runs backwards.
        region
            The part of the other dimensions. Default: all.
        workers
            Threads that read and decode. Default: ``config.workers``.
        prefetch
            How many slabs may be in memory in addition to the current one. Default: one. For a store that requires many
            requests in flight: enough slabs for these requests, within ``config.fetch_bytes``.
        timeout
            Seconds for one attempt at a slab; see `chunk_stream`.
        retries
            As for `chunk_stream`, for slabs.
        on_error
            As for `chunk_stream`. If a slab fails, all its positions fail.
        progress
            As for `chunk_stream`, in slices.

        Returns
        -------
        SliceStream
            An iterator over `exzarr._stream.Slice` and a context manager, with statistics in ``.stats``.
        """
        from exzarr._stream.options import StreamOptions
        from exzarr._stream.slices.slice_stream import SliceStream

        options = StreamOptions(
            region=region,
            workers=workers,
            prefetch=prefetch,
            timeout=timeout,
            retries=retries,
            on_error=on_error,
            progress=progress,
        )
        part, names = slice(start, stop, step), self._meta.dimension_names
        return SliceStream(self.chunk_source, axis, part, options, names=names)

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
        """Write the items of an iterable; threads encode and store them while the next item is produced.

        ::

            def days():
                for day in range(365):
                    yield (slice(day, day + 1),), simulate(day)

            report = a.write_stream(days(), checkpoint="days.checkpoint")

        Your thread advances `items`, only while fewer than `max_pending` items are pending. A slow store
        therefore slows the producer down, and memory stays bounded. Items may arrive in any order and may overlap:
        the later one wins. Items that share a stored chunk (shard, if the array has shards) are written together
        as soon as they cover it. At most one thread writes a stored chunk at a time. It is therefore faster to yield
        the parts of a shard in sequence.

        Parameters
        ----------
        items
            Pairs of a location and data. The location is a chunk index (of an inner chunk, if the array has shards)
            or a region (slices of step 1). The data has its shape, or broadcasts to it. Items of `chunk_stream` are
            accepted as well.
        workers
            Threads that encode and write. Default: ``config.workers``; as many as the store requires requests in
            flight, if that is more.
        max_pending
            How many items may be pending: waiting, or being written. Default: as many as fit 64 MiB, at least twice
            ``config.workers``, or twice `workers` if given. The threads need additional memory: for a shard that is
            assembled from parts, its decoded and its encoded size.
        on_error
            ``"raise"`` stops at the first item that fails, with a ChunkError. ``"skip"`` continues, and the report
            names the item. A callable receives the error; if it returns, the effect is the same as ``"skip"``.
        checkpoint
            A path of a file that records the written items. Items that an earlier run recorded are left out. To resume
            an interrupted run, pass the same items again. Or a callable that receives the region of each item after it
            is stored.
        retries
            Number of retries after a store error, or an `exzarr.Retry`.
        copy
            False does not copy the data. The producer must then not change it until it is written.
        casting
            Which conversions to the array's data type are allowed, as for `set`.
        progress
            As for `chunk_stream`, in items. The total of a generator is None until it ends.

        Returns
        -------
        WriteReport
            The number of written items, and the failed ones with their errors.

        Raises
        ------
        ChunkError
            An item failed, and ``on_error="raise"``. An exception of `items` itself is raised after all items that it
            yielded are written.
        """
        from exzarr._stream.options import StreamOptions
        from exzarr._stream.writing.write_stream import write_stream

        self._require_writable()
        return write_stream(
            self,  # type: ignore[arg-type]  # every array is an Array
            items,
            StreamOptions(workers=workers, retries=retries, on_error=on_error, progress=progress),
            max_pending=max_pending,
            checkpoint=checkpoint,
            copy=copy,
            casting=casting,
        )

    def parallel_chunk_map(self, fn: Callable[..., Any], **options: Unpack[MapKeywords]) -> Any:
        """Call ``fn(data)`` for every chunk, in parallel: in threads, in processes, or on a cluster.

        ::

            a.parallel_chunk_map(np.mean)                                    # an iterator over means
            a.parallel_chunk_map(np.sum, reduce=operator.add)                # one number
            a.parallel_chunk_map(np.sqrt, out=b)                             # another array
            a.parallel_chunk_map(slow, executor="processes", timeout=30, retries=2)

        This is `exzarr.parallel_chunk_map` for one array. That function documents the keywords: ``region``, ``where``,
        ``missing``, ``with_chunk``, ``executor``, ``workers``, ``prefetch``, ``ordered``, ``timeout``, ``retries``,
        ``on_error``, ``progress``, ``out``, ``reduce`` and ``initial``.

        Returns
        -------
        MapStream, StreamStats, or the reduced result
            Without `out` and `reduce`: an iterator over results and a context manager. With `out`: statistics.
        """
        from exzarr._stream.maps.parallel_map import parallel_chunk_map

        array: Any = self  # every array is an Array
        return parallel_chunk_map(fn, array, **options)
