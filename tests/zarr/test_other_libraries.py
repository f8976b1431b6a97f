"""Nodes of exzarr in xarray, dask and anndata: they work, or the error says what to pass. Never an empty data set."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.core.codec_pipeline import BatchedCodecPipeline

import exzarr
import exzarr.zarr as drop_in
from tests.zarr.tools import fallbacks

xr = pytest.importorskip("xarray")
da = pytest.importorskip("dask.array")

VALUES = np.arange(24).reshape(4, 6)
STORE_LIKE = "Unsupported type for store_like"


def group_of(module: Any, store: Any, zarr_format: Any = 3) -> Any:
    group = module.create_group(store, zarr_format=zarr_format, attributes={"title": "all"})
    names = {"dimension_names": ("y", "x")} if zarr_format == 3 else {}
    array = group.create_array("t", data=VALUES, chunks=(2, 2), **names)
    if zarr_format == 2:
        array.attrs["_ARRAY_DIMENSIONS"] = ["y", "x"]
    return group


# -- xarray and dask, with the classes of the drop-in --------------------------------------------


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_xarray_opens_a_group_of_the_drop_in(zarr_format: Any) -> None:
    group = group_of(drop_in, {}, zarr_format)
    with xr.open_dataset(xr.backends.ZarrStore(group)) as ds:
        assert ds.attrs == {"title": "all"}
        assert ds.t.dims == ("y", "x")
        np.testing.assert_array_equal(ds.t[1:, ::-1], VALUES[1:, ::-1])
        np.testing.assert_array_equal(ds.t.isel(y=[2, 0]), VALUES[[2, 0]])


def test_xarray_writes_to_a_group_of_the_drop_in() -> None:
    values: dict[str, bytes] = {}
    ds = xr.Dataset({"t": (("y", "x"), VALUES + 0.5)}, coords={"x": range(6)}, attrs={"title": "all"})
    ds.dump_to_store(xr.backends.ZarrStore(drop_in.open_group(values), mode="a"))
    with xr.open_dataset(xr.backends.ZarrStore(drop_in.open_group(values))) as back:
        xr.testing.assert_identical(back.load(), ds)


def test_dask_reads_and_writes_an_array_of_the_drop_in() -> None:
    array = group_of(drop_in, {})["t"]
    lazy = da.from_zarr(array)
    assert lazy.chunks == ((2, 2), (2, 2, 2))
    assert lazy.sum().compute() == VALUES.sum()
    (lazy + 1).to_zarr(array)
    np.testing.assert_array_equal(array[:], VALUES + 1)


def test_classes_of_the_drop_in_are_instances_of_both_libraries() -> None:
    group = group_of(drop_in, {})
    assert isinstance(group, zarr.Group)
    assert isinstance(group, drop_in.Group)
    assert isinstance(group["t"], zarr.Array)
    assert isinstance(group["t"], exzarr.Array)
    assert not isinstance(group["t"], zarr.Group | drop_in.Group)
    assert type(group["t"]) is drop_in.Array


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_asynchronous_array_of_the_drop_in_is_that_of_zarr_python(zarr_format: Any) -> None:
    array = group_of(drop_in, {}, zarr_format)["t"]
    theirs = zarr.Array(array.async_array)
    theirs[0, 0] = 40
    assert array[0, 0] == 40
    assert theirs.attrs.asdict() == array.attrs.asdict()
    np.testing.assert_array_equal(zarr.create_array({}, data=array)[:], array[:])
    config = array.with_config({"order": "F", "write_empty_chunks": True}).async_array.config
    assert (config.order, config.write_empty_chunks) == ("F", True)


# -- and with those of exzarr ----------------------------------------------------------------------


def test_xarrays_store_refuses_a_group_of_exzarr_and_says_what_to_pass() -> None:
    group = group_of(exzarr, exzarr.MemoryStore())
    with pytest.raises(exzarr.ArgumentError, match=r"pass exzarr\.zarr\.as_zarr\(group\)"):
        xr.backends.ZarrStore(group)
    with xr.open_dataset(xr.backends.ZarrStore(drop_in.as_zarr(group))) as ds:
        np.testing.assert_array_equal(ds.t, VALUES)


@pytest.mark.parametrize("module", [exzarr, drop_in])
def test_functions_that_take_stores_refuse_groups(module: Any) -> None:
    group = group_of(module, exzarr.MemoryStore())
    for function in (zarr.open, zarr.open_group, xr.open_zarr, da.from_zarr):
        with pytest.raises(TypeError, match=STORE_LIKE):
            function(group)
    with pytest.raises(TypeError, match=STORE_LIKE):
        xr.Dataset().to_zarr(group)
    with xr.open_zarr(drop_in.as_store(group), consolidated=False) as ds:
        np.testing.assert_array_equal(ds.t, VALUES)


def test_dask_takes_an_array_of_exzarr_as_an_array() -> None:
    array = group_of(exzarr, exzarr.MemoryStore())["t"]
    with pytest.raises(TypeError, match=STORE_LIKE):
        da.from_zarr(array)
    np.testing.assert_array_equal(da.from_array(array).compute(), VALUES)
    np.testing.assert_array_equal(da.from_zarr(drop_in.as_zarr(array)).compute(), VALUES)


def test_functions_of_zarr_python_copy_arrays_of_exzarr() -> None:
    array = group_of(exzarr, exzarr.MemoryStore())["t"]
    np.testing.assert_array_equal(zarr.from_array({}, data=array)[:], VALUES)
    assert zarr.zeros_like(array, store={}).chunks == (2, 2)
    for function in (
        zarr.from_array,
        zarr.zeros_like,
    ):  # they take the codecs of what is an instance of zarr.Array
        with pytest.raises(TypeError):
            _copy(function, drop_in.Array.of(array))
        assert _copy(function, drop_in.as_zarr(array)).shape == VALUES.shape


def _copy(function: Any, array: Any) -> Any:
    return function({}, data=array) if function is zarr.from_array else function(array, store={})


# -- anndata ---------------------------------------------------------------------------------------


@pytest.fixture
def anndata() -> Any:
    return pytest.importorskip(
        "anndata", reason="for Python 3.11, anndata requires an older pandas", exc_type=ImportError
    )


@pytest.fixture
def cells(anndata: Any) -> Any:
    pd, sparse = pytest.importorskip("pandas"), pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(0)
    obs = pd.DataFrame(
        {"kind": pd.Categorical(["b", "t"] * 10), "n": range(20)}, [f"c{i}" for i in range(20)]
    )
    var = pd.DataFrame({"gene": [f"g{i}" for i in range(8)]}, [f"v{i}" for i in range(8)])
    made = anndata.AnnData(sparse.random(20, 8, 0.3, "csr", dtype="f4", random_state=1), obs=obs, var=var)
    made.obsm["pca"], made.layers["dense"] = rng.normal(size=(20, 3)), made.X.toarray()
    made.uns["run"] = {"title": "all", "seeds": np.arange(3), "on": True}
    return made


def equal(one: Any, other: Any) -> None:
    np.testing.assert_array_equal(one.X.toarray(), other.X.toarray())
    np.testing.assert_array_equal(one.obsm["pca"], other.obsm["pca"])
    np.testing.assert_array_equal(one.layers["dense"], other.layers["dense"])
    assert one.obs.equals(other.obs)
    assert one.var.equals(other.var)
    assert one.uns["run"]["title"] == "all"
    assert one.uns["run"]["on"]
    assert one.uns["run"]["seeds"].tolist() == [0, 1, 2]


def test_anndata_writes_and_reads_with_the_pipeline(anndata: Any, cells: Any, tmp_path: Path) -> None:
    place = tmp_path / "cells.zarr"
    with warnings.catch_warnings(), drop_in.enable(), fallbacks() as fell_back:
        warnings.simplefilter("ignore")  # of anndata and zarr-python
        cells.write_zarr(place)
        equal(anndata.read_zarr(place), cells)
        part = anndata.experimental.read_lazy(place)[5:9].to_memory()
    np.testing.assert_array_equal(part.X.toarray(), cells.X.toarray()[5:9])
    assert fell_back == []
    np.testing.assert_array_equal(exzarr.open_array(place, path="obsm/pca")[...], cells.obsm["pca"])
    with zarr.config.set({"codec_pipeline.path": f"{BatchedCodecPipeline.__module__}.BatchedCodecPipeline"}):
        equal(anndata.read_zarr(place), cells)


@pytest.mark.parametrize("module", [exzarr, drop_in])
def test_anndata_refuses_groups_and_takes_their_stores(anndata: Any, cells: Any, module: Any) -> None:
    group = module.create_group(exzarr.MemoryStore(), path="cells")
    with pytest.raises(Exception, match=f"{STORE_LIKE}|No read method registered"):
        anndata.read_zarr(group)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cells.write_zarr(drop_in.as_store(group))
        equal(anndata.read_zarr(drop_in.as_store(group)), cells)
        equal(anndata.io.read_elem(drop_in.as_zarr(group)), cells)
