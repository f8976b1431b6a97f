"""What zarr-python's functions take as a store, and what its nodes return as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import exzarr
from exzarr.stores import Buffer, LocalStore, Store, ZarrPythonStore, resolve_store

__all__ = ["StorePath", "given", "joined", "resolved"]


@dataclass(frozen=True, eq=False)
class StorePath:
    """A path in a store: zarr-python's ``Array.store_path``."""

    store: Any
    path: str = ""

    def __truediv__(self, name: str) -> StorePath:
        return StorePath(self.store, joined(self.path, name))

    def __eq__(self, other: object) -> bool:
        return (self.store, self.path) == (getattr(other, "store", None), getattr(other, "path", None))

    def __hash__(self) -> int:
        return hash(self.path)

    def __str__(self) -> str:
        return f"{self.store}/{self.path}" if self.path else str(self.store)


class RootStore(LocalStore):
    """The folder of a LocalStore of zarr-python.

    For zarr-python it is a root wherever it is, also in the folder of an array. Its tests have such stores. With a path
    or a store of exzarr, the folders around are looked at.
    """

    def parent(self) -> None:
        return None


class ArchiveStore(ZarrPythonStore):
    """A ZipStore of zarr-python, which is the only writer of its archive."""

    def __init__(self, theirs: Any) -> None:
        super().__init__(theirs, single_writer=True)

    def put(self, key: str, value: Buffer) -> None:
        if self.get(key) != bytes(value):  # the archive would hold both
            super().put(key, value)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.inner,)


def resolved(store: Any, path: str | None = None) -> tuple[Any, str | None]:
    """Return what exzarr's functions take for zarr-python's `store` and `path`."""
    if type(store).__name__ == "StorePath":
        inner, _ = resolved(store.store)
        return inner, joined(store.path, path)
    if isinstance(store, exzarr.Array | exzarr.Group):
        return store.location.store, joined(store.path, path)
    if not hasattr(store, "get_partial_values"):  # not a store of zarr-python
        return store, path
    name = type(store).__name__ if type(store).__module__.startswith("zarr.") else ""
    if name == "LocalStore":
        ours: Store = RootStore(store.root, read_only=store.read_only)
    elif name == "ZipStore" and not store.read_only:
        ours = ArchiveStore(store)
    else:
        ours, _ = resolve_store(store)
    ours.theirs = store  # type: ignore[attr-defined]
    return ours, path


def given(store: Store) -> Any:
    """Return the store of zarr-python that `store` was made for; otherwise `store`."""
    return getattr(store, "theirs", store)


def joined(one: str, other: str | None) -> str:
    """Return one path below another."""
    return "/".join([part.strip("/") for part in (one, other) if part and part.strip("/")])
