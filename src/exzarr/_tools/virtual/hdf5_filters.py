"""Translate the filters of HDF5 data sets to codecs of Zarr v2.

Numbers of filters: https://github.com/HDFGroup/hdf5_plugins/blob/master/docs/RegisteredFilterPlugins.md
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from exzarr._tools.virtual.model import UnreferencedError

__all__ = ["Filter", "codecs_of", "filters_of", "readable"]

Filter = tuple[int, int, Sequence[int], str]
"""Number, flags, parameters and name, as in h5py."""


def filters_of(dataset: Any) -> list[Filter]:
    """Return the filters of a data set, in the order of writing."""
    plist = dataset.id.get_create_plist()
    filters = [plist.get_filter(number) for number in range(plist.get_nfilters())]
    return [(code, flags, values, name.decode("ascii", "replace")) for code, flags, values, name in filters]


def codecs_of(filters: Sequence[Filter], mask: int) -> list[dict[str, Any]]:
    """Return the codecs for chunks that were written with `filters`, except the filters skipped according to `mask`.

    Raise UnreferencedError if Zarr has no codec for a filter.
    """
    return [
        _codec(code, values, name)
        for place, (code, _, values, name) in enumerate(filters)
        if not mask >> place & 1
    ]


def readable(h5py: ModuleType, filters: Sequence[Filter]) -> bool:
    """Return True if the HDF5 library has all these filters, so that h5py can decode the chunks."""
    return all(h5py.h5z.filter_avail(code) for code, *_ in filters)


def _codec(code: int, values: Sequence[int], name: str) -> dict[str, Any]:
    known = _KNOWN.get(code)
    if known is None:
        raise UnreferencedError(f"Zarr has no codec for its filter {_NAMES.get(code) or name or code!s}")
    try:
        return known(values)
    except (IndexError, KeyError):
        raise UnreferencedError(
            f"its filter {name or code!s} has unexpected parameters {[*values]}"
        ) from None


def _blosc(values: Sequence[int]) -> dict[str, Any]:
    cname = ("blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd")[values[6]] if len(values) > 6 else "blosclz"
    clevel, shuffle = (values[4], values[5]) if len(values) > 5 else (5, 1)
    return {"id": "blosc", "cname": cname, "clevel": clevel, "shuffle": shuffle, "blocksize": 0}


def _bitshuffle(values: Sequence[int]) -> dict[str, Any]:
    compression = {0: None, 2: "lz4", 3: "zstd"}[values[4] if len(values) > 4 else 0]
    blocksize = values[3] if len(values) > 3 else 0
    return {
        "id": "hdf5_bitshuffle",
        "elementsize": values[2],
        "blocksize": blocksize,
        "compression": compression,
    }


_KNOWN: dict[int, Callable[[Sequence[int]], dict[str, Any]]] = {
    1: lambda values: {"id": "zlib", "level": values[0]},
    2: lambda values: {"id": "shuffle", "elementsize": values[0]},
    3: lambda _: {"id": "fletcher32"},
    307: lambda values: {"id": "bz2", "level": values[0] if values and 1 <= values[0] <= 9 else 9},
    32001: _blosc,
    32004: lambda _: {"id": "imagecodecs_lz4h5"},
    32008: _bitshuffle,
    32015: lambda values: {"id": "zstd", "level": values[0] if values and values[0] <= 22 else 3},
}
_NAMES = {4: "szip", 5: "n-bit", 6: "scale-offset", 32000: "lzf", 32013: "zfp", 32026: "blosc2"}
