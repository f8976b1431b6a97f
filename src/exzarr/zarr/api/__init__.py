"""The functions of zarr-python's package ``zarr.api``."""

from exzarr._lazy import exports

__getattr__, __dir__, __all__ = exports(__name__, __file__)
