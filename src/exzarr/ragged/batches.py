"""Batches of items of a ragged array: padded, or packed up to a number of values; shuffled, and resumable.

The order of the items is that of `exzarr.batches` (`exzarr._stream.batches.orders`), with blocks of items in the place of
chunks. Items are read in stages: all items of one or more windows of the order, by one plan. Which items belong to a
batch depends only on the order, the lengths of the items, and the item at which the batch starts. A pass can therefore
resume at any batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from exzarr._stream.batches.blocks import EvenBlocks
from exzarr._stream.batches.orders import BlockOrder, FullOrder, Shuffle, stretch
from exzarr._stream.batches.settings import check_whole
from exzarr._stream.window import Window
from exzarr._typing import AnyArray, IntArray
from exzarr.errors import ArgumentError
from exzarr.ragged.items import Items, joined

if TYPE_CHECKING:
    from exzarr.ragged.ragged import Ragged

__all__ = ["BatchRules", "RaggedBatches", "Sharing", "TooLong"]

TooLong = Literal["raise", "skip", "truncate"]

BLOCK_NBYTES = 1024 * 1024
"""Bytes of values of the items that are shuffled as one block. Their chunks are read together."""

STAGE_NBYTES = 4 * 1024 * 1024
"""Least bytes of values that are read together."""

WINDOW, WINDOW_NBYTES = 16, 128 * 1024 * 1024
"""Most blocks, and most bytes, whose items are shuffled together by ``shuffle="window"``."""


@dataclass(frozen=True, slots=True)
class BatchRules:
    """How items are divided into batches; see `Ragged.batches`."""

    batch_size: int | None
    tokens: int | None
    pad: Any
    too_long: TooLong

    def __post_init__(self) -> None:
        if self.batch_size is None and self.tokens is None:
            raise ArgumentError("give batch_size (items per batch), tokens (values per batch), or both")
        for name, value in (("batch_size", self.batch_size), ("tokens", self.tokens)):
            if value is not None:
                check_whole(name, value, 1)
        if self.too_long not in get_args(TooLong):
            raise ArgumentError(f"too_long is 'raise', 'skip' or 'truncate', not {self.too_long!r}")
        if self.too_long != "raise" and self.tokens is None:
            raise ArgumentError(f"too_long={self.too_long!r} needs tokens, the limit of a batch")

    def admitted(self, numbers: IntArray, lengths: IntArray) -> AnyArray:
        """Return a mask of the items that come into batches. Raise ArgumentError for an item that is too long."""
        if self.tokens is None or self.too_long == "truncate":
            return np.ones(len(lengths), np.bool_)
        fits: AnyArray = lengths <= self.tokens
        if self.too_long == "raise" and not fits.all():
            first = int(np.flatnonzero(~fits)[0])
            raise ArgumentError(
                f"item {numbers[first]} has {lengths[first]} values, more than the {self.tokens} of a batch: "
                "pass a larger number of tokens, or too_long='skip' or 'truncate'"
            )
        return fits

    def count(self, lengths: IntArray, *, last: bool) -> int:
        """Return how many of the next items, of these lengths, make a batch; 0 if more items must be known first."""
        many = len(lengths)
        if self.tokens is not None:
            longest, items = np.maximum.accumulate(lengths), np.arange(1, len(lengths) + 1)
            cost = np.cumsum(lengths) if self.pad is None else longest * items
            many = int(np.searchsorted(cost, self.tokens, side="right"))
        if self.batch_size is not None and many >= self.batch_size:
            return self.batch_size
        return many if last or many < len(lengths) else 0


@dataclass(frozen=True, slots=True)
class Sharing:
    """The order of the items, and this process's part of it; see `Ragged.batches`."""

    shuffle: Shuffle
    seed: int
    rank: int
    world_size: int

    def __post_init__(self) -> None:
        if self.shuffle is not False and self.shuffle not in ("chunks", "window", "full"):
            raise ArgumentError(f"shuffle is False, 'chunks', 'window' or 'full', not {self.shuffle!r}")
        check_whole("seed", self.seed, 0)
        check_whole("world_size", self.world_size, 1)
        if type(self.rank) is not int or not 0 <= self.rank < self.world_size:
            raise ArgumentError(f"rank must be from 0 to world_size - 1, not {self.rank!r}")

    def order(self, items: int, block: int, block_nbytes: int, epoch: int) -> BlockOrder | FullOrder:
        """Return the order of an epoch of `items`, in blocks of `block` items."""
        part = stretch(items, self.rank, self.world_size)
        if self.shuffle == "full":
            return FullOrder(items, self.seed, epoch, *part)
        window = {False: 0, "chunks": 1}.get(self.shuffle)
        if window is None:
            window = min(WINDOW, max(2, WINDOW_NBYTES // max(1, block_nbytes)))
        return BlockOrder(EvenBlocks(items, block), window, self.seed, epoch, *part)


@dataclass(slots=True)
class _Position:
    """Position of a pass: `items` of the order of `epoch` that came before the next batch, and their `batches`."""

    epoch: int
    items: int = 0
    batches: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Pool:
    """Items in the order of the epoch: their numbers, places in the order and lengths; `items` is None if not read."""

    numbers: IntArray
    places: IntArray
    lengths: IntArray
    items: Items | None

    def __getitem__(self, part: slice) -> _Pool:
        items = None if self.items is None else self.items[part]
        return _Pool(self.numbers[part], self.places[part], self.lengths[part], items)

    def __add__(self, other: _Pool) -> _Pool:
        items = None if self.items is None or other.items is None else joined([self.items, other.items])
        return _Pool(
            np.concatenate([self.numbers, other.numbers]),
            np.concatenate([self.places, other.places]),
            np.concatenate([self.lengths, other.lengths]),
            items,
        )


class RaggedBatches:
    """Batches of a ragged array, returned by `Ragged.batches`. Iterate to get the batches of an epoch.

    The same arguments give the same batches on every machine, as long as no items are appended.
    """

    def __init__(
        self, ragged: Ragged, rules: BatchRules, sharing: Sharing, epoch: int, prefetch: int
    ) -> None:
        check_whole("epoch", epoch, 0)
        check_whole("prefetch", prefetch, 0)
        self._ragged, self._rules, self._sharing, self._prefetch = ragged, rules, sharing, prefetch
        self._items = len(ragged)
        nbytes = ragged.value_nbytes * ragged.total // max(1, self._items)
        self._block = max(1, BLOCK_NBYTES // max(1, nbytes))
        self._item_nbytes = max(1, nbytes)
        self._position = _Position(epoch)
        self._resumed = False

    def part(self, number: int, count: int) -> RaggedBatches:
        """Return the batches of one of `count` parts of these items, each for a process of its own."""
        sharing = self._sharing
        share = replace(sharing, rank=sharing.rank * count + number, world_size=sharing.world_size * count)
        return RaggedBatches(self._ragged, self._rules, share, self.epoch, self._prefetch)

    # -- iterating ----------------------------------------------------------------------

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the current epoch: from its start, or from the position that `load_state_dict` set."""
        at = self._position if self._resumed else _Position(self._position.epoch)
        self._position, self._resumed = at, False
        return self._iterate(at)

    def _iterate(self, at: _Position) -> Iterator[Any]:
        pools = self._pools(at.epoch, at.items, read=True)
        for pool in _ahead(pools, self._prefetch) if self._prefetch else pools:
            at.items, at.batches = int(pool.places[-1]) + 1, at.batches + 1
            assert pool.items is not None
            yield self._batch(pool.items)
        at.epoch, at.items, at.batches = at.epoch + 1, 0, 0

    def indices(self) -> Iterator[IntArray]:
        """Yield the numbers of the items of each batch of the current epoch, without reading values."""
        return (pool.numbers for pool in self._pools(self._position.epoch, 0, read=False))

    @property
    def epoch(self) -> int:
        """Epoch of the current or next pass."""
        return self._position.epoch

    def set_epoch(self, epoch: int) -> None:
        """Start the next pass at the beginning of `epoch`. A pass in progress does not change."""
        check_whole("epoch", epoch, 0)
        self._position, self._resumed = _Position(epoch), False

    # -- the position -------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return the position of the latest pass, for `load_state_dict`. It can be stored as JSON.

        Batches that were made ahead but not yet returned do not count.
        """
        return {**asdict(self._position), "of": self._identity()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Start the next pass at the position that `state_dict` returned.

        Raises
        ------
        ArgumentError
            The state belongs to batches of other items, or with other arguments.
        """
        try:
            numbers = [state[name] for name in ("epoch", "items", "batches")]
            of = dict(state["of"])
        except (KeyError, TypeError, ValueError):
            raise ArgumentError("this is not the state of the batches of a ragged array") from None
        mine = self._identity()
        differing = [
            f"{key}: {of.get(key)!r}, here {mine[key]!r}" for key in mine if of.get(key) != mine[key]
        ]
        if differing:
            raise ArgumentError(f"the state is that of other batches ({'; '.join(differing)})")
        for name, number in zip(("epoch", "items", "batches"), numbers, strict=True):
            check_whole(name, number, 0)
        self._position, self._resumed = _Position(*numbers), True

    def _identity(self) -> dict[str, Any]:
        """Return the settings that the batches depend on."""
        rules = self._rules
        return {
            "items": self._items,
            "values": self._ragged.total,
            "block": self._block,
            "batch_size": rules.batch_size,
            "tokens": rules.tokens,
            "padded": rules.pad is not None,
            "too_long": rules.too_long,
            **asdict(self._sharing),
        }

    def __repr__(self) -> str:
        rules = self._rules
        size = [f"{n} {what}" for n, what in ((rules.batch_size, "items"), (rules.tokens, "values")) if n]
        how = "packed" if rules.pad is None else "padded"
        return (
            f"<exzarr.ragged.RaggedBatches of up to {' and '.join(size)}, {how}, "
            f"shuffle={self._sharing.shuffle!r}, epoch {self.epoch}>"
        )

    # -- inside -------------------------------------------------------------------------

    def _batch(self, items: Items) -> Any:
        rules = self._rules
        if rules.pad is None:
            return items.copy()
        padded = {name: items.padded(rules.pad, field=name) for name in items.fields}
        if len(padded) == 1 and not items.item_fields:
            return next(iter(padded.values()))
        return padded | {name: values.copy() for name, values in items.item_fields.items()}

    def _pools(self, epoch: int, position: int, *, read: bool) -> Iterator[_Pool]:
        """Yield the items of each batch from `position` on."""
        rest: _Pool | None = None
        for numbers, first in self._stages(epoch, position):
            stage = self._stage(numbers, first, read=read)
            rest = stage if rest is None else rest + stage
            at = 0
            while many := self._rules.count(rest.lengths[at:], last=False):
                yield rest[at : at + many]
                at += many
            rest = rest[at:]
        at = 0
        while rest is not None and at < len(rest.numbers):
            many = self._rules.count(rest.lengths[at:], last=True)
            yield rest[at : at + many]
            at += many

    def _stages(self, epoch: int, position: int) -> Iterator[tuple[IntArray, int]]:
        """Yield the numbers of items that are read together, and the place of the first one in the order."""
        block_nbytes = self._block * self._item_nbytes
        order = self._sharing.order(self._items, self._block, block_nbytes, epoch)
        least = max(self._rules.batch_size or 1, STAGE_NBYTES // self._item_nbytes)
        if isinstance(order, FullOrder):
            for first in range(position, order.length, least):
                yield order.samples(first, min(first + least, order.length)), first
            return
        for stage in order.stages(position, order.length, 1, least):
            yield stage.samples(stage.skipped, stage.size), position
            position += stage.size - stage.skipped

    def _stage(self, numbers: IntArray, first: int, *, read: bool) -> _Pool:
        rules = self._rules
        lengths = self._ragged.lengths_of(numbers)
        fits = rules.admitted(numbers, lengths)
        numbers, places, lengths = numbers[fits], np.arange(first, first + len(numbers))[fits], lengths[fits]
        if rules.tokens is not None:
            lengths = np.minimum(lengths, rules.tokens)
        items = self._ragged.read_items(numbers, rules.tokens) if read else None
        return _Pool(numbers, places, lengths, items)


def _ahead(pools: Iterator[_Pool], prefetch: int) -> Iterator[_Pool]:
    """Yield what `pools` yields, made ahead by one thread, because each batch continues where the last one ended."""
    window = Window(partial(_next, pools), repeat(None), workers=1, prefetch=prefetch)
    try:
        for outcome in window:
            if outcome.error is not None:
                raise outcome.error
            if outcome.value is None:
                return
            yield outcome.value
    finally:
        window.close()


def _next(pools: Iterator[_Pool], _: None) -> _Pool | None:
    return next(pools, None)
