"""How arrays are read: blocks, arrays that are kept, and their bytes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr._format.dimensions import RectilinearDimension, RegularDimension
from exzarr._stream.batches import layout as layout_module
from exzarr._stream.batches.blocks import EvenBlocks, UnevenBlocks
from exzarr._stream.batches.choices import choose
from exzarr._stream.batches.layout import (
    BLOCK_NBYTES,
    RowLayout,
    bands,
    common_blocks,
    default_window,
    pieces_of_shards,
)
from exzarr.errors import ArgumentError

MIB = 1 << 20


def ends(parts: Any) -> list[int]:
    numbers = np.arange(parts.count)
    return (parts.starts(numbers) + parts.sizes(numbers)).tolist()


def rows_of(samples: int, length: int, row_nbytes: int, **options: Any) -> RowLayout:
    parts = EvenBlocks(samples, length)
    return RowLayout(
        f"of {length}", samples * row_nbytes, row_nbytes, parts, parts, 1, length * row_nbytes, **options
    )


@given(st.integers(0, 50), st.lists(st.integers(1, 9), min_size=1, max_size=9))
def test_bands_are_the_chunks_of_the_dimension(samples: int, sizes: list[int]) -> None:
    for dim in (RegularDimension(sizes[0]), RectilinearDimension(sizes).grown(samples)):
        expected = [min(samples, dim.offset(i) + dim.size(i)) for i in range(dim.count(samples))]
        assert ends(bands(dim, samples)) == expected


def test_chunks_of_varying_lengths_that_do_not_vary_are_even() -> None:
    assert isinstance(bands(RectilinearDimension([(4, 100)]), 400), EvenBlocks)
    assert isinstance(bands(RectilinearDimension([(4, 99), 2]), 398), EvenBlocks)
    assert isinstance(bands(RectilinearDimension([(4, 99), 20]), 400), EvenBlocks)  # the array ends before it
    assert isinstance(bands(RectilinearDimension([(4, 99), 6]), 402), UnevenBlocks)


def test_very_many_chunks_of_varying_lengths_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout_module, "MOST_EDGES", 10)
    with pytest.raises(ArgumentError, match="11 chunks of varying lengths"):
        bands(RectilinearDimension([(3, 5), (2, 6)]), 27)


@given(st.integers(1, 20), st.integers(1, 40), st.integers(0, 300), st.integers(1, 200_000))
def test_pieces_of_shards_are_equal_and_whole(inner: int, count: int, samples: int, row_nbytes: int) -> None:
    parts = pieces_of_shards(inner, inner * count, samples, row_nbytes)
    assert all(end % inner == 0 for end in ends(parts)[:-1])
    shards = set(range(inner * count, samples, inner * count))
    assert shards <= set(ends(parts))
    assert parts.longest == inner or parts.longest * row_nbytes <= layout_module.SHARD_NBYTES


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 100)), min_size=1, max_size=4), st.integers(1, 400)
)
def test_blocks_end_where_chunks_of_all_end(arrays: list[tuple[int, int]], samples: int) -> None:
    layouts = [rows_of(samples, length, nbytes) for length, nbytes in arrays]
    blocks, kept, cut = common_blocks(layouts, 0)
    assert blocks is not None
    assert not kept
    assert not cut  # they are small
    assert blocks.longest == min(samples, math.lcm(*[min(samples, length) for length, _ in arrays]))


@given(st.integers(1, 60), st.lists(st.integers(1, 9), min_size=1, max_size=9), st.integers(1, 9))
def test_even_and_uneven_chunks_have_blocks_in_common(samples: int, sizes: list[int], length: int) -> None:
    uneven = bands(RectilinearDimension(sizes).grown(samples), samples)
    other = RowLayout("uneven", samples, 1, uneven, uneven)
    for given_ in ([rows_of(samples, length, 2), other], [other, rows_of(samples, length, 1)]):
        blocks, _, _ = common_blocks(given_, 0)
        assert blocks is not None
        both = set(ends(uneven)) & set(ends(EvenBlocks(samples, length)))
        assert ends(blocks) == sorted(both)


def test_arrays_that_do_not_fit_are_kept_or_cut() -> None:
    images = rows_of(100_000, 16, 10_000)
    labels = rows_of(100_000, 100_000, 8)
    odd = rows_of(100_000, 999, 4000)
    blocks, kept, cut = common_blocks([labels, images, odd], 10 * MIB)
    assert blocks is not None
    assert (blocks.longest, kept, cut) == (16, {0}, {2})
    blocks, kept, cut = common_blocks([labels, images], 0)
    assert (kept, cut) == (set(), {0})
    # Arrays that can be neither kept nor aligned make blocks longer, within limits.
    blocks, kept, cut = common_blocks([rows_of(1000, 1000, 8), rows_of(1000, 16, 1000)], 0)
    assert blocks is not None
    assert (blocks.longest, kept, cut) == (1000, set(), set())
    assert BLOCK_NBYTES >= 1000 * 1008


def test_the_default_window_is_bounded_in_bytes() -> None:
    assert default_window(EvenBlocks(10**6, 1000), 1000) == 16
    assert default_window(EvenBlocks(10**6, 1000), 16 * 1000) == 8
    assert default_window(EvenBlocks(10**6, 1000), MIB) == 2


def test_arrays_that_fit_are_kept_and_others_get_slots() -> None:
    small, large = rows_of(1000, 10, 100), rows_of(1000, 10, 100_000)
    lone, raw = rows_of(1000, 1, 100_000), rows_of(1000, 10, 200_000, addressed=True)
    memory = RowLayout("numpy", 8000, 8, EvenBlocks(1000, 1), None)
    choice = choose([small, large, lone, raw, memory], 1000, 20, "full", None, 40 * MIB)
    assert choice.how == ("kept", "cached", "rows", "rows", "memory")
    left = 40 * MIB - small.nbytes
    assert choice.slots == (0, 3 * left // 4 // 1_000_000, 0, 0, 0)
    assert (
        choice.together == left // 4 // (20 * (100 + 100_000 + 100_000 + 200_000 + 8)) or choice.together == 1
    )
    assert choose([small], 1000, 20, "full", None, 0).slots == (1,)


@pytest.mark.parametrize("shuffle", [False, "chunks", "window"])
def test_chunks_of_one_sample_are_read_into_the_batch(shuffle: Any) -> None:
    choice = choose([rows_of(50, 1, 100), rows_of(50, 50, 1)], 50, 8, shuffle, None, 1000)
    assert choice.how == ("rows", "kept")
    assert choice.by_rows
