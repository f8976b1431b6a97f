"""Trying one chain of codecs on chunks of the user's data."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exzarr.codecs.base import ChunkSpec
from exzarr.codecs.pipeline import BoundPipeline, ChunkPipeline
from exzarr.codecs.registry import from_config
from exzarr.lab.codec_grid import Chain

__all__ = ["CodecTrial", "try_chain"]

AnyArray = npt.NDArray[Any]

ROUNDS = 5
"""How often all threads are timed, at most."""

LEAST = 3
"""Chunks that every chain is tried on, however slow it is (fewer, where the sample has fewer)."""


@dataclass(frozen=True, slots=True)
class CodecTrial:
    """How a chain did.

    Attributes
    ----------
    chain
        The codecs.
    ratio
        Bytes in memory over bytes encoded.
    encode, decode
        Bytes of data per second, in one thread.
    encode_all, decode_all
        The same with all threads at work on different chunks.
    checks
        Whether damage to the bytes is noticed when they are decoded.
    chunks
        How many chunks it was tried on: slow ones on fewer.
    error
        The largest difference of a decoded element from the original, of lossy chains; relative to it,
        `relative_error`. 0 for all others, and that was checked.
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
        return self.chain.label

    def asdict(self) -> dict[str, Any]:
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
    """Encode and decode `chunks`, for about `seconds` in all. What comes out is compared with what went in.

    CodecError (or another ExzarrError) where the chain cannot do it; ArithmeticError where a chain that is not lossy
    gives other data back.
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
    """As many chunks as the time allows, encoded, and bytes per second."""
    pipeline.encode(chunks[0])  # libraries are loaded, contexts made
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
                raise ArithmeticError(f"{chain.label} gives back other data than it got")
            continue
        with np.errstate(all="ignore"):
            difference = np.abs(back.astype("f8") - chunk.astype("f8"))
            finite = np.isfinite(difference)
            error = max(error, float(difference[finite].max(initial=0.0)))
            share = difference / np.abs(chunk.astype("f8"))
            relative = max(relative, float(share[np.isfinite(share)].max(initial=0.0)))
    return error, relative


def _same(a: AnyArray, b: AnyArray) -> bool:
    """Bit by bit, so that NaNs count as themselves."""
    if a.dtype.kind in "OT":
        return bool((a == b).all())
    return np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes()


def _rate(work: Callable[[int], Any], count: int, nbytes: int, seconds: float) -> float:
    """Bytes per second of `work` on chunk after chunk, round and round: of each chunk the best time counts, since what
    else the machine does only adds to it.
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
    """Bytes per second of all threads, each on chunks of its own, for about `seconds`: the best of a few rounds.

    `one` is what one thread does: it tells how many chunks there is time for.
    """
    each = max(1, min(100, round(one * seconds / ROUNDS / nbytes)))

    def go(worker: int) -> None:
        for k in range(each):
            work((worker + k * threads) % count, worker)

    best = 0.0
    end = time.perf_counter() + seconds
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for done in [pool.submit(go, worker) for worker in range(threads)]:
            done.result()
        now = time.perf_counter()
        best = max(best, threads * each * nbytes / max(now - begin, 1e-9))
        if now > end:
            break
    return best
