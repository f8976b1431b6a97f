"""Exact nearest neighbours by cosine, for vectors that need not fit into memory."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exzarr import config
from exzarr._engine.pool import WorkFeed, run
from exzarr._typing import AnyArray
from exzarr.errors import ArgumentError
from exzarr.gallery.blas import single_threaded_blas
from exzarr.gallery.vector_blocks import BLOCK_NBYTES, Vectors, vector_blocks

__all__ = ["TopK", "top_k"]

Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

SCORES_NBYTES = 4 * 1024 * 1024
"""Largest size of the scores of one block."""

PAIRS = 2048
"""Number of pairs of a query and a vector that are scored exactly in one step."""

SHORTEST, LONGEST = 1e-15, 1e15
"""Limits of vector lengths: others could lose digits in float32 or overflow, so they are scored in float64."""

UNIT = 1e-3
"""Largest difference between 1 and the square of a vector's length with ``normalized=True``."""


@dataclass(frozen=True, slots=True, eq=False)
class TopK:
    """The nearest vectors of each query, the nearest first.

    Attributes
    ----------
    rows
        Row numbers, int64, shape (queries, k), or (k,) for a single query.
    scores
        Cosines of these rows, float64, same shape.
    """

    rows: Int64s
    scores: Float64s


def top_k(
    vectors: Vectors,
    queries: npt.ArrayLike,
    k: int = 10,
    *,
    normalized: bool = False,
    norms: Any = None,
    mapped: bool = True,
    workers: int | None = None,
) -> TopK:
    """Find the `k` vectors with the largest cosine to each query, by an exact scan with few chunks in memory.

    ::

        found = top_k(exzarr.open("glosses.zarr"), model.encode(["keeps you dry in the rain"])[0])
        texts[found.rows[0]], found.scores[0]

    Each block of rows is scored by one matrix product in float32. Rows within the rounding error of the best so far
    are scored again in float64, and this score decides. The result therefore equals a computation in float64 and does
    not depend on the chunks. Rows with equal scores are in ascending order.

    Parameters
    ----------
    vectors
        Floats or integers, shape (n, d): a Zarr array or a NumPy array. Chunks of whole rows of some MiB are best.
        A vector of zeros has no direction, and its cosine counts as 0.
    queries
        Shape (d,) or (q, d). Several queries together cost hardly more than one.
    k
        Number of results for each query. With fewer than `k` vectors there are fewer results.
    normalized
        All vectors have length 1, so no lengths are computed.
    norms
        Lengths of the vectors, shape (n,), a Zarr array or a NumPy array. Default: computed from each block.
    mapped
        Map raw chunks in a local folder into memory instead of copying them; see `vector_blocks`.
    workers
        Number of computing threads, each with a separate block. If chunks are not mapped, as many threads read.
        Default: ``config.workers``.

    Returns
    -------
    TopK
        Rows and cosines.

    Raises
    ------
    ArgumentError
        Shapes or types do not fit, a query is zero, or a query or a vector is not finite.
    ChunkError
        A chunk cannot be read.
    """
    wanted = _as_queries(queries, vectors)
    if k < 1:
        raise ArgumentError(f"k, the number of vectors to find, must be at least 1, not {k}")
    if normalized and norms is not None:
        raise ArgumentError(
            "normalized=True means that all vectors have length 1: give normalized=True or norms, not both"
        )
    lengths = None if norms is None else _as_lengths(norms, vectors.shape[0])
    scan = _Scan(wanted, min(k, vectors.shape[0]), lengths, normalized=normalized)
    row_nbytes = max(1, vectors.dtype.itemsize, 4) * max(1, vectors.shape[1])
    most = max(64, min(BLOCK_NBYTES // row_nbytes, SCORES_NBYTES // (4 * len(wanted))))
    blocks = vector_blocks(vectors, most=most, mapped=mapped, workers=workers)
    threads = workers or config.get().workers
    with single_threaded_blas():
        run(scan.work, blocks, threads, threads)  # with this count, each thread takes one block at a time
    if np.ndim(queries) == 1:
        return TopK(scan.rows[0], scan.scores[0])
    return TopK(scan.rows, scan.scores)


class _Scan:
    """The best rows so far, for all queries; several threads add blocks."""

    def __init__(self, queries: Float64s, k: int, lengths: Float64s | None, *, normalized: bool) -> None:
        self.rows = np.full((len(queries), k), -1, np.int64)
        self.scores = np.full((len(queries), k), -np.inf)
        self._queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        self._rough = self._queries.astype(np.float32)
        self._k, self._lengths, self._normalized = k, lengths, normalized
        # Twice the error bound of a sum of d products in float32, including the rounding of the inputs and the
        # division (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1).
        self._margin = np.float32((queries.shape[1] + 16) * 2.0**-23)
        self._merging = threading.Lock()

    def work(self, feed: WorkFeed) -> None:
        """Score blocks until there are no more."""
        # Reuse the memory of the scores: new memory for each block would cost as much as the scores.
        scratch = np.empty(0, np.float32)
        with np.errstate(all="ignore"):  # non-finite results are detected below
            while batch := feed.take():
                start, block = batch.pop()
                size = len(self._rough) * len(block)
                if scratch.size < size:
                    scratch = np.empty(size, np.float32)
                self._score(start, block, scratch[:size].reshape(len(self._rough), len(block)))
                del block  # release it before the next block is read

    def _score(self, start: int, block: AnyArray, scores: npt.NDArray[np.float32]) -> None:
        """Score a block whose first row has the number `start`; `scores` is a buffer for the float32 scores."""
        known = None if self._lengths is None else self._lengths[start : start + len(block)]
        small = block if block.dtype == np.float32 else block.astype(np.float32)
        np.matmul(self._rough, small.T, out=scores)
        if not self._normalized:
            lengths = np.sqrt(np.einsum("ij,ij->i", small, small)) if known is None else known
            odd = np.flatnonzero(~((lengths > SHORTEST) & (lengths < LONGEST)))
            scores *= np.divide(1, lengths, dtype=np.float32, casting="unsafe")
            if len(odd):
                scores[:, odd] = self._exact_all(start, block, odd, known)
        if not np.isfinite(scores[0]).all():
            _raise_not_finite(start, block)
        queries, rows = self._candidates(scores)
        for at in range(0, len(rows), PAIRS):
            some, of = rows[at : at + PAIRS], queries[at : at + PAIRS]
            exact = self._exact(block[some].astype(np.float64), of, start + some, _at(known, some))
            with self._merging:
                self._merge(of, start + some, exact)

    def _candidates(self, scores: npt.NDArray[np.float32]) -> tuple[Int64s, Int64s]:
        """Return the pairs of queries and rows that may be among the best, allowing for the float32 error.

        Other threads may improve the best scores concurrently. Old limits are lower, so they only let more rows pass.
        """
        queries, rows = [], []
        limits = (self.scores[:, -1] - self._margin).astype(np.float32)
        for query in np.flatnonzero(scores.max(axis=1) >= limits):
            found = np.flatnonzero(scores[query] >= limits[query])
            if len(found) > 4 * self._k + 64:
                near = scores[query, found]
                limit = np.partition(near, -self._k)[-self._k] - 2 * self._margin
                found = found[near >= limit]
            queries.append(np.full(len(found), query))
            rows.append(found)
        none = np.empty(0, np.int64)
        return np.concatenate([none, *queries]), np.concatenate([none, *rows])

    def _exact(self, near: Float64s, queries: Int64s, rows: Int64s, lengths: AnyArray | None) -> Float64s:
        """Return the exact cosines of pairs: each of the vectors `near` with the query at the same position."""
        dots: Float64s = np.einsum("ij,ij->i", near, self._queries[queries])
        if lengths is None or self._normalized:
            lengths = np.sqrt(np.einsum("ij,ij->i", near, near))
            if self._normalized:
                wrong = np.flatnonzero(np.abs(lengths**2 - 1) > UNIT)
                if len(wrong):
                    raise ArgumentError(
                        f"vector {rows[wrong[0]]} has length {lengths[wrong[0]]:.6g}, but normalized=True requires "
                        "length 1: omit normalized=True"
                    )
                return dots
        found: Float64s = np.divide(dots, lengths, out=np.zeros_like(dots), where=lengths > 0)
        return found

    def _exact_all(self, start: int, block: AnyArray, odd: Int64s, lengths: AnyArray | None) -> Float64s:
        """Return the exact cosines of the `odd` vectors of a block with all queries."""
        near = block[odd].astype(np.float64)
        if not np.isfinite(near).all():
            _raise_not_finite(start, block)
        long = _at(lengths, odd)
        if long is None:
            # Divide by the largest component first, so that no square overflows or underflows.
            largest = np.abs(near).max(axis=1, initial=0)
            near /= np.where(largest > 0, largest, 1)[:, None]
            long = np.linalg.norm(near, axis=1)
        dots = self._queries @ near.T
        found: Float64s = np.divide(dots, long, out=np.zeros_like(dots), where=long > 0)
        return found

    def _merge(self, queries: Int64s, rows: Int64s, scores: Float64s) -> None:
        touched = np.unique(queries)
        k = self._k
        of = np.concatenate([np.repeat(touched, k), queries])
        all_rows = np.concatenate([self.rows[touched].ravel(), rows])
        all_scores = np.concatenate([self.scores[touched].ravel(), scores])
        order = np.lexsort((all_rows, -all_scores, of))
        first = np.searchsorted(of[order], touched)  # each query has at least its previous k entries
        best = order[first[:, None] + np.arange(k)]
        self.rows[touched], self.scores[touched] = all_rows[best], all_scores[best]


def _at(values: AnyArray | None, rows: Int64s) -> AnyArray | None:
    return None if values is None else values[rows]


def _as_queries(queries: npt.ArrayLike, vectors: Vectors) -> Float64s:
    """Convert queries to shape (q, d); raise ArgumentError if they do not fit the vectors."""
    if len(vectors.shape) != 2 or vectors.dtype.kind not in "fiu":
        raise ArgumentError(
            f"vectors must be the rows of a 2-dimensional array of numbers, not an array of shape {vectors.shape} "
            f"and data type {vectors.dtype}"
        )
    wanted = np.array(queries, np.float64, ndmin=2)
    if wanted.ndim != 2 or wanted.shape[1] != vectors.shape[1]:
        raise ArgumentError(
            f"queries of shape {np.shape(queries)} do not fit vectors of {vectors.shape[1]} dimensions: "
            f"use shape ({vectors.shape[1]},) or (queries, {vectors.shape[1]})"
        )
    if not len(wanted):
        raise ArgumentError("queries is empty: give at least one query")
    largest = np.abs(wanted).max(axis=1, initial=0)
    bad = np.flatnonzero(~np.isfinite(largest))
    if len(bad):
        raise ArgumentError(f"query {bad[0]} is not finite: it contains a NaN or an infinity")
    bad = np.flatnonzero(largest == 0)
    if len(bad):
        raise ArgumentError(f"query {bad[0]} is zero, so it has no direction: remove it")
    scaled: Float64s = wanted / largest[:, None]
    return scaled


def _as_lengths(norms: Any, count: int) -> Float64s:
    lengths: Float64s = np.asarray(norms[...] if hasattr(norms, "chunks") else norms, np.float64)
    if lengths.shape != (count,):
        raise ArgumentError(
            f"norms has shape {lengths.shape}, but there are {count} vectors: use shape ({count},)"
        )
    if not (lengths >= 0).all() or not np.isfinite(lengths).all():
        raise ArgumentError("norms must be finite and at least 0, and one of them is not")
    return lengths


def _raise_not_finite(start: int, block: AnyArray) -> None:
    """Raise ArgumentError that names the first vector that is not finite."""
    bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
    if len(bad):
        raise ArgumentError(
            f"vector {start + bad[0]} is not finite (NaN or infinity), so it has no cosine: "
            "store zeros for texts without an embedding"
        )
    raise ArgumentError(f"vectors from row {start} on overflow float32: scale them, or omit norms")
