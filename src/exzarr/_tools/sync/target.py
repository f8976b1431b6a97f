"""The place that a sync makes equal to the source."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from exzarr._nodes.array import Array
from exzarr._nodes.group import Group
from exzarr._nodes.hierarchy import Location
from exzarr._tools.copy import locate
from exzarr.errors import ReadOnlyError
from exzarr.stores.base import Store, check_writable
from exzarr.stores.files import split_zip
from exzarr.stores.memory import MemoryStore
from exzarr.stores.resolve import refuse_options
from exzarr.stores.url_options import StorageOptions
from exzarr.stores.zip.rewrite import ZipRewrite
from exzarr.stores.zip.store import ZipStore

__all__ = ["locate_target"]


def locate_target(
    target: Any, path: str, opened: ExitStack, storage_options: StorageOptions | None, *, dry_run: bool
) -> Location:
    """Return the location of the target. It need not exist.

    Raises
    ------
    ReadOnlyError
        The target cannot be written.
    """
    zipped = _zip_file(target)
    if zipped is not None:
        refuse_options(storage_options, f"{target!r} is a local path")
        file, inside = zipped
        store: Store
        exists = Path(file).exists()
        if dry_run:
            store = ZipStore(file) if exists else _NewZip(file)
        else:
            store = ZipRewrite(file) if exists else ZipStore(file, "x")
        opened.enter_context(store)
        return Location(store, inside).child(path)
    found = locate(target, path, "a", opened, storage_options)
    if isinstance(target, ZipStore) and target.mode == "r":
        raise ReadOnlyError(f"cannot write {target}: pass the path of the file, so that it can be rewritten")
    check_writable(found.store, found.path or "/")
    return found if isinstance(target, Array | Group) else found.direct


class _NewZip(MemoryStore):
    """An empty store in memory, which stands for a zip file that does not exist."""

    def __init__(self, file: str) -> None:
        super().__init__()
        self._file = file

    @property
    def url(self) -> str:
        return f"zip://{self._file}"


def _zip_file(target: Any) -> tuple[str, str] | None:
    """Return the zip file of a local path, and the path in it; None if it leads to none."""
    if not isinstance(target, str | os.PathLike):
        return None
    text = os.fspath(target)
    if isinstance(text, bytes) or "://" in text or "|" in text:
        return None
    return split_zip(str(Path(text).expanduser().absolute()))
