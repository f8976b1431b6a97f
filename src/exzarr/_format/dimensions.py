"""How the chunks of one dimension lie: all of one size, or of sizes that vary.

Neither keeps anything per chunk. A dimension of varying sizes is kept as *runs*, `count`
chunks of `size` elements each, which is also how documents spell it, so no document makes
it large: ``[[1, 1000000000]]`` is one run.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import repeat
from operator import index
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from exzarr._format.named import INT_LIMIT
from exzarr.errors import ArgumentError

__all__ = ["DimensionGrid", "IndexArray", "RectilinearDimension", "RegularDimension"]

IndexArray = npt.NDArray[np.int64]


class DimensionGrid(Protocol):
    """The chunks along one dimension. Positions are in elements from the start of the array."""

    @property
    def uniform(self) -> int | None:
        """The size of every chunk; None where sizes vary."""
        ...

    def count(self, extent: int) -> int:
        """How many chunks overlap the first `extent` elements."""
        ...

    def offset(self, index: int) -> int:
        """Where chunk `index` starts."""
        ...

    def size(self, index: int) -> int:
        """How many elements chunk `index` has, also where it reaches past the array."""
        ...

    def index_of(self, position: int) -> int:
        """The chunk that holds `position`, which lies in the array."""
        ...

    def indices_of(self, positions: npt.NDArray[Any]) -> IndexArray:
        """`index_of` for many positions at once."""
        ...

    def grown(self, extent: int) -> DimensionGrid:
        """The dimension when the array has `extent` elements along it."""
        ...

    def to_json(self) -> int | list[Any]:
        """As the ``rectilinear`` grid spells it: a size, or a list of sizes and ``[size, count]``."""
        ...


class RegularDimension:
    """Chunks of `uniform` elements each, however long the array is."""

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

    def indices_of(self, positions: npt.NDArray[Any]) -> IndexArray:
        return np.asarray(positions, np.int64) // self.uniform

    def grown(self, extent: int) -> RegularDimension:
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
    """Chunks of given sizes, which together may reach past the array.

    Parameters
    ----------
    edges
        Sizes, and ``(size, count)`` for `count` chunks of one size.
    """

    __slots__ = ("_first", "_sizes", "_starts", "runs", "total")
    runs: tuple[tuple[int, int], ...]
    """``(size, count)``; neighbours differ in size."""
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
            raise ArgumentError("a dimension needs at least one chunk size")
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
        self._starts = starts  # where each run starts
        self._first = first  # the index of its first chunk
        self._sizes = [size for size, _ in runs]

    @property
    def uniform(self) -> None:
        return None

    @property
    def edges(self) -> tuple[int, ...]:
        """All sizes, one by one: as many entries as there are chunks."""
        return tuple(size for size, count in self.runs for size in repeat(size, count))

    def run_starts(self) -> Iterable[tuple[int, int]]:
        """Of each run the size and the index of its first chunk."""
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

    def indices_of(self, positions: npt.NDArray[Any]) -> IndexArray:
        where = np.asarray(positions, np.int64)
        # Runs that start past every possible position are left out: they may not fit an int64.
        used = bisect_right(self._starts, INT_LIMIT - 1)
        starts = np.array(self._starts[:used], np.int64)
        first = np.array(self._first[:used], np.int64)
        sizes = np.array(self._sizes[:used], np.int64)
        run = np.searchsorted(starts, where, side="right") - 1
        found: IndexArray = first[run] + (where - starts[run]) // sizes[run]
        return found

    def grown(self, extent: int) -> RectilinearDimension:
        """One more chunk where the array outgrows the sizes; else the same, as when it shrinks."""
        if extent <= self.total:
            return self
        return RectilinearDimension((*self.runs, (extent - self.total, 1)))

    def to_json(self) -> list[Any]:
        return [size if count == 1 else [size, count] for size, count in self.runs]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RectilinearDimension) and other.runs == self.runs

    def __hash__(self) -> int:
        return hash(self.runs)

    def __repr__(self) -> str:
        return f"RectilinearDimension({self.to_json()})"
