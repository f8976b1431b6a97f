"""What libraries that dispatch on zarr-python's classes need: `isinstance`, and the asynchronous array.

``isinstance(node, zarr.Array)`` decides in xarray and dask whether a node is data. The property ``__class__`` of the
drop-in's nodes answers it, as that of `unittest.mock.Mock` does. ``type(node)`` stays the class of exzarr.
"""

from __future__ import annotations

import json
import sys
from dataclasses import fields
from typing import Any

from exzarr.errors import NodeNotFoundError

__all__ = ["asynchronous", "class_for_isinstance"]


def class_for_isinstance(node: Any, name: str) -> type:
    """Return zarr-python's class `name`, if zarr-python is imported; otherwise the class of `node`."""
    kind: type = getattr(sys.modules.get("zarr"), name, type(node))
    return kind


def asynchronous(array: Any) -> Any:
    """Return the asynchronous array of zarr-python for an array of exzarr. Read its stored metadata document."""
    from zarr import AsyncArray
    from zarr.storage import StorePath

    from exzarr.zarr.store_view import StoreView

    store, base = array.location.store, f"{array.path}/" if array.path else ""

    def document(name: str) -> Any:
        value = store.get(base + name)
        return None if value is None else json.loads(bytes(value))

    found = document("zarr.json" if array.zarr_format == 3 else ".zarray")
    if found is None:
        raise NodeNotFoundError(f"there is no array at {array.path!r} in {store}")
    if array.zarr_format == 2:
        found["attributes"] = document(".zattrs") or {}
    theirs = getattr(store, "theirs", None) or StoreView(store, read_only=array.read_only)
    made = AsyncArray.from_dict(StorePath(theirs, array.path), found)
    config = array.config.to_dict()
    known = {field.name: config[field.name] for field in fields(made.config) if field.name in config}
    return AsyncArray(metadata=made.metadata, store_path=made.store_path, config=known)
