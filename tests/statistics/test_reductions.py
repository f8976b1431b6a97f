"""Array.min, max and mean against NumPy, with statistics that are current, stale or absent."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, strategies as st
from hypothesis.extra import numpy as npst

import exzarr
from exzarr import statistics
from exzarr.errors import ArgumentError, SelectionError, UnknownArgumentError, UnsupportedError
from exzarr.statistics import identity
from exzarr.stores import CountingStore, LocalStore
from tests.breadth import examples

DTYPES = ["?", "i1", "u8", ">i8", "f2", "f4", ">f8", "M8[s]", "m8[ms]"]


@st.composite
def arrays(draw: st.DrawFn) -> tuple[Any, Any, dict[str, Any]]:
    shape = draw(npst.array_shapes(min_dims=1, max_dims=3, max_side=5))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    usual = npst.from_dtype(dtype, allow_nan=draw(st.booleans()), allow_infinity=False)
    values = draw(npst.arrays(dtype, shape, elements=usual))
    fill = draw(st.sampled_from([values.flat[0], np.zeros((), dtype)[()]]))
    chunks = tuple(draw(st.sampled_from([1, n])) for n in shape)
    options: dict[str, Any] = {"chunks": chunks}
    if draw(st.booleans()):
        options["shards"] = tuple(c * draw(st.integers(1, 3)) for c in chunks)
    return values, fill, options


def check(a: exzarr.Array, values: Any, axis: Any) -> None:
    for name in ("min", "max", "mean"):
        if name == "mean" and values.dtype.kind in "mM":
            continue
        for skipna in (False, True):
            found = getattr(a, name)(axis, skipna=skipna)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # NumPy warns of NaN and overflow
                if values.dtype.kind in "mM":
                    function: Any = {"min": (np.min, np.fmin.reduce), "max": (np.max, np.fmax.reduce)}[name][
                        skipna
                    ]
                    expected = function(values, axis=axis)
                elif name == "mean":
                    function = np.nanmean if skipna else np.mean
                    wide = values.astype("f8")
                    expected = function(wide, axis=axis).astype(function(values[:1]).dtype)
                else:
                    expected = getattr(np, f"nan{name}" if skipna else name)(values, axis=axis)
            assert np.shape(found) == np.shape(expected)
            assert np.asarray(found).dtype == np.asarray(expected).dtype.newbyteorder("=")
            assert isinstance(found, np.ndarray) == bool(np.ndim(expected))
            if name == "mean":
                largest = np.nanmax(np.abs(values.astype("f8")), initial=0)
                eps = {2: 1e-3, 4: 1e-6}.get(np.asarray(expected).dtype.itemsize, 1e-12)
                np.testing.assert_allclose(
                    np.asarray(found, "f8"), np.asarray(expected, "f8"), rtol=eps, atol=largest * 1e-12
                )
            else:
                np.testing.assert_array_equal(found, expected)


@given(case=arrays(), data=st.data())
@examples(12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reductions_equal_numpy_while_the_array_changes(
    case: tuple[Any, Any, dict[str, Any]],
    data: st.DataObject,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    values, fill, options = case
    monkeypatch.setattr(identity, "FINE_NS", 12_000_000)
    folder = tmp_path / f"{len([*tmp_path.iterdir()])}.zarr"
    axes = tuple(data.draw(st.sets(st.integers(0, values.ndim - 1))))
    axis = data.draw(st.sampled_from([None, axes]))
    with np.errstate(all="ignore"):
        group = exzarr.create_group(folder)
        a = group.create_array("a", shape=values.shape, dtype=values.dtype, fill_value=fill, **options)
        a[...] = values
        if data.draw(st.booleans()):
            statistics.build(a)
        check(a, values, axis)
        where = tuple(data.draw(st.integers(0, n - 1)) for n in values.shape)
        a[where] = values[where] = values.flat[-1]
        check(a, values, axis)


def test_statistics_replace_reading(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(6, 8, 8))
    group = exzarr.create_group(tmp_path / "s.zarr")
    names = ("time", "y", "x")
    a = group.create_array("a", data=values, chunks=(1, 4, 4), dimension_names=names)
    statistics.build(a)
    store = CountingStore(LocalStore(tmp_path / "s.zarr"))
    counted = exzarr.open_array(store, path="a")
    overhead = 17  # the statistics: a group, and the document and one chunk of each array
    axis: Any
    numbers: Any
    for axis, reads in [(None, 0), (("y", "x"), 0), ((1, -1), 0), ("time", 24)]:
        store.reset()
        found = counted.max(axis)
        assert store.requests["get"] == overhead + reads
        numbers = {"time": 0, ("y", "x"): (1, 2)}.get(axis, axis)
        np.testing.assert_array_equal(found, values.max(numbers))
    a[3, 3, 3] = 100
    store.reset()
    assert counted.max(["y", "x"])[3] == 100
    assert store.requests["get"] == overhead + 1


def test_functions_of_numpy_call_the_methods(tmp_path: Path) -> None:
    values = np.arange(24.0).reshape(2, 3, 4)
    group = exzarr.create_group(tmp_path / "s.zarr")
    a: Any = group.create_array("a", data=values, chunks=(1, 3, 2))
    for function in (np.min, np.max, np.mean):
        assert function(a) == function(values)
        np.testing.assert_array_equal(function(a, axis=(0, 2)), function(values, axis=(0, 2)))
        np.testing.assert_array_equal(function(a, 1, keepdims=True), function(values, 1, keepdims=True))
        out = np.empty(4)
        assert function(a, axis=(0, 1), out=out) is out
        np.testing.assert_array_equal(out, function(values, axis=(0, 1)))
        with pytest.raises(ArgumentError, match="out has shape"):
            function(a, axis=0, out=out)
        with pytest.raises(UnknownArgumentError, match="'where'"):
            function(a, where=values > 3)
    assert np.mean(a, dtype="f4").dtype == "f4"
    with pytest.raises(UnknownArgumentError, match="'initial'"):
        np.max(a, initial=3)


def test_sums_of_integers_that_wrapped_are_not_used(tmp_path: Path) -> None:
    group = exzarr.create_group(tmp_path / "s.zarr")
    for name, dtype in (("i", "i8"), ("u", "u8")):
        largest = np.iinfo(dtype).max
        a = group.create_array(name, data=np.full(8, largest, dtype), chunks=4)
        assert statistics.build(a).read().sum[0] != float(largest) * 4
        assert a.mean() == float(largest)


def test_what_is_not_stored_counts_as_fill_value(tmp_path: Path) -> None:
    group = exzarr.create_group(tmp_path / "s.zarr")
    a = group.create_array("a", shape=(10,), dtype="f4", chunks=(4,), fill_value=-5)
    a[0:2] = [1, 3]
    for _ in range(2):
        assert (a.min(), a.max(), a.mean()) == (-5, 3, np.float32(-3.6))
        statistics.build(a)


def test_empty_arrays_and_errors(tmp_path: Path) -> None:
    group = exzarr.create_group(tmp_path / "s.zarr")
    empty = group.create_array("empty", shape=(0, 3), dtype="i4", chunks=(2, 2))
    for _ in range(2):
        assert np.isnan(empty.mean())
        assert empty.min(1).shape == (0,)
        with pytest.raises(ArgumentError, match="no elements"):
            empty.min()
        statistics.build(empty)
    scalar = group.create_array("scalar", data=np.float64(4))
    assert (scalar.min(), scalar.mean(()), scalar.max(None)) == (4, 4, 4)
    with pytest.raises(SelectionError):
        scalar.min("x")
    for axis in (2, -3, (0, 0)):
        with pytest.raises(ArgumentError):
            empty.max(axis)
    for data in (np.ones(3, complex), np.array(["a"])):
        with pytest.raises(UnsupportedError, match="parallel_chunk_map"):
            group.create_array("c", data=data, overwrite=True).max()
    with pytest.raises(UnsupportedError, match="no mean"):
        group.create_array("t", data=np.zeros(3, "M8[s]")).mean()


def test_arrays_without_dimensions_are_reduced_by_their_statistics(tmp_path: Path) -> None:
    group = exzarr.create_group(tmp_path / "s.zarr")
    missing = group.create_array("missing", shape=(), dtype="i4", fill_value=3)
    stored = group.create_array("stored", data=np.float64(4))
    for array, expected in ((missing, 3), (stored, 4)):
        statistics.build(array)
        for found in (array.min(), array.max(), array.mean(), array.min(()), array.mean(skipna=True)):
            assert found == expected
            assert np.shape(found) == ()


def test_a_mean_has_the_precision_of_its_data_type(tmp_path: Path) -> None:
    data = np.random.default_rng(0).random(1000).astype("f4")
    a = exzarr.create_group(tmp_path / "s.zarr").create_array("a", data=data, chunks=100)
    found = a.mean(dtype="f8")
    assert found.dtype == "f8"
    assert abs(found - data.astype("f8").mean()) < 1e-12
