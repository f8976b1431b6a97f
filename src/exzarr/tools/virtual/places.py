"""Where files lie: the store and the key for a path or URL, and references as something to read."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exzarr.api.opening import open_group
from exzarr.errors import StoreError
from exzarr.group import Group
from exzarr.stores.base import Store
from exzarr.stores.local import LocalStore
from exzarr.stores.reference_json import is_url
from exzarr.stores.references import ReferenceStore, folder_store
from exzarr.tools.virtual.model import VirtualFile

__all__ = ["Place", "json_form", "opened", "place_of", "reference_store"]


@dataclass(frozen=True, slots=True)
class Place:
    """A file.

    Attributes
    ----------
    name
        As it was given, for messages.
    target
        What references call it: a URL, or an absolute path.
    folder
        The URL or path it lies in, without a slash.
    store, key
        What reads it.
    """

    name: str
    target: str
    folder: str
    store: Store
    key: str


def place_of(file: str | os.PathLike[str], stores: Mapping[str, Store]) -> Place:
    """Where a file is. StoreError where it is not there."""
    name = os.fspath(file)
    if is_url(name):
        folder, _, key = name.rpartition("/")
        for start, store in stores.items():
            if name.startswith(start.rstrip("/") + "/"):
                return Place(name, name, start.rstrip("/"), store, name[len(start.rstrip("/")) + 1 :])
        return Place(name, name, folder, folder_store(folder), key)
    path = str(Path(name.removeprefix("file://")).expanduser().resolve())
    if not Path(path).is_file():
        raise StoreError(f"there is no file {path!r}")
    folder, key = os.path.split(path)
    return Place(name, path, folder, LocalStore(folder, read_only=True), key)


def json_form(found: VirtualFile) -> dict[str, Any]:
    """References as kerchunk's JSON has them."""
    refs: dict[str, Any] = {}
    for key, value in found.references().items():
        if isinstance(value, bytes):
            refs[key] = "base64:" + b64encode(value).decode()
        else:
            refs[key] = value if isinstance(value, str) else [*value] if value[2] is not None else [value[0]]
    return {"version": 1, "refs": refs}


def reference_store(references: Any, places: Iterable[Place]) -> ReferenceStore:
    """References (as `ReferenceStore` takes them) to these files, and no others."""
    places = [*places]
    stores = {place.folder: place.store for place in places if is_url(place.target)}
    allow = [place.folder + "/" for place in places]
    return ReferenceStore(references, allow=[*dict.fromkeys(allow)], stores=stores)


def opened(found: VirtualFile, places: Iterable[Place]) -> Group:
    """What was found, to read in."""
    return open_group(reference_store(json_form(found), places), mode="r")
