"""Samples for pictures: within the limits, in order, and the elements at equal distances if the limits allow it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr._pictures.sampling import Limits, sample


def meta_of(shape: tuple[int, ...], **options: Any) -> Any:
    return exzarr.create_array(None, shape=shape, dtype="u1", **options).metadata


@st.composite
def cases(draw: st.DrawFn) -> tuple[Any, list[int | range], Limits]:
    shape = tuple(draw(st.lists(st.integers(1, 200), min_size=1, max_size=3)))
    chunks = tuple([draw(st.integers(1, n)) for n in shape])
    region: list[int | range] = []
    for n in shape:
        if draw(st.integers(0, 4)) == 0:
            region.append(draw(st.integers(0, n - 1)))
            continue
        start, stop = sorted([draw(st.integers(0, n)), draw(st.integers(0, n))])
        step = draw(st.integers(1, 5))
        part = range(start, stop, step)
        region.append(part[::-1] if draw(st.booleans()) else part)
    points = tuple([draw(st.integers(1, 50)) for part in region if isinstance(part, range)])
    nbytes = math.prod(chunks)
    return (
        meta_of(shape, chunks=chunks),
        region,
        Limits(points, draw(st.integers(nbytes, 20 * nbytes)), draw(st.integers(1, 60))),
    )


@given(cases())
def test_samples_are_elements_of_the_region_within_the_limits(
    case: tuple[Any, list[int | range], Limits],
) -> None:
    meta, region, limits = case
    found = sample(meta, region, limits)
    touched = []
    for part, chosen, size in zip(region, found.parts, meta.chunk_grid.chunk_shape, strict=True):
        if isinstance(part, int):
            assert chosen == part
            continue
        assert isinstance(chosen, np.ndarray)
        assert [*chosen] == sorted({*part} & {*chosen.tolist()}, reverse=part.step < 0)
        assert bool(len(chosen)) == bool(len(part))
        touched.append(len({n // size for n in chosen.tolist()}))
    if all(len(at) for at in found.positions):
        assert math.prod(touched) == found.chunks <= found.of_chunks
        assert found.chunks <= limits.chunks
        assert found.decoded <= limits.decoded
    for at, most in zip(found.positions, limits.points, strict=True):
        assert len(at) <= most or len(at) <= found.chunks


def test_elements_at_equal_distances_if_the_limits_allow_it() -> None:
    found = sample(meta_of((1000, 100), chunks=(100, 10)), [range(1000), range(100)], Limits((100, 100)))
    np.testing.assert_array_equal(found.positions[0], np.arange(0, 1000, 10))
    np.testing.assert_array_equal(found.positions[1], np.arange(100))
    assert str(found) == "100 × 100 of 1,000 × 100 elements from 100 chunks (97.7 KiB decoded)"


def test_chunks_are_left_out_at_equal_distances() -> None:
    meta = meta_of((1000, 1000), chunks=(10, 10))
    found = sample(meta, [range(1000), range(1000)], Limits((50, 50), chunks=16))
    assert found.chunks == 16
    assert found.of_chunks == 10_000
    rows = np.unique(found.positions[0] // 10)
    assert len(rows) == 4
    assert np.ptp(np.diff(rows)) <= 2  # elements at equal distances are in every other chunk
    assert "from 16 of 10,000 chunks" in str(found)


def test_inner_chunks_and_chunks_of_varying_size_count() -> None:
    sharded = meta_of((400,), chunks=(10,), shards=(200,))
    assert sample(sharded, [range(400)], Limits((400,), chunks=5)).chunks <= 5
    varying = meta_of((100,), chunks=([10, 60, 30],))
    found = sample(varying, [range(100)], Limits((100,), chunks=2))
    assert found.chunks == 2
    assert {*np.searchsorted([0, 10, 70], found.positions[0], side="right").tolist()} == {1, 3}


def test_a_chunk_above_the_limit_is_an_error() -> None:
    with pytest.raises(exzarr.ArgumentError, match="a chunk has 9.77 KiB decoded"):
        sample(meta_of((100, 100), chunks=(100, 100)), [range(100), range(100)], Limits((9, 9), decoded=9999))
