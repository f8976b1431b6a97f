"""Store in S3, Google Cloud Storage, Azure or a web server, through obstore.

Most methods make one request. Later requests use the size and the ETag that earlier ones returned: parts of
an opened value are requested on condition that the value is unchanged.
"""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from itertools import chain
from typing import Any, TypeVar
from uuid import uuid4

from exzarr._retrying import Retry
from exzarr.errors import ArgumentError, ListingUnsupportedError, StoreError, UpdateUnsupportedError
from exzarr.stores.base import (
    KEEP,
    Buffer,
    ByteRange,
    BytesReader,
    Change,
    Fetched,
    Listed,
    Store,
    StoreTraits,
    ValueReader,
    changed_error,
    check_key,
    check_prefix,
    check_writable,
    listing_error,
    resolve_range,
)
from exzarr.stores.locks import ThreadLock, deadline, timed_out
from exzarr.stores.objects.options import (
    Connection,
    ObjectOptions,
    check_absent,
    connect,
    environment_secrets,
    import_obstore,
    web_of,
)
from exzarr.stores.objects.properties import (
    TAIL_NBYTES,
    PartlyKnown,
    etag_of,
    listed_version_of,
    root_of,
    version_of,
)
from exzarr.stores.objects.puts import no_conditional_put, put, put_if
from exzarr.stores.objects.requests import Asked, Kind, ask
from exzarr.stores.objects.web import is_encoded, is_peculiar
from exzarr.stores.wrappers.retry import PATIENT

__all__ = ["ObjectStore"]

T = TypeVar("T")


class ObjectStore(Store):
    """Object store or web server, or the keys under a prefix of it.

    Parameters
    ----------
    where
        A URL (``s3://bucket/path``, ``gs://bucket/path``, ``az://container/path``,
        ``abfss://container@account.dfs.core.windows.net/path``, ``https://host/path``), or one of obstore's
        stores, such as `obstore.store.S3Store`.
    options
        For a URL: `S3Options`, `GCSOptions`, `AzureOptions` or `HTTPOptions`. Options that are None come from
        the environment, by the names that the provider's own tools use.
    prefix
        The store has only the keys under this prefix.
    retry
        Retry policy: which errors are retried, how often, and for how long. Throttling (429, 503), timeouts, broken
        connections and truncated bodies are transient. Denied and malformed requests are raised immediately.
    concurrency
        Preferred number of requests in flight.
    single_writer
        Declare that there is no other writer. Partial writes of a chunk then need no conditional put, which some
        stores lack (web servers, folders through obstore). With other writers, data can be lost.
    read_only
        Refuse writes. Web servers are read-only unless ``HTTPOptions(writable=True)`` declares that they take writes.
    absent
        HTTP statuses that mean that a key is missing, in addition to 404 and 410: ``(403,)`` for a bucket that
        permits reads but denies listing. Forbidden chunks then count as missing too, and read as fill values.
    """

    def __init__(
        self,
        where: Any,
        *,
        options: ObjectOptions | None = None,
        prefix: str = "",
        retry: Retry = PATIENT,
        concurrency: int = 64,
        single_writer: bool = False,
        read_only: bool = False,
        absent: Collection[int] = (),
    ) -> None:
        self._obs = import_obstore()
        self._given = (where, options, prefix)
        if isinstance(where, str):
            made = connect(where, options, within=retry.timeout)
            prefix = "/".join(part for part in (made.prefix, prefix) if part)
        elif type(where).__module__.partition(".")[0] in ("obstore", "builtins") and hasattr(
            where, "get_async"
        ):
            if options is not None:
                raise ArgumentError("options are for URLs; a store of obstore has its own: leave them out")
            web = web_of(where)
            made = Connection(where, "", root_of(where), web, writable=web is None)
        else:
            raise ArgumentError(f"an ObjectStore needs a URL or a store of obstore, not {type(where)}")
        self._client, self._root, self._web = made.client, made.root, made.web
        self.prefix = check_prefix(prefix)
        self._base = prefix + "/" if prefix else ""
        self.retry = retry
        self._kind = type(self._client).__name__
        self.traits = StoreTraits(
            read_only=read_only or not made.writable,
            concurrency=concurrency,
            conditional_delete=False,
            exclusive_update=single_writer,
        )
        self.absent = check_absent(absent)
        secrets = (*(() if options is None else options.secrets()), *made.secrets, *environment_secrets())
        self._asked = Asked(self._client, self.url, self._root, retry, secrets, self.absent, self._web)
        self._has_suffix = self._kind != "AzureStore"
        self._has_ranges = True
        # Only some web servers list (WebDAV). Others return an empty listing. It is known after the first non-empty one.
        self._has_listed = made.writable
        self._honors_conditions = self._web is None

    # -- requests ----------------------------------------------------------------

    def _ask(self, kind: Kind, key: str, call: Callable[..., T], *args: Any, **more: Any) -> T:
        return ask(self._asked, kind, key, call, *args, **more)

    def _path(self, key: str) -> str:
        return self._base + check_key(key)

    def _fetch(self, key: str, byte_range: ByteRange | None, version: Hashable, kind: Kind) -> Fetched | None:
        """Fetch a value or a part of it, nearly always by one request."""
        if byte_range is not None and byte_range[1] == 0:
            return self._checked(key, self._head(key), version)
        options: dict[str, Any] = {}
        etag = etag_of(version)
        if etag is not None and not etag.startswith("W/"):  # a weak one is never equal
            options["if_match"] = etag
        if byte_range is not None:
            start, length = byte_range
            resolve_range(byte_range, 0)  # validate the range
            if not self._has_ranges:
                return self._part(self._fetch(key, None, version, "get"), byte_range)
            if start < 0 and not self._has_suffix:
                return self._fetch_known(key, byte_range, version, kind)
            options["range"] = (
                {"suffix": -start}
                if start < 0
                else {"offset": start}
                if length is None
                else (start, start + length)
            )

        def get(client: Any, path: str) -> Fetched:
            try:
                result = self._obs.get(client, path, options=options)
                # Read the body here, because it may break off and be retried.
                found = Fetched(memoryview(result.bytes()), result.meta["size"], version_of(result.meta))
            except Exception as error:
                if self._web is None or not is_peculiar(error):
                    raise
                return self._web.get(path, byte_range)
            if self._web is None or not is_encoded(result.attributes):
                return found
            return self._web.get(path, byte_range)

        try:
            found = self._ask(kind, key, get, self._path(key))
        except FileNotFoundError:
            found = None
        except StoreError as error:
            if byte_range is None or error.errno != errno.EINVAL:
                raise
            # Most stores answer a range outside the value with an error such as 416.
            return self._fetch_known(key, byte_range, version, kind, error)
        except Exception as error:
            if type(error).__name__ not in ("PreconditionError", "NotSupportedError"):
                raise
            if type(error).__name__ == "PreconditionError":
                raise changed_error(self, key) from None
            if byte_range is None:
                raise StoreError(f"cannot get key {key!r} in {self}: {error}") from None
            if byte_range[0] < 0 and self._has_suffix:
                self._has_suffix = False
            else:
                self._has_ranges = False
            return self._fetch(key, byte_range, version, kind)
        if found is not None and byte_range is not None and byte_range[0] < 0 and byte_range[1] is not None:
            found = Fetched(found.data[: byte_range[1]], found.size, found.version)
        return self._checked(key, found, version)

    @staticmethod
    def _part(found: Fetched | None, byte_range: ByteRange) -> Fetched | None:
        """Return the requested part of a whole value, for web servers without ranges."""
        if found is None:
            return None
        begin, end = resolve_range(byte_range, found.size)
        return Fetched(found.data[begin:end], found.size, found.version)

    def _checked(self, key: str, found: Fetched | None, version: Hashable) -> Fetched | None:
        if version is not None and (found is None or found.version != version):
            raise changed_error(self, key)
        return found

    def _fetch_known(
        self,
        key: str,
        byte_range: ByteRange,
        version: Hashable,
        kind: Kind,
        error: StoreError | None = None,
    ) -> Fetched | None:
        """Fetch a range by two requests: first the size, then the range."""
        head = self._checked(key, self._head(key), version)
        if head is None:
            return None
        begin, end = resolve_range(byte_range, head.size)
        if begin == end:
            return head
        if error is not None and byte_range[0] >= 0:
            raise error
        return self._fetch(key, (begin, end - begin), head.version if version is None else version, kind)

    def _head(self, key: str) -> Fetched | None:
        try:
            return self._ask("size", key, self._request_head, self._path(key))
        except FileNotFoundError:
            return None

    def _request_head(self, client: Any, path: str) -> Fetched:
        if self._web is None:
            meta = self._obs.head(client, path)
            return Fetched(b"", meta["size"], version_of(meta))
        try:
            found = self._obs.get(client, path, options={"head": True})
        except Exception as error:
            if not is_peculiar(error):
                raise
            return self._web.head(path)
        if is_encoded(found.attributes):
            return self._web.head(path)
        return Fetched(b"", found.meta["size"], version_of(found.meta))

    # -- reading -----------------------------------------------------------------

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        found = self._fetch(key, byte_range, None, "get" if byte_range is None else "range")
        return None if found is None else found.data

    def fetch(
        self, key: str, byte_range: ByteRange | None = None, version: Hashable = None
    ) -> Fetched | None:
        return self._fetch(key, byte_range, version, "get" if byte_range is None else "range")

    def size(self, key: str) -> int | None:
        head = self._head(key)
        return None if head is None else head.size

    def read_into(self, key: str, buffer: memoryview, start: int = 0) -> int:
        data = self.get(key, (start, len(buffer) + 1))
        if data is None:
            return -1
        buffer[: len(data)] = data[: len(buffer)]
        return len(data)

    def open_value(self, key: str) -> ValueReader | None:
        """Open a value and read its last bytes, which hold most small values and most shard indexes."""
        tail = self._fetch(key, (-TAIL_NBYTES, None), None, "range")
        if tail is None:
            return None
        if len(tail.data) == tail.size:
            return BytesReader(tail.data, tail.version)
        return PartlyKnown(self, key, tail)

    # -- writing -----------------------------------------------------------------

    def put(self, key: str, value: Buffer) -> None:
        path = self._path(key)
        check_writable(self, key)
        put(self._asked, key, path, self._payload(value))

    def _payload(self, value: Buffer) -> Buffer:
        # obstore takes an object that is not a buffer as a file name. Its MemoryStore keeps a reference to the buffer.
        view = memoryview(value)
        return bytes(view) if self._kind == "MemoryStore" else view

    def delete(self, key: str) -> None:
        path = self._path(key)
        check_writable(self, key)
        try:
            self._ask("delete", key, self._obs.delete, path)
        except FileNotFoundError:
            pass

    def delete_prefix(self, prefix: str) -> None:
        check_prefix(prefix)
        check_writable(self, prefix)
        for paths in [[meta["path"] for meta in page] for page in self._pages(prefix)]:
            try:
                self._ask("delete", prefix, self._obs.delete, paths)
            except FileNotFoundError:
                # One was missing. The error does not name it, nor whether the others were deleted.
                for path in paths:
                    self.delete(path[len(self._base) :])

    def put_if_absent(self, key: str, value: Buffer) -> bool:
        check_key(key)
        check_writable(self, key)
        return self._put_if(key, value, None)

    def update(self, key: str, change: Change) -> None:
        check_key(key)
        check_writable(self, key)
        end, attempts = deadline(), 0
        with ThreadLock((self, key), key):
            while True:
                found = self.fetch(key)
                parts = change(None if found is None else BytesReader(found.data, found.version))
                if parts is KEEP:
                    return
                if parts is None:
                    # There is no conditional delete: see `StoreTraits.conditional_delete`.
                    self.delete(key)
                    return
                if self._put_if(key, b"".join(parts), None if found is None else found.version):
                    return
                if time.monotonic() > end:
                    raise timed_out(key, "others, who put it again and again")
                attempts += 1
                time.sleep(random.uniform(0, min(1.0, 0.005 * 2**attempts)))  # noqa: S311 - no secret

    def _put_if(self, key: str, value: Buffer, version: Hashable) -> bool:
        """Put if the value still has this version (None: is still missing). Return False if it has not."""
        if not self._honors_conditions:
            self._check_conditions(key)
        done = put_if(self._asked, key, self._path(key), self._payload(value), version)
        if done is None:
            if not self.traits.exclusive_update:
                raise no_conditional_put(self, key)
            self.put(key, value)
        return done is not False

    def _check_conditions(self, key: str) -> None:
        """Raise UpdateUnsupportedError if the web server ignores the conditions of puts."""
        web = self._web
        assert web is not None
        probe = self._path(f"exzarr-probe-{uuid4().hex}")
        if not self.traits.exclusive_update and not self._ask(
            "put", key, lambda _: web.honors_conditions(probe)
        ):
            raise UpdateUnsupportedError(
                f"cannot change part of key {key!r} in {self}: the server ignores If-Match, so that another writer's "
                "change could be lost; write whole chunks, or declare that there is no other writer: "
                "ObjectStore(..., single_writer=True)"
            )
        self._honors_conditions = True

    # -- listing -----------------------------------------------------------------

    def _listing(self, prefix: str, call: Callable[..., T], *args: Any) -> T:
        """Make a request that lists keys."""
        if not self.traits.lists:
            raise listing_error(self, prefix, "this web server does not list (it has no WebDAV)")
        try:
            return self._ask("list", prefix, call, *args)
        except ListingUnsupportedError:
            if not self._has_listed:
                self.traits = replace(self.traits, lists=False)
            raise

    def _check_listing(self, prefix: str, found: object) -> None:
        """Raise ListingUnsupportedError for an empty listing if the server has never listed a key."""
        if found:
            self._has_listed = True
        elif not self._has_listed:
            raise listing_error(self, prefix, "this web server lists nothing, as servers do that cannot list")

    def list(self, prefix: str = "") -> Iterator[str]:
        check_prefix(prefix)
        skip = len(self._base)
        return (meta["path"][skip:] for meta in chain.from_iterable(self._pages(prefix)))

    def list_values(self, prefix: str = "") -> Iterator[Listed]:
        check_prefix(prefix)
        skip = len(self._base)
        for meta in chain.from_iterable(self._pages(prefix)):
            yield Listed(meta["path"][skip:], meta["size"], listed_version_of(meta))

    def _pages(self, prefix: str) -> Iterator[Sequence[Any]]:
        """Iterate over pages of about 1000 objects under a prefix, in order of their keys if the store is remote."""
        under = (self._base + prefix).rstrip("/") or None
        stream: Any = None
        last: str | None = None

        def more(client: Any) -> Sequence[Any] | None:
            nonlocal stream
            if stream is None:
                stream = self._obs.list(client, under, offset=last, chunk_size=1000)
            try:
                page = next(stream, None)
            except BaseException:
                stream = None  # broken: the next attempt begins after the last known key
                raise
            return None if page is None else [found for found in page if found["path"] != under]

        while (page := self._listing(prefix, more)) is not None:
            if page:
                self._check_listing(prefix, page)
                last = page[-1]["path"]
                yield page
        self._check_listing(prefix, last)

    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]:
        check_prefix(prefix)
        under = (self._base + prefix).rstrip("/")
        found = self._listing(prefix, self._obs.list_with_delimiter, under or None)
        self._check_listing(prefix, found["objects"] or found["common_prefixes"])
        skip = len(under) + 1 if under else 0
        keys = [meta["path"][skip:] for meta in found["objects"] if meta["path"] != under]
        return sorted(keys), sorted(path.rstrip("/")[skip:] for path in found["common_prefixes"])

    # -- the store itself --------------------------------------------------------

    def as_read_only(self) -> ObjectStore:
        return self if self.read_only else _make(self._given, self._settings(read_only=True))

    def parent(self) -> ObjectStore | None:
        if not self.prefix:
            return None
        made = copy(self)
        made.prefix = self.prefix.rpartition("/")[0]
        made._base = made.prefix + "/" if made.prefix else ""
        made.traits = replace(self.traits, read_only=True)
        return made

    def _settings(self, **changes: Any) -> dict[str, Any]:
        traits = self.traits
        settings = {
            "retry": self.retry,
            "concurrency": traits.concurrency,
            "single_writer": traits.exclusive_update,
            "read_only": traits.read_only,
            "absent": self.absent,
        }
        return settings | changes

    @property
    def url(self) -> str:
        return f"{self._root}/{self.prefix}" if self.prefix else self._root

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ObjectStore) or other.url != self.url:
            return False
        return self._kind != "MemoryStore" or self._client is other._client

    def __hash__(self) -> int:
        return hash((ObjectStore, self.url))

    def __reduce__(self) -> tuple[object, ...]:
        return _make, (self._given, self._settings())


def _make(given: tuple[Any, ObjectOptions | None, str], settings: dict[str, Any]) -> ObjectStore:
    where, options, prefix = given
    return ObjectStore(where, options=options, prefix=prefix, **settings)
