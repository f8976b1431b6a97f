"""Import hdf5plugin first: it registers its filters only if netCDF4 is not imported yet."""

import hdf5plugin  # noqa: F401
