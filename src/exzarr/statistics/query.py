"""What the statistics tell about a predicate, chunk by chunk: which chunks must be read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exzarr._predicates.predicates import Predicate
from exzarr._stream.chunks.grid import Region
from exzarr._typing import AnyArray, IntArray
from exzarr.statistics.evidence import Evidence

__all__ = ["Query", "decide"]


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """What is known about each chunk before it is read. All arrays have the shape of the chunk grid.

    Attributes
    ----------
    wanted
        True where the chunk has elements in the region.
    sizes
        Number of elements of the chunk's part in the region.
    known
        True where `matching` is the number of matching elements in the region.
    matching
        Number of matching elements where it is known, else 0.
    """

    wanted: AnyArray
    sizes: IntArray
    known: AnyArray
    matching: IntArray

    @property
    def excluded(self) -> AnyArray:
        """True where no element in the region matches."""
        return np.asarray(self.known & (self.matching == 0))

    @property
    def full(self) -> AnyArray:
        """True where all elements in the region match."""
        return np.asarray(self.known & (self.matching == self.sizes) & (self.matching > 0))

    @property
    def unknown(self) -> AnyArray:
        """True where only reading tells how many elements match."""
        return self.wanted & ~self.known

    @property
    def possible(self) -> AnyArray:
        """True where an element in the region may match."""
        return self.wanted & ~self.excluded


def decide(predicate: Predicate, evidence: Evidence, region: Region) -> Query:
    """Decide where statistics tell the number of matching elements.

    Parameters
    ----------
    predicate
        The predicate, bound to the array's data type.
    evidence
        The statistics of the array that are proved.
    region
        The region.
    """
    grid, table = evidence.grid, evidence.columns
    sizes, inside = grid.sizes(), grid.sizes(region)
    fills = sizes - table["count"] - table["nans"]
    valid = predicate.within(table["min"], table["max"])
    some, every = (table["count"] > 0) & valid.possible, (table["count"] == 0) | valid.certain
    matching = np.where(some & every, table["count"], 0)
    for number, value in ((fills, evidence.fill), (table["nans"], evidence.nan)):
        if value is not None and predicate.matches(value).all():
            matching = matching + number
    # Of a chunk that is partly in the region, only "all" and "none" are known.
    all_or_none = (matching == 0) | (matching == sizes)
    known = evidence.proved & (~some | every) & ((inside == sizes) | all_or_none)
    matching = np.where(known, np.where(matching == sizes, inside, matching), 0)
    return Query(inside > 0, inside, known, matching)
