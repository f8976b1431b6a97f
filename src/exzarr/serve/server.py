"""Serve with uvicorn: until Ctrl-C, or from a thread."""

from __future__ import annotations

import ipaddress
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from exzarr._nodes.node import Node
from exzarr.errors import ArgumentError, MissingDependencyError
from exzarr.serve.application import app_of
from exzarr.serve.options import ServeOptions
from exzarr.serve.source import Servable, source_of
from exzarr.stores.base import Store
from exzarr.stores.url_options import StorageOptions

__all__ = ["Served", "background", "run"]

HEAD_NBYTES = 32 * 1024
"""Longest head of a request that arrives in parts. The edge refuses long headers in any case."""

SHUTDOWN_SECONDS = 5
"""How long responses in progress may take after the server was asked to stop."""


@dataclass(frozen=True, slots=True)
class Served:
    """A hierarchy that is being served.

    Attributes
    ----------
    url
        The address for clients. It contains the token, if there is one.
    host, port
        The address that the server listens on.
    token
        The token; None if there is none.
    store
        The store that is served. Its root is the served node.
    options
        The options of the server.
    """

    url: str = field(repr=False)
    host: str
    port: int
    token: str | None = field(repr=False)
    store: Store
    options: ServeOptions

    def __str__(self) -> str:
        return f"Serving {self.store} at {self.url}"


def run(
    served: Servable,
    options: ServeOptions | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    storage_options: StorageOptions | None = None,
    announce: Callable[[Served], object] = print,
) -> None:
    """Serve a hierarchy as plain Zarr over HTTP, until Ctrl-C.

    Parameters
    ----------
    served
        An array, a group, or anything that `exzarr.open` opens.
    options
        See `ServeOptions`.
    host
        The address to listen on. An address other than this machine's own gets a token, if `options` has none.
    port
        The port to listen on; 0 for a free one.
    storage_options
        Options of the store of a URL, as for `exzarr.open`.
    announce
        Function that is called with the `Served` before the first request.

    Raises
    ------
    ArgumentError
        The server cannot listen on the address.
    NodeNotFoundError, ReadOnlyError, MissingDependencyError
        See `app`.
    """
    with _prepared(served, options, host, port, storage_options) as (server, sockets, shown):
        announce(shown)
        try:
            server.run(sockets=sockets)
        except KeyboardInterrupt:  # uvicorn has finished the responses in progress
            pass


@contextmanager
def background(
    served: Servable,
    options: ServeOptions | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    storage_options: StorageOptions | None = None,
) -> Iterator[Served]:
    """Serve a hierarchy from a thread, for the time of a ``with`` block: in notebooks and tests.

    The parameters are those of `run`. The block gets the `Served`, whose `url` clients open.

    Examples
    --------
    >>> import exzarr, exzarr.serve, numpy as np
    >>> store = exzarr.stores.MemoryStore()
    >>> exzarr.save(store, np.arange(3))
    >>> with exzarr.serve.background(store) as served:
    ...     exzarr.open(served.url)[:]
    array([0, 1, 2])
    """
    with _prepared(served, options, host, port, storage_options) as (server, sockets, shown):
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": sockets}, name="exzarr-serve", daemon=True
        )
        thread.start()
        try:
            yield shown
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def _prepared(
    served: Servable,
    options: ServeOptions | None,
    host: str,
    port: int,
    storage_options: StorageOptions | None,
) -> Iterator[tuple[Any, list[socket.socket], Served]]:
    """Open the store and the socket, and close both afterwards."""
    options = options or ServeOptions()
    store = source_of(served, options, storage_options)
    try:
        listener = _listen(host, port)
        with listener:
            address, number = listener.getsockname()[:2]
            loopback = ipaddress.ip_address(address.partition("%")[0]).is_loopback
            if not loopback and options.token is None:
                options = replace(options, token=secrets.token_urlsafe(24))
            hosts = None if options.token is not None else _names(host, address)
            name = _name_of(host, address)
            url = f"http://{name}:{number}{f'/{options.token}' if options.token else ''}"
            server = _server(app_of(store, options, hosts), options)
            yield server, [listener], Served(url, address, number, options.token, store, options)
    finally:
        if not isinstance(served, (Store, Node)):
            store.close()


def _server(app: Any, options: ServeOptions) -> Any:
    """Return uvicorn's server of an application."""
    try:
        import uvicorn

        from exzarr.serve.protocol import GuardedProtocol
    except ImportError as error:
        raise MissingDependencyError(f"a server needs {error.name}: pip install 'exzarr[serve]'") from error
    config = uvicorn.Config(
        app,
        http=partial(GuardedProtocol, timeout=options.timeout),
        ws="none",
        loop="asyncio",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,  # it would log tokens
        proxy_headers=False,
        server_header=False,
        limit_concurrency=options.max_requests + 1,
        timeout_keep_alive=max(1, round(options.timeout)),
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        h11_max_incomplete_event_size=HEAD_NBYTES,
    )
    return uvicorn.Server(config)


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address, so that early clients wait instead of being refused."""
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port < 65536:
        raise ArgumentError(f"port is a number from 0 to 65535, not {port!r}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise ArgumentError(
            f"host: {host!r} is not an address of this machine ({error}); give one, such as 127.0.0.1"
        ) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise ArgumentError(
            f"cannot listen on {host}:{port} ({error.strerror}): choose another port; port=0 takes a free one"
        ) from None
    return listener


def _names(host: str, address: str) -> frozenset[str]:
    """Return the names that clients on this machine call the server by."""
    return frozenset({"localhost", "127.0.0.1", "[::1]", host.lower(), _bracketed(address)})


def _name_of(host: str, address: str) -> str:
    """Return the name of the server in the URL for clients."""
    if ipaddress.ip_address(address.partition("%")[0]).is_unspecified:
        return socket.gethostname()
    return _bracketed(host)


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
