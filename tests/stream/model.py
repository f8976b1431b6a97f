"""Expected results of streams, computed with NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from hypothesis import strategies as st

from exzarr._nodes.array import Array
from exzarr.errors import ArgumentError

__all__ = ["chunk_edges", "expected_chunks", "regions", "wheres"]

Expected = tuple[tuple[int, ...], tuple[slice, ...], np.ndarray]


def chunk_edges(array: Array) -> list[list[tuple[int, int]]]:
    """Return, for each dimension, the start and stop of each chunk."""
    try:
        shapes = [[size] * (-(-n // size)) for size, n in zip(array.chunks, array.shape, strict=True)]
    except ArgumentError:  # chunks of varying length
        shapes = [[*sizes] for sizes in array.write_chunk_sizes]
    edges = []
    for sizes, n in zip(shapes, array.shape, strict=True):
        stops = np.cumsum(sizes).tolist()
        edges.append([(stop - size, min(stop, n)) for size, stop in zip(sizes, stops, strict=True)])
    return edges


def expected_chunks(
    array: Array,
    model: np.ndarray,
    region: tuple[slice, ...] | None = None,
    wanted: Callable[[tuple[int, ...]], bool] = lambda index: True,
) -> Iterator[Expected]:
    """Return index, region and data of each chunk, in C order."""
    edges = chunk_edges(array)
    bounds = [(0, n) for n in array.shape]
    if region is not None:
        bounds = [part.indices(n)[:2] for part, n in zip(region, array.shape, strict=True)]
    for index in np.ndindex(*[len(edge) for edge in edges]):
        places = []
        for edge, i, (low, high) in zip(edges, index, bounds, strict=True):
            start, stop = max(low, edge[i][0]), min(high, edge[i][1])
            if start >= stop:
                break
            places.append(slice(start, stop))
        else:
            if wanted(index):
                place: Any = (*places, ...)  # an array also where there are no dimensions
                yield index, tuple(places), model[place]


@st.composite
def regions(draw: Any, shape: tuple[int, ...]) -> tuple[slice, ...] | None:
    """Generate a region in one of its spellings."""
    if draw(st.booleans()):
        return None
    parts = []
    for n in shape:
        if draw(st.booleans()):
            parts.append(slice(None))
            continue
        start = draw(st.integers(-n - 1, n + 1))
        parts.append(
            slice(start, draw(st.none() | st.integers(-n - 1, n + 1)), draw(st.sampled_from([None, 1])))
        )
    return tuple(parts)


@st.composite
def wheres(draw: Any, counts: tuple[int, ...]) -> tuple[Any, Callable[[tuple[int, ...]], bool]]:
    """Generate a `where` argument and the indices that it selects."""
    kind = draw(st.sampled_from(["all", "predicate", "indices", "mask"]))
    if kind == "all":
        return None, lambda index: True
    chosen = np.random.default_rng(draw(st.integers(0, 999))).random(counts) < 0.5
    picked = {tuple(row) for row in np.argwhere(chosen).tolist()}
    if kind == "predicate":
        return picked.__contains__, picked.__contains__
    if kind == "mask":
        return chosen, picked.__contains__
    rows = sorted(picked) * 2
    draw(st.randoms()).shuffle(rows)
    return np.array(rows, int).reshape(len(rows), len(counts)), picked.__contains__
