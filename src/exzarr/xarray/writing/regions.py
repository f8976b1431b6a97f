"""The argument `region`: which part of the stored arrays a dataset is written to."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from xarray import Dataset

from exzarr.errors import ArgumentError, ArgumentTypeError, LabelError
from exzarr.xarray.writing.options import Region

__all__ = ["resolve"]

Slices = dict[Hashable, slice]


def resolve(
    region: Region, dataset: Dataset, append_dim: Hashable | None, stored: Callable[[Hashable], Any]
) -> Slices:
    """Return the region as slices by dimension.

    Parameters
    ----------
    region
        Slices by dimension, or ``"auto"`` for the place of the dataset's labels in the stored coordinate.
    dataset
        The dataset.
    append_dim
        The dimension along which the dataset is appended, or None.
    stored
        Returns the decoded values of a stored coordinate.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        The region does not fit the dataset.
    LabelError
        A label of the dataset is not stored. It is a KeyError.
    """
    entries: Mapping[Hashable, Any] = dict.fromkeys(dataset.dims, "auto") if region == "auto" else region
    if not isinstance(entries, Mapping):
        raise ArgumentTypeError(f"``region`` must be a dict, or 'auto', not {region!r}")
    slices = {
        dim: _found(dataset, dim, stored) if isinstance(entry, str) and entry == "auto" else entry
        for dim, entry in entries.items()
    }
    _check(slices, dataset, append_dim)
    return slices


def _found(dataset: Dataset, dim: Hashable, stored: Callable[[Hashable], Any]) -> slice:
    """Return the place of the dataset's labels in the stored coordinate."""
    if dim not in dataset.variables:
        return slice(0, dataset.sizes[dim])
    places = pd.Index(stored(dim)).get_indexer(pd.Index(dataset[dim].data))
    if not len(places):
        return slice(0, 0)
    if (places == -1).any():
        missing = dataset[dim].data[places == -1][0]
        raise LabelError(
            f"cannot find the region: coordinate {dim!r} has the value {missing}, which the store does not have. A "
            f"write to a region changes no coordinates: append with append_dim={dim!r} first"
        )
    if (np.diff(places) != 1).any():
        raise ArgumentError(
            f"the values of coordinate {dim!r} are not next to each other in the store, in this order: write them in "
            "several calls"
        )
    return slice(int(places[0]), int(places[-1]) + 1)


def _check(slices: Mapping[Hashable, Any], dataset: Dataset, append_dim: Hashable | None) -> None:
    for dim, part in slices.items():
        if dim not in dataset.dims:
            raise ArgumentError(
                f"all keys in ``region`` are not in Dataset dimensions: {dim!r} is none of {[*dataset.dims]}"
            )
        if not isinstance(part, slice):
            raise ArgumentTypeError(
                f"all values in ``region`` must be slice objects or 'auto', not {part!r} for {dim!r}"
            )
        if part.step not in (1, None):
            raise ArgumentError(
                f"step on all slices in ``region`` must be 1 or None, not {part.step!r} for {dim!r}"
            )
    if append_dim is not None and append_dim in slices:
        raise ArgumentError(
            f"cannot list the same dimension in both ``append_dim`` and ``region``: {append_dim!r}"
        )
    outside = [name for name, variable in dataset.variables.items() if not {*slices} & {*variable.dims}]
    if slices and outside:
        raise ArgumentError(
            "all variables in the dataset to write must have at least one dimension in common with ``region``, "
            f"{[*slices]}, and these have none: {outside}. To write without them: ds.drop_vars({outside!r})"
        )
