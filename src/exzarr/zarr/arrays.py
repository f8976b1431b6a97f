"""`Array` with zarr-python's names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal, Self

import exzarr
from exzarr.stores import resolve_store
from exzarr.zarr.buffers import from_buffer, in_buffer, into, values_of
from exzarr.zarr.errors import translated
from exzarr.zarr.instances import asynchronous, class_for_isinstance
from exzarr.zarr.settings import ArrayConfig, access_options
from exzarr.zarr.store_like import StorePath, given, joined, resolved

__all__ = ["Array"]


class Array(exzarr.Array):
    """An `exzarr.Array` with the names that only zarr-python has."""

    __slots__ = ()

    _casting: ClassVar[Any] = "unsafe"
    """zarr-python casts what is written, whatever is lost."""

    def __init__(self, array: Any, meta: Any = None, **access: Any) -> None:
        """Make a handle of a location and its metadata, or of an asynchronous array of zarr-python."""
        if meta is None:
            store, path = resolved(array.store_path)
            found = exzarr.open_array(store, path=path, **dict(access_options(array.config)))
            array, meta, access = found.location, found.metadata, {**found.access, **access}
        super().__init__(array, meta, **access)

    def __class_getitem__(cls, _: Any) -> type[Self]:
        """Return the class: zarr-python's takes the type of the metadata."""
        return cls

    @classmethod
    def of(cls, array: exzarr.Array, config: Any = None) -> Self:
        """Return `array` with zarr-python's names, and its access options changed by `config`."""
        access: Any = array.access if config is None else {**array.access, **dict(access_options(config))}
        return cls(array.location, array.metadata, **access)

    @classmethod
    @translated("array")
    def open(cls, store: Any, *, config: Any = None) -> Self:
        """Open the array of a store or a `StorePath`."""
        place, path = resolved(store)
        return cls.of(exzarr.open_array(place, path=path), config)

    @classmethod
    @translated("array")
    def from_dict(cls, store_path: Any, data: Mapping[str, Any]) -> Self:
        """Return the array with the metadata `data` at a `StorePath`. Nothing is read or stored."""
        place, path = resolved(store_path)
        store, base = resolve_store(place)
        document = dict(data)
        with exzarr.MemoryStore() as scratch:
            if document.get("zarr_format") == 2:
                scratch.put(".zattrs", json.dumps(document.pop("attributes", {})).encode())
                scratch.put(".zarray", json.dumps(document).encode())
            else:
                scratch.put("zarr.json", json.dumps(document).encode())
            found = exzarr.open_array(scratch)
        return cls(
            replace(found.location, store=store, path=joined(base, path)), found.metadata, **found.access
        )

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """The class for `isinstance`: zarr-python's, once it is imported, as libraries dispatch on it."""
        return class_for_isinstance(self, "Array")

    @property
    def async_array(self) -> Any:
        """The asynchronous array of zarr-python for the same data, for functions of zarr-python that need one."""
        return asynchronous(self)

    _async_array = async_array

    # -- settings ------------------------------------------------------------------

    @property
    def config(self) -> ArrayConfig:
        """Access options of the array, by zarr-python's names."""
        return ArrayConfig(
            self.memory_order, self.access["write_empty_chunks"], self.access["missing"] == "fill"
        )

    def with_config(self, config: Any) -> Self:
        """Return the array with other access options; those that `config` lacks stay."""
        given = config if isinstance(config, dict) else config.to_dict()
        return self.of(self, {**self.config.to_dict(), **given})

    @property
    def order(self) -> Literal["C", "F"]:
        """Memory order of the arrays that reading returns: exzarr's `memory_order`."""
        return self.memory_order

    # -- other names ---------------------------------------------------------------

    @property
    def store_path(self) -> StorePath:
        """Store and path."""
        return StorePath(self.store, self.path)

    @property
    def compressor(self) -> Any:
        """The compressor of a v2 array, or None."""
        if self.zarr_format == 3:
            raise TypeError(
                "`compressor` is not available for Zarr format 3 arrays. Use `compressors` instead."
            )
        return next(iter(self.compressors), None)

    def nbytes_stored(self) -> int:  # type: ignore[override]
        """Return the size of all stored chunks (shards), in bytes."""
        return super().nbytes_stored

    @property
    def store(self) -> Any:
        """The store; of zarr-python, if the array was opened in one of its stores."""
        return given(self.location.store)

    # -- selections ------------------------------------------------------------------

    def append(self, data: Any, axis: int | str = 0, *, casting: Any = "unsafe") -> tuple[int, ...]:
        return super().append(data, axis, casting=casting)

    def get_basic_selection(
        self, selection: Any = Ellipsis, *, out: Any = None, prototype: Any = None, fields: Any = None
    ) -> Any:
        found = super().get_basic_selection(_with_fields(selection, fields), out=from_buffer(out))
        return in_buffer(found, prototype if out is None else None)

    def get_orthogonal_selection(
        self, selection: Any, *, out: Any = None, fields: Any = None, prototype: Any = None
    ) -> Any:
        if fields is None:
            found = super().get_orthogonal_selection(selection, out=from_buffer(out))
        else:
            found = into(out, self.oindex[_with_fields(selection, fields)])
        return in_buffer(found, prototype if out is None else None)

    def get_coordinate_selection(
        self, selection: Any, *, out: Any = None, fields: Any = None, prototype: Any = None
    ) -> Any:
        if fields is None:
            found = super().get_coordinate_selection(selection, out=from_buffer(out))
        else:
            found = into(out, self.vindex[_with_fields(selection, fields)])
        return in_buffer(found, prototype if out is None else None)

    def get_mask_selection(
        self, mask: Any, *, out: Any = None, fields: Any = None, prototype: Any = None
    ) -> Any:
        if fields is None:
            found = super().get_mask_selection(mask, out=from_buffer(out))
        else:
            found = into(out, self.vindex[_with_fields(mask, fields)])
        return in_buffer(found, prototype if out is None else None)

    def get_block_selection(
        self, selection: Any, *, out: Any = None, fields: Any = None, prototype: Any = None
    ) -> Any:
        if fields is None:
            found = super().get_block_selection(selection, out=from_buffer(out))
        else:
            found = into(out, self.blocks[_with_fields(selection, fields)])
        return in_buffer(found, prototype if out is None else None)

    def set_basic_selection(
        self,
        selection: Any,
        value: Any,
        *,
        fields: Any = None,
        prototype: Any = None,
        casting: Any = "unsafe",
    ) -> None:
        chosen, value = _with_fields(selection, fields), values_of(value, prototype)
        super().set_basic_selection(chosen, value, casting=casting)

    def set_orthogonal_selection(
        self,
        selection: Any,
        value: Any,
        *,
        fields: Any = None,
        prototype: Any = None,
        casting: Any = "unsafe",
    ) -> None:
        chosen, value = _with_fields(selection, fields), values_of(value, prototype)
        super().set_orthogonal_selection(chosen, value, casting=casting)

    def set_coordinate_selection(
        self,
        selection: Any,
        value: Any,
        *,
        fields: Any = None,
        prototype: Any = None,
        casting: Any = "unsafe",
    ) -> None:
        chosen, value = _with_fields(selection, fields), values_of(value, prototype)
        super().set_coordinate_selection(chosen, value, casting=casting)

    def set_mask_selection(
        self, mask: Any, value: Any, *, fields: Any = None, prototype: Any = None, casting: Any = "unsafe"
    ) -> None:
        value = values_of(value, prototype)
        if fields is None:
            super().set_mask_selection(mask, value, casting=casting)
        else:
            self.vindex.set(_with_fields(mask, fields), value, casting=casting)

    def set_block_selection(
        self,
        selection: Any,
        value: Any,
        *,
        fields: Any = None,
        prototype: Any = None,
        casting: Any = "unsafe",
    ) -> None:
        chosen, value = _with_fields(selection, fields), values_of(value, prototype)
        super().set_block_selection(chosen, value, casting=casting)

    def __repr__(self) -> str:
        return f"<Array {self.store_path} shape={self.shape} dtype={self.dtype}>"


def _with_fields(selection: Any, fields: Any) -> Any:
    """Return a selection that names `fields` of a structured type."""
    if fields is None:
        return selection
    names = (fields,) if isinstance(fields, str) else tuple(fields)
    return (*(selection if isinstance(selection, tuple) else (selection,)), *names)
