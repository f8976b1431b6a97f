"""Disk cache of a `CachedStore`. It persists after a restart and is shared with other processes.

Each value, or part of a value, that was read is one file: a line of JSON with key, range and version, then the
bytes. Files are created by renaming complete files. A file is used only if its checksum is correct.
"""

from __future__ import annotations

import json
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from typing import Any

from google_crc32c import value as crc32c

from exzarr.errors import ArgumentError, CacheWarning
from exzarr.stores.base import Fetched
from exzarr.stores.wrappers.caching import Place

__all__ = ["DiskCache"]

MAX_HEAD = 8192


class DiskCache:
    """Cache of up to `max_bytes` in a folder, with eviction of the least recently used entries.

    Several processes may use the folder concurrently. Use one folder for one store only, or for the decoded chunks of
    any number of arrays (`exzarr.batches`). If a value cannot be written, a `CacheWarning` is issued once.

    Parameters
    ----------
    folder
        The folder. It is created if it is missing. Files of other programs in it are left alone.
    max_bytes
        Maximum size of the data. An entry larger than a quarter of it is not cached.
    """

    def __init__(self, folder: str | os.PathLike[str], max_bytes: int = 10 * 1024**3) -> None:
        if max_bytes < 0:
            raise ArgumentError(f"max_bytes of a DiskCache may not be negative, not {max_bytes}")
        self.folder = os.path.abspath(os.fspath(folder))
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._nbytes = sum(size for _, size, _ in self._files())
        self._unseen = (
            0  # bytes written since the last listing, which also counts the files of other processes
        )
        self._warned = False

    @property
    def nbytes(self) -> int:
        """Size of the cache in bytes, as far as this process knows."""
        return self._nbytes

    # The file names of all entries of one key begin with the same digits, so that they can be found and dropped.
    # The key itself is stored only in the file: it may be too long for a file name, or have invalid characters.

    def _path(self, place: Place) -> str:
        name = f"{_digest(place[0])}-{place[1]}-{'' if place[2] is None else place[2]}.exzarr-cached"
        return os.path.join(self.folder, name[:2], name)

    def find(self, place: Place) -> tuple[Fetched, float] | None:
        """Return an entry and the time of its validation; see `Cache`."""
        path = self._path(place)
        try:
            with open(path, "rb") as file:
                head = json.loads(file.readline(MAX_HEAD))
                data = file.read()
            if (*head["place"],) != place or head["crc32c"] != crc32c(data) or len(data) != head["nbytes"]:
                raise ValueError(path)
            found = Fetched(data, int(head["size"]), _version(head["version"]))
            at = float(head["at"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            self._remove(path)  # damaged, or from another version of exzarr
            return None
        with suppress(OSError):
            os.utime(path)  # used just now
        return found, at

    def keep(self, place: Place, found: Fetched, at: float) -> None:
        """Add an entry; see `Cache`."""
        if len(found.data) * 4 > self.max_bytes:
            return
        head = {
            "place": place,
            "at": at,
            "size": found.size,
            "version": found.version,
            "nbytes": len(found.data),
            "crc32c": crc32c(bytes(found.data)),
        }
        try:
            line = json.dumps(head).encode() + b"\n"
        except TypeError:
            return  # a version that is valid in this process only
        if len(line) > MAX_HEAD:
            return
        path = self._path(place)
        half = f"{path}.{os.getpid()}-{threading.get_ident()}"
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(half, "wb") as file:
                file.write(line)
                file.write(found.data)
            with suppress(FileNotFoundError):
                self._add(-os.stat(path).st_size)
            size = os.stat(half).st_size
            self._add(size)
            self._unseen += size
            os.replace(half, path)
        except OSError as error:  # no space, no permission: do not cache the value
            with suppress(OSError):
                os.unlink(half)
            if not isinstance(
                error, FileNotFoundError
            ):  # another process has evicted the file: the cache is full
                self._warn(error)
            return
        if self._nbytes > self.max_bytes or self._unseen > self.max_bytes // 16:
            self._make_room()

    def drop(self, key: str) -> None:
        """Remove all entries of a key; see `Cache`."""
        digest = _digest(key)
        with suppress(OSError):
            for entry in os.scandir(os.path.join(self.folder, digest[:2])):
                if entry.name.startswith(digest):
                    self._remove(entry.path)

    def drop_prefix(self, prefix: str) -> None:
        """Remove all entries of the keys under a prefix; see `Cache`."""
        start = prefix and prefix + "/"
        for path, _, _ in [*self._files()]:
            try:
                with open(path, "rb") as file:
                    key = json.loads(file.readline(MAX_HEAD))["place"][0]
            except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError):
                self._remove(path)
                continue
            if key.startswith(start):
                self._remove(path)

    def _make_room(self) -> None:
        """If the cache is full, remove the least recently used files until a tenth of it is free."""
        files = sorted(self._files(), key=lambda file: file[2])
        with self._lock:
            self._nbytes = sum(size for _, size, _ in files)
            self._unseen = 0
        if self._nbytes <= self.max_bytes:
            return
        for path, _, _ in files:
            if self._nbytes <= self.max_bytes * 9 // 10:
                break
            self._remove(path)

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"the cache in {self.folder} cannot keep values: {error}. Reads continue without it: free space, or "
                "choose another folder",
                CacheWarning,
                stacklevel=3,
            )

    def _files(self) -> Iterator[tuple[str, int, int]]:
        """Iterate over the path, size and time of last use of every file."""
        with suppress(OSError):
            for folder in [*os.scandir(self.folder)]:
                with suppress(OSError):
                    for entry in [*os.scandir(folder.path)]:
                        if ".exzarr-cached" in entry.name:
                            with suppress(OSError):
                                facts = entry.stat()
                                yield entry.path, facts.st_size, facts.st_mtime_ns

    def _remove(self, path: str) -> None:
        with suppress(OSError):
            size = os.stat(path).st_size
            os.unlink(path)
            self._add(-size)

    def _add(self, nbytes: int) -> None:
        with self._lock:
            self._nbytes += nbytes

    def __reduce__(self) -> tuple[object, ...]:
        return DiskCache, (self.folder, self.max_bytes)

    def __repr__(self) -> str:
        return f"DiskCache({self.folder!r}, max_bytes={self.max_bytes})"


def _digest(key: str) -> str:
    return sha256(key.encode(errors="surrogatepass")).hexdigest()[:40]


def _version(version: Any) -> Any:
    """Return a version as it was before JSON turned its tuples into lists."""
    return (*map(_version, version),) if isinstance(version, list) else version
