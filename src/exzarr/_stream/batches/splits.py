"""Divide samples into disjoint parts at the ends of blocks. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from exzarr._stream.batches.blocks import Blocks
from exzarr._stream.batches.permutation import key_for, permutation
from exzarr._stream.batches.runs import Runs
from exzarr.errors import ArgumentError

__all__ = ["split_blocks"]

SPLITS = 6
"""Purpose of random keys (`permutation.key_for`)."""


def split_blocks(blocks: Blocks, fractions: Sequence[Any], seed: int | None) -> list[Runs]:
    """Divide blocks into parts of about these fractions of the samples. Return the positions of each part.

    Parameters
    ----------
    blocks
        Blocks that stay whole.
    fractions
        Positive numbers with the sum 1.
    seed
        Selects the blocks of each part; None for consecutive blocks in stored order.
    """
    if not fractions or not all(isinstance(each, (int, float)) and each > 0 for each in fractions):
        raise ArgumentError(f"fractions are positive numbers, not {fractions!r}")
    if not math.isclose(math.fsum(fractions), 1, abs_tol=1e-6):
        raise ArgumentError(f"fractions add up to 1, not to {math.fsum(fractions):g}")
    order = permutation(blocks.count, None if seed is None else key_for(seed, 0, SPLITS))
    numbers = order.at(np.arange(blocks.count))
    sizes = blocks.sizes(numbers)
    ends = np.concatenate([[0], np.cumsum(sizes)])
    edges = [0]
    for i in range(1, len(fractions)):
        wanted = math.fsum(fractions[:i]) * blocks.samples
        edges.append(int(np.argmin(np.abs(ends - wanted))))
    edges.append(blocks.count)
    parts = []
    for i, (first, stop) in enumerate(pairwise(edges)):
        if first >= stop:
            raise ArgumentError(
                f"part {i} of the split, {fractions[i]:g} of {blocks.samples} samples, would be empty: there are "
                f"{blocks.count} blocks of up to {blocks.longest} samples, which stay whole with align=True"
            )
        mine = np.sort(numbers[first:stop])
        # Neighbouring blocks become one run.
        starts, stops = blocks.starts(mine), blocks.starts(mine) + blocks.sizes(mine)
        opens = np.concatenate([[True], starts[1:] != stops[:-1]])
        closes = np.concatenate([opens[1:], [True]])
        parts.append(Runs(starts[opens], stops[closes] - starts[opens]))
    return parts
