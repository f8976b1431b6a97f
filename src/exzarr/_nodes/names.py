"""zarr-python's method names for indexing, so that a migration requires little more than a changed import."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from exzarr._engine.planning import indexing
from exzarr._nodes.access import ArrayAccess
from exzarr._nodes.casting import Casting

__all__ = ["ZarrNames"]

AnyArray = npt.NDArray[Any]


class ZarrNames(ArrayAccess):
    """The methods of `exzarr.array.Array` that have a shorter name as well."""

    __slots__ = ()

    def get_basic_selection(self, selection: Any = Ellipsis, *, out: AnyArray | None = None) -> Any:
        """Read a selection: zarr-python's name for `get`."""
        return self.get(selection, out=out)

    def get_orthogonal_selection(self, selection: Any, *, out: AnyArray | None = None) -> Any:
        """Read a selection: zarr-python's name for ``oindex``."""
        return self._get(indexing.orthogonal(selection, self._meta.shape), out=out)

    def get_coordinate_selection(self, selection: Any, *, out: AnyArray | None = None) -> Any:
        """Read a selection: zarr-python's name for ``vindex``."""
        return self._get(indexing.coordinate(selection, self._meta.shape), out=out)

    def get_mask_selection(self, mask: Any, *, out: AnyArray | None = None) -> Any:
        """Read a selection: zarr-python's name for ``a[mask]``."""
        return self._get(indexing.mask(mask, self._meta.shape), out=out)

    def get_block_selection(self, selection: Any, *, out: AnyArray | None = None) -> Any:
        """Read a selection: zarr-python's name for ``blocks``."""
        return self._get(indexing.block(selection, self._meta.chunk_grid.dims, self._meta.shape), out=out)

    def set_basic_selection(self, selection: Any, value: Any, *, casting: Casting = "same_kind") -> None:
        """Write a selection: zarr-python's name for ``a[selection] = value``."""
        self.set(selection, value, casting=casting)

    def set_orthogonal_selection(self, selection: Any, value: Any, *, casting: Casting = "same_kind") -> None:
        """Write a selection: zarr-python's name for ``oindex``."""
        self.oindex.set(selection, value, casting=casting)

    def set_coordinate_selection(self, selection: Any, value: Any, *, casting: Casting = "same_kind") -> None:
        """Write a selection: zarr-python's name for ``vindex``."""
        self.vindex.set(selection, value, casting=casting)

    def set_mask_selection(self, mask: Any, value: Any, *, casting: Casting = "same_kind") -> None:
        """Write a selection: zarr-python's name for ``a[mask] = value``."""
        self._set(indexing.mask(mask, self._meta.shape), value, casting=casting)

    def set_block_selection(self, selection: Any, value: Any, *, casting: Casting = "same_kind") -> None:
        """Write a selection: zarr-python's name for ``blocks``."""
        self.blocks.set(selection, value, casting=casting)
