"""`exzarr.ingest`: from a source into arrays, each block exactly once, whatever happens in between.

How. Blocks are written into chunks past the end of the array, which no reader sees; then one put of the
metadata document makes them part of it *and* records how far the source is. That put is atomic: a process
that is killed at whatever moment leaves either all of that or nothing, and the next one goes on from there.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from exzarr import config, telemetry
from exzarr._nodes.array import Array
from exzarr._nodes.casting import Casting
from exzarr._nodes.group import Group
from exzarr._retrying import Retry, as_retry
from exzarr._stream.failures import Failures, OnError
from exzarr._stream.ingest.blocks import Numbered, Source
from exzarr._stream.ingest.dead_letters import DeadLetters
from exzarr._stream.ingest.fingerprint import fingerprint
from exzarr._stream.ingest.position import Position, check_key
from exzarr._stream.ingest.prefetcher import Prefetcher
from exzarr._stream.ingest.report import IngestReport, LeftOut
from exzarr._stream.ingest.resume import open_source
from exzarr._stream.ingest.targets import Target, open_target
from exzarr._stream.progress.progress import Meter, Progress, open_meter
from exzarr._stream.window import as_workers
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

OWN_FAULT = (ArgumentError, SelectionError, CodecError, TypeError, ValueError, OverflowError)
"""What is wrong with a block itself."""
NOT_ITS_FAULT = (StoreError, ChunkError, MetadataError, NodeTypeError)
"""A full disk, a damaged chunk that the block's rows belong into: that would befall the next block, too."""


def ingest(
    target: Array | Group,
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
) -> IngestReport:
    """Append the blocks of `source` to an array, each of them exactly once.

    ::

        exzarr.ingest(array, read_day_files(), key="days")

    Run again, after a crash or with more blocks, it resumes after the last block that was stored. The position of
    the source `key` lies in the array's own metadata document, and changes in the same atomic put as its shape.
    Several sources, with keys of their own, may feed one array, from several processes.

    Parameters
    ----------
    target
        An array of Zarr format 3; or a group of them: then each block is a mapping from the names of arrays
        to what is appended to each, and all of them grow in one commit.
    source
        An iterable of blocks, *all* of them from the first one on: the blocks that are stored already are taken
        from it and dropped, after the first and the last of them were compared with what was stored. Or a function
        that is called with the position (None at first) and gives the blocks after it. A block is an array with the target's shape along every dimension but `axis`; ``(region,
        data)``, which is written to that region; or an `exzarr.Block`, which can also name the source's position.
    axis
        The dimension to append along: its number, or its name.
    key
        The name of the source.
    continues
        True: the iterable starts at the stored position (`exzarr.ingest_position`), and no block of it is dropped.
    batch
        A commit takes blocks until it has so many rows. Default: what fills the chunks (shards) of all workers, or
        of as many requests as the store wants in flight.
        Fewer are committed when no more are ready: what has come does not wait for what has not.
    workers
        Threads that encode and write. Default: ``config.workers``.
    max_pending
        How many blocks may wait while others are stored. The source is asked for no more until there is room.
    retry
        How often to try again what a store failed at, or an `exzarr.Retry`. If `source` is a function, it is
        called again in the same way after an error of its own that is worth it.
    on_error
        A block that can't be stored (a wrong shape, a value that can't be encoded): ``"raise"`` stops with an
        IngestError, after all blocks before it are committed; ``"skip"`` leaves it out; a callable gets the error,
        and the block is left out if it returns. Default: ``"skip"`` where there is a `dead_letter`, else
        ``"raise"``. A store that fails, or an array that is damaged, always stops the run.
    dead_letter
        A folder for the blocks that are left out; `exzarr.dead_letters` reads them back.
    casting
        Which conversions to the arrays' data types are allowed, as for `Array.set`.
    progress
        True for a bar, or a callable that gets ``(done, total)`` in blocks; the total is None until the end is there.

    Returns
    -------
    IngestReport

    Raises
    ------
    IngestError
        A block failed, and `on_error` says so; what came before it is stored.
    IngestConflictError
        Another process feeds the same `key`; or the blocks to drop from an iterable are not those that were stored.
        Nothing of what this run had in hands is stored.
    UnsupportedError
        The target has Zarr format 2: there the shape and the attributes are two documents.
    """
    run = _Run(
        open_target(target, axis, casting=casting),
        check_key(key),
        retry=as_retry(retry),
        failures=Failures(on_error or ("raise" if dead_letter is None else "skip")),
        dead=None if dead_letter is None else DeadLetters(dead_letter, key),
        continues=continues,
        batch=batch,
    )
    if type(max_pending) is not int or max_pending < 1:
        raise ArgumentError(f"max_pending must be a positive number, not {max_pending!r}")
    meter = open_meter(progress, None, "blocks")
    try:
        with config.override(workers=as_workers(workers)):
            run.all(source, max_pending, meter)
        if meter is not None:
            meter.finish()
    finally:
        if meter is not None:
            meter.close()
    return run.report()


def ingest_position(target: Array | Group, key: str) -> Any:
    """Where the source called `key` is: what to go on after. None before its first block.

    It is what the source said with its last block (`exzarr.Block.position`), or else the number of blocks.
    """
    return open_target(target, 0, reading=True).reached(check_key(key)).position


class _Run:
    """One call of `ingest`."""

    def __init__(
        self,
        target: Target,
        key: str,
        *,
        retry: Retry | None,
        failures: Failures,
        dead: DeadLetters | None,
        continues: bool,
        batch: int | None,
    ) -> None:
        if not isinstance(continues, bool):
            raise ArgumentError(f"continues is True or False, not {continues!r}")
        if batch is not None and (type(batch) is not int or batch < 1):
            raise ArgumentError(f"batch is a positive number of rows, not {batch!r}")
        self._target, self._key = target, key
        self._retry, self._failures, self._dead = retry, failures, dead
        self._continues, self._batch = continues, batch
        self._at = target.reached(key)
        self._first = self._at
        self._left_out: list[LeftOut] = []
        self._commits = self._nbytes = self._stored = 0
        self._unverified = 0
        self._started = time.monotonic()
        self._id = uuid.uuid4().hex

    def all(self, source: Source, max_pending: int, meter: Meter | None) -> None:
        """Everything that the source gives."""
        attempt, since = 1, time.monotonic()
        if self._at.last is None and not self._continues and not callable(source):
            self._unverified = self._at.blocks
        while True:
            reached = self._at
            try:
                with Prefetcher(self._opened(source), max_pending) as pump:
                    self._drain(pump, meter)
                return
            except _SourceFailed as failed:
                error = failed.error
                if self._at != reached:  # it got on: the attempts before are forgotten
                    attempt, since = 1, time.monotonic()
                wait = None
                if callable(source) and self._retry is not None:
                    wait = self._retry.next_wait(error, attempt, time.monotonic() - since)
                if wait is None:
                    raise error from None
                time.sleep(wait)
                attempt += 1

    def _opened(self, source: Source) -> Iterator[Numbered]:
        """The blocks of `source` that come after what has been reached."""
        try:
            return open_source(source, self._at, self._key, continues=self._continues)
        except ArgumentError:  # it is no source
            raise
        except Exception as error:
            raise _SourceFailed(error) from error

    def _drain(self, pump: Prefetcher, meter: Meter | None) -> None:
        limit = self._batch or self._target.rows_at_once()
        for blocks in _gathered(pump, limit, self._target):
            before = len(self._left_out)
            self._store(blocks)
            self._tell()
            if meter is not None:
                nbytes = sum(block.nbytes for block in blocks)
                meter.add(len(blocks), nbytes, failed=len(self._left_out) - before)

    def _store(self, blocks: Sequence[Numbered]) -> None:
        """Commit `blocks` together; one by one, where one of them can't be stored."""
        try:
            self._commit(blocks)
        except OWN_FAULT as error:
            if isinstance(error, NOT_ITS_FAULT):  # some of these are ValueErrors, too
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
        """Block `block` can't be stored."""
        told = IngestError(f"block {block.number} of source {self._key!r} can't be stored: {error}")
        told.__cause__ = error
        self._failures(told)
        if self._dead is not None:
            self._dead.put(block, error)  # before the position moves on: it is in one place or the other
        self._left_out.append(LeftOut(block.number, error))
        at = self._at
        self._put((), self._after([block], rows=at.rows, failed=at.failed + 1))

    def _after(self, blocks: Sequence[Numbered], *, rows: int, failed: int) -> Position:
        """The position after `blocks`, which come next."""
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

    def _tell(self) -> None:
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


class _SourceFailed(Exception):  # noqa: N818 - it leaves this module as what it holds
    """The source raised `error`; everything it gave before is committed."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


def _gathered(pump: Prefetcher, limit: int, target: Target) -> Iterator[list[Numbered]]:
    """The blocks of `pump`, in groups to commit together: as many as are ready, up to `limit` rows."""
    while True:
        try:
            block = pump.take(wait=True)
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
            block = pump.take(wait=False) if rows < limit else None
        yield blocks
