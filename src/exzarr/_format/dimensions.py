"""The chunks along one dimension, of one size or of varying sizes.

Neither class stores anything per chunk. Varying sizes are stored as *runs* of `count` chunks with `size`
elements each, as in documents. A small document therefore never needs much memory:
``[[1, 1000000000]]`` is one run.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import repeat
from operator import index
from typing import Any, Protocol

import numpy as np

from exzarr._format.named import INT_LIMIT
from exzarr._typing import AnyArray, IntArray
from exzarr.errors import ArgumentError

__all__ = ["DimensionGrid", "IntArray", "RectilinearDimension", "RegularDimension"]


class DimensionGrid(Protocol):
    """The chunks along one dimension. Positions count elements from the start of the array."""

    @property
    def uniform(self) -> int | None:
        """The size of every chunk, or None if sizes vary."""
        ...

    def count(self, extent: int) -> int:
        """Return the number of chunks that overlap the first `extent` elements."""
        ...

    def offset(self, index: int) -> int:
        """Return the position of the first element of chunk `index`."""
        ...

    def size(self, index: int) -> int:
        """Return the number of elements of chunk `index`, including those past the array's end."""
        ...

    def index_of(self, position: int) -> int:
        """Return the index of the chunk that holds `position`, which must be in the array."""
        ...

    def indices_of(self, positions: AnyArray) -> IntArray:
        """Return `index_of` for an array of positions."""
        ...

    def grown(self, extent: int, unit: int = 1) -> DimensionGrid:
        """Return the dimension of an array that is resized to `extent` elements.

        A new chunk has a multiple of `unit` elements.
        """
        ...

    def to_json(self) -> int | list[Any]:
        """Return the JSON of a ``rectilinear`` grid: a size, or a list of sizes and ``[size, count]``."""
        ...


class RegularDimension:
    """Chunks of `uniform` elements each, for any length of the array."""

    __slots__ = ("uniform",)
    uniform: int

    def __init__(self, size: int) -> None:
        self.uniform = size

    def count(self, extent: int) -> int:
        return -(-extent // self.uniform)

    def offset(self, index: int) -> int:
        return index * self.uniform

    def size(self, index: int) -> int:
        return self.uniform

    def index_of(self, position: int) -> int:
        return position // self.uniform

    def indices_of(self, positions: AnyArray) -> IntArray:
        return np.asarray(positions, np.int64) // self.uniform

    def grown(self, extent: int, unit: int = 1) -> RegularDimension:
        return self

    def to_json(self) -> int:
        return self.uniform

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RegularDimension) and other.uniform == self.uniform

    def __hash__(self) -> int:
        return hash(self.uniform)

    def __repr__(self) -> str:
        return f"RegularDimension({self.uniform})"


class RectilinearDimension:
    """Chunks of given sizes. Their sum may exceed the array's length.

    Parameters
    ----------
    edges
        Sizes, or pairs ``(size, count)`` for `count` chunks of one size.
    """

    __slots__ = ("_first", "_sizes", "_starts", "runs", "total")
    runs: tuple[tuple[int, int], ...]
    """Runs as ``(size, count)``. Neighbouring runs differ in size."""
    total: int
    """The sum of all sizes."""

    def __init__(self, edges: Iterable[int | tuple[int, int]]) -> None:
        runs: list[tuple[int, int]] = []
        for edge in edges:
            size, count = edge if isinstance(edge, tuple) else (index(edge), 1)
            if size < 1 or count < 1 or size >= INT_LIMIT or count >= INT_LIMIT:
                raise ArgumentError(
                    f"chunk sizes and counts must be from 1 to 2**63 - 1, not {(size, count)}"
                )
            if runs and runs[-1][0] == size:
                runs[-1] = (size, runs[-1][1] + count)
            else:
                runs.append((size, count))
        if not runs:
            raise ArgumentError("a dimension requires at least one chunk size")
        starts: list[int] = []
        first: list[int] = []
        position = chunk = 0
        for size, count in runs:
            starts.append(position)
            first.append(chunk)
            position += size * count
            chunk += count
        self.runs = tuple(runs)
        self.total = position
        self._starts = starts  # the first position of each run
        self._first = first  # the index of each run's first chunk
        self._sizes = [size for size, _ in runs]

    @property
    def uniform(self) -> None:
        return None

    @property
    def edges(self) -> tuple[int, ...]:
        """The size of each chunk, with one entry per chunk."""
        return tuple(size for size, count in self.runs for size in repeat(size, count))

    def run_starts(self) -> Iterable[tuple[int, int]]:
        """Yield the size and the index of the first chunk of each run."""
        return zip(self._sizes, self._first, strict=True)

    def count(self, extent: int) -> int:
        return self.index_of(extent - 1) + 1 if extent > 0 else 0

    def offset(self, index: int) -> int:
        run = bisect_right(self._first, index) - 1
        return self._starts[run] + (index - self._first[run]) * self._sizes[run]

    def size(self, index: int) -> int:
        return self._sizes[bisect_right(self._first, index) - 1]

    def index_of(self, position: int) -> int:
        run = bisect_right(self._starts, position) - 1
        return self._first[run] + (position - self._starts[run]) // self._sizes[run]

    def indices_of(self, positions: AnyArray) -> IntArray:
        where = np.asarray(positions, np.int64)
        # Ignore runs that start past every possible position: they may not fit an int64.
        used = bisect_right(self._starts, INT_LIMIT - 1)
        starts = np.array(self._starts[:used], np.int64)
        first = np.array(self._first[:used], np.int64)
        sizes = np.array(self._sizes[:used], np.int64)
        run = np.searchsorted(starts, where, side="right") - 1
        found: IntArray = first[run] + (where - starts[run]) // sizes[run]
        return found

    def grown(self, extent: int, unit: int = 1) -> RectilinearDimension:
        """Return the dimension with one more chunk if the sizes do not cover `extent`, else unchanged."""
        missing = extent - self.total
        return self if missing <= 0 else RectilinearDimension((*self.runs, (-(-missing // unit) * unit, 1)))

    def to_json(self) -> list[Any]:
        return [size if count == 1 else [size, count] for size, count in self.runs]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RectilinearDimension) and other.runs == self.runs

    def __hash__(self) -> int:
        return hash(self.runs)

    def __repr__(self) -> str:
        return f"RectilinearDimension({self.to_json()})"
