"""Trial of one codec chain on chunks of the user's data."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from exzarr._typing import AnyArray
from exzarr.codecs.base import ChunkSpec
from exzarr.codecs.pipeline import BoundPipeline, ChunkPipeline
from exzarr.codecs.registry import from_config
from exzarr.lab.codec_grid import Chain

__all__ = ["CodecTrial", "try_chain"]


ROUNDS = 5
"""Most rounds of timing with all threads."""

LEAST = 3
"""Least number of chunks for each chain, even a slow one (fewer if the sample has fewer)."""


@dataclass(frozen=True, slots=True)
class CodecTrial:
    """Results of one chain.

    Attributes
    ----------
    chain
        The codecs.
    ratio
        Bytes in memory divided by encoded bytes.
    encode, decode
        Bytes of data per second, with one thread.
    encode_all, decode_all
        The same with all threads, on different chunks.
    checks
        Whether decoding detects damaged bytes.
    chunks
        Number of chunks that were tried. Slow chains are tried on fewer.
    error, relative_error
        Largest difference of a decoded element from the original, absolute and relative, for lossy chains. 0 for all
        others, which was verified.
    pareto
        Whether it is on the Pareto front.
    """

    chain: Chain
    ratio: float
    encode: float
    decode: float
    encode_all: float
    decode_all: float
    checks: bool
    chunks: int
    error: float = 0.0
    relative_error: float = 0.0
    pareto: bool = False

    @property
    def label(self) -> str:
        """Name of the chain in tables."""
        return self.chain.label

    def asdict(self) -> dict[str, Any]:
        """Return the results as a plain dict."""
        return {
            "label": self.label,
            "codecs": _plain(self.chain),
            "ratio": self.ratio,
            "encode": self.encode,
            "decode": self.decode,
            "encode_all": self.encode_all,
            "decode_all": self.decode_all,
            "checks": self.checks,
            "chunks": self.chunks,
            "lossy": self.chain.lossy,
            "error": self.error,
            "relative_error": self.relative_error,
            "pareto": self.pareto,
        }


def _plain(chain: Chain) -> dict[str, Any]:
    from exzarr.codecs.registry import to_json

    def plain(codec: Any) -> Any:
        if isinstance(codec, (list, tuple)):
            return [plain(one) for one in codec]
        return to_json(codec) if hasattr(codec, "to_config") else codec

    return {name: plain(value) for name, value in chain.options.items()}


def try_chain(
    chain: Chain, chunks: Sequence[AnyArray], spec: ChunkSpec, *, threads: int, seconds: float
) -> CodecTrial:
    """Encode and decode `chunks` for about `seconds`, and compare the results with the originals.

    Raises
    ------
    ExzarrError
        The chain cannot encode or decode the chunks.
    ArithmeticError
        A lossless chain decodes to other data.
    """
    pipeline = ChunkPipeline([from_config(config) for config in chain.codecs(spec)]).bind(spec)
    encoded, encode = _encode_one(pipeline, chunks, seconds / 4)
    used = chunks[: len(encoded)]
    nbytes = spec.nbytes
    error, relative = _errors(pipeline, used, encoded, chain)
    out = np.empty(spec.shape, spec.dtype)
    decode = _rate(lambda i: pipeline.decode_into(encoded[i], out), len(used), nbytes, seconds / 4)
    encode_all, decode_all = encode, decode
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            encode_all = _rate_all(
                pool, threads, lambda i, _: pipeline.encode(used[i]), len(used), nbytes, seconds / 4, encode
            )
            outs = [np.empty(spec.shape, spec.dtype) for _ in range(threads)]
            decode_all = _rate_all(
                pool,
                threads,
                lambda i, worker: pipeline.decode_into(encoded[i], outs[worker]),
                len(used),
                nbytes,
                seconds / 4,
                decode,
            )
    stored = sum(map(len, encoded))
    return CodecTrial(
        chain=chain,
        ratio=nbytes * len(used) / max(1, stored),
        encode=encode,
        decode=decode,
        encode_all=encode_all,
        decode_all=decode_all,
        checks=pipeline.checks,
        chunks=len(used),
        error=error,
        relative_error=relative,
    )


def _encode_one(
    pipeline: BoundPipeline, chunks: Sequence[AnyArray], seconds: float
) -> tuple[list[bytes], float]:
    """Encode as many chunks as `seconds` allow; return them and the bytes per second."""
    pipeline.encode(chunks[0])  # load libraries and create contexts before timing
    encoded: list[bytes] = []
    spent = 0.0
    for chunk in chunks:
        begin = time.perf_counter()
        data = pipeline.encode(chunk)
        spent += time.perf_counter() - begin
        encoded.append(bytes(data))
        if spent > seconds and len(encoded) >= LEAST:
            break
    return encoded, len(encoded) * pipeline.spec.nbytes / max(spent, 1e-9)


def _errors(
    pipeline: BoundPipeline, chunks: Sequence[AnyArray], encoded: Sequence[bytes], chain: Chain
) -> tuple[float, float]:
    error = relative = 0.0
    for chunk, data in zip(chunks, encoded, strict=True):
        back = pipeline.decode(data)
        if not chain.lossy:
            if not _same(back, chunk):
                raise ArithmeticError(f"{chain.label} decodes to other data than it encoded")
            continue
        with np.errstate(all="ignore"):
            difference = np.abs(back.astype("f8") - chunk.astype("f8"))
            finite = np.isfinite(difference)
            error = max(error, float(difference[finite].max(initial=0.0)))
            share = difference / np.abs(chunk.astype("f8"))
            relative = max(relative, float(share[np.isfinite(share)].max(initial=0.0)))
    return error, relative


def _same(a: AnyArray, b: AnyArray) -> bool:
    """Compare bit by bit, so that NaNs equal themselves."""
    if a.dtype.kind in "OT":
        return bool((a == b).all())
    return np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes()


def _rate(work: Callable[[int], Any], count: int, nbytes: int, seconds: float) -> float:
    """Return the bytes per second of `work`, over repeated rounds of all chunks.

    The best time of each chunk counts, because other work of the machine only adds to it.
    """
    best = [math.inf] * count
    end = time.perf_counter() + seconds
    while True:
        for i in range(count):
            begin = time.perf_counter()
            work(i)
            now = time.perf_counter()
            best[i] = min(best[i], now - begin)
        if now >= end:
            return count * nbytes / max(sum(best), 1e-9)


def _rate_all(
    pool: ThreadPoolExecutor,
    threads: int,
    work: Callable[[int, int], Any],
    count: int,
    nbytes: int,
    seconds: float,
    one: float,
) -> float:
    """Return the bytes per second of all threads on different chunks: the best of a few rounds.

    The rounds take about `seconds` in all. `one` is the rate of one thread; it determines the chunks per round.
    """
    each = max(1, min(100, round(one * seconds / ROUNDS / nbytes)))

    def run(worker: int) -> None:
        for k in range(each):
            work((worker + k * threads) % count, worker)

    best = 0.0
    end = time.perf_counter() + seconds
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for done in [pool.submit(run, worker) for worker in range(threads)]:
            done.result()
        now = time.perf_counter()
        best = max(best, threads * each * nbytes / max(now - begin, 1e-9))
        if now > end:
            break
    return best
