"""The ASGI application that serves a hierarchy."""

from __future__ import annotations

from typing import Any

from exzarr.errors import MissingDependencyError
from exzarr.serve.options import ServeOptions
from exzarr.serve.source import Servable, source_of
from exzarr.stores.base import Store
from exzarr.stores.url_options import StorageOptions

__all__ = ["app", "app_of"]

EXPOSED = ("Accept-Ranges", "Content-Length", "Content-Range", "ETag")
ACCEPTED = ("Authorization", "Idempotency-Key", "If-Match", "If-None-Match", "If-Range", "Range")
"""Headers that pages of other origins may see, and may send."""


def app(
    served: Servable, options: ServeOptions | None = None, *, storage_options: StorageOptions | None = None
) -> Any:
    """Return an ASGI application that serves a hierarchy as plain Zarr.

    Mount it in an application of Starlette or FastAPI: ``api.mount("/cube", exzarr.serve.app("cube.zarr"))``. Clients then
    open ``http://host/cube``.

    Parameters
    ----------
    served
        An array, a group, or anything that `exzarr.open` opens.
    options
        See `ServeOptions`.
    storage_options
        Options of the store of a URL, as for `exzarr.open`.

    Raises
    ------
    NodeNotFoundError
        There is no array or group.
    ReadOnlyError
        ``options.write``, and the store cannot be written.
    MissingDependencyError
        Starlette or anyio is missing: ``pip install 'exzarr[serve]'``.

    See Also
    --------
    run, background : Serve with uvicorn, with limits on slow clients that an application cannot set.
    """
    options = options or ServeOptions()
    return app_of(source_of(served, options, storage_options), options)


def app_of(store: Store, options: ServeOptions, hosts: frozenset[str] | None = None) -> Any:
    """Return the application for a store. `hosts` are the names that clients may call the server by; None for all."""
    try:
        from starlette.middleware.cors import CORSMiddleware

        from exzarr.serve.edge import Edge
    except ImportError as error:
        raise MissingDependencyError(f"a server needs {error.name}: pip install 'exzarr[serve]'") from error
    edge = Edge(store, options, hosts)
    if not options.cors:
        return edge
    # Outside of the edge: a preflight carries no token, and pages must see the errors too.
    return CORSMiddleware(
        edge,
        allow_origins=options.cors,
        allow_methods=edge.methods,
        allow_headers=ACCEPTED,
        allow_private_network=True,
        expose_headers=EXPOSED,
    )
