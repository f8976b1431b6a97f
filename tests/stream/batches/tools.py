"""Helpers for tests of batches: plain Python implementations to compare with."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from exzarr._nodes.array import Array
from exzarr._stream.batches.blocks import Blocks, EvenBlocks, UnevenBlocks
from tests.engine.tools import data_for, make

__all__ = ["blocks", "layouts", "splitmix64", "stored"]

_MASK = 2**64 - 1


def splitmix64(seed: int, i: int) -> int:
    """Return output `i` of the generator, computed with Python's own integers."""
    z = (seed + (i + 1) * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


@st.composite
def blocks(draw: Any) -> Blocks:
    samples = draw(st.integers(1, 60))
    if draw(st.booleans()):
        return EvenBlocks(samples, draw(st.integers(1, samples + 3)))
    inner = draw(st.sets(st.integers(1, samples), max_size=8))
    return UnevenBlocks(sorted({*inner, samples}))


@st.composite
def layouts(draw: Any, shape: tuple[int, ...]) -> dict[str, Any]:
    """Generate options of an array: every kind of grid, both formats."""
    kind = draw(st.sampled_from(["plain", "plain", "v2", "shards", "rectilinear"]))
    chunks = tuple([draw(st.integers(1, n + 1)) for n in shape])
    options: dict[str, Any] = {"chunks": chunks, "compressors": draw(st.sampled_from([None, "zstd"]))}
    if kind == "v2":
        options |= {"zarr_format": 2, "order": draw(st.sampled_from("CF"))}
    elif kind == "shards":
        options["shards"] = tuple([n * draw(st.integers(1, 4)) for n in chunks])
    elif kind == "rectilinear":
        sizes = [draw(st.lists(st.integers(1, 7), min_size=n, max_size=n)) for n in shape]
        options["chunks"] = sizes
    return options


def stored(
    shape: tuple[int, ...], dtype: Any = "i4", seed: int = 0, **options: Any
) -> tuple[Array, np.ndarray]:
    """Return an array with data, in memory unless a store is given, and the data."""
    array = make(shape, dtype, **options)
    data = data_for(array, seed)
    array[...] = data
    return array, data
