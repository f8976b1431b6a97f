"""Product quantisation: codes of a few bytes for each vector, and a search in these codes.

The method is that of Jégou, Douze and Schmid, Product Quantization for Nearest Neighbor Search (IEEE PAMI 33, 2011).
It cuts a vector into parts and stores, for each part, only the number of the nearest of 256 centroids.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from exzarr._nodes.array import Array
from exzarr._typing import AnyArray
from exzarr.errors import ArgumentError
from exzarr.gallery.blas import single_threaded_blas
from exzarr.gallery.embeddings import TopK, top_k
from exzarr.gallery.vector_blocks import Vectors, vector_blocks

__all__ = ["ProductQuantiser", "approximate_top_k", "recall"]

Float32s = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class ProductQuantiser:
    """An encoder of vectors, defined by its centroids.

    Attributes
    ----------
    centroids
        float32, shape (parts, centroids, dimensions of a part). Store them to restore the quantiser.
    """

    centroids: Float32s

    @classmethod
    def train(
        cls, sample: AnyArray, parts: int, *, centroids: int = 256, rounds: int = 10, seed: int = 0
    ) -> Self:
        """Find centroids for vectors similar to `sample`, by k-means for each part separately.

        Parameters
        ----------
        sample
            Vectors, shape (n, d).
        parts
            Number of parts of a vector; each takes one byte. It must divide d.
        centroids
            Number of centroids for each part: at most 256, and at most n.
        rounds, seed
            Number of k-means iterations, and the seed of the initial centroids.

        Raises
        ------
        ArgumentError
            `parts` does not divide d, or `centroids` is out of range.
        """
        count, size = sample.shape
        if not 1 <= centroids <= min(256, count):
            raise ArgumentError(
                f"train needs 1 to {min(256, count)} centroids for {count} vectors, not {centroids}"
            )
        if parts < 1 or size % parts:
            raise ArgumentError(
                f"vectors of {size} dimensions cannot be cut into {parts} equal parts: choose a divisor of {size}"
            )
        rng = np.random.default_rng(seed)
        pieces = np.asarray(sample, np.float32).reshape(count, parts, -1)
        with single_threaded_blas():  # the products are small
            return cls(np.stack([_k_means(pieces[:, part], centroids, rounds, rng) for part in range(parts)]))

    @property
    def dimensions(self) -> int:
        """Number of dimensions of the vectors."""
        parts, _, size = self.centroids.shape
        return int(parts * size)

    def encode(self, vectors: AnyArray) -> Codes:
        """Return the numbers of the nearest centroids: uint8, shape (n, parts)."""
        pieces = self._pieces(vectors)
        codes = np.empty(pieces.shape[:2], np.uint8)
        with single_threaded_blas():
            for part, centroids in enumerate(self.centroids):
                codes[:, part] = _nearest(np.ascontiguousarray(pieces[:, part]), centroids)
        return codes

    def decode(self, codes: Codes) -> Float32s:
        """Return the approximate vectors of `codes`: float32, shape (n, d)."""
        parts = np.arange(self.centroids.shape[0])
        found: Float32s = self.centroids[parts, codes].reshape(len(codes), self.dimensions)
        return found

    def scores(self, codes: Codes, queries: AnyArray) -> Float32s:
        """Return the dot products of queries (q, d) with the vectors of `codes` (n, parts), shape (q, n).

        It decodes no vector. It computes a table of the products of a query with all centroids, and looks them up.
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
            raise ArgumentError(
                f"this quantiser needs vectors of shape (n, {self.dimensions}), not {vectors.shape}"
            )
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
    """Find the `k` best rows for each query by their codes, optionally re-ranked by the exact vectors.

    Parameters
    ----------
    codes
        Codes that `quantiser` made from vectors of length 1: uint8, shape (n, parts). They are read block by block.
    quantiser
        The quantiser of the codes.
    queries
        Shape (q, d).
    k
        Number of rows for each query.
    vectors
        The exact vectors, shape (n, d). If given, the vectors of the candidates are read and ranked exactly.
    candidates
        Number of candidates per query. Default: ``10 * k`` with `vectors`.

    Returns
    -------
    TopK
        Shape (q, k). Without `vectors` the scores are estimates.
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
    found = [_rerank(vectors, query, some, k) for query, some in zip(queries, rows, strict=True)]
    return TopK(np.stack([one.rows for one in found]), np.stack([one.scores for one in found]))


def recall(found: npt.NDArray[np.int64], exact: npt.NDArray[np.int64]) -> float:
    """Return the average share of the `exact` rows (q, k) that are among the `found` rows."""
    return float(np.mean([np.isin(row, some).mean() for row, some in zip(exact, found, strict=True)]))


def _rerank(vectors: Array | AnyArray, query: AnyArray, rows: npt.NDArray[np.int64], k: int) -> TopK:
    """Read only `rows` of the vectors and return the best of them."""
    rows = np.sort(rows)
    near = vectors[rows] if isinstance(vectors, np.ndarray) else vectors.oindex[rows]
    best = top_k(near, query, k)
    return TopK(rows[best.rows], best.scores)


def _k_means(points: Float32s, count: int, rounds: int, rng: np.random.Generator) -> Float32s:
    """Run Lloyd's algorithm (IEEE Trans. Inf. Theory 28, 1982) from random points."""
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
    """Return the number of the nearest centroid of each point, from |p - c|² = |p|² - 2 p·c + |c|²."""
    near: Float32s = points @ centroids.T - 0.5 * np.einsum("cd,cd->c", centroids, centroids)
    nearest: npt.NDArray[np.intp] = near.argmax(axis=1)
    return nearest
