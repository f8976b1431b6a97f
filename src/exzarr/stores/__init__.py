"""Stores, which map keys to bytes, and wrappers that compose.

Each store is imported on first use.
"""

from exzarr._lazy import exports

__getattr__, __dir__, __all__ = exports(__name__, __file__)
