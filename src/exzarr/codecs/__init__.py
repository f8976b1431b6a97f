"""Codecs, their registry, and the pipeline that runs a chain of codecs.

The public codec classes are imported on first use.
"""

from exzarr._lazy import exports

__getattr__, __dir__, __all__ = exports(__name__, __file__)
