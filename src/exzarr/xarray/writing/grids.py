"""Chunk shapes of new arrays, and blocks of dask that are aligned to stored chunks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from xarray import Variable

from exzarr.errors import ArgumentTypeError

__all__ = ["aligned", "chunk_argument"]


def chunk_argument(chunks: Any, variable: Variable, name: Any, what: str = "chunks") -> Any:
    """Return the argument `chunks` of `create_array` for an encoding, or for the blocks of the variable.

    Parameters
    ----------
    chunks
        ``encoding["chunks"]``: a number, a number or a list of lengths for each dimension, or None.
    variable
        The variable. If `chunks` is None, its largest blocks determine the chunks.
    name
        Its name, for errors.
    what
        The member of the encoding, for errors.

    Raises
    ------
    ArgumentTypeError
        The encoding has another type. It is a TypeError.
    """
    if _is_length(chunks):
        return (int(chunks),) * variable.ndim
    if isinstance(chunks, str) or not isinstance(chunks, Sequence | None):
        raise _invalid(chunks, name, what)
    if not chunks or len(chunks) != variable.ndim:  # the encoding of another variable, as in xarray
        return "auto" if not variable.chunks else tuple([max(1, *sizes) for sizes in variable.chunks])
    return tuple([_sizes(entry, chunks, name, what) for entry in chunks])


def _sizes(entry: Any, chunks: Any, name: Any, what: str) -> int | list[int]:
    if _is_length(entry):
        return int(entry)
    if isinstance(entry, list | tuple) and all(map(_is_length, entry)):
        return [int(size) for size in entry]
    raise _invalid(chunks, name, what)


def _is_length(entry: Any) -> bool:
    return isinstance(entry, int | np.integer) and not isinstance(entry, bool)


def _invalid(chunks: Any, name: Any, what: str) -> ArgumentTypeError:
    return ArgumentTypeError(
        f"encoding[{what!r}]={chunks!r} of variable {name!r}: it must be an int, or a tuple with an int for each "
        "dimension (or with a list of the lengths of all chunks along it)"
    )


def aligned(variable: Variable, stored: Sequence[Sequence[int]]) -> Variable:
    """Return the variable with blocks that end where stored chunks end.

    Each border between blocks moves to the nearest border between stored chunks. Blocks keep about their size, and
    each stored chunk is written by one block.

    Parameters
    ----------
    variable
        A variable, whose blocks are returned unchanged if it has none.
    stored
        Length of the part of each stored chunk that the variable covers, along each dimension.
    """
    if variable.chunks is None:
        return variable
    chunks = [_moved(blocks, sizes) for blocks, sizes in zip(variable.chunks, stored, strict=True)]
    return variable.chunk(dict(zip(variable.dims, chunks, strict=True)))


def _moved(blocks: Sequence[int], stored: Sequence[int]) -> tuple[int, ...]:
    borders = [0, *accumulate(stored)]
    ends = {0, borders[-1]}
    for border in accumulate(blocks):
        at = bisect_left(borders, border)
        near = borders[max(0, at - 1) : at + 1]
        ends.add(min(near, key=lambda known: abs(known - border)))
    return tuple([stop - start for start, stop in pairwise(sorted(ends))]) or (0,)
