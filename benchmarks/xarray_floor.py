"""An engine of xarray without a library below it: the time of xarray and dask alone.

`InMemory` opens datasets from metadata and values that `prepare` has read before. No engine can be faster. Writes have
no such floor.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xarray import Dataset, Variable, open_dataset
from xarray.backends import AbstractDataStore, BackendArray, BackendEntrypoint, StoreBackendEntrypoint
from xarray.core import indexing

__all__ = ["InMemory", "prepare"]

_prepared: dict[str, Dataset] = {}


def prepare(place: Path) -> None:
    """Read the store at `place`, so that `InMemory` opens it."""
    _prepared[str(place)] = open_dataset(
        place, engine="zarr", decode_cf=False, create_default_indexes=False
    ).load()


class InMemory(BackendEntrypoint):  # type: ignore[misc]
    """Opens stores that `prepare` has read."""

    def open_dataset(
        self, filename_or_obj: Any, *, drop_variables: Any = None, consolidated: Any = None,
        zarr_format: Any = None, mask_and_scale: Any = True, decode_times: Any = True, concat_characters: Any = True,
        decode_coords: Any = True, use_cftime: Any = None, decode_timedelta: Any = None,
    ) -> Dataset:  # fmt: skip
        """Open the dataset as an engine does: undecoded variables, which xarray decodes."""
        stored = _prepared[str(filename_or_obj)]
        variables = {
            name: Variable(
                variable.dims,
                indexing.LazilyIndexedArray(_Values(variable.values)),
                {**variable.attrs},
                {**variable.encoding},
                fastpath=True,
            )
            for name, variable in stored.variables.items()
        }
        return StoreBackendEntrypoint().open_dataset(
            _DataStore(variables, {**stored.attrs}),
            drop_variables=drop_variables,
            mask_and_scale=mask_and_scale,
            decode_times=decode_times,
            concat_characters=concat_characters,
            decode_coords=decode_coords,
            use_cftime=use_cftime,
            decode_timedelta=decode_timedelta,
        )


class _Values(BackendArray):  # type: ignore[misc]
    def __init__(self, values: Any) -> None:
        self._values = values
        self.shape, self.dtype = values.shape, values.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        support = indexing.IndexingSupport.VECTORIZED
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._values.__getitem__)


class _DataStore(AbstractDataStore):  # type: ignore[misc]
    def __init__(self, variables: Mapping[Any, Variable], attributes: dict[Any, Any]) -> None:
        self._variables = variables
        self._attributes = attributes

    def get_variables(self) -> Mapping[Any, Variable]:
        return self._variables

    def get_attrs(self) -> dict[Any, Any]:
        return self._attributes

    def close(self) -> None:
        pass
