"""The blocks in which arrays are re-encoded."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr._format.chunk_grids import ChunkGrid
from exzarr._tools.blocks import plan_blocks
from tests.breadth import examples


@st.composite
def cases(draw):
    ndim = draw(st.integers(0, 3))
    shape = tuple(draw(st.integers(0, 30)) for _ in range(ndim))
    source = tuple(draw(st.integers(1, 12)) for _ in range(ndim))
    if draw(st.booleans()):
        grid = ChunkGrid.from_regular(shape, tuple(draw(st.integers(1, 12)) for _ in range(ndim)))
    else:
        edges = []
        for n in shape:
            sizes = []
            while sum(sizes) < n or not sizes:
                sizes.append(draw(st.integers(1, 9)))
            edges.append(sizes)
        grid = ChunkGrid.from_rectilinear(shape, edges)
    return shape, source, grid, draw(st.sampled_from([1, 64, 4096]))


@examples(50)
@given(cases())
def test_blocks_cover_every_element_once_and_contain_whole_destination_chunks(case):
    shape, source, grid, memory = case
    blocks = plan_blocks(shape, source, grid, 4, memory)
    seen = np.zeros(shape, int)
    regions = list(blocks)
    assert len(regions) == blocks.count
    for region in regions:
        seen[region] += 1
        for here, dim, n in zip(region, grid.dims, shape, strict=True):
            starts = {dim.offset(i) for i in range(dim.count(n))}
            assert here.start in starts
            assert here.stop in starts or here.stop == n
    assert (seen == 1).all()


@examples(33)
@given(cases())
def test_blocks_fit_into_memory_unless_one_destination_chunk_does_not(case):
    shape, source, grid, memory = case
    largest = 4 * math.prod(min(c, max(1, n)) for c, n in zip(grid.max_chunk_shape, shape, strict=True))
    for region in plan_blocks(shape, source, grid, 4, memory):
        nbytes = 4 * math.prod(here.stop - here.start for here in region)
        assert nbytes <= max(memory, largest)


def test_no_source_chunk_is_decoded_twice_with_enough_memory():
    blocks = plan_blocks((100, 100), (1, 100), ChunkGrid.from_regular((100, 100), (100, 1)), 8, 80_000)
    assert blocks.amplification == 1.0
    assert blocks.count == 1


def test_repeated_decoding_is_minimal_with_less_memory():
    # 8 columns of 100 elements fit: each row chunk is decoded for 13 blocks
    blocks = plan_blocks((100, 100), (1, 100), ChunkGrid.from_regular((100, 100), (100, 1)), 8, 8 * 800)
    assert blocks.count == 13
    assert blocks.amplification == pytest.approx(13)


def test_blocks_end_at_common_chunk_boundaries_if_they_fit():
    blocks = plan_blocks((120,), (6,), ChunkGrid.from_regular((120,), (4,)), 1, 13)
    assert blocks.cuts == ([0, 12, 24, 36, 48, 60, 72, 84, 96, 108, 120],)
    assert blocks.amplification == 1.0
