"""Batches of ragged arrays as tensors. Importing this module requires PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch.utils.data import IterableDataset, get_worker_info

from exzarr.errors import ArgumentError
from exzarr.ragged.batches import RaggedBatches
from exzarr.ragged.items import Items, Padded

__all__ = ["PackedTensors", "PaddedTensors", "RaggedDataset"]


class PaddedTensors(NamedTuple):
    """Items of one field, padded to the longest.

    Attributes
    ----------
    values
        Tensor of shape ``(items, length, ...)``. Positions after the end of an item hold the padding.
    lengths
        Number of values of each item: int64, shape ``(items,)``.
    """

    values: Any
    lengths: Any

    @property
    def mask(self) -> Any:
        """Tensor of shape ``(items, length)``: True for values, False for padding."""
        return torch.arange(self.values.shape[1], device=self.lengths.device) < self.lengths[:, None]


class PackedTensors(NamedTuple):
    """Items without padding, one after the other.

    Attributes
    ----------
    fields
        For each field, the values of all items: tensors of shape ``(lengths.sum(), ...)``.
    lengths
        Number of values of each item: int64, shape ``(items,)``.
    offsets
        Position of the first value of each item, and the number of all values: int64, shape ``(items + 1,)``. It is
        what attention over packed sequences calls the cumulative sequence lengths.
    item_fields
        Tensors with one element per item.
    """

    fields: dict[str, Any]
    lengths: Any
    offsets: Any
    item_fields: dict[str, Any]

    @property
    def values(self) -> Any:
        """Values of the only field. Raise ArgumentError if there are several."""
        if len(self.fields) != 1:
            raise ArgumentError(
                f"there are several fields: use fields[name], one of {', '.join(self.fields)}"
            )
        return next(iter(self.fields.values()))

    def nested(self, field: str | None = None) -> Any:
        """Return a field as a nested tensor with the layout ``torch.jagged``, without a copy."""
        values = self.values if field is None else self.fields[field]
        return torch.nested.nested_tensor_from_jagged(values, self.offsets)


class RaggedDataset(IterableDataset):  # type: ignore[misc]  # PyTorch is optional, so mypy does not see it
    """Batches of a ragged array as an `IterableDataset`. See `to_torch`.

    Each worker of a `DataLoader` takes one part of the items. The batches of several workers are therefore not those of
    none: the last batch of each part may be smaller.
    """

    def __init__(self, batches: RaggedBatches) -> None:
        super().__init__()
        self._batches = batches
        # The epoch of the next pass, and whether workers iterate: in memory shared with them.
        self._shared = torch.tensor([batches.epoch, 0]).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next pass, in every worker."""
        self._batches.set_epoch(epoch)
        self._shared[0] = epoch

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        if worker is None:
            return map(_as_tensors, self._batches)
        self._shared[1] = 1
        part = self._batches.part(worker.id, worker.num_workers)
        part.set_epoch(int(self._shared[0]))
        return map(_as_tensors, part)

    def state_dict(self) -> dict[str, Any]:
        """Return the position of the latest pass, for `load_state_dict`.

        Raises
        ------
        ArgumentError
            Worker processes iterate: they make batches ahead, and the main process does not know how many.
        """
        self._require_no_workers()
        return self._batches.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Start the next pass at the position in `state`. It requires a `DataLoader` without workers."""
        self._require_no_workers()
        self._batches.load_state_dict(state)

    def _require_no_workers(self) -> None:
        if int(self._shared[1]):
            raise ArgumentError(
                "the position of batches of a ragged array requires a DataLoader without workers (num_workers=0): "
                "threads read ahead"
            )


def _as_tensors(batch: Any) -> Any:
    if isinstance(batch, Padded):
        return PaddedTensors(_tensor(batch.values), _tensor(batch.lengths))
    if isinstance(batch, Items):
        return PackedTensors(
            {name: _tensor(values) for name, values in batch.fields.items()},
            _tensor(batch.lengths),
            _tensor(batch.offsets),
            {name: _tensor(values) for name, values in batch.item_fields.items()},
        )
    return {
        name: _as_tensors(part) if isinstance(part, Padded) else _tensor(part) for name, part in batch.items()
    }


def _tensor(values: Any) -> Any:
    """Return a tensor that shares the memory of `values`; text and objects stay as they are, as in a `DataLoader`."""
    return values if values.dtype.kind in "SUOVmMT" else torch.from_numpy(values)
