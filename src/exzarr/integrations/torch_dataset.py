"""The data set that `integrations.torch.to_torch` returns. Importing this module requires PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.utils.data import IterableDataset, get_worker_info

from exzarr._stream.batches.batches import Batches

__all__ = ["BatchDataset"]


class BatchDataset(IterableDataset):  # type: ignore[misc]  # PyTorch is optional, so mypy does not see it
    """Batches as an `IterableDataset`. See `to_torch`."""

    def __init__(self, batches: Batches, *, keep_order: bool) -> None:
        super().__init__()
        self._batches = batches
        self._keep_order = keep_order
        self._part: Batches | None = None  # only in a worker
        # Epoch and number of set_epoch calls, in memory shared with workers, persistent ones included.
        self._epoch = torch.tensor([batches.epoch, 0]).share_memory_()
        self._seen = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next pass, in every worker."""
        self._batches.set_epoch(epoch)
        self._epoch[0] = epoch
        self._epoch[1] += 1
        self._seen = int(self._epoch[1])

    def __iter__(self) -> Iterator[Any]:
        batches = self._process_batches()
        epoch, times = self._epoch.tolist()
        if times != self._seen:
            batches.set_epoch(epoch)
            self._seen = times
        return iter(batches)

    def __len__(self) -> int:
        """Return the number of batches per epoch."""
        return len(self._batches)

    def state_dict(self) -> dict[str, Any]:
        """Return the position of the latest pass. In a worker: of the worker's part."""
        return self._process_batches().state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Start the next pass at the position in `state`."""
        self._process_batches().load_state_dict(state)

    def _process_batches(self) -> Batches:
        """Return the batches of this process."""
        worker = get_worker_info()
        if worker is None:
            return self._batches
        if self._part is None:
            self._part = self._batches.part(worker.id, worker.num_workers, interleaved=self._keep_order)
        return self._part
