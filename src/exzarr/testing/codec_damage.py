"""The part of the codec suite about damaged and hostile input."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest

from exzarr.codecs.pipeline import BoundPipeline
from exzarr.errors import CodecError
from exzarr.testing.codec_case import CodecCase, sample
from exzarr.testing.limits import FORKS, LIMITS, failure_in_child

__all__ = ["CodecDamage"]

MOST = 400
"""Maximum number of places at which a chunk is cut."""


class CodecDamage(CodecCase):
    """Damaged chunks raise CodecError, or decode to an array of the right shape; never anything else."""

    def test_truncated_chunks_raise_codec_error(self) -> None:
        pipeline = self.one()
        data = bytes(pipeline.encode(sample(pipeline.spec)))
        for length in _lengths(len(data)):
            decoded = self.decodes(pipeline, data[:length])
            assert decoded is None or not self.detects_truncation, f"{length} of {len(data)} bytes decoded"

    def test_bytes_behind_a_chunk_raise_codec_error(self) -> None:
        pipeline = self.one()
        data = bytes(pipeline.encode(sample(pipeline.spec)))
        for tail in (b"\1", b"garbage behind the chunk"):
            decoded = self.decodes(pipeline, data + tail)
            assert decoded is None or not self.detects_tail, f"{tail!r} behind a chunk was ignored"

    def test_flipped_bits_raise_codec_error_or_decode(self) -> None:
        pipeline = self.one()
        array = sample(pipeline.spec)
        data = bytes(pipeline.encode(array))
        rng = random.Random(0)  # noqa: S311 - no secret
        for _ in range(MOST):
            damaged = bytearray(data)
            for _ in range(rng.randint(1, 3)):
                bit = rng.randrange(8 * len(damaged))
                damaged[bit // 8] ^= 1 << bit % 8
            decoded = self.decodes(pipeline, bytes(damaged))
            if pipeline.checks and decoded is not None:
                # Headers have unused bits, and bits that no checksum covers.
                self.check_equal(decoded, array)

    def test_garbage_raises_codec_error_or_decodes(self) -> None:
        pipeline = self.one()
        for data in _garbage():
            self.decodes(pipeline, data)

    @pytest.mark.skipif(not (FORKS and LIMITS), reason="limits of memory require Linux")
    def test_hostile_input_takes_bounded_memory_and_time(self) -> None:
        """Input of other chunks, many zeros among them, and your bombs, in a process with limits."""
        pipeline = self.one()
        data = bytes(pipeline.encode(sample(pipeline.spec)))
        hostile = [*self.bombs(), *_garbage(), data * 100, *_overwritten(data)]
        bomb = self._bomb(pipeline)

        def run() -> None:
            for one in hostile:
                self.decodes(pipeline, one)
            if bomb is not None:
                assert self.decodes(pipeline, bomb) is None, "a chunk of many zeros decoded to a small chunk"

        failed = failure_in_child(run, memory=self.memory, seconds=self.seconds)
        assert failed is None, failed

    def _bomb(self, pipeline: BoundPipeline) -> bytes | None:
        """Return many zeros, encoded; None if the encoding is not small."""
        codec = self.make_codec()
        if codec.kind != "bytes_bytes":
            return None
        evolve = getattr(codec, "evolve", None)
        codec = codec if evolve is None else evolve(pipeline.spec)
        try:
            bomb = bytes(codec.encode(bytes(self.bomb)))
        except CodecError:
            return None
        return bomb if len(bomb) < self.bomb // 4 else None


def _lengths(size: int) -> list[int]:
    return (
        [*range(size)] if size <= MOST else [*np.unique(np.linspace(0, size - 1, MOST).astype(int)).tolist()]
    )


def _garbage() -> Iterator[bytes]:
    rng = random.Random(1)  # noqa: S311 - no secret
    yield b""
    for fill in (b"\0", b"\xff", b"[", b"\x80"):
        yield fill
        yield fill * 10_000
    for length in (1, 2, 4, 8, 16, 40, 200, 5000):
        for _ in range(8):
            yield rng.randbytes(length)


def _overwritten(data: bytes) -> Iterator[bytes]:
    """Yield copies with extreme numbers at each of the first places, where formats keep sizes."""
    for at in range(min(64, len(data))):
        for width in (1, 4, 8):
            for value in (b"\xff", b"\x7f", b"\0"):
                yield data[:at] + value * width + data[at + width :]
