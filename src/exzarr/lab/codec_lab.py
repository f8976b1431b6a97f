"""The codec lab: tries codecs, levels, shuffles and filters on chunks of an array."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from exzarr import config
from exzarr._creation.auto_chunks import auto_chunks
from exzarr._creation.metadata import VARIABLE_ITEMSIZE
from exzarr._format import dtypes, fill_values
from exzarr._spelling import known_arguments
from exzarr._stream.progress.progress import Progress, open_meter
from exzarr._typing import AnyArray
from exzarr.codecs.base import ChunkSpec
from exzarr.codecs.empty import is_fill
from exzarr.errors import ArgumentError, ExzarrError
from exzarr.lab import codec_explanations
from exzarr.lab.codec_grid import Effort, chain_of, grid
from exzarr.lab.codec_report import DESTINATIONS, CodecReport, Destination, best_for
from exzarr.lab.codec_trial import CodecTrial, try_chain
from exzarr.lab.pareto import front
from exzarr.lab.sample import Subject, Target, subject_of, synthetic_data
from exzarr.telemetry.units import human_bytes

if TYPE_CHECKING:
    from exzarr.stores.url_options import StorageOptions

__all__ = ["codecs"]


MOST_CHUNKS = 256
"""Most chunks to try. More small chunks would not change the result."""

INSPECTED = 4
"""Number of chunks to inspect for each chunk of the sample, if many are empty."""

MOST_SECONDS = 2.0
"""Most seconds for one chain."""


@known_arguments
def codecs(
    target: Target,
    dtype: Any = None,
    *,
    chunks: Sequence[int] | None = None,
    effort: Effort = "normal",
    lossy: bool = False,
    only: Sequence[Any] | None = None,
    extra: Sequence[Any] = (),
    threads: int | None = None,
    seconds: float = 30.0,
    sample_bytes: int = 16 * 2**20,
    destinations: Sequence[Destination] = DESTINATIONS,
    seed: int = 0,
    progress: Progress = False,
    storage_options: StorageOptions | None = None,
) -> CodecReport:
    """Measure codec chains on chunks of an array, and recommend one for each destination.

    The lab compares all decoded chunks with the original ones.

    >>> import exzarr, numpy as np
    >>> report = exzarr.lab.codecs(np.arange(100_000), only=[None, "zstd"], seconds=0.1)
    >>> report.trial("zstd").ratio > report.trial("none").ratio
    True

    Parameters
    ----------
    target, dtype
        As for `exzarr.lab.chunks`.
    chunks
        Shape of the chunks. Default: that of the array, or exzarr's choice.
    effort
        ``quick`` (about 8 chains), ``normal`` or ``thorough`` (includes chains that take seconds per chunk).
    lossy
        Also try rounding floats (`bitround`). These chains are listed but never recommended.
    only, extra
        Try only these, or also these: ``compressors`` as for `exzarr.create_array`, or a dict of ``compressors``,
        ``filters`` and ``serializer``.
    threads
        Number of threads for the figures with all threads. Default: exzarr's setting.
    seconds
        Approximate total duration. Slow chains are tried on fewer chunks.
    sample_bytes
        Most bytes of chunks in memory.
    destinations
        Where data can be stored, with bandwidths.
    seed
        Seed of the selection of chunks, and of synthetic data.
    progress
        True for a progress bar, or a function that is called with ``(done, total)``.
    storage_options
        Options for the URL of `target`: see `exzarr.open`.

    Returns
    -------
    CodecReport

    Raises
    ------
    ArgumentError
        An argument is invalid, or no chain can be tried.
    NodeTypeError
        `target` is a group.
    """
    subject = subject_of(target, dtype, storage_options)
    data_type = (
        dtypes.from_numpy(subject.dtype, 3) if subject.array is None else subject.array.metadata.data_type
    )
    if data_type.kind == "object":
        raise ArgumentError(
            "arrays of Python objects cannot be compressed: give an array of another data type"
        )
    shape = _chunk_shape(subject, chunks)
    spec = ChunkSpec(shape, data_type, fill_values.default(data_type))
    parts, text = _chunks(subject, spec, sample_bytes, seed)
    chains = (
        [chain_of(one) for one in only]
        if only is not None
        else grid(subject.dtype, effort=effort, lossy=lossy)
    )
    chains += [chain_of(one) for one in extra]
    many = threads or config.get().workers
    trials: list[CodecTrial] = []
    left_out: list[tuple[str, str]] = []
    begun = time.perf_counter()
    with open_meter(progress, len(chains), "compressing") as meter:
        for number, chain in enumerate(chains):
            left = seconds - (time.perf_counter() - begun)
            if left <= 0 and trials:
                left_out += [
                    (late.label, f"the time limit of {seconds:g} s was reached") for late in chains[number:]
                ]
                break
            share = min(MOST_SECONDS, left / (len(chains) - number))
            try:
                trials.append(try_chain(chain, parts, spec, threads=many, seconds=share))
            except (ExzarrError, ArithmeticError) as error:
                left_out.append((chain.label, str(error)))
            meter.add(1, len(parts) * spec.nbytes)
    if not trials:
        raise ArgumentError(
            "; ".join(f"{label}: {reason}" for label, reason in left_out)
            or "there are no codec chains to try"
        )
    return _report(subject, shape, text, many, trials, left_out, destinations)


def _chunk_shape(subject: Subject, chunks: Sequence[int] | None) -> tuple[int, ...]:
    if chunks is not None:
        shape = tuple(chunks)
        if len(shape) != len(subject.shape) or min(shape) < 1:
            raise ArgumentError(
                f"chunks={shape} do not fit an array of shape {subject.shape}: give one positive length per dimension"
            )
    elif subject.array is not None:
        shape = tuple(subject.array.chunks)
    else:
        itemsize = VARIABLE_ITEMSIZE if subject.dtype.kind in "OT" else subject.dtype.itemsize
        shape = auto_chunks(subject.shape, itemsize)
    return tuple([min(c, n) for c, n in zip(shape, subject.shape, strict=True)])


def _chunks(subject: Subject, spec: ChunkSpec, nbytes: int, seed: int) -> tuple[list[AnyArray], str]:
    """Return whole chunks from random places of the array, as many as fit into `nbytes` (at least one).

    Chunks that hold only the fill value are skipped: they are not stored, whatever the codec.
    """
    shape = spec.shape
    each = max(1, int(np.prod(shape)) * max(1, spec.dtype.itemsize))
    counts = [n // c for n, c in zip(subject.shape, shape, strict=True)]
    total = int(np.prod([float(n) for n in counts]))
    number = max(1, min(total, nbytes // each, MOST_CHUNKS))
    rng = np.random.default_rng(seed)
    inspected = min(total, INSPECTED * number)
    picked = (
        rng.choice(total, inspected, replace=False) if total < 10**6 else rng.integers(0, total, inspected)
    )
    found: list[AnyArray] = []
    empty: AnyArray | None = None
    for at in map(int, picked):
        index = np.unravel_index(at, counts)
        region = tuple([slice(int(i) * c, int(i) * c + c) for i, c in zip(index, shape, strict=True)])
        if subject.data is None:
            chunk = synthetic_data(shape, spec.dtype, seed + at)
        else:
            chunk = np.ascontiguousarray(subject.data[region], spec.dtype)
        if is_fill(chunk, spec):
            empty = chunk
            continue
        found.append(chunk)
        if len(found) == number:
            break
    if not found and empty is not None:
        found = [empty]
    size = human_bytes(len(found) * each)
    if subject.data is None:
        return found, f"tried on {len(found)} synthetic chunks, {size} (seed {seed})"
    return found, f"tried on {len(found)} of {total:,} chunks, {size}"


def _report(
    subject: Subject,
    shape: tuple[int, ...],
    text: str,
    threads: int,
    trials: list[CodecTrial],
    left_out: list[tuple[str, str]],
    destinations: Sequence[Destination],
) -> CodecReport:
    marks = front([(trial.ratio, trial.decode_all) for trial in trials])
    marked = [replace(trial, pareto=mark) for trial, mark in zip(trials, marks, strict=True)]
    marked.sort(key=lambda trial: (-trial.ratio, -trial.decode_all))
    lossless = [trial for trial in marked if not trial.chain.lossy]
    best = {to.name: found for to in destinations if (found := best_for(lossless, to)) is not None}
    return CodecReport(
        name=subject.name,
        dtype=str(subject.dtype),
        chunk_shape=shape,
        sample=text,
        threads=threads,
        trials=tuple(marked),
        best=best,
        destinations=tuple(destinations),
        left_out=tuple(left_out),
        reasons=codec_explanations.reasons(marked, best, destinations, left_out, threads),
    )
