"""exzarr: Zarr v2 and v3 arrays for Python, at the speed of the disk.

>>> import exzarr
>>> a = exzarr.zeros((1000, 1000), chunks=(100, 100), dtype="f4")
>>> a[10, :5] = 1
>>> a[10, 3:7]
array([1., 1., 0., 0.], dtype=float32)

Everything here is imported when it is first asked for.
"""

from exzarr._lazy import exports

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = exports(__name__, __file__)
