"""Read everything back with zarr-python, and compare each value with the netCDF files."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from exzarr._cli.demo.data import SST, Source
from exzarr._cli.demo.hierarchy import stored_attributes
from exzarr._typing import AnyArray
from exzarr.errors import MissingDependencyError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True)
class Comparison:
    """Comparison of one array, read by zarr-python, with the expected values.

    Attributes
    ----------
    path
        Path in the hierarchy.
    values
        Number of compared values.
    different
        Number of different values; NaN equals NaN. All of them if shape or data type differ.
    faults
        Other differences as text: shape, data type, dimension names, attributes.
    """

    path: str
    values: int
    different: int
    faults: tuple[str, ...] = ()

    @property
    def held(self) -> bool:
        """Whether the array equals the expected one."""
        return not self.different and not self.faults


def compare(path: Path, sources: Iterable[Source], monthly_mean: str) -> tuple[str, list[Comparison]]:
    """Return zarr-python's version, and a comparison for each array. The hierarchy must be consolidated."""
    try:
        import zarr
    except ImportError:
        raise MissingDependencyError("the demo requires zarr-python: pip install 'exzarr[demo]'") from None
    found: list[Comparison] = []
    with warnings.catch_warnings():
        # zarr-python warns that consolidated metadata is not part of the v3 specification yet.
        warnings.simplefilter("ignore")
        root = zarr.open_consolidated(path, mode="r")
        for source in sources:
            for variable in source.variables:
                where = f"{source.name}/{variable.name}"
                array = root[where]
                faults = []
                if tuple(array.metadata.dimension_names or ()) != variable.dimensions:
                    faults.append(f"dimension names are {array.metadata.dimension_names}")
                if dict(array.attrs) != stored_attributes(variable):
                    faults.append("attributes differ")
                found.append(_compare(where, array[...], variable.values, faults))
            found += _attributes(source, root[source.name])
        expected = _monthly_means(
            next(s for s in sources if s.name == monthly_mean.split("/", maxsplit=1)[0])
        )
        found.append(_compare(monthly_mean, root[monthly_mean][...], expected, []))
    return str(zarr.__version__), found


def _compare(where: str, got: Any, wanted: AnyArray, faults: list[str]) -> Comparison:
    got = np.asarray(got)
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        faults.append(f"{got.dtype} {got.shape} instead of {wanted.dtype} {wanted.shape}")
        return Comparison(where, wanted.size, wanted.size, tuple(faults))
    same = (got == wanted) | ((got != got) & (wanted != wanted))
    return Comparison(where, wanted.size, int(wanted.size - np.count_nonzero(same)), tuple(faults))


def _attributes(source: Source, group: Any) -> list[Comparison]:
    """Return a comparison only if attributes differ, because a group has no values."""
    attributes = dict(group.attrs)
    wrong = [key for key, value in source.attributes.items() if attributes.get(key) != value]
    return [Comparison(source.name, 0, 0, (f"attributes differ: {', '.join(wrong)}",))] if wrong else []


def _monthly_means(source: Source) -> AnyArray:
    """Compute the mean of each calendar month with NumPy only, from the whole netCDF variable."""
    variable, time = source.variable(SST), source.variable("time").values
    months = (np.datetime64("1970-01-01", "h") + time.astype("m8[h]")).astype("M8[M]").astype(int) % 12
    masked = np.ma.masked_equal(variable.values, variable.fill_value).astype("f8")
    means = np.ma.stack([masked[months == month].mean(axis=0) for month in range(12)])
    return means.filled(variable.fill_value).astype(variable.values.dtype)
