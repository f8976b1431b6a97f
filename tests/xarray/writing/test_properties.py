"""For any dataset, chunks, blocks and regions: zarr-python reads what xarray would have written."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as stn

from exzarr.xarray import to_zarr
from tests.breadth import examples
from tests.xarray.writing.compared import check_same_encoding, read, theirs

pytest.importorskip("dask")
pytestmark = pytest.mark.hypothesis

SIZES = {"t": 7, "y": 5, "x": 4}
DTYPES = st.sampled_from(["f4", "f8", "i2", "u1", "?", "M8[ns]", "S3", "U4", "c8"])


@st.composite
def datasets(draw: Any) -> xr.Dataset:
    variables = {}
    for name in draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True)):
        dims = draw(st.lists(st.sampled_from([*SIZES]), max_size=3, unique=True))
        shape = tuple(SIZES[dim] for dim in dims)
        dtype = np.dtype(draw(DTYPES))
        if dtype.kind == "M":
            values = draw(stn.arrays("i8", shape, elements=st.integers(0, 10**6)))
            values = values.astype("M8[s]").astype(dtype)
        elif dtype.kind in "SU":
            values = draw(
                stn.arrays(
                    dtype,
                    shape,
                    elements=st.sampled_from(["", "x", "yz"] if dtype.kind == "U" else [b"", b"x"]),
                )
            )
        else:
            values = draw(stn.arrays(dtype, shape))
        variables[name] = (
            dims,
            values,
            draw(st.dictionaries(st.sampled_from("pq"), st.integers(), max_size=2)),
        )
    coords = {dim: np.arange(n) for dim, n in SIZES.items() if draw(st.booleans())}
    return xr.Dataset(variables, coords, {"k": draw(st.integers(0, 9))})


def _units(variable: xr.Variable) -> dict[str, Any]:
    # Without units, xarray stores blocks of dask in nanoseconds, and times in memory in the largest unit that fits.
    return {"units": "seconds since 2000-01-01", "dtype": "i8"} if variable.dtype.kind == "M" else {}


@st.composite
def splits(draw: Any, n: int) -> tuple[int, ...]:
    borders = sorted({0, n, *draw(st.lists(st.integers(0, n), max_size=3))})
    return tuple(b - a for a, b in itertools.pairwise(borders)) or (n,)


@examples(3)
@given(st.data(), datasets(), st.sampled_from([2, 3]))
def test_whole_datasets(data: Any, dataset: xr.Dataset, zarr_format: Any) -> None:
    encoding = {
        name: {
            "compressors": None,
            **_units(variable),
            "chunks": tuple(data.draw(st.integers(1, n + 1)) for n in variable.shape) or None,
        }
        for name, variable in dataset.variables.items()
    }
    blocks = {dim: data.draw(splits(n)) for dim, n in dataset.sizes.items()}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        theirs(dataset, place / "theirs.zarr", encoding=encoding, zarr_format=zarr_format)
        align = data.draw(st.booleans())
        to_zarr(
            dataset.chunk(blocks),
            place / "ours.zarr",
            encoding=encoding,
            zarr_format=zarr_format,
            align_chunks=align,
        )
        wanted, found = read(place / "theirs.zarr", chunks=None), read(place / "ours.zarr", chunks=None)
        xr.testing.assert_identical(found.load(), wanted.load())
        check_same_encoding(found, wanted)


@examples(3)
@given(st.data(), datasets(), st.sampled_from([2, 3]), st.integers(1, 6))
def test_appends(data: Any, dataset: xr.Dataset, zarr_format: Any, at: int) -> None:
    dataset = dataset.assign(e=("t", np.arange(7.0)))
    names = {
        name: {"chunks": tuple(data.draw(st.integers(1, 5)) for _ in v.dims) or None}
        for name, v in dataset.variables.items()
    }
    second = dataset.isel(t=slice(at, None))
    with tempfile.TemporaryDirectory() as folder:
        for write, place in ((theirs, "theirs.zarr"), (to_zarr, "ours.zarr")):
            write(dataset.isel(t=slice(at)), Path(folder, place), encoding=names, zarr_format=zarr_format)
            blocks = (
                {dim: data.draw(splits(n)) for dim, n in second.sizes.items()} if write is to_zarr else None
            )
            write(second.chunk(blocks) if blocks else second, Path(folder, place), append_dim="t")
        wanted, found = (
            read(Path(folder, "theirs.zarr"), chunks=None),
            read(Path(folder, "ours.zarr"), chunks=None),
        )
        xr.testing.assert_identical(found.load(), wanted.load())


@examples(3)
@given(st.data(), datasets(), st.sampled_from([2, 3]))
def test_regions(data: Any, dataset: xr.Dataset, zarr_format: Any) -> None:
    dataset = dataset.assign(e=(("t", "x"), np.arange(28.0).reshape(7, 4)))
    dims = data.draw(st.lists(st.sampled_from("tx"), min_size=1, unique=True))
    region = {}
    for dim in dims:
        start = data.draw(st.integers(0, dataset.sizes[dim] - 1))
        region[dim] = slice(start, data.draw(st.integers(start + 1, dataset.sizes[dim])))
    part = dataset.isel(region)
    part = part.drop_vars([name for name, v in part.variables.items() if not {*v.dims} & {*region}])
    part = part.map(lambda v: v[tuple([slice(None, None, -1)] * v.ndim)] if v.ndim else v, keep_attrs=True)
    part = part.drop_vars(list(part.coords))
    names = {
        name: {"chunks": tuple(data.draw(st.integers(1, 5)) for _ in v.dims) or None}
        for name, v in dataset.variables.items()
    }
    blocks = {dim: data.draw(splits(n)) for dim, n in part.sizes.items()}
    with tempfile.TemporaryDirectory() as folder:
        for write, place in ((theirs, "theirs.zarr"), (to_zarr, "ours.zarr")):
            write(dataset, Path(folder, place), encoding=names, zarr_format=zarr_format)
            options: Any = {"mode": "a"} if write is theirs else {}
            write(
                part.chunk(blocks) if write is to_zarr else part,
                Path(folder, place),
                region=region,
                **options,
            )
        wanted, found = (
            read(Path(folder, "theirs.zarr"), chunks=None),
            read(Path(folder, "ours.zarr"), chunks=None),
        )
        xr.testing.assert_identical(found.load(), wanted.load())
