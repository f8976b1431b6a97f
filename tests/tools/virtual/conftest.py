"""hdf5plugin registers its filters only where netCDF4 was not imported before it."""

import hdf5plugin  # noqa: F401
