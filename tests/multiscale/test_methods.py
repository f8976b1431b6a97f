"""Reductions of blocks, against NumPy and scikit-image."""

from __future__ import annotations

import warnings
from collections import Counter
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from exzarr.errors import ArgumentError
from exzarr.multiscale.methods import check_method, reduce_blocks, reduced_shape
from tests.breadth import examples

INTEGERS = [np.dtype(name) for name in ("u1", "i1", "<u2", ">i2", "u4", "i4", "u8", "i8")]
FLOATS = [np.dtype(name) for name in ("f2", "f4", ">f8")]


def blocks(values: np.ndarray, factors: tuple[int, ...]) -> Any:
    """Yield each block's index and elements."""
    for index in np.ndindex(reduced_shape(values.shape, factors)):
        yield index, values[tuple([slice(i * f, (i + 1) * f) for i, f in zip(index, factors, strict=True)])]


def each_block(values: np.ndarray, factors: tuple[int, ...], function: Any) -> np.ndarray:
    out = np.empty(reduced_shape(values.shape, factors), values.dtype)
    for index, block in blocks(values, factors):
        out[index] = function(block)
    return out


def rounded_mean(block: np.ndarray) -> int:
    total, count = sum(map(int, block.ravel())), block.size
    whole, rest = divmod(total, count)
    return whole + (2 * rest > count or (2 * rest == count and whole % 2 == 1))


@st.composite
def cases(draw: Any, dtypes: list[np.dtype]) -> tuple[np.ndarray, tuple[int, ...]]:
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=7))
    factors = tuple([draw(st.integers(1, 4)) for _ in shape])
    return draw(hnp.arrays(draw(st.sampled_from(dtypes)), shape)), factors


@given(cases(INTEGERS))
@examples(27, deadline=None)
def test_mean_of_integers_is_exact_and_rounds_half_to_even(case: Any) -> None:
    values, factors = case
    assert np.array_equal(reduce_blocks(values, factors, "mean"), each_block(values, factors, rounded_mean))


@given(cases(FLOATS))
@examples(27, deadline=None)
def test_mean_of_floats_leaves_out_nan(case: Any) -> None:
    values, factors = case
    values = np.where(np.abs(values) > 1000, np.nan, values).astype(values.dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy warns of blocks that are all NaN
        expected = each_block(values, factors, lambda block: np.nanmean(block.astype("f8")))
    found = reduce_blocks(values, factors, "mean")
    assert found.dtype == values.dtype
    np.testing.assert_allclose(found, expected, rtol=2e-3 if values.itemsize == 2 else 1e-4, atol=1e-3)


@pytest.mark.parametrize("name", ["min", "max"])
@given(case=cases([*INTEGERS, *FLOATS]))
@examples(13, deadline=None)
def test_extremes_equal_numpy(name: str, case: Any) -> None:
    values, factors = case
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = each_block(values, factors, getattr(np, f"nan{name}"))
    np.testing.assert_array_equal(reduce_blocks(values, factors, name), expected)  # type: ignore[arg-type]


@given(cases([np.dtype("u1"), np.dtype("i8"), np.dtype("?"), np.dtype("f4")]))
@examples(27, deadline=None)
def test_mode_is_the_smallest_of_the_most_frequent_values(case: Any) -> None:
    values, factors = case

    def mode(block: np.ndarray) -> Any:
        counts = Counter([value for value in block.ravel().tolist() if value == value])
        most = max(counts.values(), default=0)
        return min((value for value, n in counts.items() if n == most), default=np.nan)

    np.testing.assert_array_equal(reduce_blocks(values, factors, "mode"), each_block(values, factors, mode))


@given(cases([np.dtype("i4")]), st.integers(1, 5))
@examples(13, deadline=None)
def test_mode_never_invents_a_label(case: Any, labels: int) -> None:
    values, factors = case
    values = values % labels * 1000
    assert set(reduce_blocks(values, factors, "mode").ravel()) <= set(values.ravel())


@pytest.mark.parametrize("method", ["mean", "mode", "min", "max"])
@pytest.mark.parametrize("dtype", ["i2", "i8", "u8", "f4", "f8"])
def test_nodata_does_not_bleed(method: str, dtype: str) -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(1, 9, (13, 11, 7)).astype(dtype)
    values[rng.random(values.shape) < 0.4] = 99
    values[:2, :2, :3] = 99
    factors = (2, 2, 3)

    def expected(block: np.ndarray) -> Any:
        kept = block[block != 99]
        if not kept.size:
            return 99
        if method == "mode":
            found, counts = np.unique(kept, return_counts=True)
            return found[counts.argmax()]
        if method == "mean" and block.dtype.kind in "iu":
            return rounded_mean(kept)
        return getattr(np, method)(kept)

    found = reduce_blocks(values, factors, method, nodata=99)  # type: ignore[arg-type]
    assert found[0, 0, 0] == 99
    np.testing.assert_allclose(found, each_block(values, factors, expected), rtol=1e-6)


@pytest.mark.parametrize("method", ["mean", "mode", "min", "max"])
def test_missing_times_are_left_out(method: Any) -> None:
    times = np.array(["2024-01-01", "NaT", "2024-01-03", "2024-01-03", "NaT", "NaT"], "M8[h]")
    found = reduce_blocks(times, (2,), method)
    assert np.array_equal(found, np.array(["2024-01-01", "2024-01-03", "NaT"], "M8[h]"), equal_nan=True)


def test_nearest_takes_the_first_element() -> None:
    values = np.arange(35).reshape(5, 7)
    assert np.array_equal(reduce_blocks(values, (2, 3), "nearest"), values[::2, ::3])


@pytest.mark.parametrize("function", [np.median, np.max, np.sum])
def test_a_function_reduces_whole_and_shorter_blocks(function: Any) -> None:
    values = np.random.default_rng(0).random((9, 7))
    np.testing.assert_allclose(reduce_blocks(values, (2, 3), function), each_block(values, (2, 3), function))


def test_a_function_that_does_not_reduce_is_refused() -> None:
    with pytest.raises(ArgumentError, match="must\\s+reduce the axes"):
        reduce_blocks(np.zeros((4, 4)), (2, 2), lambda values, axis: values)


@pytest.mark.parametrize(("method", "function"), [("mean", np.mean), ("min", np.min), ("max", np.max)])
def test_blocks_equal_scikit_image(method: Any, function: Any) -> None:
    measure = pytest.importorskip("skimage.measure")
    data = pytest.importorskip("skimage.data")
    image = data.camera().astype("f8")
    np.testing.assert_allclose(
        reduce_blocks(image, (4, 2), method), measure.block_reduce(image, (4, 2), function)
    )


def test_methods_refuse_elements_that_they_cannot_order() -> None:
    check_method("nearest", np.dtype("U5"))
    check_method("mean", np.dtype("c8"))
    for method, dtype in [("mean", "U5"), ("min", "c8"), ("mode", "V4"), ("median", "f8")]:
        with pytest.raises(ArgumentError, match="method"):
            check_method(method, np.dtype(dtype))  # type: ignore[arg-type]


def test_complex_means() -> None:
    values = np.array([1 + 2j, 3 + 4j, 5j], "c8")
    assert reduce_blocks(values, (2,), "mean").tolist() == [2 + 3j, 5j]


def test_empty_arrays_have_empty_results() -> None:
    for method, shape in product(("mean", "mode", "nearest"), [(0, 4), (4, 0)]):
        assert reduce_blocks(np.zeros(shape), (2, 2), method).size == 0  # type: ignore[arg-type]
