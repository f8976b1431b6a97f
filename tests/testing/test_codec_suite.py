"""The codec suite finds the faults of wrong codecs. Each codec here has one fault, and a right one has none."""

from __future__ import annotations

import os
import time
import zlib
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr.codecs._config import Configured, integer
from exzarr.codecs.base import ArrayArrayCodec, BytesBytesCodec
from exzarr.codecs.registry import CODECS, register
from exzarr.errors import CodecError
from exzarr.testing import strategies
from exzarr.testing.codec_suite import CodecSuite
from tests.breadth import examples
from tests.codecs.tools import LITTLE, bound

SETTINGS: dict[str, Any] = {"shapes": ((7,), (3, 5)), "huge": 1 << 12, "bomb": 1 << 26, "seconds": 1}


@dataclass(frozen=True)
class Deflated(Configured, BytesBytesCodec):
    """A right codec: deflate with its size in front."""

    name: ClassVar[str] = "test.deflated"
    level: int = 1

    def __post_init__(self) -> None:
        integer(self.name, "level", self.level, 0, 9)

    def max_encoded_size(self, size: int) -> int:
        return size + size // 1000 + 100

    def encode(self, data: Any) -> bytes:
        return len(data).to_bytes(8, "little") + zlib.compress(data, self.level)

    def decode(self, data: Any, size: int | None, limit: int) -> bytes:
        declared = int.from_bytes(data[:8], "little")
        if declared > limit or (size is not None and declared != size):
            raise CodecError(
                f"the chunk declares {declared} bytes, expected {limit if size is None else size}"
            )
        stream = zlib.decompressobj()
        decoded = stream.decompress(data[8:], declared + 1)
        if len(decoded) != declared or not stream.eof or stream.unused_data:
            raise CodecError("the chunk is truncated, or has bytes behind its end")
        return decoded


class Unchecked(Deflated):
    def decode(self, data: Any, size: int | None, limit: int) -> bytes:
        return zlib.decompress(data[8:])


class Lenient(Deflated):
    def decode(self, data: Any, size: int | None, limit: int) -> bytes:
        return super().decode(data.removesuffix(b"garbage behind the chunk"), size, limit)


class Padded(Deflated):
    def decode(self, data: Any, size: int | None, limit: int) -> bytes:
        decoded = zlib.decompressobj().decompress(data[8:], limit)
        return decoded.ljust(size or 0, b"\0")


class Crashing(Deflated):
    def decode(self, data: Any, size: int | None, limit: int) -> bytes:
        if len(data) > 2000:
            os.abort()
        return super().decode(data, size, limit)


class Hanging(Deflated):
    def decode(self, data: Any, size: int | None, limit: int) -> bytes:
        if data[:1] == b"[":
            time.sleep(60)
        return super().decode(data, size, limit)


class Stateful(Deflated):
    buffer: ClassVar[bytearray] = bytearray(1 << 20)

    def decode(self, data: Any, size: int | None, limit: int) -> Any:
        decoded = super().decode(data, size, limit)
        self.buffer[: len(decoded)] = decoded
        return memoryview(self.buffer)[: len(decoded)]


class TooLong(Deflated):
    def max_encoded_size(self, size: int) -> int:
        return 10


class Inexact(Deflated):
    def encode(self, data: Any) -> bytes:
        return super().encode(bytes(data).replace(b"\x7f", b"\x7e"))


class Unpicklable(Deflated):
    def __reduce__(self) -> Any:
        raise TypeError("no")


class Careless(Deflated):
    @classmethod
    def from_config(cls, configuration: Any) -> Any:
        return cls(int(configuration["level"]) if isinstance(configuration.get("level"), int) else 1)


FAULTS = {
    Unchecked: {
        "test_bytes_codec_enforces_size_and_limit",
        "test_bytes_behind_a_chunk_raise_codec_error",
        "test_hostile_input_takes_bounded_memory_and_time",
    },
    Lenient: {"test_bytes_behind_a_chunk_raise_codec_error"},
    Padded: {"test_truncated_chunks_raise_codec_error"},
    Crashing: {"test_hostile_input_takes_bounded_memory_and_time"},
    Hanging: {"test_hostile_input_takes_bounded_memory_and_time"},
    Stateful: {"test_results_are_independent_of_later_calls"},
    TooLong: {"test_declared_sizes_hold"},
    Inexact: {"test_special_values_round_trip"},
    Unpicklable: {"test_unpickled_codec_encodes_the_same"},
    Careless: {"test_wrong_configurations_raise_metadata_error"},
}


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CODECS, "registered", {})


def run(codec: Any, name: str, **settings: Any) -> None:
    register(codec.name, type(codec))
    getattr(
        type("Suite", (CodecSuite,), {"make_codec": lambda self: codec, **SETTINGS, **settings})(), name
    )()


NAMES = [name for name in dir(CodecSuite) if name.startswith("test_")]


@pytest.mark.parametrize("name", NAMES)
def test_a_right_codec_passes(name: str) -> None:
    run(Deflated(), name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cls", "name"), [(cls, name) for cls, names in FAULTS.items() for name in sorted(names)]
)
def test_a_fault_is_found(cls: Any, name: str) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception, CodecError, TypeError)):
        run(cls(), name)


# -- lossy codecs -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Rounded(Configured, ArrayArrayCodec):
    """Rounding to a multiple of 1/4."""

    name: ClassVar[str] = "test.rounded"

    def encode(self, array: Any, spec: Any) -> Any:
        return np.round(array * spec.dtype.type(4)) / spec.dtype.type(4)

    def decode(self, array: Any, spec: Any) -> Any:
        return array


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize(("bound", "passes"), [(0.125, True), (0.05, False)])
def test_a_lossy_codec_keeps_its_stated_error(bound: float, passes: bool) -> None:
    lossy: dict[str, Any] = {"exact": False, "data_types": ("f4",), "error_bound": lambda self, array: bound}
    if passes:
        run(Rounded(), "test_required_data_types_and_shapes_round_trip", **lossy)
    else:
        with pytest.raises(AssertionError, match=r"exceeds the stated bound 0\.05"):
            run(Rounded(), "test_required_data_types_and_shapes_round_trip", **lossy)


def test_a_lossy_codec_must_state_its_error() -> None:
    with pytest.raises(NotImplementedError, match="states the largest error"):
        run(Rounded(), "test_required_data_types_and_shapes_round_trip", exact=False)


# -- strategies -------------------------------------------------------------------------------


@given(strategies.chunks(("i2", "f8", "bool")), st.data())
@examples(12)
def test_strategies_draw_chunks_and_damaged_encodings(array: Any, data: Any) -> None:
    from exzarr.testing.codec_case import spec_of

    register("test.deflated", Deflated)
    pipeline = bound(spec_of(array.shape, array.dtype), LITTLE, "test.deflated")
    encoded = bytes(pipeline.encode(array))
    assert pipeline.decode(encoded).tobytes() == array.tobytes()
    try:
        found = pipeline.decode(data.draw(strategies.damaged([encoded])))
    except CodecError:
        return
    assert found.shape == array.shape
