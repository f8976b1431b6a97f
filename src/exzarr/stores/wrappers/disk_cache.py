"""What a `CachedStore` keeps, on a disk: it is there after a restart, and for other processes.

One file for each part of a value that was read: a line of JSON that says which and of which version, and
the bytes. Files appear whole, by renaming; nothing in the folder is trusted until its checksum fits.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from typing import Any

from google_crc32c import value as crc32c

from exzarr.errors import ArgumentError
from exzarr.stores.base import Fetched
from exzarr.stores.wrappers.caching import Place

__all__ = ["DiskCache"]

MAX_HEAD = 8192


class DiskCache:
    """Keeps up to `max_bytes` in a folder, of what was used last.

    Several processes may use the folder at once. A folder belongs to one store: another gets another one.

    Parameters
    ----------
    folder
        Made where it lacks. Files in it that are not the cache's own are left alone.
    max_bytes
        Of data; what alone would take more than a quarter of it is not kept.
    """

    def __init__(self, folder: str | os.PathLike[str], max_bytes: int = 10 * 1024**3) -> None:
        if max_bytes < 0:
            raise ArgumentError(f"a cache of {max_bytes} bytes makes no sense")
        self.folder = os.path.abspath(os.fspath(folder))
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._nbytes = sum(size for _, size, _ in self._files())

    @property
    def nbytes(self) -> int:
        """What it holds now, in bytes, as far as this process knows."""
        return self._nbytes

    # All that is kept of one key begins with the same digits, by which it is found to be dropped. Which key
    # that is stands in the file only: names may be too long, or strange, for a file system.

    def _path(self, place: Place) -> str:
        name = f"{_digest(place[0])}-{place[1]}-{'' if place[2] is None else place[2]}.exzarr-cached"
        return os.path.join(self.folder, name[:2], name)

    def find(self, place: Place) -> tuple[Fetched, float] | None:
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
            return  # a version that means nothing outside of this process
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
            self._add(os.stat(half).st_size)
            os.replace(half, path)
        except OSError:  # no space, no permission: then it is not kept
            with suppress(OSError):
                os.unlink(half)
            return
        if self._nbytes > self.max_bytes:
            self._make_room()

    def drop(self, key: str) -> None:
        digest = _digest(key)
        with suppress(OSError):
            for entry in os.scandir(os.path.join(self.folder, digest[:2])):
                if entry.name.startswith(digest):
                    self._remove(entry.path)

    def drop_prefix(self, prefix: str) -> None:
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
        """Remove what was not used for the longest time, until a tenth is free."""
        files = sorted(self._files(), key=lambda file: file[2])
        with self._lock:
            self._nbytes = sum(size for _, size, _ in files)
        for path, _, _ in files:
            if self._nbytes <= self.max_bytes * 9 // 10:
                break
            self._remove(path)

    def _files(self) -> Iterator[tuple[str, int, int]]:
        """Path, size and time of last use of every file."""
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
    """What JSON made a list of was a tuple."""
    return (*map(_version, version),) if isinstance(version, list) else version
