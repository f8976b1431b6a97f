"""Datasets of xarray from groups of exzarr."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from xarray import Dataset, Variable
from xarray.backends import AbstractDataStore, StoreBackendEntrypoint

import exzarr
from exzarr.stores import Store
from exzarr.xarray.options import OpenOptions
from exzarr.xarray.places import open_group
from exzarr.xarray.variables import variable

__all__ = ["open_dataset", "open_groups"]


def open_dataset(place: Any, options: OpenOptions) -> Dataset:
    """Open one group as a dataset."""
    group = open_group(place, options)
    with _ClosedOnError(place, group.store):
        return _dataset(group, group.arrays(), options, place)


def open_groups(place: Any, options: OpenOptions) -> dict[str, Dataset]:
    """Open a group and all groups below it as datasets, by path.

    With ``options.group``, paths are relative to it, and it is ``"."`` itself; else the root is ``"/"``.
    """
    top = open_group(place, options)
    head, first = ("", ".") if options.group else ("/", "/")
    with _ClosedOnError(place, top.store):
        return {
            head + path if path else first: _dataset(group, arrays, options, place)
            for path, group, arrays in _walk(top, "")
        }


def _walk(
    group: exzarr.Group, path: str
) -> Iterator[tuple[str, exzarr.Group, list[tuple[str, exzarr.Array]]]]:
    """Iterate over `group` and all groups below it, parents first: path, group and its arrays."""
    members = [*group.items()]
    yield path, group, [(name, node) for name, node in members if isinstance(node, exzarr.Array)]
    for name, node in members:
        if isinstance(node, exzarr.Group):
            yield from _walk(node, f"{path}/{name}" if path else name)


def _dataset(
    group: exzarr.Group, arrays: Iterable[tuple[str, exzarr.Array]], options: OpenOptions, place: Any
) -> Dataset:
    as_mask = options.use_zarr_fill_value_as_mask
    if as_mask is None:
        as_mask = group.zarr_format == 2
    dropped = options.dropped
    variables = {
        name: variable(array, fill_value_as_mask=as_mask, prefer_shards=options.prefer_shards)
        for name, array in arrays
        if name not in dropped
    }
    close = None if _is_users(place) else group.store
    dataset = StoreBackendEntrypoint().open_dataset(
        _GroupDataStore(variables, group.attrs.asdict(), close), **options.decoding
    )
    if isinstance(place, exzarr.Group):  # xarray takes `path` for the name of a file
        dataset.encoding["source"] = str(group.location)
    return dataset


class _GroupDataStore(AbstractDataStore):  # type: ignore[misc]
    """The variables and attributes of one group, for xarray to decode."""

    __slots__ = ("_attributes", "_store", "_variables")

    def __init__(
        self, variables: Mapping[str, Variable], attributes: dict[str, Any], store: Store | None
    ) -> None:
        self._variables = variables
        self._attributes = attributes
        self._store = store

    def get_variables(self) -> Mapping[str, Variable]:
        return self._variables

    def get_attrs(self) -> dict[str, Any]:
        return {name: value for name, value in self._attributes.items() if not name.lower().startswith("_nc")}

    def close(self) -> None:
        if self._store is not None:
            self._store.close()


def _is_users(place: Any) -> bool:
    """Return whether the caller opened the store, and therefore closes it."""
    return isinstance(place, exzarr.Group | Store)


class _ClosedOnError:
    """Closes the store that was opened for `place`, if the block fails."""

    def __init__(self, place: Any, store: Store) -> None:
        self._store = None if _is_users(place) else store

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None and self._store is not None:
            self._store.close()
