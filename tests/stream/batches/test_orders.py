"""The order of an epoch: every sample once, windows of blocks, and stages that can be read one by one."""

from __future__ import annotations

import tracemalloc
from itertools import chain, islice

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr._stream.batches import orders
from exzarr._stream.batches.blocks import Blocks, EvenBlocks, UnevenBlocks, in_order
from exzarr._stream.batches.orders import BlockOrder, FullOrder, stretch
from exzarr._stream.batches.permutation import key_for, permutation
from tests.stream.batches.tools import blocks, splitmix64

MIB = 1 << 20


def ranges(parts: Blocks) -> list[range]:
    numbers = np.arange(parts.count)
    return [
        range(start, start + size)
        for start, size in zip(parts.starts(numbers).tolist(), parts.sizes(numbers).tolist(), strict=True)
    ]


def in_plain_python(parts: Blocks, window: int, seed: int, epoch: int, start: int, stop: int) -> list[int]:
    """Compute the documented order with sequences and sorting only."""
    key = key_for(seed, epoch, orders.BLOCKS) if window else None
    sequence = [ranges(parts)[i] for i in permutation(parts.count, key).at(np.arange(parts.count)).tolist()]
    mine: list[list[int]] = []
    position = 0
    for block in sequence:
        inside = [s for i, s in enumerate(block, position) if start <= i < stop]
        position += len(block)
        if inside:
            mine.append(inside)
    if not window:
        return [*chain(*mine)]
    result: list[int] = []
    secret = key_for(seed, epoch, orders.SAMPLES)
    for at in range(0, len(mine), window):
        result += sorted(
            chain(*mine[at : at + window]), key=lambda sample: splitmix64(secret, sample) >> orders.CELL_BITS
        )
    return result


@given(blocks(), st.integers(0, 5), st.integers(0, 3), st.integers(0, 3), st.data())
def test_the_order_is_the_documented_one(
    parts: Blocks, window: int, seed: int, epoch: int, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, parts.samples))
    stop = data.draw(st.integers(start, parts.samples))
    order = BlockOrder(parts, window, seed, epoch, start, stop)
    expected = in_plain_python(parts, window, seed, epoch, start, stop)
    assert order.length == stop - start
    assert order.samples(0, order.length).tolist() == expected
    some = data.draw(st.integers(0, order.length))
    many = data.draw(st.integers(some, order.length))
    assert order.samples(some, many).tolist() == expected[some:many]


@given(blocks(), st.integers(0, 5), st.integers(1, 20), st.integers(1, 30), st.data())
def test_stages_follow_one_another(
    parts: Blocks, window: int, first: int, least: int, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, parts.samples - 1))
    stop = data.draw(st.integers(start + 1, parts.samples))
    order = BlockOrder(parts, window, 1, 2, start, stop)
    position = data.draw(st.integers(0, order.length - 1))
    until = data.draw(st.integers(position + 1, order.length))
    stages = [*order.stages(position, until, first, least)]
    got = np.concatenate([stage.samples(stage.skipped, stage.size) for stage in stages])
    expected = order.samples(position, order.length)
    assert got.tolist() == expected[: len(got)].tolist()
    assert len(got) >= until - position
    assert until - position > sum(stage.size - stage.skipped for stage in stages[:-1])
    assert all(stage.size >= least for stage in stages[1:-1])
    assert all(stage.skipped == 0 for stage in stages[1:])
    read = [
        s for stage in stages for lo, hi in zip(stage.starts, stage.stops, strict=True) for s in range(lo, hi)
    ]
    assert len(set(read)) == len(read)  # no sample is read in two stages
    for stage in stages:
        assert set(stage.samples(0, stage.size).tolist()) == {
            s for lo, hi in zip(stage.starts, stage.stops, strict=True) for s in range(lo, hi)
        }
    # Only windows with wanted samples are read.
    wanted = set(order.samples(position, until).tolist())
    cells = (
        [read[at : at + max(1, window)] for at in range(0, len(read), max(1, window))]
        if parts.longest == 1
        else []
    )
    assert all(wanted & set(cell) for cell in cells)


def test_there_is_no_stage_behind_the_end() -> None:
    order = BlockOrder(EvenBlocks(10, 3), 1, 0, 0, 0, 10)
    assert [*order.stages(10, 10, 1, 1)] == []
    assert [*BlockOrder(EvenBlocks(0, 3), 1, 0, 0, 0, 0).stages(0, 0, 1, 1)] == []


@given(st.integers(0, 200), st.integers(1, 9))
def test_ranks_have_stretches_of_nearly_one_length(samples: int, world_size: int) -> None:
    bounds = [stretch(samples, rank, world_size) for rank in range(world_size)]
    assert bounds[0][0] == 0
    assert bounds[-1][1] == samples
    assert [stop for _, stop in bounds[:-1]] == [start for start, _ in bounds[1:]]
    lengths = [stop - start for start, stop in bounds]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] - lengths[-1] <= 1


@given(st.integers(1, 300), st.integers(0, 2**60), st.integers(0, 2**60), st.data())
def test_a_full_order_has_every_sample(samples: int, seed: int, epoch: int, data: st.DataObject) -> None:
    whole = FullOrder(samples, seed, epoch, 0, samples).samples(0, samples)
    assert sorted(whole.tolist()) == [*range(samples)]
    start = data.draw(st.integers(0, samples))
    part = FullOrder(samples, seed, epoch, start, samples)
    assert part.samples(0, part.length).tolist() == whole[start:].tolist()


@given(blocks(), st.integers(0, 2**63))
def test_blocks_in_order_are_found_by_position(parts: Blocks, key: int) -> None:
    sequence = in_order(parts, permutation(parts.count, key))
    lengths = parts.sizes(sequence.numbers(np.arange(parts.count))).tolist()
    ends = np.cumsum([0, *lengths]).tolist()
    assert [sequence.position(place) for place in range(parts.count + 1)] == ends
    owners = [place for place, length in enumerate(lengths) for _ in range(length)]
    assert [sequence.place(position) for position in range(parts.samples)] == owners
    assert parts.of(np.arange(parts.samples)).tolist() == [
        i for i, block in enumerate(ranges(parts)) for _ in block
    ]


def test_even_blocks_equal_listed_blocks() -> None:
    even, listed = EvenBlocks(23, 5), UnevenBlocks([5, 10, 15, 20, 23])
    for window in (0, 1, 2):
        orders_ = [BlockOrder(parts, window, 5, 6, 2, 21).samples(0, 19).tolist() for parts in (even, listed)]
        assert orders_[0] == orders_[1]


def test_more_windows_than_one_sort_can_distinguish(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = EvenBlocks(300, 3)
    plain = BlockOrder(parts, 2, 1, 1, 0, 300).samples(0, 300)
    stage = next(BlockOrder(parts, 2, 1, 1, 0, 300).stages(0, 300, 300, 300))
    key = key_for(1, 1, orders.SAMPLES)
    whole = orders.shuffled(key, stage.starts, stage.stops, 2)
    monkeypatch.setattr(orders, "_MOST_CELLS", 7)
    assert orders.shuffled(key, stage.starts, stage.stops, 2).tolist() == whole.tolist()
    assert stage.samples(0, 300).tolist() == plain.tolist()


@pytest.mark.parametrize("window", [0, 1, 16])
def test_an_order_of_any_length_takes_little_memory(window: int) -> None:
    length = 10**15
    tracemalloc.start()
    order = BlockOrder(EvenBlocks(length, 4096), window, 3, 4, length // 8, length // 4)
    stages = [*islice(order.stages(10**13 + 5, 10**14, 256, 4096), 3)]
    full = FullOrder(length, 3, 4, 0, length).samples(10**14, 10**14 + 1000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * MIB
    assert all(stage.size % 4096 == 0 for stage in stages)
    assert len(set(full.tolist())) == 1000
