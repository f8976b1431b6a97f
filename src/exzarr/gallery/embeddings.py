"""Exact nearest neighbours by cosine, over vectors that need not fit into memory."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exzarr import config
from exzarr.engine.pool import Feed, run
from exzarr.errors import ArgumentError
from exzarr.gallery.blas import single_threaded_blas
from exzarr.gallery.vector_blocks import BLOCK_NBYTES, Vectors, vector_blocks

__all__ = ["TopK", "top_k"]

AnyArray = npt.NDArray[Any]
Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

SCORES_NBYTES = 4 * 1024 * 1024
"""A block's scores take no more than this."""

PAIRS = 2048
"""How many pairs of a query and a vector are scored exactly at a time."""

SHORTEST, LONGEST = 1e-15, 1e15
"""Vectors of other lengths could lose digits in float32, or overflow: they are scored in float64 at once."""

UNIT = 1e-3
"""How far the square of a vector's length may be from 1 where vectors are said to be normalised."""


@dataclass(frozen=True, slots=True, eq=False)
class TopK:
    """The best of each query, the best first.

    Attributes
    ----------
    rows
        Row numbers, int64, shape (queries, k), or (k,) for a single query.
    scores
        Their cosines, float64, of the same shape.
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
    """The `k` vectors with the largest cosine to each query: all are looked at, and few are in memory at a time.

    ::

        found = top_k(exzarr.open("glosses.zarr"), model.encode(["keeps you dry in the rain"])[0])
        texts[found.rows[0]], found.scores[0]

    Each block of rows goes through one matrix product in float32. What comes within its rounding error of the
    best so far is scored again in float64, and that decides: the result is that of float64 throughout, whatever
    the chunks. Equal scores are in the order of rows.

    Parameters
    ----------
    vectors
        Shape (n, d), floats or integers: a Zarr array, best with chunks of whole rows, some MiB each; or a
        NumPy array. A vector of zeros has no direction; its cosine counts as 0.
    queries
        Shape (d,), or (q, d): several together cost hardly more than one.
    k
        How many. Where there are fewer vectors, there are fewer results.
    normalized
        The vectors have length 1: no lengths are computed.
    norms
        The vectors' lengths, shape (n,), a Zarr array or a NumPy array. Default: computed from each block.
    mapped
        See `vector_blocks`: raw chunks in a local folder are mapped into memory instead of copied.
    workers
        Threads that compute, each with a block of its own; and, where chunks are not mapped, as many that
        read. Default: ``config.workers``.

    Returns
    -------
    TopK
        Rows and cosines.

    Raises
    ------
    ArgumentError
        Shapes or types that don't fit; a query that is zero, or a query or vector that is not finite.
    ChunkError
        A chunk that can't be read.
    """
    wanted = _as_queries(queries, vectors)
    if k < 1:
        raise ArgumentError(f"k is how many vectors to find, at least 1, not {k}")
    if normalized and norms is not None:
        raise ArgumentError("normalized vectors have length 1: give normalized=True or norms, not both")
    lengths = None if norms is None else _as_lengths(norms, vectors.shape[0])
    scan = _Scan(wanted, min(k, vectors.shape[0]), lengths, normalized=normalized)
    row_nbytes = max(1, vectors.dtype.itemsize, 4) * max(1, vectors.shape[1])
    most = max(64, min(BLOCK_NBYTES // row_nbytes, SCORES_NBYTES // (4 * len(wanted))))
    blocks = vector_blocks(vectors, most=most, mapped=mapped, workers=workers)
    threads = workers or config.get().workers
    with single_threaded_blas():
        run(scan.work, blocks, threads, threads)  # a count that has each thread take one block at a time
    if np.ndim(queries) == 1:
        return TopK(scan.rows[0], scan.scores[0])
    return TopK(scan.rows, scan.scores)


class _Scan:
    """The best so far, for all queries; several threads look at blocks."""

    def __init__(self, queries: Float64s, k: int, lengths: Float64s | None, *, normalized: bool) -> None:
        self.rows = np.full((len(queries), k), -1, np.int64)
        self.scores = np.full((len(queries), k), -np.inf)
        self._queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        self._rough = self._queries.astype(np.float32)
        self._k, self._lengths, self._normalized = k, lengths, normalized
        # A sum of d products in float32, the inputs' own rounding and the division are off by no more than this
        # (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1), twice over.
        self._margin = np.float32((queries.shape[1] + 16) * 2.0**-23)
        self._merging = threading.Lock()

    def work(self, feed: Feed) -> None:
        """Look at blocks until there are no more."""
        # Fresh memory for the scores of each block would cost as much as they do.
        scratch = np.empty(0, np.float32)
        with np.errstate(all="ignore"):  # what comes of it is looked for
            while batch := feed.take():
                start, block = batch.pop()
                size = len(self._rough) * len(block)
                if scratch.size < size:
                    scratch = np.empty(size, np.float32)
                self._look(start, block, scratch[:size].reshape(len(self._rough), len(block)))
                del block  # before the next one is there

    def _look(self, start: int, block: AnyArray, scores: npt.NDArray[np.float32]) -> None:
        """Look at a block, whose first row has the number `start`; `scores` is room for its rough ones."""
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
        """Queries and rows of all that may be among the best, the rough scores' error allowed for.

        The best so far may change meanwhile: they only get better, and old ones let more through.
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
        """The cosines of pairs: of each of the vectors `near` and the query beside it."""
        dots: Float64s = np.einsum("ij,ij->i", near, self._queries[queries])
        if lengths is None or self._normalized:
            lengths = np.sqrt(np.einsum("ij,ij->i", near, near))
            if self._normalized:
                wrong = np.flatnonzero(np.abs(lengths**2 - 1) > UNIT)
                if len(wrong):
                    raise ArgumentError(
                        f"vector {rows[wrong[0]]} has length {lengths[wrong[0]]:.6g}, and normalized=True says "
                        "that all have length 1: leave that out"
                    )
                return dots
        found: Float64s = np.divide(dots, lengths, out=np.zeros_like(dots), where=lengths > 0)
        return found

    def _exact_all(self, start: int, block: AnyArray, odd: Int64s, lengths: AnyArray | None) -> Float64s:
        """The cosines of some vectors with all queries."""
        near = block[odd].astype(np.float64)
        if not np.isfinite(near).all():
            _raise_not_finite(start, block)
        long = _at(lengths, odd)
        if long is None:
            # The largest component first, so that no square overflows or vanishes.
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
        first = np.searchsorted(of[order], touched)  # each has at least the k it had
        best = order[first[:, None] + np.arange(k)]
        self.rows[touched], self.scores[touched] = all_rows[best], all_scores[best]


def _at(values: AnyArray | None, rows: Int64s) -> AnyArray | None:
    return None if values is None else values[rows]


def _as_queries(queries: npt.ArrayLike, vectors: Vectors) -> Float64s:
    """Shape (q, d). ArgumentError where they don't fit the vectors, or can't be compared."""
    if len(vectors.shape) != 2 or vectors.dtype.kind not in "fiu":
        raise ArgumentError(
            f"vectors are the rows of a 2-dimensional array of numbers, not of one of shape {vectors.shape} "
            f"and data type {vectors.dtype}"
        )
    wanted = np.array(queries, np.float64, ndmin=2)
    if wanted.ndim != 2 or wanted.shape[1] != vectors.shape[1]:
        raise ArgumentError(
            f"queries of shape {np.shape(queries)} don't fit vectors of {vectors.shape[1]} dimensions: "
            f"their shape is ({vectors.shape[1]},) or (queries, {vectors.shape[1]})"
        )
    if not len(wanted):
        raise ArgumentError("there is no query")
    largest = np.abs(wanted).max(axis=1, initial=0)
    bad = np.flatnonzero(~np.isfinite(largest))
    if len(bad):
        raise ArgumentError(f"query {bad[0]} is not finite: it has a NaN or an infinity in it")
    bad = np.flatnonzero(largest == 0)
    if len(bad):
        raise ArgumentError(f"query {bad[0]} is zero: it has no direction to compare with")
    scaled: Float64s = wanted / largest[:, None]
    return scaled


def _as_lengths(norms: Any, count: int) -> Float64s:
    lengths: Float64s = np.asarray(norms[...] if hasattr(norms, "chunks") else norms, np.float64)
    if lengths.shape != (count,):
        raise ArgumentError(
            f"norms has shape {lengths.shape}, and there are {count} vectors: ({count},) is meant"
        )
    if not (lengths >= 0).all() or not np.isfinite(lengths).all():
        raise ArgumentError("norms are lengths, at least 0, and one of them is not")
    return lengths


def _raise_not_finite(start: int, block: AnyArray) -> None:
    """ArgumentError that names the first vector which is not finite."""
    bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
    if len(bad):
        raise ArgumentError(
            f"vector {start + bad[0]} is not finite (NaN or infinity), so it is near to nothing: "
            "store zeros for what has no embedding"
        )
    raise ArgumentError(f"the vectors from {start} on overflow float32: scale them, or leave norms out")
