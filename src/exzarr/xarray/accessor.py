"""``ds.exzarr`` and ``da.exzarr``: methods that call the functions of this package."""

from __future__ import annotations

from typing import Any

import xarray

__all__ = ["DataArrayAccessor", "DatasetAccessor"]


@xarray.register_dataset_accessor("exzarr")
class DatasetAccessor:
    """The methods of exzarr for a dataset."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset


@xarray.register_dataarray_accessor("exzarr")
class DataArrayAccessor:
    """The methods of exzarr for an array with coordinates."""

    def __init__(self, array: Any) -> None:
        self._array = array
