"""Batches for PyTorch (https://pytorch.org/docs/stable/data.html)."""

from __future__ import annotations

from typing import Any

from exzarr._stream.batches.batches import Batches
from exzarr._stream.batches.mix import Mix
from exzarr.errors import ArgumentError, MissingDependencyError
from exzarr.ragged.batches import RaggedBatches

__all__ = ["to_torch"]


def to_torch(batches: Batches | Mix | RaggedBatches, *, keep_order: bool = False) -> Any:
    """Return `exzarr.batches` as a ``torch.utils.data.IterableDataset``::

        dataset = exzarr.to_torch(exzarr.batches((images, labels), 256, shuffle="window"))
        for epoch in range(10):
            dataset.set_epoch(epoch)
            for x, y in DataLoader(dataset, batch_size=None):
                ...

    Pass ``batch_size=None`` to the `DataLoader`, because the data set yields whole batches. The `DataLoader` turns
    their arrays into tensors. Reading needs no worker processes: threads read ahead. If you use workers
    nevertheless, for example for costly transforms, they share the batches of an epoch.

    Parameters
    ----------
    batches
        The result of `exzarr.batches`, of `Ragged.batches`, or of `exzarr.mix` for a `DataLoader` without workers.
    keep_order
        True: worker processes do not change the order of the batches. Each worker then reads nearly all chunks.
        False: each worker takes one contiguous part of the batches, so that two workers rarely read the same chunk.

    Returns
    -------
    torch.utils.data.IterableDataset
        With a length, `set_epoch`, `state_dict` and `load_state_dict`. It can be sent to forked and to spawned
        workers. Batches of a ragged array have no known length. They become `PaddedTensors`, or (without ``pad``)
        `PackedTensors`, with int64 lengths; a dict of them by field if there are several.

    Raises
    ------
    ArgumentError
        `batches` is not the result of `exzarr.batches`, or `keep_order` is set for batches of a ragged array.
    MissingDependencyError
        PyTorch is not installed.

    Notes
    -----
    Without workers, each pass advances to the next epoch. With workers, call `set_epoch` before each pass, as with a
    ``DistributedSampler``: workers that end with a pass cannot report their position to the main process. For the
    same reason, pass the number of batches that the loop got to ``state_dict(batches=...)``. It requires `keep_order`.
    """
    if not isinstance(batches, (Batches, Mix, RaggedBatches)):
        raise ArgumentError(f"to_torch takes the result of exzarr.batches, not {type(batches).__name__}")
    try:
        import torch  # noqa: F401 - checks that it is installed
    except ImportError:
        raise MissingDependencyError("to_torch requires PyTorch: pip install 'exzarr[torch]'") from None
    from exzarr.integrations.torch_dataset import BatchDataset

    if isinstance(batches, RaggedBatches):
        if keep_order:
            raise ArgumentError(
                "keep_order is not supported for batches of a ragged array: use a DataLoader without workers"
            )
        from exzarr.integrations.torch_ragged import RaggedDataset

        return RaggedDataset(batches)
    return BatchDataset(batches, keep_order=keep_order)
