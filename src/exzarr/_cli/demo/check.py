"""Everything read back with zarr-python, and compared value by value with the netCDF files."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from exzarr._cli.demo.data import SST, Source
from exzarr._cli.demo.hierarchy import stored_attributes
from exzarr.errors import MissingDependencyError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True)
class Comparison:
    """One array as zarr-python sees it, beside what it should be.

    Attributes
    ----------
    path
        In the hierarchy.
    values
        How many were compared.
    different
        How many differ; NaN is NaN. All of them, where shape or data type differ.
    faults
        What else differs, in words: shape, data type, dimension names, attributes.
    """

    path: str
    values: int
    different: int
    faults: tuple[str, ...] = ()

    @property
    def held(self) -> bool:
        """Whether everything is as it should be."""
        return not self.different and not self.faults


def compare(path: Path, sources: Iterable[Source], monthly_mean: str) -> tuple[str, list[Comparison]]:
    """zarr-python's version, and a comparison for each array. The hierarchy must be consolidated."""
    try:
        import zarr
    except ImportError:
        raise MissingDependencyError(
            "the demo compares with zarr-python: pip install 'exzarr[demo]'"
        ) from None
    found: list[Comparison] = []
    with warnings.catch_warnings():
        # zarr-python says of every v3 hierarchy that consolidated metadata is no part of the specification yet.
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


def _compare(where: str, got: Any, wanted: npt.NDArray[Any], faults: list[str]) -> Comparison:
    got = np.asarray(got)
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        faults.append(f"{got.dtype} {got.shape} instead of {wanted.dtype} {wanted.shape}")
        return Comparison(where, wanted.size, wanted.size, tuple(faults))
    same = (got == wanted) | ((got != got) & (wanted != wanted))
    return Comparison(where, wanted.size, int(wanted.size - np.count_nonzero(same)), tuple(faults))


def _attributes(source: Source, group: Any) -> list[Comparison]:
    """Only where something is wrong: a group has no values to list."""
    attributes = dict(group.attrs)
    wrong = [key for key, value in source.attributes.items() if attributes.get(key) != value]
    return [Comparison(source.name, 0, 0, (f"attributes differ: {', '.join(wrong)}",))] if wrong else []


def _monthly_means(source: Source) -> npt.NDArray[Any]:
    """The means of each calendar month by NumPy alone, from the netCDF file, all at once."""
    variable, time = source.variable(SST), source.variable("time").values
    months = (np.datetime64("1970-01-01", "h") + time.astype("m8[h]")).astype("M8[M]").astype(int) % 12
    masked = np.ma.masked_equal(variable.values, variable.fill_value).astype("f8")
    means = np.ma.stack([masked[months == month].mean(axis=0) for month in range(12)])
    return means.filled(variable.fill_value).astype(variable.values.dtype)
