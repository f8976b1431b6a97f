"""The chunk lab: recommends chunks for the way an array is read, by estimates and by trials of the best layouts."""

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
from exzarr.lab.measuring import Bench, scratch_store
from exzarr.lab.sample import Sample, Subject, Target, sample_of, subject_of
from exzarr.lab.scoring import Problem, refined, scored
from exzarr.lab.speeds import Speeds
from exzarr.lab.trials import agreement, run_trials
from exzarr.stores.base import Store
from exzarr.stores.resolve import resolve_store, shared_options

if TYPE_CHECKING:
    from exzarr.stores.url_options import StorageOptions

__all__ = ["chunks"]

CLOSE = 1.05
"""Factor within which scores count as equal to the best. Among these, fewer objects win."""

TOO_FAR = 1.5
"""If the best tried layout scores this many times worse than an untried one, trials do not decide."""

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

    A cost model (`exzarr.lab.model`) scores candidates of several sizes and proportions. It takes requests and
    bytes from exzarr's own plans (`Array.explain`), and speeds from measurements on this machine or as given. The best
    candidates, and the present layout of the array, are then tried on a sample, which corrects their estimates.

    >>> import exzarr
    >>> from exzarr.lab import Window
    >>> access = {"map": Window(shape=(1, -1, -1)), "series": Window(shape=(-1, 1, 1))}
    >>> report = exzarr.lab.chunks((365, 400, 400), "f4", access, measure=False)
    >>> sorted(report.options)
    ['chunks', 'shards']

    Parameters
    ----------
    target
        The array: of exzarr, of NumPy, or any object with ``shape``, ``dtype`` and indexing; a path, URL or store; or a
        shape. For a shape, the sample is synthetic.
    dtype
        Data type, only with a shape.
    access
        How the array is read: a dict from ``scan``, ``window``, ``random``, ``batch`` to a weight, or from any name
        to a pattern (`Scan`, `Window`, `Random`, `Batch`). A weight is the share of the time that you would spend on
        that access, if each had its own best layout. Default: a scan and a window, with equal weights.
    store
        Where the array will be stored: ``local`` (a folder, in the page cache); ``s3`` (given figures, see `Speeds.s3`;
        reads are slowed down accordingly); or a writable store or its URL. The lab tries layouts there below
        ``exzarr-lab-…``, which it deletes at the end.
    filters, serializer, compressors
        As for `exzarr.create_array`. Default: the codecs of the array.
    shards
        Whether shards are allowed.
    objects
        Most files (objects) of the whole array.
    layouts
        Additional candidates: chunk shapes, or pairs of chunk and shard shape.
    measure
        Most layouts to try. False: none.
    seconds
        Approximate duration of the trials. Calibration takes one more second.
    sample_bytes
        Most bytes of the sample.
    speeds
        Use these speeds instead of measuring.
    scratch
        Folder for temporary files, for ``local``.
    seed
        Seed of the places of windows, rows and elements, and of synthetic data.
    progress
        True for a progress bar, or a function that is called with ``(done, total)``.
    storage_options
        Options for the URLs of `target` and `store`: see `exzarr.open`.

    Returns
    -------
    ChunkReport

    Raises
    ------
    ArgumentError
        An argument is invalid.
    NodeTypeError
        `target` is a group.
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
    where: Any = store if store in ("local", "s3") else _store(store, of_store)
    with (
        open_meter(progress, None, "trying layouts") as meter,
        scratch_store(where, scratch) as (trial_store, path),
    ):
        if speeds is None:
            speeds = Speeds.s3() if where == "s3" else store_speeds(trial_store, path, source="measured")
            speeds = decode_speeds(speeds, sample.data, codecs)
        problem = Problem(of, data_type, accesses, codecs, speeds, seed)
        found, left_out = _candidates(of, accesses, shards, objects, layouts, now)
        results = scored([problem.estimate(layout) for layout in found], accesses)
        results = refined(results, problem, sharded=shards, objects=objects)
        if most:
            bench = Bench(sample.data, trial_store, path, codecs, speeds if where == "s3" else None)
            results = run_trials(results, problem, bench, most=most, now=now, seconds=seconds, meter=meter)
    name = where if isinstance(where, str) else str(where)
    return _report(subject, name, problem, sample, results, now, left_out)


def _store(store: Any, storage_options: StorageOptions | None) -> Store:
    found, path = resolve_store(store, storage_options=storage_options)
    if path:
        raise ArgumentError(f"store={store!r} is a path in a store: give the store itself")
    if found.read_only:
        raise ArgumentError(
            f"store={store!r} is read-only: the lab writes layouts to try them, so give a writable store"
        )
    return found


def _names(subject: Subject) -> tuple[str | None, ...] | None:
    return None if subject.array is None else subject.array.dimension_names


def _codecs(subject: Subject, filters: Any, serializer: Any, compressors: Any) -> dict[str, Any]:
    """Return the codecs of the candidates: those of the arguments, else those of the array."""
    given = {"filters": filters, "serializer": serializer, "compressors": compressors}
    if subject.array is None or any(not (isinstance(v, str) and v == "auto") for v in given.values()):
        return given
    parts = codec_parts(subject.array.metadata)
    own: dict[str, Any] = {
        "filters": [*parts.filters],
        "compressors": [*parts.compressors],
        "serializer": parts.serializer or "auto",
    }
    try:
        array_metadata(shape=subject.shape, dtype=subject.array.metadata.data_type, chunks=True, **own)
    except ExzarrError:  # codecs that only v2 has, or that depend on the chunk's shape
        return given
    return own


def _now(subject: Subject) -> Layout | None:
    array = subject.array
    if array is None or not array.metadata.chunk_grid.regular:
        return None
    return Layout(
        tuple(array.chunks), None if array.shards is None else tuple(array.shards), "present layout"
    )


def _candidates(
    of: Shape,
    accesses: Patterns,
    shards: bool,
    objects: int,
    given: Sequence[LayoutLike],
    now: Layout | None,
) -> tuple[list[Layout], int]:
    """Return distinct layouts, the present and the given ones first, and how many had too many objects."""
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
            f"layout {given!r} does not fit an array of shape {of.shape}: give a chunk shape, or a pair of a "
            "chunk shape and a shard shape that is a multiple of it"
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
    if not known or known[0].score > TOO_FAR * results[0].score:  # the best ones were not tried in time
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
        synthetic=sample.synthetic,
        layouts=tuple(results),
        best=best,
        now=present,
        agreed=agreement(results),
        left_out=left_out,
    )
    return replace(report, reasons=reasons(report))
