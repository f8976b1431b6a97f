"""Arrays of every kind for tests of streams and maps, and their contents."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import exzarr

__all__ = ["LAYOUTS", "STORES", "Index", "blocks", "numbers", "stored"]

Index = tuple[int, ...]

LAYOUTS: dict[str, dict[str, Any]] = {
    "v3": {"chunks": (7, 5)},
    "v2": {"chunks": (7, 5), "zarr_format": 2},
    "raw": {"chunks": (6, 17), "compressors": None},
    "shards": {"chunks": (4, 3), "shards": (8, 9)},
    "rectilinear": {"chunks": ([3, 20], [4, 1, 12])},
}
"""For a shape of (23, 17)."""

STORES = ("memory", "local", "zip")


def numbers(shape: tuple[int, ...] = (23, 17)) -> np.ndarray:
    return np.arange(1, 1 + np.prod(shape, dtype=int)).reshape(shape)


def stored(kind: str, layout: str, folder: Path, dtype: Any = "i8") -> tuple[exzarr.Array, np.ndarray]:
    """Return an array with edge chunks and missing chunks in a store of that kind, and its contents."""
    data = numbers().astype(dtype)
    # Write whole chunks of each layout, and parts of others.
    for gap in ((slice(7, 16), slice(10)), (slice(12, 18), slice(None)), (slice(3), slice(4, 5))):
        data[gap] = -1
    options = {"shape": data.shape, "dtype": dtype, "fill_value": -1, **LAYOUTS[layout]}
    if kind == "zip":
        with exzarr.ZipStore(folder / "a.zip", "w") as store:
            exzarr.create_array(store, **options)[...] = data
        return exzarr.open_array(folder / "a.zip"), data
    array = exzarr.create_array(exzarr.MemoryStore() if kind == "memory" else folder / "a.zarr", **options)
    array[...] = data
    return array, data


def blocks(layout: str, shape: tuple[int, ...] = (23, 17)) -> Iterator[tuple[Index, tuple[slice, ...]]]:
    """Return index and region of every chunk in C order, computed by hand."""
    sides = []
    for size, length in zip(LAYOUTS[layout]["chunks"], shape, strict=True):
        sizes = size if isinstance(size, list) else [size] * -(-length // size)
        starts = np.cumsum([0, *sizes])
        sides.append([(i, slice(int(starts[i]), min(int(starts[i + 1]), length))) for i in range(len(sizes))])
    for parts in product(*sides):
        yield tuple(i for i, _ in parts), tuple(side for _, side in parts)
