"""exzarr inside xarray: the engine ``"exzarr"``, `to_zarr`, and accessors of datasets, arrays and trees.

>>> import xarray as xr
>>> ds = xr.open_dataset("cube.zarr", engine="exzarr")  # doctest: +SKIP
>>> print(ds["t2m"].isel(time=0).exzarr.explain())  # doctest: +SKIP
>>> ds.exzarr.to_zarr("copy.zarr")  # doctest: +SKIP

xarray finds the engine by its entry point: no import of exzarr is needed to open. The accessors exist after the first
``open_dataset``, or after ``import exzarr.xarray``.
"""

from exzarr._lazy import exports
from exzarr.errors import MissingDependencyError

try:
    import xarray as _xarray  # noqa: F401
except ImportError:
    raise MissingDependencyError("exzarr.xarray requires xarray: pip install 'exzarr[xarray]'") from None

from exzarr.xarray import accessor as _accessor  # noqa: F401 - it registers the accessors

__getattr__, __dir__, __all__ = exports(__name__, __file__)
