"""How the batches of some arrays are made: by stages or by rows, and what is kept. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from exzarr._stream.batches.blocks import Blocks, EvenBlocks
from exzarr._stream.batches.layout import RowLayout, common_blocks, default_window
from exzarr._stream.batches.orders import Shuffle

__all__ = ["Choice", "How", "choose"]

PORTION_NBYTES = 4 * 1024 * 1024
"""Blocks are read so many bytes at a time, if they are small."""

SCRATCH_NBYTES = 12 * 1024 * 1024
"""What the engine's buffers take besides the chunks that are being decoded."""

How = Literal["memory", "staged", "cut", "kept", "cached", "rows"]
"""What becomes of an array's chunks: see `Choice.how`."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How batches are made.

    Attributes
    ----------
    how
        Of each array: ``"memory"`` a NumPy array. ``"staged"`` read block by block, each once. ``"cut"`` as
        staged, but some chunks lie in several blocks. ``"kept"`` each chunk is read when it is first needed,
        and kept. ``"cached"`` some chunks are kept. ``"rows"`` sample by sample.
    blocks
        What is shuffled, and what stages are made of.
    window
        Blocks that are shuffled together; 0 for not at all.
    slots
        Bands of chunks that the cache of each array has room for.
    together
        Batches that are read at once, at most.
    """

    how: tuple[How, ...]
    blocks: Blocks
    window: int
    slots: tuple[int, ...]
    together: int

    @property
    def by_rows(self) -> bool:
        """No array is read in stages."""
        return "staged" not in self.how and "cut" not in self.how


def choose(
    layouts: Sequence[RowLayout],
    samples: int,
    batch_size: int,
    shuffle: Shuffle,
    window: int | None,
    cache_nbytes: int,
) -> Choice:
    """The one way for these arrays. Depends on nothing but the arguments."""
    nbytes = sum([layout.row_nbytes for layout in layouts])
    if shuffle == "full":
        how, slots, left = _by_rows(layouts, cache_nbytes)
        together = max(1, left // max(1, batch_size * nbytes)) if "cached" in how else 1
        return Choice(how, EvenBlocks(samples, 1), 0, slots, together)
    blocks, kept, cut = common_blocks(layouts, cache_nbytes)
    if blocks is None:  # all in memory
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
    """Of each array how it is read, how many bands of it are cached, and how many bytes reading ahead may take."""
    how: list[How] = ["cached"] * len(layouts)
    left = cache_nbytes
    for i in sorted(range(len(layouts)), key=lambda i: layouts[i].nbytes):
        layout = layouts[i]
        if layout.blocks is None:
            how[i] = "memory"
        elif layout.bands.longest == 1:
            how[i] = "rows"  # no chunk is wanted twice
        elif layout.nbytes <= left:
            how[i] = "kept"
            left -= layout.nbytes
        elif layout.addressed:
            how[i] = "rows"
    cached = [i for i, kind in enumerate(how) if kind == "cached"]
    slots = [0] * len(layouts)
    # A quarter for what is read together, the rest for chunks.
    each = 3 * left // 4 // max(1, len(cached))
    for i in cached:
        slots[i] = max(1, each // max(1, layouts[i].bands.longest * layouts[i].row_nbytes))
    return tuple(how), tuple(slots), left // 4
