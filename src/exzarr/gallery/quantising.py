"""Product quantisation: vectors as a few bytes each, and searching among them.

After Jégou, Douze and Schmid, Product Quantization for Nearest Neighbor Search (IEEE PAMI 33, 2011): a vector is cut
into parts, and of each part only the number of the nearest of 256 centroids is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from exzarr.array import Array
from exzarr.errors import ArgumentError
from exzarr.gallery.blas import single_threaded_blas
from exzarr.gallery.embeddings import TopK, top_k
from exzarr.gallery.vector_blocks import Vectors, vector_blocks

__all__ = ["ProductQuantiser", "approximate_top_k", "recall"]

AnyArray = npt.NDArray[Any]
Float32s = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class ProductQuantiser:
    """Centroids, and what they turn vectors into.

    Attributes
    ----------
    centroids
        float32, shape (parts, centroids, dimensions of a part). They are all there is to store.
    """

    centroids: Float32s

    @classmethod
    def train(
        cls, sample: AnyArray, parts: int, *, centroids: int = 256, rounds: int = 10, seed: int = 0
    ) -> Self:
        """Find centroids for vectors like those of `sample`, of shape (n, d): by k-means, for each part alone.

        Parameters
        ----------
        parts
            Of how many parts a vector is, each of which comes to one byte. It divides d.
        centroids
            How many for each part, 256 at most, and no more than there are vectors.
        rounds, seed
            How often k-means moves its centroids, and where it begins.
        """
        count, size = sample.shape
        if not 1 <= centroids <= min(256, count):
            raise ArgumentError(f"there can be 1 to {min(256, count)} centroids, not {centroids}")
        if parts < 1 or size % parts:
            raise ArgumentError(f"vectors of {size} dimensions can't be cut into {parts} equal parts")
        rng = np.random.default_rng(seed)
        pieces = np.asarray(sample, np.float32).reshape(count, parts, -1)
        with single_threaded_blas():  # the products are small
            return cls(np.stack([_k_means(pieces[:, part], centroids, rounds, rng) for part in range(parts)]))

    @property
    def dimensions(self) -> int:
        """Of the vectors it is for."""
        parts, _, size = self.centroids.shape
        return int(parts * size)

    def encode(self, vectors: AnyArray) -> Codes:
        """The numbers of the nearest centroids: uint8, shape (n, parts)."""
        pieces = self._pieces(vectors)
        codes = np.empty(pieces.shape[:2], np.uint8)
        with single_threaded_blas():
            for part, centroids in enumerate(self.centroids):
                codes[:, part] = _nearest(np.ascontiguousarray(pieces[:, part]), centroids)
        return codes

    def decode(self, codes: Codes) -> Float32s:
        """The vectors that codes stand for: float32, shape (n, d)."""
        parts = np.arange(self.centroids.shape[0])
        found: Float32s = self.centroids[parts, codes].reshape(len(codes), self.dimensions)
        return found

    def scores(self, codes: Codes, queries: AnyArray) -> Float32s:
        """The dot products of queries (q, d) with what `codes` (n, parts) stand for, shape (q, n).

        No vector is decoded: the products of a query with all centroids are put into a table, and looked up.
        """
        tables = np.einsum("qpd,pcd->qpc", self._pieces(queries), self.centroids)
        total = np.zeros((len(queries), len(codes)), np.float32)
        columns = np.ascontiguousarray(codes.T)
        for table, row in zip(tables, total, strict=True):
            for products, column in zip(table, columns, strict=True):
                row += products[column]
        return total

    def _pieces(self, vectors: AnyArray) -> Float32s:
        if vectors.ndim != 2 or vectors.shape[1] != self.dimensions:
            raise ArgumentError(f"vectors of shape (n, {self.dimensions}) are needed, not {vectors.shape}")
        return np.asarray(vectors, np.float32).reshape(len(vectors), self.centroids.shape[0], -1)


def approximate_top_k(
    codes: Vectors,
    quantiser: ProductQuantiser,
    queries: AnyArray,
    k: int = 10,
    *,
    vectors: Array | AnyArray | None = None,
    candidates: int | None = None,
) -> TopK:
    """The `k` best of each query as far as codes tell, or the best of these by the vectors themselves.

    Parameters
    ----------
    codes
        What `quantiser` made of vectors of length 1: uint8, shape (n, parts), gone through block by block.
    queries
        Shape (q, d).
    vectors
        The vectors themselves, shape (n, d). Those of the candidates are read, and decide.
    candidates
        How many per query. Default: ``10 * k`` where there are `vectors`.

    Returns
    -------
    TopK
        Of shape (q, k). Without `vectors` the scores are estimates.
    """
    queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    wanted = min(codes.shape[0], k if vectors is None else max(k, candidates or 10 * k))
    rows = np.empty((len(queries), 0), np.int64)
    scores = np.empty((len(queries), 0), np.float32)
    for start, block in vector_blocks(codes, most=1 << 16):
        near = quantiser.scores(block, queries)
        best = np.argpartition(near, max(0, near.shape[1] - wanted), axis=1)[:, -wanted:]
        rows = np.concatenate([rows, start + best], axis=1)
        scores = np.concatenate([scores, np.take_along_axis(near, best, 1)], axis=1)
        order = np.lexsort((rows, -scores), axis=1)[:, :wanted]
        rows, scores = np.take_along_axis(rows, order, 1), np.take_along_axis(scores, order, 1)
    if vectors is None:
        return TopK(rows, scores.astype(np.float64))
    found = [_again(vectors, query, some, k) for query, some in zip(queries, rows, strict=True)]
    return TopK(np.stack([one.rows for one in found]), np.stack([one.scores for one in found]))


def recall(found: npt.NDArray[np.int64], exact: npt.NDArray[np.int64]) -> float:
    """Which part of the `exact` rows (q, k) is among those that were `found`, on average."""
    return float(np.mean([np.isin(row, some).mean() for row, some in zip(exact, found, strict=True)]))


def _again(vectors: Array | AnyArray, query: AnyArray, rows: npt.NDArray[np.int64], k: int) -> TopK:
    """The best of some rows, which alone are read."""
    rows = np.sort(rows)
    near = vectors[rows] if isinstance(vectors, np.ndarray) else vectors.oindex[rows]
    best = top_k(near, query, k)
    return TopK(rows[best.rows], best.scores)


def _k_means(points: Float32s, count: int, rounds: int, rng: np.random.Generator) -> Float32s:
    """Lloyd's algorithm (IEEE Trans. Inf. Theory 28, 1982), from points chosen at random."""
    points = np.ascontiguousarray(points)
    centroids = points[rng.choice(len(points), count, replace=False)]
    for _ in range(rounds):
        nearest = _nearest(points, centroids)
        order = np.argsort(nearest, kind="stable")
        members = np.bincount(nearest, minlength=count)
        used = np.flatnonzero(members)
        begins = np.concatenate([[0], np.cumsum(members[used])[:-1]])
        centroids[used] = np.add.reduceat(points[order], begins, axis=0) / members[used, None]
        unused = np.flatnonzero(members == 0)
        centroids[unused] = points[rng.choice(len(points), len(unused))]
    return centroids


def _nearest(points: Float32s, centroids: Float32s) -> npt.NDArray[np.intp]:
    """The number of the centroid that is nearest to each point: |p - c|² is |p|² - 2 p·c + |c|²."""
    near: Float32s = points @ centroids.T - 0.5 * np.einsum("cd,cd->c", centroids, centroids)
    nearest: npt.NDArray[np.intp] = near.argmax(axis=1)
    return nearest
