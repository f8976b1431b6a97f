"""How to compress an array: codecs, levels, shuffles and filters, tried on chunks of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from exzarr import config
from exzarr._creation.auto_chunks import auto_chunks
from exzarr._creation.metadata import VARIABLE_ITEMSIZE
from exzarr._format import dtypes, fill_values
from exzarr._spelling import known_arguments
from exzarr._stream.progress.progress import Progress, open_meter
from exzarr.codecs.base import ChunkSpec
from exzarr.codecs.empty import is_fill
from exzarr.errors import ArgumentError, ExzarrError
from exzarr.lab import codec_explanations
from exzarr.lab.codec_grid import Effort, chain_of, grid
from exzarr.lab.codec_report import DESTINATIONS, CodecReport, Destination, best_for
from exzarr.lab.codec_trial import CodecTrial, try_chain
from exzarr.lab.pareto import front
from exzarr.lab.sample import Subject, Target, made_up, subject_of
from exzarr.telemetry.units import human_bytes

if TYPE_CHECKING:
    from exzarr.stores.url_options import StorageOptions

__all__ = ["codecs"]

AnyArray = npt.NDArray[Any]

MOST_CHUNKS = 256
"""Chunks that are tried at most: of small ones, this many tell enough."""

LOOKS = 4
"""How many times more chunks are looked at, where many are empty."""

MOST_SECONDS = 2.0
"""What one chain gets at most."""


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
    """Try compressors on an array's own chunks: how small, how fast, and which is best for what.

    Whatever is decoded is compared with what was encoded.

    >>> import exzarr, numpy as np
    >>> report = exzarr.lab.codecs(np.arange(100_000), only=[None, "zstd"], seconds=0.1)
    >>> report.trial("zstd").ratio > report.trial("none").ratio
    True

    Parameters
    ----------
    target, dtype
        As for `exzarr.lab.chunks`.
    chunks
        Shape of the chunks; by default the array's own, or what exzarr would choose.
    effort
        ``quick`` (8 chains or so), ``normal`` or ``thorough`` (with such as take seconds for a chunk).
    lossy
        Also try to round floats (`bitround`). Such chains are shown, and never recommended.
    only, extra
        Try these alone, or these as well: what `exzarr.create_array` takes as ``compressors``, or a dict of
        ``compressors``, ``filters`` and ``serializer``.
    threads
        How many threads "all" are; by default exzarr's.
    seconds
        About how long all of it may take. Slow chains are tried on fewer chunks.
    sample_bytes
        Most bytes of chunks that are in memory.
    destinations
        Where data may lie, with bandwidths.
    seed
        Of which chunks are taken, and of made-up data.
    progress
        A bar, or a function that is called with ``(done, total)``.
    storage_options
        Of `target`, where that is a URL: see `exzarr.open`.

    Returns
    -------
    CodecReport

    Raises
    ------
    ArgumentError
        Something makes no sense; the message says what.
    """
    subject = subject_of(target, dtype, storage_options)
    data_type = (
        dtypes.from_numpy(subject.dtype, 3) if subject.array is None else subject.array.metadata.data_type
    )
    if data_type.kind == "object":
        raise ArgumentError("arrays of Python objects have no bytes to compress")
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
    meter = open_meter(progress, len(chains), "compressing")
    try:
        for number, chain in enumerate(chains):
            left = seconds - (time.perf_counter() - begun)
            if left <= 0 and trials:
                left_out += [(late.label, f"the {seconds:g} s were over") for late in chains[number:]]
                break
            share = min(MOST_SECONDS, left / (len(chains) - number))
            try:
                trials.append(try_chain(chain, parts, spec, threads=many, seconds=share))
            except (ExzarrError, ArithmeticError) as error:
                left_out.append((chain.label, str(error)))
            if meter is not None:
                meter.add(1, len(parts) * spec.nbytes)
    finally:
        if meter is not None:
            meter.close()
    if not trials:
        raise ArgumentError("; ".join(f"{label}: {reason}" for label, reason in left_out) or "nothing to try")
    return _report(subject, shape, text, many, trials, left_out, destinations)


def _chunk_shape(subject: Subject, chunks: Sequence[int] | None) -> tuple[int, ...]:
    if chunks is not None:
        shape = tuple(chunks)
        if len(shape) != len(subject.shape) or min(shape) < 1:
            raise ArgumentError(f"chunks={shape} do not fit an array of shape {subject.shape}")
    elif subject.array is not None:
        shape = tuple(subject.array.chunks)
    else:
        itemsize = VARIABLE_ITEMSIZE if subject.dtype.kind in "OT" else subject.dtype.itemsize
        shape = auto_chunks(subject.shape, itemsize)
    return tuple([min(c, n) for c, n in zip(shape, subject.shape, strict=True)])


def _chunks(subject: Subject, spec: ChunkSpec, nbytes: int, seed: int) -> tuple[list[AnyArray], str]:
    """Whole chunks from all over the array, in an order of chance, as many as fit into `nbytes` (one at least).

    What holds nothing but the fill value is passed over: it is not stored, whatever the codec.
    """
    shape = spec.shape
    each = max(1, int(np.prod(shape)) * max(1, spec.dtype.itemsize))
    counts = [n // c for n, c in zip(subject.shape, shape, strict=True)]
    total = int(np.prod([float(n) for n in counts]))
    number = max(1, min(total, nbytes // each, MOST_CHUNKS))
    rng = np.random.default_rng(seed)
    looks = min(total, LOOKS * number)
    picked = rng.choice(total, looks, replace=False) if total < 10**6 else rng.integers(0, total, looks)
    found: list[AnyArray] = []
    empty: AnyArray | None = None
    for at in map(int, picked):
        index = np.unravel_index(at, counts)
        region = tuple([slice(int(i) * c, int(i) * c + c) for i, c in zip(index, shape, strict=True)])
        if subject.data is None:
            chunk = made_up(shape, spec.dtype, seed + at)
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
        return found, f"tried on {len(found)} made-up chunks, {size} (seed {seed})"
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
