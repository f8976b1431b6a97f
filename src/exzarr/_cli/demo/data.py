"""The demo data: two netCDF files of the Met Office, from the PyPI package iris-sample-data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from exzarr._typing import AnyArray
from exzarr.errors import MissingDependencyError, NodeNotFoundError

__all__ = ["AIR", "SST", "Source", "Variable", "read_sources"]

SST, AIR = "surface_temperature", "air_temperature"

_FILES = (
    ("ocean", "ostia_monthly.nc", "sea-surface temperature by month, 2006 to 2010 (OSTIA)"),
    (
        "north_america",
        "E1_north_america.nc",
        "air temperature by year, 1860 to 2099, of a climate model",
    ),
)


@dataclass(frozen=True)
class Variable:
    """One netCDF variable.

    Attributes
    ----------
    name, dimensions
        As in the file.
    values
        The stored values, including missing ones.
    attributes
        JSON-like attributes, without ``_FillValue``.
    fill_value
        The mark of missing values, or None.
    """

    name: str
    dimensions: tuple[str, ...]
    values: AnyArray
    attributes: dict[str, Any]
    fill_value: Any


@dataclass(frozen=True)
class Source:
    """One netCDF file with its path, description and variables. `name` is the name of its group."""

    name: str
    path: Path
    about: str
    attributes: dict[str, Any]
    variables: tuple[Variable, ...]

    @property
    def nbytes(self) -> int:
        """Number of bytes of all values in memory."""
        return sum(variable.values.nbytes for variable in self.variables)

    def variable(self, name: str) -> Variable:
        """Return the variable called `name`."""
        return next(variable for variable in self.variables if variable.name == name)


def read_sources() -> list[Source]:
    """Read the files into memory (3.5 MB), or raise MissingDependencyError if a package is not installed."""
    try:
        import h5netcdf
        import iris_sample_data
    except ImportError as error:
        raise MissingDependencyError(
            f"the demo needs the package {error.name}: pip install 'exzarr[demo]'"
        ) from None
    folder = Path(iris_sample_data.path)
    sources = []
    for name, file, about in _FILES:
        path = folder / file
        if not path.is_file():
            raise NodeNotFoundError(
                f"iris-sample-data has no {file} in {folder}; install version 2.5 or newer"
            )
        with h5netcdf.File(path, "r") as opened:
            variables = tuple([_variable(key, item) for key, item in opened.variables.items()])
            sources.append(Source(name, path, about, _json(opened.attrs), variables))
    return sources


def _variable(name: str, item: Any) -> Variable:
    attributes = _json(item.attrs)
    fill = item.attrs.get("_FillValue")
    attributes.pop("_FillValue", None)
    return Variable(name, tuple(item.dimensions), np.asarray(item[...]), attributes, fill)


def _json(attributes: Any) -> dict[str, Any]:
    """Convert attributes to JSON-like values."""
    converted: dict[str, Any] = {}
    for key in attributes:
        value = attributes[key]
        if isinstance(value, np.ndarray):
            value = value.tolist()
        elif isinstance(value, np.generic):
            value = value.item()
        converted[key] = value.decode() if isinstance(value, bytes) else value
    return converted
