"""How to cut an array for the way it is read: candidates, what they would cost, and trying the best of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from exzarr._creation.auto_chunks import auto_chunks
from exzarr._creation.metadata import array_metadata
from exzarr._nodes.codec_parts import codec_parts
from exzarr._spelling import known_arguments
from exzarr._stream.progress.progress import Progress, open_meter
from exzarr.errors import ArgumentError, ExzarrError
from exzarr.lab.access import AccessLike, Patterns, Shape, patterns
from exzarr.lab.calibrate import decode_speeds, store_speeds
from exzarr.lab.candidates import Layout, candidates
from exzarr.lab.chunk_explanations import reasons
from exzarr.lab.chunk_report import ChunkReport, LayoutResult
from exzarr.lab.measuring import Bench, place
from exzarr.lab.sample import Sample, Subject, Target, sample_of, subject_of
from exzarr.lab.scoring import Problem, refined, scored
from exzarr.lab.speeds import Speeds
from exzarr.lab.trials import agreement, tried
from exzarr.stores.base import Store
from exzarr.stores.resolve import resolve_store, shared_options

if TYPE_CHECKING:
    from exzarr.stores.url_options import StorageOptions

__all__ = ["chunks"]

CLOSE = 1.05
"""Scores this close to the best are as good as that: then fewer objects count."""

TOO_FAR = 1.5
"""Where the best of those that were tried is this many times worse than one that was not, they are not to decide."""

SAMPLE_BYTES = 32 * 2**20

LayoutLike = Layout | Sequence[int] | tuple[Sequence[int], Sequence[int] | None]


@known_arguments
def chunks(
    target: Target,
    dtype: Any = None,
    access: AccessLike = None,
    *,
    store: str | Store = "local",
    filters: Any = "auto",
    serializer: Any = "auto",
    compressors: Any = "auto",
    shards: bool = True,
    objects: int = 100_000,
    layouts: Sequence[LayoutLike] = (),
    measure: bool | int = 6,
    seconds: float = 20.0,
    sample_bytes: int = SAMPLE_BYTES,
    speeds: Speeds | None = None,
    scratch: str | None = None,
    seed: int = 0,
    progress: Progress = False,
    storage_options: StorageOptions | None = None,
) -> ChunkReport:
    """Recommend chunks and shards for the way an array is read.

    Candidates of several sizes and proportions are weighed by a cost model (`exzarr.lab.model`): what reads do
    is exzarr's own plan of them (`Array.explain`), what that costs are speeds measured on this machine or stated. The
    best candidates, and the layout the array has, are then tried on a sample, and their figures put right by that.

    >>> import exzarr
    >>> from exzarr.lab import Window
    >>> access = {"map": Window(shape=(1, -1, -1)), "series": Window(shape=(-1, 1, 1))}
    >>> report = exzarr.lab.chunks((365, 400, 400), "f4", access, measure=False)
    >>> sorted(report.options)
    ['chunks', 'shards']

    Parameters
    ----------
    target
        The array: exzarr's, NumPy's, any with ``shape``, ``dtype`` and brackets; a path, URL or store; or a shape, and
        then the sample is made up.
    dtype
        The data type, with a shape.
    access
        How it is read: a dict from ``scan``, ``window``, ``random``, ``batch`` to a weight, or from any name to a
        pattern (`Scan`, `Window`, `Random`, `Batch`). Weights are shares of the time, if each pattern had the layout
        that is best for it alone. By default a scan and a window, alike.
    store
        Where it is to lie: ``local`` (a folder; the page cache is warm), ``s3`` (stated figures, see `Speeds.s3`; reads
        are slowed down accordingly), or a store (or its URL) that can be written to, in which layouts are tried below
        ``exzarr-lab-…``, which is deleted again.
    filters, serializer, compressors
        As for `exzarr.create_array`; by default those of the array.
    shards
        Whether shards may be used.
    objects
        Most files (objects) for the whole array.
    layouts
        More candidates: chunk shapes, or pairs of chunk and shard shape.
    measure
        How many layouts to try, at most; False for none.
    seconds
        About how long trying may take; calibrating takes one second more.
    sample_bytes
        Most bytes of the sample.
    speeds
        Reckon with these, instead of measuring.
    scratch
        The folder for temporary files, for ``local``.
    seed
        Of the places of windows, rows and elements, and of made-up data.
    progress
        A bar, or a function that is called with ``(done, total)``.
    storage_options
        Of `target` and `store`, where these are URLs: see `exzarr.open`.

    Returns
    -------
    ChunkReport

    Raises
    ------
    ArgumentError
        Something makes no sense; the message says what.
    """
    of_target, of_store = shared_options(target, store, storage_options, None)
    subject = subject_of(target, dtype, of_target)
    of = Shape(subject.shape, subject.dtype.itemsize, _names(subject))
    accesses = patterns(access, of)
    sample = sample_of(subject, sample_bytes, seed)
    codecs = _codecs(subject, filters, serializer, compressors)
    data_type = subject.dtype if subject.array is None else subject.array.metadata.data_type
    now = _now(subject)
    most = 6 if measure is True else int(measure)
    meter = open_meter(progress, None, "laying out")
    where: Any = store if store in ("local", "s3") else _store(store, of_store)
    try:
        with place(where, scratch) as (there, path):
            if speeds is None:
                speeds = Speeds.s3() if where == "s3" else store_speeds(there, path, source="measured")
                speeds = decode_speeds(speeds, sample.data, codecs)
            problem = Problem(of, data_type, accesses, codecs, speeds, seed)
            found, left_out = _candidates(of, accesses, shards, objects, layouts, now)
            results = scored([problem.weighed(layout) for layout in found], accesses)
            results = refined(results, problem, sharded=shards, objects=objects)
            if most:
                bench = Bench(sample.data, there, path, codecs, speeds if where == "s3" else None)
                results = tried(results, problem, bench, most=most, now=now, seconds=seconds, meter=meter)
    finally:
        if meter is not None:
            meter.close()
    name = where if isinstance(where, str) else str(where)
    return _report(subject, name, problem, sample, results, now, left_out)


def _store(store: Any, storage_options: StorageOptions | None) -> Store:
    found, path = resolve_store(store, storage_options=storage_options)
    if path:
        raise ArgumentError(f"store={store!r}: give the store itself, not a path in it")
    if found.read_only:
        raise ArgumentError(f"store={store!r} is read-only: layouts are tried by writing them")
    return found


def _names(subject: Subject) -> tuple[str | None, ...] | None:
    return None if subject.array is None else subject.array.dimension_names


def _codecs(subject: Subject, filters: Any, serializer: Any, compressors: Any) -> dict[str, Any]:
    """What the candidates are encoded with: what the user says, or else what the array has."""
    said = {"filters": filters, "serializer": serializer, "compressors": compressors}
    if subject.array is None or any(not (isinstance(v, str) and v == "auto") for v in said.values()):
        return said
    parts = codec_parts(subject.array.metadata)
    own: dict[str, Any] = {
        "filters": [*parts.filters],
        "compressors": [*parts.compressors],
        "serializer": parts.serializer or "auto",
    }
    try:
        array_metadata(shape=subject.shape, dtype=subject.array.metadata.data_type, chunks=True, **own)
    except ExzarrError:  # v2's own, which v3 has no words for; or codecs that know the chunk's shape
        return said
    return own


def _now(subject: Subject) -> Layout | None:
    array = subject.array
    if array is None or not array.metadata.chunk_grid.regular:
        return None
    return Layout(tuple(array.chunks), None if array.shards is None else tuple(array.shards), "as it is")


def _candidates(
    of: Shape,
    accesses: Patterns,
    shards: bool,
    objects: int,
    given: Sequence[LayoutLike],
    now: Layout | None,
) -> tuple[list[Layout], int]:
    """Each layout once, the present one and those the user gives first; and how many were too many objects."""
    own = [_layout(layout, of) for layout in given]
    every = candidates(of.shape, of.itemsize, accesses, sharded=shards, objects=2**63)
    few = candidates(of.shape, of.itemsize, accesses, sharded=shards, objects=objects)
    default = Layout(auto_chunks(of.shape, of.itemsize), None, 'chunks="auto"')
    found: dict[tuple[Any, Any], Layout] = {}
    for layout in (
        ([now] if now else []) + own + few + ([default] if default.objects(of.shape) <= objects else [])
    ):
        found.setdefault((layout.chunks, layout.shards), layout)
    return [*found.values()], len(every) - len(few)


def _layout(given: LayoutLike, of: Shape) -> Layout:
    if isinstance(given, Layout):
        layout = given
    elif given and not isinstance(given[0], (int, np.integer)):
        chunk, shard = given
        layout = Layout(tuple(chunk), None if shard is None else tuple(shard))  # type: ignore[arg-type]
    else:
        layout = Layout(tuple(given))  # type: ignore[arg-type]
    fits = len(layout.chunks) == len(of.shape) and all(c > 0 for c in layout.chunks)
    if fits and layout.shards is not None:
        fits = all(s > 0 and s % c == 0 for s, c in zip(layout.shards, layout.chunks, strict=True))
    if not fits:
        raise ArgumentError(
            f"layout {given!r} does not fit an array of shape {of.shape}: give a chunk shape, or a pair of a chunk shape "
            "and a shard shape that is a multiple of it"
        )
    return layout


def _report(
    subject: Subject,
    store: str,
    problem: Problem,
    sample: Sample,
    results: Sequence[LayoutResult],
    now: Layout | None,
    left_out: int,
) -> ChunkReport:
    known = [r for r in results if r.trial is not None]
    if not known or known[0].score > TOO_FAR * results[0].score:  # there was no time for the good ones
        known = [*results]
    close = [r for r in known if r.score <= known[0].score * CLOSE]
    best = min(close, key=lambda r: (r.objects, -r.chunk_bytes, r.score))
    present = None if now is None else next((r for r in results if r.layout is now), None)
    report = ChunkReport(
        name=subject.name,
        shape=subject.shape,
        dtype=str(subject.dtype),
        store=store,
        accesses=problem.accesses,
        speeds=problem.speeds,
        sample=sample.text,
        made_up=sample.made_up,
        layouts=tuple(results),
        best=best,
        now=present,
        agreed=agreement(results),
        left_out=left_out,
    )
    return replace(report, reasons=reasons(report))
