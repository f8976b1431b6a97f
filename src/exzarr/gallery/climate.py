"""Climate cubes (time, latitude, longitude): real ones to work on, climatologies and anomalies chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from exzarr.errors import ArgumentError, MissingDependencyError

if TYPE_CHECKING:
    from exzarr.array import Array
    from exzarr.stream import Chunk

__all__ = ["Anomaly", "Climatology", "Cube", "calendar_months", "climatology", "read_cube", "window"]

AnyArray = npt.NDArray[Any]


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
        Of the values.
    """

    values: AnyArray
    time: npt.NDArray[np.datetime64]
    latitude: AnyArray
    longitude: AnyArray
    units: str


def read_cube(file: str = "ostia_monthly.nc", variable: str = "surface_temperature") -> Cube:
    """A variable of one of the files that the PyPI package iris-sample-data carries (Open Government Licence).

    The default is the sea-surface temperature of the tropics by month, from April 2006 to September 2010 (OSTIA).
    """
    try:
        import h5netcdf
        import iris_sample_data
    except ImportError as error:
        raise MissingDependencyError(
            f"the climate data need the package {error.name}: pip install 'exzarr[gallery]'"
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
    """The month of the year of each time, January being 0.

    >>> calendar_months(np.array(["2010-01", "2010-12"], "M8[M]"))
    array([ 0, 11])
    """
    return time.astype("M8[M]").astype(np.int64) % 12


def window(
    coordinate: AnyArray,
    first: float | np.datetime64,
    last: float | np.datetime64,
) -> slice:
    """The positions of a growing coordinate whose values lie from `first` to `last`.

    >>> window(np.array([10.0, 20.0, 30.0, 40.0]), 15, 30)
    slice(1, 3, None)
    """
    begin = int(np.searchsorted(coordinate, first, "left"))
    return slice(begin, max(begin, int(np.searchsorted(coordinate, last, "right"))))


@dataclass(frozen=True, slots=True)
class Climatology:
    """What is usual in each month of the year.

    Attributes
    ----------
    means
        (12, latitude, longitude), float64; NaN where there never was a value.
    counts
        How many values each is the mean of.
    chunks
        Chunks that went through memory, one after the other.
    """

    means: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    chunks: int


def climatology(
    array: Array, time: AnyArray, *, workers: int | None = None, prefetch: int | None = None
) -> Climatology:
    """The mean of each month of the year of an array (time, latitude, longitude), in one pass over its chunks.

    In memory are sums and counts of twelve months, and ``workers + prefetch`` chunks, however long `time` is.
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
    """How far a chunk is from what is usual: a function for `parallel_chunk_map` (``with_chunk=True``).

    It pickles, so that it runs in worker processes, too.
    """

    means: npt.NDArray[np.float64]
    months: npt.NDArray[np.int64]

    def __call__(self, chunk: Chunk) -> AnyArray:
        when, *where = chunk.region
        usual = self.means[(slice(None), *where)][self.months[when]]
        return (chunk.data - usual).astype(chunk.data.dtype)
