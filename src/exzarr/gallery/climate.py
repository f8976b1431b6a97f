"""Climate cubes (time, latitude, longitude): real data, and climatologies and anomalies chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from exzarr._typing import AnyArray
from exzarr.errors import ArgumentError, MissingDependencyError

if TYPE_CHECKING:
    from exzarr import Chunk
    from exzarr._nodes.array import Array

__all__ = ["Anomaly", "Climatology", "Cube", "calendar_months", "climatology", "read_cube", "window"]


@dataclass(frozen=True, slots=True)
class Cube:
    """A variable of a netCDF file, in memory.

    Attributes
    ----------
    values
        (time, latitude, longitude), floating point; NaN where there is no data.
    time
        Months, as ``datetime64[M]``.
    latitude, longitude
        Degrees north and east.
    units
        Units of the values.
    """

    values: AnyArray
    time: npt.NDArray[np.datetime64]
    latitude: AnyArray
    longitude: AnyArray
    units: str


def read_cube(file: str = "ostia_monthly.nc", variable: str = "surface_temperature") -> Cube:
    """Read a variable from a netCDF file of the PyPI package iris-sample-data (Open Government Licence).

    The default is the monthly sea-surface temperature of the tropics from April 2006 to September 2010 (OSTIA).

    Raises
    ------
    MissingDependencyError
        h5netcdf or iris-sample-data is not installed.
    """
    try:
        import h5netcdf
        import iris_sample_data
    except ImportError as error:
        raise MissingDependencyError(
            f"the climate data require the package {error.name}: pip install 'exzarr[gallery]'"
        ) from None
    with h5netcdf.File(Path(iris_sample_data.path) / file, "r") as opened:
        found = opened.variables[variable]
        values = np.asarray(found[...])
        fill = found.attrs.get("_FillValue")
        if fill is not None:
            values = np.where(values == fill, np.array(np.nan, values.dtype), values)
        units = found.attrs["units"]
        hours, latitude, longitude = [np.asarray(opened.variables[name][...]) for name in found.dimensions]
    time = (np.datetime64("1970-01-01", "h") + hours.astype("m8[h]")).astype("M8[M]")
    return Cube(values, time, latitude, longitude, units.decode() if isinstance(units, bytes) else str(units))


def calendar_months(time: AnyArray) -> npt.NDArray[np.int64]:
    """Return the month of the year of each time; January is 0.

    >>> calendar_months(np.array(["2010-01", "2010-12"], "M8[M]"))
    array([ 0, 11])
    """
    return time.astype("M8[M]").astype(np.int64) % 12


def window(
    coordinate: AnyArray,
    first: float | np.datetime64,
    last: float | np.datetime64,
) -> slice:
    """Return the slice of an ascending coordinate with values from `first` to `last`.

    >>> window(np.array([10.0, 20.0, 30.0, 40.0]), 15, 30)
    slice(1, 3, None)
    """
    begin = int(np.searchsorted(coordinate, first, "left"))
    return slice(begin, max(begin, int(np.searchsorted(coordinate, last, "right"))))


@dataclass(frozen=True, slots=True)
class Climatology:
    """Means for each month of the year.

    Attributes
    ----------
    means
        (12, latitude, longitude), float64; NaN where no value exists.
    counts
        Number of values in each mean.
    chunks
        Number of chunks that were read.
    """

    means: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    chunks: int


def climatology(
    array: Array, time: AnyArray, *, workers: int | None = None, prefetch: int | None = None
) -> Climatology:
    """Compute the mean of each month of the year of an array (time, latitude, longitude) in one pass.

    Memory holds the sums and counts of twelve months and ``workers + prefetch`` chunks, for any length of `time`.

    Parameters
    ----------
    array
        Shape (time, latitude, longitude). NaN counts as missing.
    time
        Time of each position along the first dimension.
    workers, prefetch
        As for `Array.chunk_stream`.

    Raises
    ------
    ArgumentError
        The length of `time` differs from the first dimension of `array`.
    """
    if len(time) != array.shape[0]:
        raise ArgumentError(f"{len(time)} times for an array of {array.shape[0]}")
    months = calendar_months(time)
    sums = np.zeros((12, *array.shape[1:]))
    counts = np.zeros((12, *array.shape[1:]), np.int64)
    with array.chunk_stream(workers=workers, prefetch=prefetch) as stream:
        for chunk in stream:
            when, *where = chunk.region
            here = (slice(None), *where)
            valid = ~np.isnan(chunk.data)
            np.add.at(sums[here], months[when], np.where(valid, chunk.data, 0.0))
            np.add.at(counts[here], months[when], valid)
    with np.errstate(invalid="ignore"):
        return Climatology(np.where(counts > 0, sums / counts, np.nan), counts, stream.stats.chunks)


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Difference of a chunk from the monthly means: a function for `parallel_chunk_map` (``with_chunk=True``).

    It is picklable, so it also runs in worker processes.
    """

    means: npt.NDArray[np.float64]
    months: npt.NDArray[np.int64]

    def __call__(self, chunk: Chunk) -> AnyArray:
        when, *where = chunk.region
        usual = self.means[(slice(None), *where)][self.months[when]]
        return (chunk.data - usual).astype(chunk.data.dtype)
