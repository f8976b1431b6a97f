"""Chunks of an array that another library has opened and whose reads and writes it plans.

A bridge to such a library gives `ChunkAccess` the array's document, and for each read or write the keys of the chunks,
the selections in them, and a buffer.
"""

from exzarr._lazy import exports

__getattr__, __dir__, __all__ = exports(__name__, __file__)
