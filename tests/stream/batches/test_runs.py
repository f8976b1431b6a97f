"""Runs of sorted samples equal NumPy's arrays of them, and divide blocks as a loop does."""

from __future__ import annotations

import struct
from hashlib import sha256
from typing import Any

import numpy as np
from hypothesis import given, strategies as st

from exzarr._stream.batches.blocks import Blocks, EvenBlocks
from exzarr._stream.batches.runs import Runs, bounded
from tests.stream.batches.tools import blocks

multisets = st.lists(st.integers(0, 59), min_size=1, max_size=80).map(sorted)


def sizes_of(parts: Blocks) -> list[int]:
    numbers = np.arange(parts.count)
    sizes: list[int] = parts.sizes(numbers).tolist()
    assert (parts.starts(numbers) + sizes).tolist() == np.cumsum(sizes).tolist()
    assert parts.of(np.arange(parts.samples)).tolist() == np.repeat(numbers, sizes).tolist()
    assert parts.longest == max(sizes)
    return sizes


@given(multisets, st.data())
def test_runs_are_the_samples(samples: list[int], data: st.DataObject) -> None:
    runs = Runs.of(np.array(samples))
    assert runs.count == len(samples)
    assert runs.all().tolist() == samples
    bounds = data.draw(st.lists(st.integers(0, len(samples) - 1), min_size=1, max_size=6))
    starts = np.array(bounds)
    stops = np.array([data.draw(st.integers(start + 1, len(samples))) for start in bounds])
    begins, ends, before = runs.ranges(starts, stops)
    found = [np.arange(*pair) for pair in zip(begins, ends, strict=True)]
    expected = [np.array(samples[a:b]) for a, b in zip(starts, stops, strict=True)]
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate(expected))
    np.testing.assert_array_equal(before, np.cumsum([0, *map(len, found)])[:-1])


@given(st.data())
def test_blocks_within_a_subset_are_those_of_a_loop(data: st.DataObject) -> None:
    whole = data.draw(blocks())
    samples = sorted(data.draw(st.lists(st.integers(0, whole.samples - 1), min_size=1, max_size=80)))
    runs = Runs.of(np.array(samples))
    owner = whole.of(np.array(samples))
    if whole.longest == 1:
        assert sizes_of(runs.within(whole)) == [1] * len(samples)
    else:
        assert sizes_of(runs.within(whole)) == np.unique(owner, return_counts=True)[1].tolist()
    every = whole.starts(np.arange(whole.count)), whole.sizes(np.arange(whole.count))
    members = [set(range(start, start + size)) for start, size in zip(*every, strict=True)]
    complete = all(mine <= set(samples) or not mine & set(samples) for mine in members)
    assert runs.whole(whole) == (complete and len(set(samples)) == len(samples))


@given(blocks(), st.integers(1, 20))
def test_bounded_blocks_end_where_the_blocks_end(whole: Any, longest: int) -> None:
    parts = bounded(whole, longest)
    sizes = sizes_of(parts)
    assert max(sizes) <= longest or parts is whole
    assert set(np.cumsum(sizes_of(whole)).tolist()) <= set(np.cumsum(sizes).tolist())


def test_digest_depends_on_the_samples_only() -> None:
    expected = sha256(struct.pack("<4q", 1, 5, 2, 1)).hexdigest()[:16]
    assert Runs.of(np.array([1, 2, 5])).digest() == Runs(np.array([1, 5]), np.array([2, 1])).digest()
    assert Runs.of(np.array([1, 2, 5])).digest() != Runs.of(np.array([1, 2, 6])).digest()
    assert Runs.of(np.array([1, 2, 5])).digest() == expected


def test_equal_parts_need_no_list() -> None:
    assert isinstance(Runs(np.array([100]), np.array([900])).within(EvenBlocks(1000, 100)), EvenBlocks)
