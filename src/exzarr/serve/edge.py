"""The edge between connections and the functions that decide and read.

All requests of the store are made in threads, `ServeOptions.store_requests` at a time and in the order of arrival. A long
value is read block by block, as fast as its client reads.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote

import anyio
import anyio.to_thread

from exzarr.errors import ChangedError, ExzarrError, InvalidKeyError
from exzarr.serve.conditions import BadHeaderError, Conditions, parse_conditions
from exzarr.serve.etags import Etags
from exzarr.serve.failures import failure
from exzarr.serve.listing import folder_page, looks_like_folder, properties
from exzarr.serve.memory import Memory
from exzarr.serve.options import ServeOptions
from exzarr.serve.paths import admitted, target_of
from exzarr.serve.ranges import parse_range
from exzarr.serve.reading import Reading, read
from exzarr.serve.replayed import Replayed
from exzarr.serve.replies import Part, Reply, plain
from exzarr.serve.writing import delete, put
from exzarr.stores.base import Store
from exzarr.stores.instrument import instrument

__all__ = ["Edge"]

T = TypeVar("T")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LOCAL_BLOCK, REMOTE_BLOCK = 1 << 18, 1 << 20
"""Bytes of a long value that are read together: from a local store, and by one request of a remote one."""

LONGEST_PATH, LONGEST_HEAD = 4096, 16 * 1024
"""Characters of a path (no store has longer keys), and of all headers."""

SLOWEST = 1 << 14
"""Bytes per second that an upload must have on average, after its first `timeout` seconds."""

ATTEMPTS = 3
"""How often a value is read that other writers replace meanwhile."""

log = logging.getLogger("exzarr.serve")


class GoneError(Exception):
    """The client has closed its connection."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request without its body. Header names are in lower case. `here` is the quoted path as the client sees it."""

    method: str
    path: str
    here: str
    query: str
    headers: dict[str, str]


class Edge:
    """ASGI application of one store.

    Parameters
    ----------
    store
        The store.
    options
        Options of the server.
    hosts
        Names that the Host header may have; None for any. Without this check, a page on the web can read from a server on
        the reader's machine: by a name of its own that it lets resolve to 127.0.0.1.
    """

    def __init__(self, store: Store, options: ServeOptions, hosts: frozenset[str] | None = None) -> None:
        self._store = store
        self._options = options
        self._hosts = hosts
        self._etags = Etags(store)
        self._block = REMOTE_BLOCK if store.traits.concurrency else LOCAL_BLOCK
        self._threads = anyio.CapacityLimiter(options.store_requests)
        self._memory = Memory(options.memory)
        self._replayed = Replayed()
        self._active = 0
        self.methods = (
            "GET",
            "HEAD",
            "OPTIONS",
            *(("PROPFIND",) if options.listing else ()),
            *(("PUT", "DELETE") if options.write else ()),
        )

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":  # a web socket
            await send({"type": "websocket.close"})
            return
        request = _request(scope)
        async with AsyncExitStack() as held:
            if self._active >= self._options.max_requests:
                reply = plain(
                    HTTPStatus.SERVICE_UNAVAILABLE, "too many requests are in progress", retry_after="1"
                )
            else:
                self._active += 1
                held.callback(self._finish)
                try:
                    reply = await self._reply(request, receive, held)
                except GoneError:
                    return
            await self._send(reply, request.method == "HEAD", receive, send)

    def _finish(self) -> None:
        self._active -= 1

    # -- requests ----------------------------------------------------------------

    async def _reply(self, request: Request, receive: Receive, held: AsyncExitStack) -> Reply:
        """Answer a request. `held` keeps what the response needs until it is sent."""
        if self._hosts is not None and _host(request) not in self._hosts:
            return plain(HTTPStatus.MISDIRECTED_REQUEST, "this server does not answer to this host name")
        if len(request.path) > LONGEST_PATH:
            return plain(HTTPStatus.REQUEST_URI_TOO_LONG, f"a path has at most {LONGEST_PATH} characters")
        if sum(len(name) + len(value) for name, value in request.headers.items()) > LONGEST_HEAD:
            return plain(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"headers have at most {LONGEST_HEAD} characters"
            )
        path = admitted(self._options.token, request.path, request.query, request.headers)
        if path is None:
            return plain(
                HTTPStatus.UNAUTHORIZED,
                "give the token: as 'Authorization: Bearer TOKEN', or as the first part of the path",
                www_authenticate='Bearer realm="exzarr"',
            )
        if request.method not in self.methods:
            return plain(
                HTTPStatus.METHOD_NOT_ALLOWED,
                f"this server takes {', '.join(self.methods)}",
                allow=", ".join(self.methods),
            )
        if request.method == "OPTIONS":
            return Reply(HTTPStatus.NO_CONTENT, {"allow": ", ".join(self.methods)})
        writes = request.method in ("PUT", "DELETE")
        try:
            target = target_of(path)
            conditions = parse_conditions(request.headers)
            if request.method == "PROPFIND":
                depth = request.headers.get("depth", "infinity").lower()
                return await self._call(properties, target.name, request.here, depth)
            if target.is_folder:
                return await self._folder(request, target.name)
            if writes:
                return await self._write(request, target.name, conditions, receive, held)
            await held.enter_async_context(self._memory.reserved(self._block))
            return await self._read(request, target.name, conditions)
        except BadHeaderError as error:
            return plain(HTTPStatus.BAD_REQUEST, str(error))
        except (ExzarrError, OSError) as error:
            reply = failure(error, writes=writes)
            if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                log.warning("%s %r failed: %s", request.method, path[:200], str(error)[:1000])
            return reply

    async def _call(self, act: Callable[..., T], *args: Any) -> T:
        """Call ``act(store, *args)`` in a thread."""
        return await self._in_thread(partial(act, instrument(self._store), *args))

    async def _in_thread(self, act: Callable[[], T]) -> T:
        result: T = await anyio.to_thread.run_sync(act, limiter=self._threads)
        return result

    async def _folder(self, request: Request, prefix: str) -> Reply:
        if request.method in ("PUT", "DELETE"):
            return plain(HTTPStatus.BAD_REQUEST, "the path is a folder: it ends with a slash")
        if not self._options.listing:
            return plain(HTTPStatus.NOT_FOUND, "this server does not list folders")
        return await self._call(folder_page, prefix, request.here)

    async def _read(self, request: Request, key: str, conditions: Conditions) -> Reply:
        headers = request.headers
        wanted = parse_range(headers.get("range"))
        reading = Reading(key, request.method == "HEAD", conditions, wanted, headers.get("if-range"))
        for attempt in range(1, ATTEMPTS + 1):
            try:
                reply = await self._call(read, self._etags, reading, self._block)
                break
            except ChangedError:
                if attempt == ATTEMPTS:
                    raise
        if (
            reply.status == HTTPStatus.NOT_FOUND
            and self._options.listing
            and looks_like_folder(key)
            and await self._call(_is_prefix, key)
        ):
            query = f"?{quote(request.query, safe='=&')}" if request.query else ""
            return Reply(
                HTTPStatus.MOVED_PERMANENTLY, {"location": f"{request.here}/{query}", "content-length": "0"}
            )
        return reply

    # -- writes ------------------------------------------------------------------

    async def _write(
        self, request: Request, key: str, conditions: Conditions, receive: Receive, held: AsyncExitStack
    ) -> Reply:
        mark = request.headers.get("idempotency-key")
        once = partial(self._replayed.once, None if mark is None else (_digest(mark), request.method, key))
        if request.method == "DELETE":
            return await once(lambda: self._call(delete, self._etags, key, conditions))
        refused = self._refusal(request.headers)
        if refused is not None:
            return refused
        length = int(request.headers["content-length"])
        await held.enter_async_context(self._memory.reserved(length))
        body = await self._body(receive, length)
        if body is None:
            return plain(HTTPStatus.REQUEST_TIMEOUT, "the body came too slowly", connection="close")
        return await once(lambda: self._call(put, self._etags, key, body, conditions))

    def _refusal(self, headers: dict[str, str]) -> Reply | None:
        """Return the response to a PUT whose body is not read; None if it may be read."""
        length = headers.get("content-length")
        if length is not None and "transfer-encoding" in headers:  # RFC 9112, section 6.1: maybe an attack
            return plain(
                HTTPStatus.BAD_REQUEST, "give Content-Length or Transfer-Encoding", connection="close"
            )
        if length is None:
            return plain(HTTPStatus.LENGTH_REQUIRED, "a PUT gives its Content-Length")
        if not length.isdecimal():
            return plain(HTTPStatus.BAD_REQUEST, "Content-Length must be a number")
        if len(length) > 18 or int(length) > self._options.max_upload:
            return plain(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"this server takes values of {self._options.max_upload} bytes",
            )
        if headers.get("content-encoding", "identity").lower() != "identity":
            return plain(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the value must not be compressed for its transport"
            )
        if "content-range" in headers:
            return plain(HTTPStatus.BAD_REQUEST, "a PUT stores a whole value: Content-Range is not supported")
        return None

    async def _body(self, receive: Receive, length: int) -> bytearray | None:
        """Return the body of a request; None if it comes too slowly."""
        body = bytearray()
        try:
            with anyio.fail_after(self._options.timeout + length / SLOWEST):
                more = True
                while more:
                    with anyio.fail_after(self._options.timeout):
                        message = await receive()
                    if message["type"] == "http.disconnect":
                        raise GoneError
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
        except TimeoutError:
            return None
        if len(body) != length:
            raise GoneError
        return body

    # -- responses ---------------------------------------------------------------

    async def _send(self, reply: Reply, head: bool, receive: Receive, send: Send) -> None:
        headers = {"x-content-type-options": "nosniff", **reply.headers}
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        body = reply.body
        try:
            await send({"type": "http.response.start", "status": int(reply.status), "headers": raw})
            if head:
                await send({"type": "http.response.body", "body": b""})
            elif isinstance(body, (bytes, bytearray, memoryview)):
                await send({"type": "http.response.body", "body": body})
            else:
                await self._stream(body, receive, send)
        finally:
            if isinstance(body, Part):
                body.value.close()

    async def _stream(self, body: Part | Iterator[bytes], receive: Receive, send: Send) -> None:
        """Send a long body. Stop reading it when the client closes its connection."""
        more = self._blocks(body) if isinstance(body, Part) else partial(next, body, None)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_until_gone, receive, tasks.cancel_scope)
            try:
                while (part := await self._in_thread(more)) is not None:
                    with anyio.fail_after(self._options.timeout):
                        await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            except (ExzarrError, OSError) as error:
                # Without its end, the server closes the connection, and the client sees that the body is cut short.
                log.warning("a response was broken off: %s", str(error)[:1000] or type(error).__name__)
            tasks.cancel_scope.cancel()

    def _blocks(self, part: Part) -> Callable[[], bytearray | None]:
        """Return a function that reads the next block, and None at the end."""
        at = part.begin

        def more() -> bytearray | None:
            nonlocal at
            if at >= part.end:
                return None
            block = bytearray(min(self._block, part.end - at))
            part.value.read_into(memoryview(block), at)
            at += len(block)
            return block

        return more


async def _until_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


def _request(scope: MutableMapping[str, Any]) -> Request:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    full, root = scope["path"], scope.get("root_path", "")
    path = full[len(root) :] if root and full.startswith(f"{root}/") else full
    query = scope.get("query_string", b"").decode("latin-1")
    # A link to a path that begins with two slashes would lead to another host.
    return Request(scope["method"], path, f"/{quote(full.lstrip('/'))}", query, headers)


def _host(request: Request) -> str:
    """Return the Host header without its port."""
    host = request.headers.get("host", "").lower()
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


def _digest(mark: str) -> bytes:
    """Return a short name for a mark of any length, of which many are kept."""
    return blake2b(mark.encode(), digest_size=16).digest()


def _is_prefix(store: Store, key: str) -> bool:
    try:
        return any(store.list_dir(key))
    except InvalidKeyError:
        return False
