"""What `to_zarr` returns: the group that was written, as a data store of xarray."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xarray import Variable
from xarray.backends import AbstractDataStore

import exzarr
from exzarr.xarray.variables import variable

if TYPE_CHECKING:
    from exzarr import Appended

__all__ = ["ZarrDataStore"]


class ZarrDataStore(AbstractDataStore):  # type: ignore[misc]
    """A group that was written; ``xarray.open_dataset`` opens it.

    Attributes
    ----------
    zarr_group
        The group.
    appended
        With `append_dim`: the rows that the call has added, or had been added by an earlier call with the same key
        (then ``appended.stored`` is false). Otherwise None.
    """

    def __init__(self, group: exzarr.Group, owned: bool, appended: Appended | None = None) -> None:
        self.zarr_group = group
        self.appended = appended
        self._owned = owned

    def get_variables(self) -> Mapping[str, Variable]:
        """Return the stored variables, not decoded."""
        as_mask = self.zarr_group.zarr_format == 2
        return {
            name: variable(array, fill_value_as_mask=as_mask, prefer_shards=False)
            for name, array in self.zarr_group.arrays()
        }

    def get_attrs(self) -> dict[str, Any]:
        """Return the attributes of the group."""
        return self.zarr_group.attrs.asdict()

    def close(self) -> None:
        """Close the store, if the write has opened it."""
        if self._owned:
            self.zarr_group.store.close()

    def __repr__(self) -> str:
        done = "" if self.appended is None else f" {self.appended}"
        return f"<ZarrDataStore {self.zarr_group.location}{done}>"
