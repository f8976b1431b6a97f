"""`exzarr.batches`: make a loader of minibatches from arrays."""

from __future__ import annotations

import os
from typing import Any

from exzarr._stream.batches.arrays import arrays_of
from exzarr._stream.batches.batches import Batches
from exzarr._stream.batches.orders import Shuffle
from exzarr._stream.batches.settings import Settings
from exzarr.stores.wrappers.disk_cache import DiskCache

__all__ = ["batches"]

CACHE_NBYTES = 256 * 1024 * 1024


def batches(
    arrays: Any,
    batch_size: int,
    *,
    axis: int = 0,
    shuffle: Shuffle = False,
    seed: int = 0,
    epoch: int = 0,
    window: int | None = None,
    drop_last: bool = False,
    prefetch: int = 2,
    workers: int | None = None,
    rank: int = 0,
    world_size: int = 1,
    cache_bytes: int = CACHE_NBYTES,
    cache: DiskCache | str | os.PathLike[str] | None = None,
) -> Batches:
    """Return minibatches of the samples along `axis`.

    ::

        for images, labels in exzarr.batches((a, b), 256, shuffle="window", seed=1):
            ...

    Batches are planned by chunk. A thread reads the next batches while the current one is in use. The same arguments
    give the same order of samples on every machine, for any `workers` and `prefetch`.

    Parameters
    ----------
    arrays
        One array, a mapping or a sequence of arrays, or a group. All must have the same length along `axis`.
        NumPy arrays are allowed. Batches have the same form: an array, a dict or a tuple.
    batch_size
        Samples per batch. The last batch of an epoch may have fewer.
    axis
        Dimension of the samples. It keeps its place: a batch of an array of shape ``(100, n, 3)`` along axis
        1 has the shape ``(100, batch_size, 3)``.
    shuffle
        False
            Samples come in stored order.
        ``"chunks"``
            Blocks of samples that share chunks come in random order. Samples within a block are shuffled.
        ``"window"``
            Blocks come in random order. The samples of every `window` blocks are shuffled together.
        ``"full"``
            All samples are shuffled.

        All except ``"full"`` read each chunk once per epoch. ``explain()`` shows the cost of each and how well it
        shuffles.
    seed, epoch
        Select the order. Each pass over all batches is followed by the next epoch.
    window
        Number of blocks for ``shuffle="window"``. Default: 16 blocks, or as many as fit in 128 MiB, but at least 2.
    drop_last
        Leave out the incomplete batch. Then all ranks have the same number of batches.
    prefetch
        Number of batches made ahead. With 0, each batch is made on request, in the caller's thread.
    workers
        Number of threads that read and decode. Default: ``exzarr.config.workers``.
    rank, world_size
        This process is number `rank` of `world_size` processes that share the samples. Each process has its own part
        of the epoch's order. The first ``n % world_size`` ranks have one sample more.
    cache_bytes
        Limit on the bytes of decoded chunks in memory, for ``shuffle="full"`` and for arrays whose chunk boundaries
        differ. Subsets, splits and parts share them in one process. Arrays that fit as a whole are kept as long as one
        of these loaders: after you change the arrays, call this function again.
    cache
        Folder in which decoded chunks are kept, for later epochs and runs, and for other processes. A path stands for
        ``exzarr.stores.DiskCache(path)``, which has at most 10 GiB. A chunk that has changed is read again. Subsets
        and parts use the cache of the whole.

    Returns
    -------
    Batches
        An iterable over the batches of an epoch, for ``for`` and for ``async for``.

    Raises
    ------
    ArgumentError
        An argument is invalid, or the arrays have different lengths along `axis`. `cache` is given for an array in the
        memory of this process, or is too small for one chunk.

    Warns
    -----
    CacheWarning
        Chunks cannot be kept in `cache`: the disk is full, or the store has no versions of its values.

    Notes
    -----
    Batches are new arrays that belong to the caller. An error while a batch is made is raised in place of that batch.
    """
    settings = Settings(
        batch_size, shuffle, seed, window, drop_last, prefetch, workers, rank, world_size, cache_bytes,
        cache=cache if cache is None or isinstance(cache, DiskCache) else DiskCache(cache),
    )  # fmt: skip
    return Batches(arrays_of(arrays, axis), settings, epoch)
