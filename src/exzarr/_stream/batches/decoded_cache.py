"""Decoded chunks of an array in a `DiskCache`, for later epochs, later runs and other processes.

One entry has the samples of one band of chunks. It is valid while the versions of all stored chunks of the band are the
same. Each pass asks the store once for the version of each stored chunk.
"""

from __future__ import annotations

import itertools
import json
import warnings
from collections.abc import Hashable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from exzarr import telemetry
from exzarr._engine.remote.requests import asked
from exzarr._stream.batches.blocks import Blocks
from exzarr._stream.batches.permutation import IntArray
from exzarr._stream.batches.reading import Samples, sample_shape
from exzarr._typing import AnyArray
from exzarr.errors import ArgumentError, CacheWarning
from exzarr.stores.base import Fetched
from exzarr.telemetry.events import CacheHit

if TYPE_CHECKING:
    from exzarr._nodes.array import Array
    from exzarr._stream.batches.layout import RowLayout
    from exzarr.stores.wrappers.disk_cache import DiskCache

__all__ = ["PORTION_NBYTES", "DecodedSamples", "cacheable"]

PORTION_NBYTES = 16 * 1024 * 1024
"""Number of bytes of missing bands that are read together."""


def cacheable(array: Array, layout: RowLayout, cache: DiskCache) -> bool:
    """Return whether decoded chunks of an array can be kept: not if their size varies.

    Raise ArgumentError if the cache cannot be used for the array.
    """
    if array.dtype.hasobject or array.dtype.kind == "T":
        return False
    if not array.store.traits.picklable:
        raise ArgumentError(
            f"cache= is for arrays that later processes can read, but {array.name!r} is in {array.store.url}: copy it to "
            "a folder, or leave out cache="
        )
    band = layout.bands.longest * layout.row_nbytes
    if band * 4 > cache.max_bytes:
        raise ArgumentError(
            f"the cache of {cache.max_bytes} bytes is too small for {array.name!r}: samples that share chunks have {band} "
            f"bytes, and max_bytes must be at least {4 * band}"
        )
    return True


class DecodedSamples:
    """Samples of a stored array, read through a cache of decoded chunks.

    Parameters
    ----------
    array
        The array, whose data type has a fixed size.
    samples
        Its reader.
    bands
        Ranges of samples that share chunks.
    cache
        The cache. Arrays and stores can share it.
    """

    __slots__ = (
        "_bands", "_before", "_cache", "_label", "_prefix", "_samples", "_versions", "_warned",
        "axis", "dtype", "empty",
    )  # fmt: skip

    def __init__(self, array: Array, samples: Samples, bands: Blocks, cache: DiskCache) -> None:
        self.axis, self.dtype, self.empty = samples.axis, samples.dtype, samples.empty
        self._samples = samples
        self._bands = bands
        self._cache = cache
        self._before = (slice(None),) * samples.axis
        self._label = array.path
        self._versions: dict[str, Hashable] = {}
        self._warned = False
        codecs = [codec.to_json() for codec in array.metadata.codecs]
        facts = [
            array.store.url,
            array.path,
            samples.axis,
            samples.dtype.descr,
            list(samples.shape[1:]),
            codecs,
        ]
        digest = sha256(json.dumps(facts, default=str).encode()).hexdigest()
        self._prefix = f"decoded/{digest}/{array.path}"

    def read_ranges(self, starts: IntArray, stops: IntArray, into: AnyArray, at: IntArray) -> None:
        sizes = stops - starts
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        self.read_rows(np.repeat(starts, sizes) + within, into, np.repeat(at, sizes) + within)

    def read_rows(self, samples: IntArray, into: AnyArray, at: IntArray | None = None) -> None:
        if at is None:
            at = np.arange(len(samples))
        order = np.argsort(samples, kind="stable")
        samples, at = samples[order], at[order]
        wanted, first = np.unique(self._bands.of(samples), return_index=True)
        ends = [*first[1:].tolist(), len(samples)]
        places = {
            band: (samples[begin:end], at[begin:end])
            for band, begin, end in zip(wanted.tolist(), first.tolist(), ends, strict=True)
        }
        for band, data in self._bands_of(wanted):
            rows, there = places[band]
            local = rows - int(self._bands.starts(np.array(band)))
            into[(*self._before, _span(there))] = data[(*self._before, _span(local))]

    def _bands_of(self, wanted: IntArray) -> Iterator[tuple[int, AnyArray]]:
        """Yield the bands with their samples, from the cache or from the store, in any order."""
        starts = self._bands.starts(wanted).tolist()
        sizes = self._bands.sizes(wanted).tolist()
        keys = [self._keys(start, size) for start, size in zip(starts, sizes, strict=True)]
        self._ask_versions(dict.fromkeys(itertools.chain.from_iterable(keys)))
        missing: list[int] = []
        for i, band in enumerate(wanted.tolist()):
            found = self._find(starts[i], sizes[i], keys[i])
            if found is None:
                missing.append(i)
            else:
                yield band, found
        row = max(1, self.empty(1).nbytes)
        while missing:
            many, nbytes = 0, 0
            while many < len(missing) and (not many or nbytes + sizes[missing[many]] * row <= PORTION_NBYTES):
                nbytes += sizes[missing[many]] * row
                many += 1
            these, missing = np.array(missing[:many]), missing[many:]
            lengths = np.array(sizes)[these]
            ends = np.cumsum(lengths)
            data = self.empty(int(ends[-1]))
            begins = np.array(starts)[these]
            self._samples.read_ranges(begins, begins + lengths, data, ends - lengths)
            for i, begin, end in zip(these.tolist(), (ends - lengths).tolist(), ends.tolist(), strict=True):
                band_data = data[(*self._before, slice(begin, end))]
                self._keep(starts[i], sizes[i], keys[i], band_data)
                yield int(wanted[i]), band_data

    # -- entries ---------------------------------------------------------------------------------

    def _place(self, start: int, size: int) -> tuple[str, int, None]:
        return f"{self._prefix}/{start}-{start + size}", 0, None

    def _find(self, start: int, size: int, keys: list[str]) -> AnyArray | None:
        """Return the samples of a band; None if they are not cached, or have changed."""
        found = self._cache.find(self._place(start, size))
        if found is None or found[0].version != self._version(keys):
            return None
        shape = sample_shape(self._samples.shape, self.axis, size)
        data = np.frombuffer(found[0].data, self.dtype)
        if data.size != np.prod(shape):
            return None
        hooks = telemetry.hooks()
        if hooks:
            telemetry.emit(
                CacheHit("decoded chunks", keys[0], data.nbytes, self._samples.source.store.url, self._label),
                hooks,
            )
        return data.reshape(shape)

    def _keep(self, start: int, size: int, keys: list[str], data: AnyArray) -> None:
        version = self._version(keys)
        if version is None:
            return
        encoded = data.tobytes()
        self._cache.keep(self._place(start, size), Fetched(encoded, len(encoded), version), 0.0)

    # -- versions --------------------------------------------------------------------------------

    def _keys(self, start: int, size: int) -> list[str]:
        """Return the keys of the stored chunks that hold these samples."""
        source, axis = self._samples.source, self.axis
        ranges = [range(dim.count(extent)) for dim, extent in zip(source.dims, source.shape, strict=True)]
        dim = source.dims[axis]
        ranges[axis] = range(dim.index_of(start), dim.index_of(start + size - 1) + 1)
        return [source.key(index) for index in itertools.product(*ranges)]

    def _ask_versions(self, keys: dict[str, None]) -> None:
        """Request the versions that are not known yet. They are older than the data that is read after this."""
        store = self._samples.source.store

        def ask(key: str) -> tuple[str, Hashable]:
            found = store.fetch(key, (0, 0))
            return key, "missing" if found is None else found.version

        self._versions.update(asked(store, ask, iter([key for key in keys if key not in self._versions])))

    def _version(self, keys: list[str]) -> Hashable:
        """Return the version of a band; None if it cannot be cached."""
        versions = [self._versions[key] for key in keys]
        if "missing" in versions:
            return None  # fill values: nothing to decode
        if not all(map(_portable, versions)):
            if not self._warned:
                self._warned = True
                warnings.warn(
                    f"chunks of {self._label!r} in {self._samples.source.store.url} are not cached: the store has no "
                    "versions of values that later processes can compare",
                    CacheWarning,
                    stacklevel=2,
                )
            return None
        return sha256(json.dumps([keys, versions]).encode()).hexdigest()


def _portable(version: Any) -> bool:
    """Return True if a version means the same in another process."""
    if isinstance(version, tuple):
        return all(map(_portable, version))
    return isinstance(version, (str, int))


def _span(places: IntArray) -> slice | IntArray:
    """Return ascending places as a slice if possible, which is copied faster."""
    first, count = int(places[0]), len(places)
    if places[-1] - first == count - 1 and (count < 3 or bool(np.all(np.diff(places) == 1))):
        return slice(first, first + count)
    return places
