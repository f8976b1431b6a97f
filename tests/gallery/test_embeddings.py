"""exzarr.gallery.embeddings compared with NumPy in float64, with all data in memory."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr.gallery.embeddings import TopK, top_k
from exzarr.stores.memory import MemoryStore


def cosines(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Return cosines of shape (queries, vectors); 0 for zero vectors."""
    x, q = vectors.astype(np.float64), np.atleast_2d(queries).astype(np.float64)
    x /= np.where(np.abs(x).max(axis=1, initial=0) > 0, np.abs(x).max(axis=1, initial=0), 1)[:, None]
    lengths = np.linalg.norm(x, axis=1)
    dots = (q / np.linalg.norm(q, axis=1, keepdims=True)) @ x.T
    return np.divide(dots, lengths, out=np.zeros_like(dots), where=lengths > 0)


def check(found: TopK, vectors: np.ndarray, queries: np.ndarray, k: int) -> None:
    """Check that `found` has the best scores in descending order, and equal vectors sorted by row."""
    expected = cosines(vectors, queries)
    rows, scores = np.atleast_2d(found.rows), np.atleast_2d(found.scores)
    assert rows.shape == scores.shape == (len(expected), min(k, len(vectors)))
    np.testing.assert_allclose(scores, np.take_along_axis(expected, rows, 1), rtol=1e-9, atol=1e-12)
    best = -np.sort(-expected, axis=1)[:, : rows.shape[1]]
    np.testing.assert_allclose(scores, best, rtol=1e-9, atol=1e-12)
    for some in rows:
        assert len({*some.tolist()}) == len(some)
        for a, b in pairwise(some):
            assert a < b or not np.array_equal(vectors[a], vectors[b])


def random_vectors(seed: int, n: int, d: int, dtype: str = "f4") -> np.ndarray:
    """Return random vectors, including duplicates and zeros."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, d)) * rng.choice([1e-3, 1, 50], (n, 1))
    if n > 3:
        vectors[rng.integers(n, size=n // 3)] = vectors[0]
        vectors[n // 2] = 0
    return np.rint(vectors).astype(dtype) if np.dtype(dtype).kind in "iu" else vectors.astype(dtype)


@pytest.fixture
def unit() -> np.ndarray:
    vectors = np.random.default_rng(1).normal(size=(1000, 48)).astype("f4")
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 60),
    d=st.integers(1, 20),
    q=st.integers(1, 4),
    k=st.integers(1, 70),
    dtype=st.sampled_from(["f4", "f4", "f2", "f8", "i1"]),
    layout=st.data(),
)
def test_top_k_equals_numpy_in_float64_for_any_layout(
    seed: int, n: int, d: int, q: int, k: int, dtype: str, layout: st.DataObject
) -> None:
    vectors = random_vectors(seed, n, d, dtype)
    queries = np.random.default_rng(seed).normal(size=(q, d))
    chunks = (layout.draw(st.integers(1, n)), layout.draw(st.integers(1, d)))
    compressors = layout.draw(st.sampled_from([None, "auto"]))
    shards = (2 * chunks[0], chunks[1]) if layout.draw(st.booleans()) else None
    array = exzarr.create_array(
        MemoryStore(), data=vectors, chunks=chunks, shards=shards, compressors=compressors
    )
    check(top_k(array, queries, k), vectors, queries, k)
    check(top_k(vectors, queries, k), vectors, queries, k)
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    check(top_k(array, queries, k, norms=norms), vectors, queries, k)


@pytest.mark.parametrize("compressors", [None, "auto"])
@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize("q", [1, 40])
def test_top_k_with_large_chunks_on_disk(tmp_path: Path, compressors: Any, mapped: bool, q: int) -> None:
    vectors = random_vectors(7, 9000, 100)  # chunks of 1.6 MB, the last one cut
    array = exzarr.create_array(
        tmp_path / "v.zarr", data=vectors, chunks=(4000, 100), compressors=compressors
    )
    queries = np.random.default_rng(8).normal(size=(q, 100))
    check(top_k(array, queries, 15, mapped=mapped), vectors, queries, 15)
    lengths = exzarr.create_array(MemoryStore(), data=np.linalg.norm(vectors.astype("f8"), axis=1))
    check(top_k(array, queries, 15, mapped=mapped, norms=lengths), vectors, queries, 15)


def test_top_k_with_columns_in_several_chunks(tmp_path: Path) -> None:
    vectors = random_vectors(9, 3000, 200)
    array = exzarr.create_array(tmp_path / "v.zarr", data=vectors, chunks=(3000, 110), compressors=None)
    query = np.random.default_rng(8).normal(size=200)
    check(top_k(array, query, 5), vectors, query, 5)


def test_nearest_vectors_are_found_below_float32_resolution(unit: np.ndarray) -> None:
    """Thousands of vectors whose cosines differ by less than float32 resolves."""
    rng = np.random.default_rng(3)
    query = unit[0].astype(np.float64)
    vectors = (query + 1e-6 * rng.normal(size=(5000, 48))).astype(np.float32)
    check(top_k(vectors, query, 20), vectors, query, 20)


def test_normalized_vectors_are_compared_by_dot_product(unit: np.ndarray) -> None:
    found = top_k(unit, unit[:5], 3, normalized=True)
    assert found.rows[:, 0].tolist() == [0, 1, 2, 3, 4]
    dots = (
        unit.astype("f8") @ (unit[:5].astype("f8") / np.linalg.norm(unit[:5].astype("f8"), axis=1)[:, None]).T
    )
    np.testing.assert_allclose(found.scores, -np.sort(-dots.T, axis=1)[:, :3], rtol=1e-12)


def test_single_query_gives_one_row(unit: np.ndarray) -> None:
    found = top_k(unit, unit[3], 4)
    assert found.rows.shape == found.scores.shape == (4,)
    assert found.rows[0] == 3


def test_equal_vectors_are_sorted_by_row(tmp_path: Path) -> None:
    vectors = np.ones((5000, 8), "f4")
    array = exzarr.create_array(tmp_path / "v.zarr", data=vectors, chunks=(700, 8))
    assert top_k(array, [1] * 8, 6).rows.tolist() == [0, 1, 2, 3, 4, 5]
    assert top_k(vectors, [-1] * 8, 6).rows.tolist() == [0, 1, 2, 3, 4, 5]


def test_top_k_returns_fewer_rows_if_there_are_fewer_vectors(unit: np.ndarray) -> None:
    assert top_k(unit[:3], unit[0], 10).rows.shape == (3,)
    assert top_k(unit[:0], unit[:2], 10).rows.shape == (2, 0)


def test_zero_vectors_have_score_zero() -> None:
    vectors = np.array([[0, 0], [-1, 0], [1, 0]], "f4")
    found = top_k(vectors, [1, 0], 3)
    assert found.rows.tolist() == [2, 0, 1]
    assert found.scores.tolist() == [1, 0, -1]
    assert top_k(vectors, [1, 0], 3, norms=[0, 1, 1]).rows.tolist() == [2, 0, 1]


def test_vectors_whose_squares_overflow_float32() -> None:
    vectors = np.array([[1e-30, 2e-30], [3e30, 1e30], [1e-40, 0], [0, 1]], "f4")
    for queries in ([[1.0, 0.0]], [[1e-200, 1e-200]], [[1e200, 2e200]]):
        check(top_k(vectors, queries, 4), vectors, np.array(queries) / np.max(queries), 4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("how", [{}, {"normalized": True}, {"norms": np.ones(1000)}])
def test_error_names_vectors_that_are_not_finite(unit: np.ndarray, bad: float, how: dict[str, Any]) -> None:
    unit[701, 5] = bad
    with pytest.raises(exzarr.ArgumentError, match="vector 701 is not finite"):
        top_k(unit, unit[:2], 3, **how)


@pytest.mark.parametrize(
    ("queries", "says"),
    [
        ([np.nan] * 48, "query 0 is not finite"),
        ([[1] * 48, [0] * 48], "query 1 is zero"),
        ([1] * 47, "do not fit vectors of 48 dimensions"),
        (np.ones((1, 1, 48)), "do not fit"),
        (np.ones((0, 48)), "queries is empty"),
    ],
)
def test_invalid_queries_are_errors(unit: np.ndarray, queries: Any, says: str) -> None:
    with pytest.raises(exzarr.ArgumentError, match=says):
        top_k(unit, queries)


def test_invalid_arguments_are_errors(unit: np.ndarray) -> None:
    for options, says in (
        ({"k": 0}, "at least 1"),
        ({"normalized": True, "norms": np.ones(1000)}, "not both"),
        ({"norms": np.ones(999)}, "there are 1000 vectors"),
        ({"norms": -np.ones(1000)}, "at least 0"),
    ):
        with pytest.raises(exzarr.ArgumentError, match=says):
            top_k(unit, unit[0], **options)  # type: ignore[arg-type]
    with pytest.raises(exzarr.ArgumentError, match="2-dimensional"):
        top_k(unit[0], unit[0])
    with pytest.raises(exzarr.ArgumentError, match="2-dimensional"):
        top_k(unit.astype(complex), unit[0])


def test_vectors_that_are_not_normalized_are_errors(unit: np.ndarray) -> None:
    with pytest.raises(exzarr.ArgumentError, match=r"vector 4 has length 3"):
        top_k(np.where(np.arange(1000)[:, None] == 4, 3 * unit, unit), unit[4], normalized=True)


# -- mapped chunks ----------------------------------------------------------------------------------


@pytest.fixture
def raw(tmp_path: Path) -> tuple[np.ndarray, Path]:
    vectors = random_vectors(5, 3000, 384)
    exzarr.create_array(tmp_path / "v.zarr", data=vectors, chunks=(1000, 384), compressors=None)
    return vectors, tmp_path / "v.zarr"


def test_missing_chunks_read_as_zeros(raw: tuple[np.ndarray, Path]) -> None:
    vectors, path = raw
    (path / "c/1/0").unlink()
    vectors[1000:2000] = 0
    check(top_k(exzarr.open_array(path), vectors[:2] + 1, 5), vectors, vectors[:2] + 1, 5)
    with pytest.raises(exzarr.ChunkMissingError):
        top_k(exzarr.open_array(path, missing="error"), vectors[0] + 1)


def test_chunk_of_the_wrong_size_is_an_error(raw: tuple[np.ndarray, Path]) -> None:
    vectors, path = raw
    for size in (0, 1000):
        (path / "c/1/0").write_bytes(bytes(size))
        with pytest.raises(exzarr.ChunkCorruptError, match=r"\(1, 0\)"):
            top_k(exzarr.open_array(path), vectors[0] + 1)


def test_profile_counts_mapped_reads(raw: tuple[np.ndarray, Path]) -> None:
    vectors, path = raw
    with exzarr.profile() as report:
        top_k(exzarr.open_array(path), vectors[0] + 1)
    assert report.total("read").chunks == 3
