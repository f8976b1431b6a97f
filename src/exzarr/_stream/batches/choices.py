"""Chooses how the batches of the given arrays are read, and what is cached. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from exzarr._stream.batches.blocks import Blocks, EvenBlocks
from exzarr._stream.batches.layout import RowLayout, common_blocks, default_window
from exzarr._stream.batches.orders import Shuffle

__all__ = ["Choice", "How", "choose"]

PORTION_NBYTES = 4 * 1024 * 1024
"""Number of bytes of small blocks that are read together."""

SCRATCH_NBYTES = 12 * 1024 * 1024
"""Memory of the engine's buffers, besides the chunks that are being decoded."""

How = Literal["memory", "staged", "cut", "kept", "cached", "rows"]
"""How the chunks of an array are read: see `Choice.how`."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How batches are made.

    Attributes
    ----------
    how
        For each array. ``"memory"``: a NumPy array. ``"staged"``: read block by block, each chunk once. ``"cut"``: as
        staged, but some chunks lie in several blocks. ``"kept"``: each chunk is read on first use and kept.
        ``"cached"``: some chunks are kept. ``"rows"``: read sample by sample.
    blocks
        Blocks that are shuffled and from which stages are built.
    window
        Number of blocks that are shuffled together; 0 for no shuffling.
    slots
        Number of bands of chunks that the cache of each array holds.
    together
        Maximum number of batches that are read together.
    """

    how: tuple[How, ...]
    blocks: Blocks
    window: int
    slots: tuple[int, ...]
    together: int

    @property
    def by_rows(self) -> bool:
        """True if no array is read in stages."""
        return "staged" not in self.how and "cut" not in self.how


def choose(
    layouts: Sequence[RowLayout],
    samples: int,
    batch_size: int,
    shuffle: Shuffle,
    window: int | None,
    cache_nbytes: int,
) -> Choice:
    """Choose how to read the arrays. The result depends only on the arguments."""
    nbytes = sum([layout.row_nbytes for layout in layouts])
    if shuffle == "full":
        how, slots, left = _by_rows(layouts, cache_nbytes)
        together = max(1, left // max(1, batch_size * nbytes)) if "cached" in how else 1
        return Choice(how, EvenBlocks(samples, 1), 0, slots, together)
    blocks, kept, cut = common_blocks(layouts, cache_nbytes)
    if blocks is None:  # all arrays are in memory
        blocks = EvenBlocks(samples, min(batch_size, samples))
    how = tuple(
        [
            "memory" if layout.blocks is None
            else "kept" if i in kept
            else "cut" if i in cut
            else "rows" if blocks.longest == 1
            else "staged"
            for i, layout in enumerate(layouts)
        ]
    )  # fmt: skip
    many = 0
    if shuffle:
        many = 1 if shuffle == "chunks" else window or default_window(blocks, nbytes)
    return Choice(how, blocks, many, (0,) * len(layouts), 1)


def _by_rows(layouts: Sequence[RowLayout], cache_nbytes: int) -> tuple[tuple[How, ...], tuple[int, ...], int]:
    """Return, for each array, how it is read and its cached bands; and the bytes that reading ahead may use."""
    how: list[How] = ["cached"] * len(layouts)
    left = cache_nbytes
    for i in sorted(range(len(layouts)), key=lambda i: (not layouts[i].shared, layouts[i].nbytes)):
        layout = layouts[i]
        if layout.blocks is None:
            how[i] = "memory"
        elif layout.bands.longest == 1:
            how[i] = "rows"  # no chunk is needed twice
        elif layout.nbytes <= left:
            how[i] = "kept"
            left -= layout.nbytes
        elif layout.addressed:
            how[i] = "rows"
    cached = [i for i, kind in enumerate(how) if kind == "cached"]
    slots = [0] * len(layouts)
    # A quarter of the memory for batches that are read together, the rest for chunks.
    each = 3 * left // 4 // max(1, len(cached))
    for i in cached:
        slots[i] = max(1, each // max(1, layouts[i].bands.longest * layouts[i].row_nbytes))
    return tuple(how), tuple(slots), left // 4
