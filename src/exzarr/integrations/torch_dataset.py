"""The data set that `integrations.torch.to_torch` returns. This module needs PyTorch to be imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.utils.data import IterableDataset, get_worker_info

from exzarr._stream.batches.batches import Batches

__all__ = ["BatchDataset"]


class BatchDataset(IterableDataset):  # type: ignore[misc]  # PyTorch is optional, so mypy does not see it
    """Batches as an `IterableDataset`: see `to_torch`."""

    def __init__(self, batches: Batches, *, keep_order: bool) -> None:
        super().__init__()
        self._batches = batches
        self._keep_order = keep_order
        self._mine: Batches | None = None  # in a worker, its part
        # Shared with the workers, also with those that outlive a pass: the epoch, and how often it was set.
        self._epoch = torch.tensor([batches.epoch, 0]).share_memory_()
        self._seen = 0

    def set_epoch(self, epoch: int) -> None:
        """Have the next pass be that epoch, in every worker."""
        self._batches.set_epoch(epoch)
        self._epoch[0] = epoch
        self._epoch[1] += 1
        self._seen = int(self._epoch[1])

    def __iter__(self) -> Iterator[Any]:
        here = self._here()
        epoch, times = self._epoch.tolist()
        if times != self._seen:
            here.set_epoch(epoch)
            self._seen = times
        return iter(here)

    def __len__(self) -> int:
        """Batches of an epoch."""
        return len(self._batches)

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
            return self._batches
        if self._mine is None:
            self._mine = self._batches.part(worker.id, worker.num_workers, interleaved=self._keep_order)
        return self._mine
