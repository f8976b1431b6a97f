"""Events about reads, writes and requests, and hooks that receive them.

Without a hook, exzarr makes no events, measures no times and imports only the module `registry` of this package.
"""

from exzarr._lazy import exports

__getattr__, __dir__, __all__ = exports(__name__, __file__)
