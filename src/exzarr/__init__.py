"""exzarr: Zarr v2 and v3 arrays for Python, at the speed of the disk.

>>> import exzarr
>>> a = exzarr.zeros((1000, 1000), chunks=(100, 100), dtype="f4")
>>> a[10, :5] = 1
>>> a[10, 3:7]
array([1., 1., 0., 0.], dtype=float32)

Everything here is imported when it is first asked for.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from exzarr import codecs, config, errors, stores, stream, telemetry, tools
    from exzarr.api import (
        array,
        consolidate_metadata,
        create,
        create_array,
        create_group,
        create_hierarchy,
        empty,
        empty_like,
        from_array,
        full,
        full_like,
        group,
        load,
        ones,
        ones_like,
        open,  # noqa: A004
        open_array,
        open_consolidated,
        open_group,
        open_like,
        save,
        save_array,
        save_group,
        tree,
        zeros,
        zeros_like,
    )
    from exzarr.array import Array
    from exzarr.creation.metadata import array_metadata
    from exzarr.errors import (
        ArgumentError,
        ChangedError,
        ChecksumError,
        ChunkCorruptError,
        ChunkError,
        ChunkMissingError,
        ChunkStoreError,
        ChunkTimeoutError,
        CodecError,
        ExzarrError,
        IngestConflictError,
        IngestError,
        InvalidKeyError,
        LeftOutWarning,
        ListingUnsupportedError,
        LockTimeoutError,
        MetadataError,
        MissingDependencyError,
        NodeExistsError,
        NodeNotFoundError,
        NodeTypeError,
        ReadOnlyError,
        SelectionError,
        StoreError,
        StreamError,
        TimedOutError,
        UnknownArgumentError,
        UnreachableError,
        UnreadError,
        UnsupportedError,
        WorkerDiedError,
    )
    from exzarr.group import Group
    from exzarr.integrations.dask import to_dask
    from exzarr.integrations.torch import to_torch
    from exzarr.retrying import Retry
    from exzarr.stores import LocalStore, MemoryStore, Store, ZipStore
    from exzarr.stream.batches import batches
    from exzarr.stream.ingest import ingest, ingest_position
    from exzarr.stream.ingesting.blocks import Block
    from exzarr.stream.ingesting.dead_letters import dead_letters
    from exzarr.stream.maps import parallel_chunk_map
    from exzarr.telemetry.profiling import profile
    from exzarr.tools import lab
    from exzarr.tools.check.checking import check
    from exzarr.tools.check.repair import repair
    from exzarr.tools.checksum.digest import checksum
    from exzarr.tools.convert import convert
    from exzarr.tools.copy import copy
    from exzarr.tools.virtual.virtualize import virtualize

__all__ = [
    "__version__",
    # what there is
    "Array",
    "Group",
    # open and create
    "open",
    "open_array",
    "open_group",
    "open_consolidated",
    "open_like",
    "create",
    "create_array",
    "create_group",
    "create_hierarchy",
    "from_array",
    "array",
    "group",
    "zeros",
    "ones",
    "full",
    "empty",
    "zeros_like",
    "ones_like",
    "full_like",
    "empty_like",
    "array_metadata",
    # whole arrays and hierarchies
    "save",
    "save_array",
    "save_group",
    "load",
    "copy",
    "convert",
    "check",
    "repair",
    "checksum",
    "virtualize",
    "tree",
    "consolidate_metadata",
    # in other libraries' terms
    "to_dask",
    "to_torch",
    # streams
    "batches",
    "parallel_chunk_map",
    "ingest",
    "ingest_position",
    "dead_letters",
    "Block",
    "Retry",
    # seeing what happens
    "profile",
    # stores
    "Store",
    "LocalStore",
    "MemoryStore",
    "ZipStore",
    # errors
    "ExzarrError",
    "ArgumentError",
    "ChangedError",
    "ChunkError",
    "ChunkCorruptError",
    "ChunkMissingError",
    "ChunkStoreError",
    "ChunkTimeoutError",
    "CodecError",
    "ChecksumError",
    "IngestConflictError",
    "IngestError",
    "InvalidKeyError",
    "LeftOutWarning",
    "ListingUnsupportedError",
    "LockTimeoutError",
    "MetadataError",
    "MissingDependencyError",
    "NodeExistsError",
    "NodeNotFoundError",
    "NodeTypeError",
    "ReadOnlyError",
    "SelectionError",
    "StoreError",
    "StreamError",
    "TimedOutError",
    "UnreachableError",
    "UnreadError",
    "UnknownArgumentError",
    "UnsupportedError",
    "WorkerDiedError",
    # rooms
    "codecs",
    "config",
    "errors",
    "lab",
    "stores",
    "stream",
    "telemetry",
    "tools",
]

_ROOMS = ("codecs", "config", "errors", "stores", "stream", "telemetry", "tools")
_HOMES = {
    "Array": "exzarr.array",
    "Retry": "exzarr.retrying",
    "Group": "exzarr.group",
    "array_metadata": "exzarr.creation.metadata",
    "batches": "exzarr.stream.batches",
    "ingest": "exzarr.stream.ingest",
    "ingest_position": "exzarr.stream.ingest",
    "dead_letters": "exzarr.stream.ingesting.dead_letters",
    "Block": "exzarr.stream.ingesting.blocks",
    "convert": "exzarr.tools.convert",
    "copy": "exzarr.tools.copy",
    "parallel_chunk_map": "exzarr.stream.maps",
    "to_dask": "exzarr.integrations.dask",
    "to_torch": "exzarr.integrations.torch",
    "profile": "exzarr.telemetry.profiling",
    "check": "exzarr.tools.check.checking",
    "checksum": "exzarr.tools.checksum.digest",
    "repair": "exzarr.tools.check.repair",
    "virtualize": "exzarr.tools.virtual.virtualize",
    **dict.fromkeys(("Store", "LocalStore", "MemoryStore", "ZipStore"), "exzarr.stores"),
    **{name: "exzarr.errors" for name in __all__ if name.endswith(("Error", "Warning"))},
}


class _Package(ModuleType):
    """Keeps `exzarr.array` and `exzarr.group` the functions, also once the modules of these names are imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in ("array", "group") and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    if name == "lab":
        return import_module(f"{__name__}.tools.lab")
    value = globals()[name] = getattr(import_module(_HOMES.get(name, "exzarr.api")), name)
    return value


def __dir__() -> list[str]:
    return [*__all__]
