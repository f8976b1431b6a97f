"""The blocks of a build: they cover each level once, consist of whole chunks, and nest."""

from __future__ import annotations

import math
from itertools import pairwise, product
from typing import Any

import numpy as np
from hypothesis import given, strategies as st

from exzarr._format.multiscales.model import Axis
from exzarr.multiscale.blocks import Blocks, plan_blocks
from exzarr.multiscale.levels import plan_levels
from tests.breadth import examples


@st.composite
def plans(draw: Any) -> tuple[Blocks, list[tuple[int, ...]], tuple[int, ...]]:
    ndim = draw(st.integers(1, 3))
    shape = tuple([draw(st.integers(1, 40)) for _ in range(ndim)])
    axes = [Axis(name, "space") for name in "zyx"[:ndim]]
    factors = tuple([draw(st.integers(1, 3)) for _ in range(ndim)])
    chunks = tuple([draw(st.integers(1, 9)) for _ in range(ndim)])
    levels = plan_levels(
        shape,
        axes,
        chunks,
        factors=factors,
        levels="auto",
        method="mean",
        scale=(1.0,) * ndim,
        translation=(0.0,) * ndim,
    )
    source = tuple([draw(st.integers(1, 9)) for _ in range(ndim)])
    each = [tuple([min(c, n) for c, n in zip(chunks, level.shape, strict=True)]) for level in levels]
    return plan_blocks(levels, each, source, 1), each, source


@given(plans())
@examples(50)
def test_blocks_nest_and_cover_every_level_once(case: Any) -> None:
    blocks, chunks, _ = case
    for level in range(blocks.top + 1):
        hits = np.zeros(blocks.shapes[level], int)
        for block in product(*map(range, blocks.counts(level))):
            region = blocks.region(level, block)
            hits[region] += 1
            for part, chunk, n in zip(region, chunks[level], blocks.shapes[level], strict=True):
                assert part.start % chunk == 0
                assert part.stop % chunk == 0 or part.stop == n
            if level < blocks.top:
                parent = blocks.parent(level, block)
                assert block in [*blocks.children(level + 1, parent)]
        assert (hits == 1).all()
        if level:
            covered = np.zeros(blocks.shapes[level], int)
            for block in product(*map(range, blocks.counts(level - 1))):
                start = [part.start for part in blocks.region(level, blocks.parent(level - 1, block))]
                place = blocks.place(level - 1, block)
                covered[
                    tuple([slice(s + p.start, s + p.stop) for s, p in zip(start, place, strict=True)])
                ] += 1
            assert (covered == 1).all()


@given(plans())
@examples(27)
def test_a_walk_visits_every_block_of_a_level_once_and_tree_by_tree(case: Any) -> None:
    blocks, _, _ = case
    level = blocks.task_level()
    walked = [*blocks.walk(level)]
    assert sorted(walked) == sorted(product(*map(range, blocks.counts(level))))
    if level < blocks.top:
        parents = [blocks.parent(level, block) for block in walked]
        changes = sum(a != b for a, b in pairwise(parents))
        assert changes == len(set(parents)) - 1


@given(plans())
@examples(27)
def test_blocks_of_the_first_level_have_whole_chunks_of_the_source(case: Any) -> None:
    blocks, _, source = case
    for unit, chunk, n in zip(blocks.units[0], source, blocks.shapes[0], strict=True):
        assert unit % chunk == 0 or unit == n


def test_large_blocks_are_not_aligned_with_the_source() -> None:
    axes = [Axis(name, "space") for name in "zyx"]
    levels = plan_levels(
        (4000, 4000, 4000),
        axes,
        (64, 64, 64),
        factors=2,
        levels=3,
        method="mean",
        scale=(1, 1, 1),
        translation=(0, 0, 0),
    )
    blocks = plan_blocks(levels, [(64, 64, 64)] * 3, (61, 63, 67), 4)
    assert math.prod(blocks.units[0]) * 4 <= 64 * 2**20
