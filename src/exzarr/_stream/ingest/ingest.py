"""`exzarr.ingest`: append the blocks of a source to arrays, each block exactly once, also after a crash.

Blocks are written into chunks past the end of the array, which no reader sees. Then one put of the metadata document
extends the array *and* records the position of the source. The put is atomic: a process that is killed at any moment
leaves either all of it or nothing. The next process resumes there.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from exzarr import config, telemetry
from exzarr._nodes.array import Array
from exzarr._nodes.casting import Casting
from exzarr._nodes.group import Group
from exzarr._retrying import Retry
from exzarr._stream.failures import OnError
from exzarr._stream.ingest.blocks import Numbered, Source
from exzarr._stream.ingest.dead_letters import DeadLetters
from exzarr._stream.ingest.fingerprint import fingerprint
from exzarr._stream.ingest.position import Position, check_key
from exzarr._stream.ingest.prefetcher import Prefetcher
from exzarr._stream.ingest.report import IngestReport, LeftOut
from exzarr._stream.ingest.resume import open_source
from exzarr._stream.ingest.targets import Ingestible, Target, open_target
from exzarr._stream.options import StreamOptions
from exzarr._stream.progress.progress import Meter, Progress, open_meter
from exzarr.errors import (
    ArgumentError,
    ChunkError,
    CodecError,
    IngestError,
    MetadataError,
    NodeTypeError,
    SelectionError,
    StoreError,
)

__all__ = ["ingest", "ingest_position"]

BLOCK_ERRORS = (ArgumentError, SelectionError, CodecError, TypeError, ValueError, OverflowError)
"""Errors that a block itself causes."""
RUN_ERRORS = (StoreError, ChunkError, MetadataError, NodeTypeError)
"""Errors that the next block would cause as well: a full disk, or a damaged chunk that the rows belong to."""


def ingest(
    target: Array | Group | Ingestible,
    source: Source,
    *,
    axis: int | str = 0,
    key: str,
    continues: bool = False,
    batch: int | None = None,
    workers: int | None = None,
    max_pending: int = 16,
    retry: int | Retry | None = 2,
    on_error: OnError | None = None,
    dead_letter: str | os.PathLike[str] | None = None,
    casting: Casting = "same_kind",
    progress: Progress = False,
    on_commit: Callable[[IngestReport], object] | None = None,
) -> IngestReport:
    """Append the blocks of `source` to an array, each of them exactly once.

    ::

        exzarr.ingest(array, read_day_files(), key="days")

    Call it again after a crash or with more blocks: it resumes after the last stored block. The position of the source
    `key` is stored in the array's own metadata document and changes in the same atomic put as the shape. Several sources
    with different keys may feed one array, also from several processes.

    Parameters
    ----------
    target
        An array of Zarr format 3, or a group of such arrays. For a group, each block is a mapping from the names of
        arrays to the data to append to each; all arrays grow in one commit. For an `exzarr.ragged.Ragged`, each block
        is one item, or several as `exzarr.ragged.Items`.
    source
        An iterable of *all* blocks, or a function. Of an iterable, the blocks that are stored already are dropped; the
        first and the last of them are compared with what was stored. A function is called with the position (None at
        first) and returns the blocks after it. A block is an array with the target's shape along every dimension but
        `axis`; ``(region, data)``, which is written to that region; or an `exzarr.Block`, which can also name the
        source's position.
    axis
        Number or name of the dimension to append along.
    key
        Name of the source.
    continues
        True: the iterable starts at the stored position (`exzarr.ingest_position`), and no block is dropped.
    batch
        Number of rows at which a commit is full. Default: enough rows to fill the chunks (shards) of all workers, or of
        as many requests as the store wants in flight. A commit takes fewer rows if no more blocks are ready.
    workers
        Number of threads that encode and write. Default: ``config.workers``.
    max_pending
        Number of blocks that may wait while others are stored. The source waits when this limit is reached.
    retry
        Number of retries when a store fails, or an `exzarr.Retry`. If `source` is a function, it is called again by
        the same rules after an error of its own that can be retried.
    on_error
        Policy for a block that can't be stored (a wrong shape, a value that can't be encoded). ``"raise"`` commits all
        blocks before it and raises IngestError. ``"skip"`` leaves it out. A callable gets the error, and the block is
        left out if the callable returns. Default: ``"skip"`` with a `dead_letter`, else ``"raise"``. A failing store or
        a damaged array always stops the run.
    dead_letter
        Folder for the blocks that are left out; `exzarr.dead_letters` reads them back.
    casting
        Allowed conversions to the arrays' data types, as for `Array.set`.
    progress
        True for a bar, or a callable that gets ``(done, total)`` in blocks. The total is None until the source ends.
    on_commit
        Called with the report so far each time that blocks were stored. An error that it raises ends the ingestion; the
        blocks are stored.

    Returns
    -------
    IngestReport

    Raises
    ------
    IngestError
        A block failed and `on_error` is ``"raise"``. The blocks before it are stored.
    IngestConflictError
        Another process feeds the same `key`, or the blocks to drop from an iterable are not those that were stored.
        Uncommitted blocks of this run are not stored.
    UnsupportedError
        The target has Zarr format 2, which stores the shape and the attributes in two documents.
    """
    on_error = on_error or ("raise" if dead_letter is None else "skip")
    options = StreamOptions(workers=workers, retries=retry, on_error=on_error)
    run = _Run(
        open_target(target, axis, casting=casting),
        check_key(key),
        options=options,
        dead=None if dead_letter is None else DeadLetters(dead_letter, key),
        continues=continues,
        batch=batch,
        on_commit=on_commit,
    )
    if type(max_pending) is not int or max_pending < 1:
        raise ArgumentError(f"max_pending must be a positive number, not {max_pending!r}")
    with open_meter(progress, None, "blocks") as meter, config.override(workers=options.threads):
        run.all(source, max_pending, meter)
        meter.finish()
    return run.report()


def ingest_position(target: Array | Group | Ingestible, key: str) -> Any:
    """Return the stored position of the source `key`, from which to resume; None before its first block.

    The position is the last stored block's `exzarr.Block.position`, or else the number of stored blocks.
    """
    return open_target(target, 0, reading=True).reached(check_key(key)).position


class _Run:
    """State of one call of `ingest`."""

    def __init__(
        self,
        target: Target,
        key: str,
        *,
        options: StreamOptions,
        dead: DeadLetters | None,
        continues: bool,
        batch: int | None,
        on_commit: Callable[[IngestReport], object] | None,
    ) -> None:
        if on_commit is not None and not callable(on_commit):
            raise ArgumentError(f"on_commit is called with a report, but {on_commit!r} is not callable")
        if not isinstance(continues, bool):
            raise ArgumentError(f"continues must be True or False, not {continues!r}")
        if batch is not None and (type(batch) is not int or batch < 1):
            raise ArgumentError(f"batch must be a positive number of rows, not {batch!r}")
        self._target, self._key = target, key
        self._options, self._retry, self._dead = options, options.retry, dead
        self._continues, self._batch, self._on_commit = continues, batch, on_commit
        self._at = target.reached(key)
        self._first = self._at
        self._left_out: list[LeftOut] = []
        self._commits = self._nbytes = self._stored = 0
        self._unverified = 0
        self._started = time.monotonic()
        self._id = uuid.uuid4().hex

    def all(self, source: Source, max_pending: int, meter: Meter) -> None:
        """Ingest all blocks of the source."""
        attempt, since = 1, time.monotonic()
        if self._at.last is None and not self._continues and not callable(source):
            self._unverified = self._at.blocks
        while True:
            reached = self._at
            try:
                with Prefetcher(self._opened(source), max_pending) as prefetcher:
                    self._drain(prefetcher, meter)
                return
            except _SourceFailed as failed:
                error = failed.error
                if self._at != reached:  # there was progress: reset the number of attempts
                    attempt, since = 1, time.monotonic()
                wait = None
                if callable(source) and self._retry is not None:
                    wait = self._retry.next_wait(error, attempt, time.monotonic() - since)
                if wait is None:
                    raise error from None
                time.sleep(wait)
                attempt += 1

    def _opened(self, source: Source) -> Iterator[Numbered]:
        """Return the blocks of `source` after the stored position."""
        try:
            return open_source(source, self._at, self._key, self._target.block, continues=self._continues)
        except ArgumentError:  # an invalid source: not an error of the source itself
            raise
        except Exception as error:
            raise _SourceFailed(error) from error

    def _drain(self, prefetcher: Prefetcher, meter: Meter) -> None:
        limit = self._batch or self._target.rows_per_commit()
        for blocks in _gathered(prefetcher, limit, self._target):
            before = len(self._left_out)
            self._store(blocks)
            self._emit_progress()
            nbytes = sum(block.nbytes for block in blocks)
            meter.add(len(blocks), nbytes, failed=len(self._left_out) - before)
            if self._on_commit is not None:
                self._on_commit(self.report())

    def _store(self, blocks: Sequence[Numbered]) -> None:
        """Commit `blocks` together, or one by one if one of them can't be stored."""
        try:
            self._commit(blocks)
        except BLOCK_ERRORS as error:
            if isinstance(error, RUN_ERRORS):  # some of these are ValueErrors
                raise
            if len(blocks) > 1:
                for block in blocks:
                    self._store([block])
                return
            self._leave_out(blocks[0], error)

    def _commit(self, blocks: Sequence[Numbered]) -> None:
        rows = sum(self._target.rows(block.block) for block in blocks)
        at = self._at
        self._put(blocks, self._after(blocks, rows=at.rows + rows, failed=at.failed))
        self._stored += len(blocks)
        self._nbytes += sum(block.nbytes for block in blocks)

    def _leave_out(self, block: Numbered, error: Exception) -> None:
        """Leave out `block`, which can't be stored, or raise IngestError."""
        failure = IngestError(f"block {block.number} of source {self._key!r} can't be stored: {error}")
        failure.__cause__ = error
        self._options.failed(failure)
        if self._dead is not None:
            self._dead.put(block, error)  # before the position moves: the block is never lost
        self._left_out.append(LeftOut(block.number, error))
        at = self._at
        self._put((), self._after([block], rows=at.rows, failed=at.failed + 1))

    def _after(self, blocks: Sequence[Numbered], *, rows: int, failed: int) -> Position:
        """Return the position after `blocks`, the next ones."""
        done = self._at.blocks
        first = self._at.first if done else fingerprint(blocks[0].block)
        last = fingerprint(blocks[-1].block)
        return Position(done + len(blocks), rows, failed, blocks[-1].position, self._id, first, last)

    def _put(self, blocks: Sequence[Numbered], after: Position) -> None:
        given = [block.block for block in blocks]
        commit = self._target.commit
        if self._retry is None:
            commit(given, self._key, self._at, after)
        else:
            self._retry.call(commit, given, self._key, self._at, after)
        self._at = after
        self._commits += 1

    def _emit_progress(self) -> None:
        hooks = telemetry.hooks()
        if hooks:
            done = self._at.blocks - self._first.blocks
            seconds = time.monotonic() - self._started
            failed = len(self._left_out)
            happened = telemetry.IngestProgress(
                self._key, self._target.path, done, None, failed, failed, self._nbytes, seconds
            )
            telemetry.emit(happened, hooks)

    def report(self) -> IngestReport:
        at, first = self._at, self._first
        seconds = time.monotonic() - self._started
        return IngestReport(
            key=self._key,
            blocks=self._stored,
            rows=at.rows - first.rows,
            already=first.blocks,
            unverified=self._unverified,
            left_out=tuple(self._left_out),
            commits=self._commits,
            nbytes=self._nbytes,
            seconds=seconds,
            position=at.position,
        )


class _SourceFailed(Exception):  # noqa: N818 - never leaves this module
    """The source raised `error`. Everything it yielded before is committed."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


def _gathered(prefetcher: Prefetcher, limit: int, target: Target) -> Iterator[list[Numbered]]:
    """Yield groups of blocks to commit together: as many as are ready, up to `limit` rows."""
    while True:
        try:
            block = prefetcher.take(wait=True)
        except BaseException as error:
            if isinstance(error, Exception):
                raise _SourceFailed(error) from error
            raise
        if block is None:
            return
        blocks, rows = [], 0
        while block is not None:
            blocks.append(block)
            rows += target.rows_of(block.block)
            block = prefetcher.take(wait=False) if rows < limit else None
        yield blocks
