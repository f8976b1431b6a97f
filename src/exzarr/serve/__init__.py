"""Serve any hierarchy that exzarr can open as plain Zarr over HTTP (extra ``serve``).

`run` serves until Ctrl-C, `background` serves from a thread, and `app` returns an ASGI application that another server
can mount. `ServeOptions` has the options of all three.

Pure modules decide (`ranges`, `conditions`, `paths`, `replies`), `reading` and `writing` ask the store, and `edge` is the
thin edge that moves bytes between the two and the connection.
"""

from exzarr._lazy import exports

__getattr__, __dir__, __all__ = exports(__name__, __file__)
