"""The arrays of `exzarr.batches`: check the argument, and return batches in the same form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from exzarr._nodes.array import Array
from exzarr._stream.batches.blocks import EvenBlocks
from exzarr._stream.batches.decoded_cache import cacheable
from exzarr._stream.batches.layout import RowLayout, bands, pieces_of_shards
from exzarr._typing import AnyArray
from exzarr.errors import ArgumentError

if TYPE_CHECKING:
    from exzarr._engine.source import ChunkSource
    from exzarr.stores.wrappers.disk_cache import DiskCache

__all__ = ["Arrays", "arrays_of", "layout_of"]

Source = Array | AnyArray


@dataclass(frozen=True, slots=True)
class Arrays:
    """Arrays with the same number of samples.

    Attributes
    ----------
    arrays
        The arrays, of exzarr or NumPy.
    names
        Keys of the mapping that was passed; None for a sequence; ``""`` for a single array.
    axis
        Dimension of the samples, not negative.
    samples
        Number of samples.
    """

    arrays: tuple[Source, ...]
    names: tuple[Any, ...] | str | None
    axis: int
    samples: int

    def pack(self, batch: Sequence[AnyArray]) -> Any:
        """Return a batch in the form in which the arrays were passed."""
        if self.names is None:
            return tuple(batch)
        if isinstance(self.names, str):
            return batch[0]
        return dict(zip(self.names, batch, strict=True))

    @property
    def label(self) -> str:
        """Paths of the exzarr arrays."""
        return ", ".join([array.path for array in self.arrays if isinstance(array, Array)])

    def name(self, i: int) -> str:
        """Return the name of array `i` for messages."""
        if isinstance(self.names, tuple):
            return repr(self.names[i])
        array = self.arrays[i]
        if isinstance(array, Array):
            return array.name
        return f"NumPy array {i}" if self.names is None else "NumPy array"


def arrays_of(given: Any, axis: int) -> Arrays:
    """Check the `arrays` argument of `exzarr.batches`."""
    names: tuple[Any, ...] | str | None = ""
    found: list[Any] = [given]
    if not isinstance(given, (Array, np.ndarray)):
        if hasattr(given, "arrays") and callable(given.arrays):  # a group
            given = dict(given.arrays())
        if isinstance(given, Mapping):
            names, found = tuple(given), [*given.values()]
        elif isinstance(given, Sequence) and not isinstance(given, (str, bytes)):
            names, found = None, [*given]
    if not found:
        raise ArgumentError("batches of no array: give one, a mapping or a sequence of them")
    if type(axis) is not int:
        raise ArgumentError(f"axis is the number of a dimension, not {axis!r}")
    lengths = []
    for i, array in enumerate(found):
        if not isinstance(array, (Array, np.ndarray)):
            raise ArgumentError(
                f"batches are made of exzarr or NumPy arrays, a mapping or a sequence of them, not of "
                f"{type(array).__name__}"
            )
        if not -array.ndim <= axis < array.ndim:
            raise ArgumentError(f"there is no axis {axis} in array {i} of shape {array.shape}")
        if (axis % array.ndim) != axis and len({each.ndim for each in found}) > 1:
            raise ArgumentError("a negative axis is ambiguous for arrays of different numbers of dimensions")
        lengths.append(array.shape[axis])
    axis %= found[0].ndim
    result = Arrays(tuple(found), names, axis, lengths[0])
    if len(set(lengths)) > 1:
        listed = ", ".join(f"{result.name(i)} has {n}" for i, n in enumerate(lengths))
        raise ArgumentError(f"all arrays must have the same length along axis {axis}: {listed}")
    return result


def layout_of(array: Source, axis: int, name: str, cache: DiskCache | None = None) -> RowLayout:
    """Return how the samples of an array lie in its chunks, and whether decoded chunks are kept in `cache`."""
    layout = _layout_of(array, axis, name)
    if cache is None or not isinstance(array, Array) or not cacheable(array, layout, cache):
        return layout
    return replace(layout, on_disk=True, addressed=False)


def _layout_of(array: Source, axis: int, name: str) -> RowLayout:
    samples = array.shape[axis]
    nbytes = array.size * array.dtype.itemsize
    row = nbytes // max(1, samples)
    if not isinstance(array, Array):
        return RowLayout(name, nbytes, row, EvenBlocks(samples, 1), None)
    grid = array.metadata.chunk_grid
    if array.shards is None:
        own = bands(grid.dims[axis], samples)
        across = math.prod([n for d, n in enumerate(grid.chunk_counts) if d != axis])
        chunk = array.chunk_source.nbytes
        return RowLayout(name, nbytes, row, own, own, across, chunk, _addressed(array.chunk_source, axis))
    inner = array.chunks[axis]
    own = EvenBlocks(samples, inner)
    blocks = pieces_of_shards(inner, grid.dims[axis].uniform, samples, row)
    across = math.prod([n for d, n in enumerate(array.cdata_shape) if d != axis])
    return RowLayout(name, nbytes, row, own, blocks, across, array.chunk_source.nbytes)


def _addressed(source: ChunkSource, axis: int) -> bool:
    """Return True if a sample can be read without its chunk: raw chunks of whole samples (`read_contiguous_rows`)."""
    pipeline = source.pipeline
    if axis or pipeline is None or not pipeline.raw or not pipeline.plain:
        return False
    return all(dim.size(0) == n for dim, n in zip(source.dims[1:], source.shape[1:], strict=True))
