"""keys ↔ bytes: one file per store, and wrappers that compose.

A store is imported when it is first asked for.
"""

from exzarr._lazy import exports

__getattr__, __dir__, __all__ = exports(__name__, __file__)
