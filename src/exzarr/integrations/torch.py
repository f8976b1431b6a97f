"""Batches for PyTorch (https://pytorch.org/docs/stable/data.html)."""

from __future__ import annotations

from typing import Any

from exzarr._stream.batches.batches import Batches
from exzarr.errors import ArgumentError, MissingDependencyError

__all__ = ["to_torch"]


def to_torch(batches: Batches, *, keep_order: bool = False) -> Any:
    """`exzarr.batches` as a ``torch.utils.data.IterableDataset``::

        dataset = exzarr.to_torch(exzarr.batches((images, labels), 256, shuffle="window"))
        for epoch in range(10):
            dataset.set_epoch(epoch)
            for x, y in DataLoader(dataset, batch_size=None):
                ...

    The batches are made already, so a `DataLoader` is given ``batch_size=None``; it turns their arrays into
    tensors. Reading needs no worker processes, as threads read ahead. Where there are some all the same,
    for costly transforms, say, they share the batches of an epoch.

    Parameters
    ----------
    batches
        What `exzarr.batches` returns.
    keep_order
        Have batches come in the same order with worker processes as without. Each worker then reads nearly
        all chunks; else each has a stretch of the batches, and hardly a chunk is read by two.

    Returns
    -------
    torch.utils.data.IterableDataset
        With a length, `set_epoch`, `state_dict` and `load_state_dict`; it can be sent to workers that are
        forked or spawned.

    Raises
    ------
    MissingDependencyError
        PyTorch is not installed.

    Notes
    -----
    Without workers, each pass is followed by the next epoch. Workers that end with a pass can't tell the main
    process how far they came: there, call `set_epoch` before each, as with a ``DistributedSampler``.
    """
    if not isinstance(batches, Batches):
        raise ArgumentError(f"to_torch takes what exzarr.batches returns, not {type(batches).__name__}")
    try:
        import torch  # noqa: F401 - to tell whether it is there
    except ImportError:
        raise MissingDependencyError("to_torch needs PyTorch: pip install 'exzarr[torch]'") from None
    from exzarr.integrations.torch_dataset import BatchDataset

    return BatchDataset(batches, keep_order=keep_order)
