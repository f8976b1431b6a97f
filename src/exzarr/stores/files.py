"""Files that hold a hierarchy: zip archives, SQLite databases and reference sets. Recognize and open them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from exzarr.errors import NodeExistsError, NodeNotFoundError, ReadOnlyError, StoreError
from exzarr.stores.base import Store, check_prefix

if TYPE_CHECKING:
    from exzarr.stores.resolve import Mode
    from exzarr.stores.url_options import StorageOptions

__all__ = [
    "REFERENCES",
    "ZIPPED",
    "ZIP_SUFFIXES",
    "is_no_hierarchy",
    "is_sqlite",
    "is_zip",
    "open_references",
    "open_sqlite",
    "open_zip",
    "references_at",
    "split_references",
    "split_zip",
]

REFERENCES = re.compile(r"\.(json|json\.gz|json\.zst|parq|parquet)(/|\Z)", re.IGNORECASE)
"""The end of the name of a reference set in a path."""

ZIP_SUFFIXES = (".zip", ".ozx")
"""Suffixes of zip files that hold a Zarr hierarchy; ``.ozx`` is a zipped OME-Zarr (RFC-9)."""

ZIPPED = (".npz", ".xlsx", ".ods")
"""Suffixes of zip archives that are not Zarr."""


def is_no_hierarchy(file: str) -> StoreError:
    """Return the error for a file that holds no hierarchy."""
    from exzarr.stores.foreign import foreign_file

    if _is_metadata(os.path.basename(file)):
        return StoreError(
            f"{file!r} is a file; a Zarr hierarchy is a folder or a .zip file: open {os.path.dirname(file)!r}"
        )
    kind = foreign_file(file)
    return StoreError(
        f"{file!r} is a file; a Zarr hierarchy is a folder or a .zip file"
        if kind is None
        else f"{file!r} is {kind}"
    )


def is_zip(file: str) -> bool:
    """Return True if a file starts as a zip archive does."""
    try:
        with open(file, "rb") as start:
            return start.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
    except OSError:
        return False


def is_sqlite(file: str) -> bool:
    """Return True if a file starts as a SQLite database does."""
    try:
        with open(file, "rb") as start:
            return start.read(16) == b"SQLite format 3\0"
    except OSError:
        return False


def open_sqlite(file: str, mode: Mode | None) -> tuple[Store, str]:
    """Return the store of a SQLite database, and an empty path."""
    from exzarr.stores.sqlite.store import SQLiteStore

    read_only = mode == "r" or (mode is None and os.path.exists(file) and not os.access(file, os.W_OK))
    return SQLiteStore(file, read_only=read_only), ""


def split_references(path: str) -> tuple[str, str] | None:
    """Return the reference set of `path` and the path in it; None if the path leads to none."""
    from exzarr.stores.references.json_set import is_json

    parts = path.replace(os.sep, "/").split("/")
    for end, name in enumerate(parts, 1):
        if REFERENCES.search(name):
            place = "/".join(parts[:end])
            document = place if is_json(name) else place + "/.zmetadata"
            if not _is_metadata(name) and os.path.isfile(document):
                return place, "/".join(parts[end:])
    return None


def references_at(url: str, options: StorageOptions | None) -> tuple[str, str] | None:
    """Return the reference set of a URL and the path in it; None if the URL leads to none."""
    from exzarr.stores.references.json_set import is_json
    from exzarr.stores.references.store import folder_store
    from exzarr.stores.url_options import reference_arguments
    from exzarr.stores.urls import encoded, plain

    of_url = reference_arguments(options)["storage_options"] if options else None
    scheme, _, rest = url.partition("://")
    parts = rest.split("/")
    for end, name in enumerate(parts[1:], 2):
        if REFERENCES.search(name) and not _is_metadata(name):
            place = f"{scheme}://{'/'.join(parts[:end])}"
            document = plain(place if is_json(name) else place + "/.zmetadata")
            folder, _, key = document.rpartition("/")
            if folder_store(encoded(folder), storage_options=of_url).exists(key):
                return place, plain(f"{scheme}://{'/'.join(parts[end:])}").partition("://")[2]
    return None


def open_references(
    place: str, inside: str, mode: Mode | None, options: StorageOptions | None
) -> tuple[Store, str]:
    """Return the store of a reference set, and the path in it."""
    from exzarr.stores.references.store import ReferenceStore

    path = check_prefix(inside)
    if mode not in (None, "r"):
        raise ReadOnlyError(
            f"mode {mode!r} would change the references in {place!r}, which are read-only; use mode 'r'"
        )
    if options is None:
        return ReferenceStore(place), path
    from exzarr.stores.url_options import reference_arguments

    return ReferenceStore(place, **reference_arguments(options)), path


def _is_metadata(name: str) -> bool:
    return name in ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")


def split_zip(path: str) -> tuple[str, str] | None:
    """Return the zip file of `path` and the path in it; None if the path leads to none."""
    parts = path.replace(os.sep, "/").split("/")
    for end in range(1, len(parts) + 1):
        if parts[end - 1].lower().endswith(ZIP_SUFFIXES):
            file = "/".join(parts[:end])
            # A folder may be called x.zip too. A missing file can only be the last part.
            if os.path.isfile(file) or (end == len(parts) and not os.path.exists(file)):
                return file, "/".join(parts[end:])
    return None


def open_zip(file: str, inside: str, mode: Mode | None) -> tuple[Store, str]:
    """Return the store of a zip file, and the path in it."""
    from exzarr.stores.zip.store import ZipStore

    path = check_prefix(inside)
    if mode in (None, "r"):
        if not os.path.exists(file):
            raise NodeNotFoundError(f"there is no zip file {file!r}")
        return ZipStore(file), path
    if mode == "w":
        return ZipStore(file, mode="w"), path
    if not os.path.exists(file):
        if mode == "r+":
            raise NodeNotFoundError(f"there is no zip file {file!r}")
        return ZipStore(file, mode="x"), path
    if mode == "w-":
        raise NodeExistsError(f"{file!r} already exists; use mode 'w' to replace it")
    raise ReadOnlyError(
        f"mode {mode!r} would change the zip file {file!r}, and a zip can only be written as a whole: "
        "use mode 'r' to read it, 'w' to replace it"
    )
