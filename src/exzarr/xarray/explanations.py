"""The cost of reading lazy variables, before they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xarray.core import indexing

from exzarr.errors import ArgumentError
from exzarr.telemetry.show import Table, page
from exzarr.telemetry.units import human_bytes
from exzarr.xarray.lazy import StoredValues

if TYPE_CHECKING:
    import xarray

    from exzarr import Explanation

__all__ = ["DatasetExplanation", "explain", "explain_dataset"]


@dataclass(frozen=True)
class DatasetExplanation:
    """Estimated cost of loading a dataset. Print it to see the figures.

    Attributes
    ----------
    variables
        The estimates of the variables that are not in memory, by name.
    in_memory
        Names of the variables that are in memory, such as indexes. Loading them costs nothing.
    """

    variables: Mapping[str, Explanation]
    in_memory: tuple[str, ...]

    @property
    def requests(self) -> int:
        """Requests to the store."""
        return sum(one.requests for one in self.variables.values())

    @property
    def chunks(self) -> int:
        """Chunks that must be decoded."""
        return sum(one.chunks for one in self.variables.values())

    @property
    def result_bytes(self) -> int:
        """Bytes of the selected elements in memory, before decoding by CF conventions."""
        return sum(one.result_bytes for one in self.variables.values())

    @property
    def fetch_bytes(self) -> int | None:
        """Bytes that the requests fetch; None if the store cannot tell without reading."""
        sizes = [one.fetch_bytes for one in self.variables.values()]
        return None if None in sizes else sum(size or 0 for size in sizes)

    @property
    def decode_bytes(self) -> int:
        """Bytes of all decoded chunks."""
        return sum(one.decode_bytes for one in self.variables.values())

    def __str__(self) -> str:
        rows = self._rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([*lines, *([f"in memory: {', '.join(self.in_memory)}"] if self.in_memory else [])])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        header, *rows = self._rows()
        in_memory = [f"in memory: {', '.join(self.in_memory)}"] if self.in_memory else []
        return page("", [Table(header, rows)], in_memory)

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = [("variable", "wanted", "chunks", "requests", "to fetch", "to decode")]
        rows += [_row(name, one) for name, one in self.variables.items()]
        if len(self.variables) != 1:
            rows.append(_row("total", self))
        return rows


def _row(name: str, one: Explanation | DatasetExplanation) -> tuple[str, ...]:
    fetched = "not known" if one.fetch_bytes is None else human_bytes(one.fetch_bytes)
    figures = f"{one.chunks:,}", f"{one.requests:,}", fetched, human_bytes(one.decode_bytes)
    return (name, human_bytes(one.result_bytes), *figures)


def explain(array: xarray.DataArray) -> Explanation:
    """Estimate the cost of reading the values of `array`, with all selections that were made.

    Parameters
    ----------
    array
        An array of a dataset that was opened with ``engine="exzarr"``, not loaded and not in dask chunks.

    Returns
    -------
    Explanation
        Chunks, requests and bytes, as of `exzarr.Array.explain`.

    Raises
    ------
    ArgumentError
        The values are in memory, are a dask array, or are not read by exzarr. The message says which, and what to do.
    """
    return _explained(array.variable, str(array.name))


def explain_dataset(dataset: xarray.Dataset) -> DatasetExplanation:
    """Estimate the cost of loading all variables of `dataset`; see `explain`."""
    stored, in_memory = {}, []
    for name, variable in dataset.variables.items():
        if variable._in_memory:
            in_memory.append(str(name))
        else:
            stored[str(name)] = _explained(variable, str(name))
    return DatasetExplanation(stored, tuple(in_memory))


def _explained(variable: xarray.Variable, name: str) -> Explanation:
    if variable.chunks is not None:
        raise ArgumentError(
            f"{name!r} is a dask array, which dask reads block by block: select from a dataset that was opened without "
            "chunks, xarray.open_dataset(..., engine='exzarr', chunks=None), and call explain on that"
        )
    if variable._in_memory:
        raise ArgumentError(
            f"{name!r} is in memory: there is nothing to read. Call explain before load, compute or values"
        )
    lazy = _selected(variable._data, name)
    explainer = lazy.array.stored.explain
    pointwise = isinstance(lazy.key, indexing.VectorizedIndexer)
    explained: Explanation = (explainer.vindex if pointwise else explainer.oindex)(*lazy.key.tuple)
    return explained


def _selected(data: Any, name: str) -> Any:
    """Return xarray's lazily indexed array of the stored values, with the selection of all arrays around it."""
    *outer, values = _wrapped(data)
    if not isinstance(values, StoredValues):
        raise ArgumentError(
            f"{name!r} is not read by exzarr: explain is for datasets opened with engine='exzarr', and for variables "
            "that were not computed from others"
        )
    lazy = indexing.LazilyIndexedArray(values)
    for around in reversed(outer):
        key = getattr(around, "key", None)
        if key is not None:
            lazy = indexing.apply_indexer(lazy, _expanded(key, lazy.ndim))
    return lazy


def _expanded(key: Any, ndim: int) -> Any:
    """Return `key` for an array of `ndim` dimensions: decoding may have joined the last one to strings."""
    if len(key.tuple) == ndim:
        return key
    return type(key)(key.tuple + (slice(None),) * (ndim - len(key.tuple)))


def _wrapped(data: Any) -> Iterator[Any]:
    """Iterate over the arrays of xarray that wrap each other, from the outside to the stored values."""
    while not isinstance(data, StoredValues) and isinstance(data, indexing.ExplicitlyIndexed):
        yield data
        data = getattr(data, "array", None)
    yield data
