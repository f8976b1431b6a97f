"""exzarr.gallery.quantising: encoding, decoding, and search in codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr.gallery.embeddings import top_k
from exzarr.gallery.quantising import ProductQuantiser, approximate_top_k, recall


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """Vectors in a hundred clusters on the sphere."""
    rng = np.random.default_rng(2)
    made = rng.normal(size=(100, 32))[rng.integers(100, size=3000)] + 0.3 * rng.normal(size=(3000, 32))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype("f4")


@given(seed=st.integers(0, 1000), parts=st.sampled_from([1, 2, 3, 6]), centroids=st.integers(1, 40))
def test_each_part_is_encoded_as_its_nearest_centroid(seed: int, parts: int, centroids: int) -> None:
    sample = np.random.default_rng(seed).normal(size=(50, 6)).astype("f4")
    quantiser = ProductQuantiser.train(sample, parts, centroids=centroids, seed=seed)
    codes = quantiser.encode(sample)
    assert codes.dtype == np.uint8
    assert codes.shape == (50, parts)
    pieces = sample.reshape(50, parts, -1).astype("f8")
    distances = ((pieces[:, :, None] - quantiser.centroids[None].astype("f8")) ** 2).sum(-1)
    chosen = np.take_along_axis(distances, codes[..., None].astype(int), 2)[..., 0]
    np.testing.assert_allclose(chosen, distances.min(-1), atol=1e-5)
    decoded = quantiser.decode(codes)
    np.testing.assert_allclose(((decoded - sample) ** 2).sum(1), chosen.sum(1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(quantiser.scores(codes, sample[:4]), sample[:4] @ decoded.T, atol=1e-5)


def test_as_many_centroids_as_vectors_are_lossless(vectors: np.ndarray) -> None:
    quantiser = ProductQuantiser.train(vectors[:200], 4, centroids=200)
    np.testing.assert_allclose(quantiser.decode(quantiser.encode(vectors[:200])), vectors[:200], atol=1e-6)


def test_training_is_deterministic_and_reduces_the_error(vectors: np.ndarray) -> None:
    errors = []
    for rounds in (0, 2, 10):
        one, other = (ProductQuantiser.train(vectors, 8, rounds=rounds, seed=4) for _ in range(2))
        assert np.array_equal(one.centroids, other.centroids)
        errors.append(float(((one.decode(one.encode(vectors)) - vectors) ** 2).sum()))
    assert errors[0] > errors[1] > errors[2]


def test_reading_vectors_improves_the_recall_of_a_search_in_codes(
    tmp_path: Path, vectors: np.ndarray
) -> None:
    quantiser = ProductQuantiser.train(vectors, 8)
    codes = exzarr.create_array(tmp_path / "codes.zarr", data=quantiser.encode(vectors), chunks=(700, 8))
    stored = exzarr.create_array(tmp_path / "vectors.zarr", data=vectors, chunks=(100, 32))
    queries = vectors[::100] + 0.01
    exact = top_k(vectors, queries, 10)
    alone = approximate_top_k(codes, quantiser, queries, 10)
    again = approximate_top_k(codes, quantiser, queries, 10, vectors=stored)
    assert recall(exact.rows, exact.rows) == 1
    assert 0.3 < recall(alone.rows, exact.rows) < recall(again.rows, exact.rows)
    assert recall(again.rows, exact.rows) > 0.9
    decoded = quantiser.decode(quantiser.encode(vectors))
    scores = (queries / np.linalg.norm(queries, axis=1, keepdims=True)) @ decoded.T
    np.testing.assert_allclose(alone.scores, -np.sort(-scores, axis=1)[:, :10], atol=1e-5)
    everything = approximate_top_k(codes, quantiser, queries, 10, vectors=stored, candidates=3000)
    assert np.array_equal(everything.rows, exact.rows)


def test_invalid_quantiser_arguments_are_errors(vectors: np.ndarray) -> None:
    with pytest.raises(exzarr.ArgumentError, match="5 equal parts"):
        ProductQuantiser.train(vectors, 5)
    with pytest.raises(exzarr.ArgumentError, match="1 to 256 centroids"):
        ProductQuantiser.train(vectors, 4, centroids=300)
    with pytest.raises(exzarr.ArgumentError, match=r"\(n, 32\)"):
        ProductQuantiser.train(vectors, 4).encode(vectors[:, :8])
