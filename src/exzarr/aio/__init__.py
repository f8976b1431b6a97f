"""exzarr for callers that await: under asyncio and trio.

Streams and batches need nothing from here: ``async for`` works on them as ``for`` does.
"""

from exzarr._lazy import exports

__getattr__, __dir__, __all__ = exports(__name__, __file__)
