"""The stores of ``zarr.storage``, by zarr-python's names."""

from exzarr.stores import FsspecStore, LocalStore, MemoryStore, ObjectStore, ZipStore
from exzarr.zarr.store_like import StorePath

__all__ = ["FsspecStore", "LocalStore", "MemoryStore", "ObjectStore", "StorePath", "ZipStore"]
