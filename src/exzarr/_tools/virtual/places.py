"""Locate files (store and key for a path or URL), and open references as arrays."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exzarr._api.opening import open_array
from exzarr._nodes.array import Array
from exzarr._tools.virtual.model import VirtualArray, VirtualFile
from exzarr.errors import StoreError
from exzarr.stores.base import Store
from exzarr.stores.local.store import LocalStore
from exzarr.stores.references.store import ReferenceStore, folder_store
from exzarr.stores.urls import encoded, is_url, local_path, plain

if TYPE_CHECKING:
    from exzarr.stores.url_options import StorageOptions

__all__ = ["Place", "json_form", "opened_array", "place_of", "reference_options", "taken_in_chunks"]


@dataclass(frozen=True, slots=True)
class Place:
    """The location of a file.

    Attributes
    ----------
    name
        The name as it was given, for messages.
    target
        The name in references: a URL, or an absolute path.
    folder
        The URL or path of its folder, without a slash at the end.
    store, key
        The store and key to read it with.
    """

    name: str
    target: str
    folder: str
    store: Store
    key: str


def place_of(
    file: str | os.PathLike[str],
    stores: Mapping[str, Store],
    storage_options: StorageOptions | None = None,
) -> Place:
    """Locate a file. Raise StoreError if it is missing. `storage_options` apply to a URL."""
    name = os.fspath(file)
    if is_url(name):
        target = plain(name)
        folder, _, key = target.rpartition("/")
        for start, store in stores.items():
            begin = plain(start).rstrip("/")
            if target.startswith(begin + "/"):
                return Place(name, encoded(target), begin, store, target[len(begin) + 1 :])
        found = folder_store(encoded(folder), storage_options=storage_options)
        return Place(name, encoded(target), folder, found, key)
    path = str(Path(local_path(name)).expanduser().resolve())
    if not Path(path).is_file():
        raise StoreError(f"there is no file {path!r}")
    folder, key = os.path.split(path)
    return Place(name, path, folder, LocalStore(folder, read_only=True), key)


def json_form(found: VirtualFile) -> dict[str, Any]:
    """Return references in the form of kerchunk's JSON."""
    refs: dict[str, Any] = {}
    for key, value in found.references().items():
        if isinstance(value, bytes):
            refs[key] = "base64:" + b64encode(value).decode()
        else:
            refs[key] = value if isinstance(value, str) else [*value] if value[2] is not None else [value[0]]
    return {"version": 1, "refs": refs}


def reference_options(places: Iterable[Place]) -> dict[str, Any]:
    """Return the options that allow a `ReferenceStore` to read only the folders of these files."""
    places = [*places]
    stores = {encoded(place.folder): place.store for place in places if is_url(place.target)}
    return {"allow": [*dict.fromkeys(encoded(place.folder) + "/" for place in places)], "stores": stores}


def opened_array(array: VirtualArray, places: Iterable[Place]) -> Array:
    """Open one virtual array for reading."""
    only = VirtualFile("", {"": {}}, {"array": array})
    return open_array(ReferenceStore(json_form(only), **reference_options(places)), path="array", mode="r")


def taken_in_chunks(array: VirtualArray, place: Place, most: int) -> VirtualArray:
    """Inline chunks of fewer than `most` bytes, because a request costs more than their bytes in the references."""
    chunks = dict(array.chunks)
    for index, reference in array.chunks.items():
        if not isinstance(reference, bytes) and reference[2] is not None and reference[2] < most:
            data = place.store.get(place.key, (reference[1], reference[2]))
            if data is None or len(data) != reference[2]:
                raise StoreError(f"{place.name!r} has changed while it was read")
            chunks[index] = bytes(data)
    return replace(array, chunks=chunks)
