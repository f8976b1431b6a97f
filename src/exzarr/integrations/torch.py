"""Batches for PyTorch (https://pytorch.org/docs/stable/data.html). This module needs it to be imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from exzarr.errors import ArgumentError, MissingDependencyError
from exzarr.stream.batches import Batches

try:
    import torch
    from torch.utils.data import IterableDataset, get_worker_info
except ImportError:
    raise MissingDependencyError(
        "exzarr.integrations.torch needs PyTorch: pip install 'exzarr[torch]'"
    ) from None

__all__ = ["BatchDataset"]


class BatchDataset(IterableDataset):  # type: ignore[misc]  # PyTorch is optional, so mypy does not see it
    """`exzarr.batches` as an `IterableDataset`::

        dataset = BatchDataset(exzarr.batches((images, labels), 256, shuffle="window"))
        for epoch in range(10):
            dataset.set_epoch(epoch)
            for x, y in DataLoader(dataset, batch_size=None):
                ...

    Batches are made already, so a `DataLoader` is given ``batch_size=None``; it turns their NumPy arrays
    into tensors. Reading needs no worker processes: threads read ahead. Where there are some all the same,
    for costly transforms, say, they share the batches of an epoch.

    Parameters
    ----------
    loader
        What `exzarr.batches` returns.
    keep_order
        With worker processes, too, batches come in the order they have without. Each worker then reads
        nearly all chunks; otherwise each has a stretch of the batches, and hardly a chunk is read by two.

    Notes
    -----
    Without workers, each pass is followed by the next epoch. Workers can't tell the main process how far
    they are: there, call `set_epoch` before each pass, as with a ``DistributedSampler``.
    """

    def __init__(self, loader: Batches, *, keep_order: bool = False) -> None:
        super().__init__()
        if not isinstance(loader, Batches):
            raise ArgumentError(
                f"a BatchDataset takes what exzarr.batches returns, not {type(loader).__name__}"
            )
        self._loader = loader
        self._keep_order = keep_order
        self._mine: Batches | None = None  # in a worker, its part
        # Shared with the workers, also with those that outlive a pass: the epoch, and how often it was set.
        self._epoch = torch.tensor([loader.epoch, 0]).share_memory_()
        self._seen = 0

    def set_epoch(self, epoch: int) -> None:
        """Have the next pass be that epoch, in every worker."""
        self._loader.set_epoch(epoch)
        self._epoch[0] = epoch
        self._epoch[1] += 1
        self._seen = int(self._epoch[1])

    def __iter__(self) -> Iterator[Any]:
        loader = self._here()
        epoch, times = self._epoch.tolist()
        if times != self._seen:
            loader.set_epoch(epoch)
            self._seen = times
        return iter(loader)

    def __len__(self) -> int:
        """Batches of an epoch."""
        return len(self._loader)

    def state_dict(self) -> dict[str, Any]:
        """Where the latest pass is; in a worker, that of its part."""
        return self._here().state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Have the next pass begin where `state` was had."""
        self._here().load_state_dict(state)

    def _here(self) -> Batches:
        """The batches of this process."""
        worker = get_worker_info()
        if worker is None:
            return self._loader
        if self._mine is None:
            self._mine = self._loader.part(worker.id, worker.num_workers, interleaved=self._keep_order)
        return self._mine
