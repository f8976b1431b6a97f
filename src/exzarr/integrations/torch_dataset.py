"""The data set that `integrations.torch.to_torch` returns. Importing this module requires PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.utils.data import IterableDataset, get_worker_info

from exzarr._stream.batches.batches import Batches
from exzarr._stream.batches.mix import Mix
from exzarr.errors import ArgumentError

__all__ = ["BatchDataset"]


class BatchDataset(IterableDataset):  # type: ignore[misc]  # PyTorch is optional, so mypy does not see it
    """Batches as an `IterableDataset`. See `to_torch`."""

    def __init__(self, batches: Batches | Mix, *, keep_order: bool) -> None:
        super().__init__()
        self._batches = batches
        self._keep_order = keep_order
        self._part: Batches | None = None  # only in a worker
        self._part_epoch = 0  # epoch for which the part was made
        # Epoch and batch at which the next pass starts, and number of changes: in memory shared with workers.
        self._start = torch.tensor([batches.epoch, 0, 0]).share_memory_()
        self._seen = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next pass, in every worker."""
        self._batches.set_epoch(epoch)
        self._announce(epoch, 0)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._process_batches())

    def __len__(self) -> int:
        """Return the number of batches per epoch."""
        return len(self._batches)

    def state_dict(self, batches: int | None = None) -> dict[str, Any]:
        """Return the position of the latest pass. In a worker: of the worker's part.

        Parameters
        ----------
        batches
            Number of batches that the loop got from a `DataLoader` with worker processes. The main process does not
            know it, because workers prepare batches ahead. It requires ``keep_order=True``.

        Raises
        ------
        ArgumentError
            `batches` is given without ``keep_order=True``.
        """
        if batches is not None and not self._keep_order:
            raise ArgumentError(
                "state_dict(batches=...) requires to_torch(..., keep_order=True): without it, the first batches that "
                "workers return are not the first batches of the epoch"
            )
        return self._process_batches().state_dict(batches)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Start the next pass at the position in `state`. In the main process: also in every worker."""
        mine = self._process_batches()
        mine.load_state_dict(state)
        if mine is self._batches:
            self._announce(state["epoch"], state["batches"])

    def _announce(self, epoch: int, batches: int) -> None:
        """Tell the workers where the next pass starts."""
        self._start[0], self._start[1] = epoch, batches
        self._start[2] += 1
        self._seen = int(self._start[2])

    def _process_batches(self) -> Batches | Mix:
        """Return the batches of this process."""
        worker = get_worker_info()
        if worker is None:
            return self._batches
        if isinstance(self._batches, Mix):
            raise ArgumentError(
                "worker processes cannot share the batches of exzarr.mix: use num_workers=0, threads read ahead"
            )
        epoch, first, changes = self._start.tolist()
        part = self._part
        if changes != self._seen:
            self._batches.set_epoch(epoch, first)
            self._seen, part = changes, None
        elif part is not None and part.epoch != self._part_epoch:  # the next epoch starts at its first batch
            self._batches.set_epoch(part.epoch)
            part = None
        if part is None:
            part = self._batches.part(worker.id, worker.num_workers, interleaved=self._keep_order)
            self._part, self._part_epoch = part, part.epoch
        return part
