"""array ↔ bytes: codecs, their registry, and the pipeline that runs a chain of them.

The codecs a user may hold are imported when they are first asked for.
"""

from exzarr._lazy import exports

__getattr__, __dir__, __all__ = exports(__name__, __file__)
