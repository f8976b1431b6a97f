"""Properties of the default chunk and shard shapes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from exzarr._creation.auto_chunks import (
    CHUNK_TARGET,
    SHARD_TARGET,
    auto_chunks,
    auto_shards,
    dividing_chunks,
    parse_size,
)
from exzarr.errors import ArgumentError

shapes = st.lists(st.integers(0, 10**7) | st.integers(0, 20), max_size=6).map(tuple)
itemsizes = st.sampled_from([1, 2, 4, 8, 16, 100])
targets = st.sampled_from([1000, 2**16, CHUNK_TARGET])


@given(shapes, itemsizes, targets)
def test_chunks_stay_under_the_target_and_inside_the_array(
    shape: tuple[int, ...], itemsize: int, target: int
) -> None:
    chunks = auto_chunks(shape, itemsize, target)
    assert math.prod(chunks) * itemsize <= max(target, itemsize)
    assert all(c >= 1 and (c <= n or n == 0) for c, n in zip(chunks, shape, strict=True))


@given(shapes, itemsizes, targets)
def test_chunks_are_not_much_smaller_than_the_target_unless_the_array_is(
    shape: tuple[int, ...], itemsize: int, target: int
) -> None:
    elements = math.prod([n or 10**9 for n in shape])
    chunks = math.prod(auto_chunks(shape, itemsize, target))
    assert chunks == elements or chunks * itemsize > target / 4 - itemsize


@given(shapes, itemsizes)
def test_no_side_of_a_chunk_is_needlessly_longer_than_another(shape: tuple[int, ...], itemsize: int) -> None:
    chunks = auto_chunks(shape, itemsize)
    cut = [c for c, n in zip(chunks, shape, strict=True) if c < n or n == 0]
    if cut and min(cut) > 8:  # shorter sides have too few integer lengths to choose from
        assert max(chunks) <= 3 * min(cut)


@given(shapes, itemsizes)
def test_last_chunk_is_not_much_shorter(shape: tuple[int, ...], itemsize: int) -> None:
    for n, c in zip(shape, auto_chunks(shape, itemsize), strict=True):
        count = -(-n // c)
        # This is the minimum length for this number of equal chunks.
        assert count <= 1 or c == -(-n // count)


@pytest.mark.parametrize(
    ("shape", "itemsize", "chunks"),
    [
        ((), 8, ()),
        ((10, 20), 8, (10, 20)),  # small arrays are one chunk
        ((256, 256, 256), 4, (64, 64, 64)),
        ((1_000_000, 64, 4), 8, (512, 64, 4)),
        ((0, 64), 8, (2048, 64)),  # a dimension that will grow counts as infinite
        ((10**9,), 1, (1048219,)),
        ((5, 5), 2**30, (1, 1)),
    ],
)
def test_auto_chunks_examples(shape: tuple[int, ...], itemsize: int, chunks: tuple[int, ...]) -> None:
    assert auto_chunks(shape, itemsize) == chunks


@given(shapes, itemsizes)
def test_shards_are_whole_chunks_and_stay_inside_the_array(shape: tuple[int, ...], itemsize: int) -> None:
    chunks = auto_chunks(shape, itemsize)
    shards = auto_shards(shape, chunks, itemsize)
    nbytes = math.prod(shards) * itemsize
    assert nbytes <= max(SHARD_TARGET, math.prod(chunks) * itemsize)
    for s, c, n in zip(shards, chunks, shape, strict=True):
        assert s % c == 0
        assert s < n + c or n == 0
    whole = all(s >= n > 0 for s, n in zip(shards, shape, strict=True))
    assert whole or not shape or nbytes > SHARD_TARGET / 2 / 2


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=4), itemsizes)
def test_chunks_that_are_chosen_for_shards_divide_them(shards: list[int], itemsize: int) -> None:
    chunks = dividing_chunks(shards, itemsize)
    assert all(s % c == 0 for s, c in zip(shards, chunks, strict=True))


def test_chunks_for_shards_without_small_divisors_are_not_single_elements() -> None:
    prime = 1_000_003
    assert dividing_chunks((prime,), 4) == (prime,)
    assert dividing_chunks((2**62,), 8) == (2**17,)


@pytest.mark.parametrize(
    ("text", "nbytes"),
    [("1MB", 10**6), ("1MiB", 2**20), ("512 KiB", 2**19), ("1.5kB", 1500), ("100b", 100), ("2 gib", 2**31)],
)
def test_parse_size(text: str, nbytes: int) -> None:
    assert parse_size(text, "chunks") == nbytes


@pytest.mark.parametrize("text", ["", "MB", "1", "1 XB", "-1MB", "0B", "1MBB", "١MB", "1e3MB"])
def test_invalid_size_error_shows_an_example(text: str) -> None:
    with pytest.raises(ArgumentError, match=r"chunks=.*(write a size like|at least)"):
        parse_size(text, "chunks")
