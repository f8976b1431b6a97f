"""Store in a file system of fsspec: FTP, SSH, HDFS, WebDAV, Dropbox and many more.

For web servers, this store makes three checks that fsspec does not. "Not found" must be the server's answer (fsspec
reports it for every failed request). A response to a range request must be the range and not the whole value. And
a folder must be listable.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

from exzarr.errors import (
    ArgumentError,
    InvalidKeyError,
    MissingDependencyError,
    StoreError,
    UnreachableError,
    UnsupportedError,
    UpdateUnsupportedError,
)
from exzarr.stores.base import (
    Buffer,
    ByteRange,
    Change,
    Fetched,
    Listed,
    Store,
    StoreTraits,
    check_key,
    check_prefix,
    check_writable,
    fetch_by_get,
    listing_error,
    resolve_range,
)
from exzarr.stores.objects.errors import scrubbed
from exzarr.stores.objects.options import check_absent

__all__ = ["FsspecStore"]

T = TypeVar("T")


LARGE_NBYTES = 1 << 30


class FsspecStore(Store):
    """Folder in one of fsspec's file systems.

    Puts are atomic only if the file system's are. Nearly no file system has conditional puts. Partial writes
    of a chunk are therefore refused, unless you declare that there is no other writer (`single_writer`).

    Parameters
    ----------
    where
        A URL that fsspec knows (https://filesystem-spec.readthedocs.io), such as ``sftp://host/path``; or a
        file system of fsspec, with `path`.
    path
        The folder in a file system.
    storage_options
        For a URL: the options of its file system. No message shows them.
    single_writer
        Declare that there is no other writer. With other writers, data can be lost.
    concurrency
        Preferred number of requests in flight. Default: 16 if the file system is remote, else 0.
    read_only
        Refuse writes.
    lists
        True if listings of the file system are complete. Default: True, except for web servers. Their listings
        are HTML pages, which may omit files. Set True for a web server only if its pages are complete.
    absent
        HTTP statuses that mean that a key is missing, in addition to 404 and 410: ``(403,)``. Forbidden chunks
        then count as missing too, and read as fill values.
    """

    def __init__(
        self,
        where: Any,
        path: str = "",
        *,
        storage_options: Mapping[str, Any] | None = None,
        single_writer: bool = False,
        concurrency: int | None = None,
        read_only: bool = False,
        lists: bool | None = None,
        absent: Collection[int] = (),
    ) -> None:
        self._given = (where, path, dict(storage_options or {}))
        self._secrets = [value for value in self._given[2].values() if isinstance(value, str)]
        if isinstance(where, str) and "@" in where:
            self._secrets += _passwords(where)
        self.absent = check_absent(absent)
        self._fs, folder = _file_system(where, path, self._given[2], self._secrets)
        self.path = folder.rstrip("/")
        protocol = self._fs.protocol
        self._protocol: str = protocol if isinstance(protocol, str) else protocol[0]
        self._web = _is_web(self._fs)
        self._serves_ranges = False
        """True once the web server has served a range that is not the whole value."""
        self.single_writer = single_writer
        if concurrency is None:
            concurrency = 0 if self._protocol in ("file", "memory") else 16
        self.traits = StoreTraits(
            read_only=read_only, concurrency=concurrency, lists=not self._web if lists is None else lists
        )

    def _at(self, key: str) -> str:
        return f"{self.path}/{self._quoted(check_key(key))}"

    def _quoted(self, key: str) -> str:
        """Return a key as a part of the file system's paths, which are URLs for web servers."""
        return quote(key) if self._web else key

    def _ask(self, what: str, key: str, call: Callable[..., T], *args: Any, **more: Any) -> T:
        try:
            return call(*args, **more)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            if self._is_absent(error):
                raise FileNotFoundError(key) from None
            made = self._error(what, key, error.__cause__ or error)
        except NotImplementedError as error:
            if what != "list":
                raise self._error(what, key, error) from None
            raise listing_error(self, key, "the file system has no listing") from None
        except UnicodeEncodeError as error:
            raise InvalidKeyError(f"{self} cannot hold the key {key!r}: {error}") from None
        except Exception as error:  # noqa: BLE001 - file systems raise errors of any type
            if what == "get" and _status(error) in (410, *self.absent):
                raise FileNotFoundError(key) from None
            made = self._error(what, key, error)
        raise made

    def _is_absent(self, error: OSError) -> bool:
        """Return True if "not found" is the answer. fsspec also raises it if a web server fails or is unreachable."""
        cause = error.__cause__
        if cause is None or isinstance(cause, FileNotFoundError):
            return True
        status = _status(cause)
        return not isinstance(cause, OSError) if status is None else status in (404, 410, *self.absent)

    def _error(self, what: str, key: str, error: BaseException) -> StoreError:
        text = scrubbed(f"{type(error).__name__}: {error}", self._secrets)
        status = _status(error)
        if status == 403 and what == "get":
            text += ". If the server answers 403 for missing keys, give the option absent=(403,)"
        kind = UnreachableError if _is_unreachable(error) else StoreError
        made = kind(f"cannot {what} key {key!r} in {self}: {text}")
        made.errno = errno.EACCES if status == 403 else error.errno if isinstance(error, OSError) else None
        if isinstance(error, socket.gaierror) or kind is UnreachableError:
            made.errno = None  # not a system errno
        return made

    # -- reading -----------------------------------------------------------------

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        path = self._at(key)
        try:
            if byte_range is None:
                return self._ask("get", key, self._fs.cat_file, path)  # type: ignore[no-any-return]
            start, length = byte_range
            resolve_range(byte_range, 0)  # validate the range
            end: int | None
            # File systems treat these ranges in different ways. Some allocate the memory before they check the size.
            if start < 0 or length == 0 or (length or 0) > LARGE_NBYTES:
                size = self.size(key)
                if size is None:
                    return None
                start, end = resolve_range(byte_range, size)
                if start == end:
                    return b""
            else:
                end = None if length is None else start + length
            data: bytes = self._ask("get", key, self._fs.cat_file, path, start=start, end=end)
            return self._part(key, data, start, end) if self._web else data
        except FileNotFoundError:
            return None
        except StoreError:
            # Some file systems raise an error for a range that begins past the end.
            size = None if byte_range is None or byte_range[0] < 0 else self.size(key)
            if size is not None and byte_range is not None and byte_range[0] >= size:
                return b""
            raise

    def read_into(self, key: str, buffer: memoryview, start: int = 0) -> int:
        data = self.get(key, (start, len(buffer) + 1))
        if data is None:
            return -1
        buffer[: len(data)] = data[: len(buffer)]
        return len(data)

    def size(self, key: str) -> int | None:
        try:
            info = self._ask("get", key, self._fs.info, self._at(key))
            if info["type"] == "directory":
                return None
            size: int | None = info["size"]
            # Web servers need not send the size. Then read the value.
            return len(self._ask("get", key, self._fs.cat_file, self._at(key))) if size is None else size
        except FileNotFoundError:
            return None

    def fetch(
        self, key: str, byte_range: ByteRange | None = None, version: Hashable = None
    ) -> Fetched | None:
        return fetch_by_get(self, key, byte_range, version)

    def _part(self, key: str, data: bytes, start: int, end: int | None) -> Buffer:
        """Return the requested part of a response: a web server may send the whole value instead of a range."""
        if start == 0:
            return data if end is None else data[:end]
        if not self._serves_ranges:
            size = self.size(key)
            if size is not None and len(data) == size:
                return data[start:end]
            self._serves_ranges = True
        return data

    # -- writing -----------------------------------------------------------------

    def put(self, key: str, value: Buffer) -> None:
        path = self._at(key)
        check_writable(self, key)
        data = value if type(value) is bytes else bytes(memoryview(value))
        self._ask("put", key, self._fs.makedirs, path.rpartition("/")[0], exist_ok=True)
        self._ask("put", key, self._fs.pipe_file, path, data)

    def update(self, key: str, change: Change) -> None:
        check_key(key)
        check_writable(self, key)
        if not self.single_writer:
            raise UpdateUnsupportedError(
                f"cannot change part of key {key!r} in {self}: the file system has no conditional put, so that "
                "another writer's change could be lost; write whole chunks, or declare that "
                "there is no other writer: FsspecStore(..., single_writer=True)"
            )
        super().update(key, change)

    def delete(self, key: str) -> None:
        path = self._at(key)
        check_writable(self, key)
        if self.size(key) is None:
            return
        try:
            self._ask("delete", key, self._fs.rm_file, path)
        except FileNotFoundError:
            pass

    def delete_prefix(self, prefix: str) -> None:
        check_writable(self, check_prefix(prefix))
        super().delete_prefix(prefix)

    # -- listing -----------------------------------------------------------------

    # File systems cache their listings and do not notice changes by other writers. Clear the cache before each listing.

    def list(self, prefix: str = "") -> Iterator[str]:
        self._require_listing(check_prefix(prefix))
        if self._web:
            return self._walk(prefix)
        folder = f"{self.path}/{prefix}".rstrip("/")
        try:
            if self._ask("list", prefix, self._fs.info, folder)["type"] != "directory":
                return iter(())
            found = self._ask("list", prefix, self._fs.find, folder)
        except FileNotFoundError:
            return iter(())
        skip = len(self.path) + 1
        return (str(path)[skip:] for path in found)

    def list_values(self, prefix: str = "") -> Iterator[Listed]:
        if self._web:
            yield from super().list_values(prefix)
            return
        self._require_listing(check_prefix(prefix))
        folder = f"{self.path}/{prefix}".rstrip("/")
        try:
            found = self._ask("list", prefix, self._fs.find, folder, detail=True)
        except FileNotFoundError:
            return
        skip = len(self.path) + 1
        for path, info in found.items():
            if info["size"] is not None and str(path) != folder:
                yield Listed(str(path)[skip:], info["size"], None)

    def _walk(self, prefix: str) -> Iterator[str]:
        """Iterate over the keys under `prefix`, one page of the web server at a time."""
        pending = [prefix]
        while pending:
            at = pending.pop()
            keys, prefixes = self.list_dir(at)
            top = f"{at}/" if at else ""
            yield from (top + name for name in keys)
            pending += [top + name for name in prefixes]

    def _require_listing(self, prefix: str) -> None:
        if not self.traits.lists:
            raise listing_error(
                self,
                prefix,
                "a web server has no listing, or only HTML pages (FsspecStore(..., lists=True) uses these)"
                if self._web
                else "the store was created with lists=False",
            )
        self._fs.invalidate_cache()

    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]:
        self._require_listing(check_prefix(prefix))
        folder = f"{self.path}/{self._quoted(prefix)}".rstrip("/")
        try:
            found = self._ask("list", prefix, self._fs.ls, folder + "/" * self._web, detail=True)
        except FileNotFoundError:
            if self._web:
                raise listing_error(self, prefix, "the web server has no page for this folder") from None
            return [], []
        names: tuple[set[str], set[str]] = set(), set()
        for info in found:
            path = str(info["name"]).rstrip("/")
            if self._web:
                path = path.partition("?")[0].partition("#")[0]
                if path.rpartition("/")[0] != folder:  # a link to elsewhere
                    continue
                path = unquote(path)
            if path != folder:  # some file systems list the folder itself, and all list a file so
                names[info["type"] == "directory"].add(path.rpartition("/")[2])
        return sorted(names[0]), sorted(names[1])

    # -- the store itself --------------------------------------------------------

    def parent(self) -> FsspecStore | None:
        folder = self.path.rpartition("/")[0]
        if not folder:
            return None
        made = copy(self)
        made.path, made.traits = folder, replace(self.traits, read_only=True)
        return made

    @property
    def url(self) -> str:
        return scrubbed(unquote(self.path) if self._web else f"{self._protocol}://{self.path}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FsspecStore) and (other._fs, other.path) == (self._fs, self.path)

    def __hash__(self) -> int:
        return hash((FsspecStore, self.url))

    def __reduce__(self) -> tuple[object, ...]:
        traits = {name: getattr(self.traits, name) for name in ("concurrency", "read_only", "lists")}
        return _make, (self._given, {"single_writer": self.single_writer, "absent": self.absent, **traits})


def _make(given: tuple[Any, str, dict[str, Any]], settings: dict[str, Any]) -> FsspecStore:
    where, path, options = given
    return FsspecStore(where, path, storage_options=options, **settings)


def _passwords(url: str) -> list[str]:
    try:
        password = urlsplit(url.rpartition("::")[2]).password
    except ValueError:  # not a URL: the file system raises an error for it
        return []
    return [password, unquote(password)] if password else []


def _is_web(fs: Any) -> bool:
    """Return True if a file system, or the one inside it (such as inside a cache), reads from a web server."""
    while fs is not None:
        protocol = fs.protocol
        if "http" in ((protocol,) if isinstance(protocol, str) else protocol):
            return True
        fs = getattr(fs, "fs", None)
    return False


def _status(error: BaseException) -> int | None:
    """Return the HTTP status of an error; None if it has none."""
    status = getattr(error, "status", None)
    if status is None and isinstance(error, PermissionError):
        return 403  # file systems of object stores raise PermissionError for it
    return status if isinstance(status, int) else None


def _is_unreachable(error: BaseException | None) -> bool:
    """Return True if a host refuses connections or its name is unknown."""
    while error is not None:
        if isinstance(error, (ConnectionRefusedError, socket.gaierror)):
            return True
        error = error.__cause__
    return False


def _file_system(where: Any, path: str, options: dict[str, Any], secrets: Sequence[str]) -> tuple[Any, str]:
    try:
        from fsspec import AbstractFileSystem, get_filesystem_class
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingDependencyError("this URL needs fsspec: pip install 'exzarr[remote]'") from error
    if isinstance(where, AbstractFileSystem):
        if options:
            raise ArgumentError(
                "storage_options are for URLs; a file system has its own options: leave them out"
            )
        return where, path
    if not isinstance(where, str):
        raise ArgumentError(f"an FsspecStore needs a URL or a file system, not a {type(where).__name__}")
    scheme = where.partition("://")[0].partition("::")[0]
    try:
        get_filesystem_class(scheme)
    except ValueError:
        raise UnsupportedError(f"fsspec has no file system for {scheme}:// URLs") from None
    except ImportError as error:
        raise MissingDependencyError(f"{scheme}:// needs another library: {error}") from error
    try:
        fs, folder = url_to_fs(where, **options)
    except Exception as error:  # noqa: BLE001 - any error means that there is no connection
        text = scrubbed(f"{type(error).__name__}: {error}", secrets)
    else:
        return fs, f"{folder.rstrip('/')}/{path}" if path else folder
    raise StoreError(f"cannot connect to {scrubbed(where, secrets)}: {text}")
