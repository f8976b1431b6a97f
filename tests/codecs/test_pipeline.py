"""Pipelines decode what they encode, through all methods."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr.codecs.base import BytesBytesCodec
from exzarr.errors import CodecError, MetadataError
from tests.breadth import examples
from tests.codecs.tools import (
    BIG,
    CRC,
    FIXED,
    GZIP,
    LITTLE,
    ZSTD,
    blosc,
    bound,
    chain,
    codec,
    data_of,
    shapes,
    spec_of,
)  # fmt: skip

TAILS: list[list[Any]] = [
    [], [CRC], [ZSTD], [blosc()], [GZIP], [ZSTD, CRC], [CRC, blosc("zstd")], [GZIP, ZSTD, CRC],
    [codec("numcodecs.shuffle", elementsize=1), codec("numcodecs.lz4")],
]  # fmt: skip


def strided(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return an array of the same shape and type that is not contiguous."""
    every_second: tuple[Any, ...] = tuple(slice(1, 2 * n + 1, 2) for n in array.shape)
    return np.empty([2 * n + 1 for n in array.shape], array.dtype)[(*every_second, ...)]


@given(shapes, st.sampled_from(FIXED), st.sampled_from([LITTLE, BIG]), st.sampled_from(TAILS), st.data())
@examples(50)
def test_all_methods_agree_with_numpy(
    shape: tuple[int, ...], dtype: str, serializer: Any, tail: list[Any], draw: st.DataObject
) -> None:
    spec = spec_of(shape, dtype)
    order = draw.draw(st.permutations(range(len(shape))))
    head = [codec("transpose", order=list(order))] if draw.draw(st.booleans()) else []
    pipeline = bound(spec, *head, serializer, *tail)
    array = data_of(spec)

    encoded = bytes(pipeline.encode(array))
    swapped = serializer is BIG and array.dtype.byteorder != "|"
    memory = array.transpose(order) if head else array
    if not tail:
        assert encoded == memory.astype(array.dtype.newbyteorder(">") if swapped else array.dtype).tobytes()
        assert pipeline.encoded_size == len(encoded)
    assert len(encoded) <= pipeline.max_encoded_size
    if pipeline.raw:
        assert encoded == array.tobytes()
    for view in (np.asfortranarray(array), strided(array)):
        view[...] = array
        assert bytes(pipeline.encode(view)) == encoded

    for data in (encoded, bytearray(encoded), memoryview(encoded)):
        if pipeline.plain:
            assert bytes(pipeline.decode_bytes(data)) == array.tobytes()
        decoded = pipeline.decode(data)
        assert decoded.dtype == array.dtype
        np.testing.assert_array_equal(decoded, array)
    for out in (np.empty(shape, array.dtype), np.empty(shape, array.dtype, order="F"), strided(array)):
        pipeline.decode_into(memoryview(encoded), out)
        np.testing.assert_array_equal(out, array)


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("dtype", ["f4", "datetime64[ns]", "i1"])
def test_large_chunks_decode_in_place(tail: list[Any], dtype: str) -> None:
    spec = spec_of((70, 50, 31), dtype)
    pipeline, array = bound(spec, LITTLE, *tail), data_of(spec)
    encoded = pipeline.encode(array)
    out = np.empty_like(array)
    pipeline.decode_into(encoded, out)
    np.testing.assert_array_equal(out, array)
    np.testing.assert_array_equal(pipeline.decode(encoded), array)


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("head", [[], [codec("transpose", order=[1, 0])]])
def test_only_raw_chunks_share_memory_with_the_array(tail: list[Any], head: list[Any]) -> None:
    spec = spec_of((3, 4))
    pipeline, array = bound(spec, *head, LITTLE, *tail), data_of(spec)
    for given_array in (array, np.asfortranarray(array)):
        before = bytes(encoded := pipeline.encode(given_array))
        given_array += 1
        assert pipeline.raw or bytes(encoded) == before
        given_array -= 1


@pytest.mark.parametrize("tail", TAILS)
def test_empty_chunks_round_trip(tail: list[Any]) -> None:
    spec = spec_of((0, 3))
    pipeline = bound(spec, LITTLE, *tail)
    encoded = pipeline.encode(np.empty((0, 3), "f4"))
    assert pipeline.decode(encoded).shape == (0, 3)
    pipeline.decode_into(encoded, np.empty((0, 3), "f4"))


@pytest.mark.parametrize("tail", TAILS)
def test_chunk_of_wrong_size_raises_codec_error(tail: list[Any]) -> None:
    small, large = spec_of((2, 3)), spec_of((4, 3))
    encoded = bytes(bound(small, LITTLE, *tail).encode(data_of(small)))
    pipeline = bound(large, LITTLE, *tail)
    for decode in (pipeline.decode, pipeline.decode_bytes):
        with pytest.raises(CodecError):
            decode(encoded)
    with pytest.raises(CodecError):
        pipeline.decode_into(encoded, np.empty((4, 3), "f4"))
    encoded = bytes(pipeline.encode(data_of(large)))
    with pytest.raises(CodecError):
        bound(small, LITTLE, *tail).decode(encoded)


def test_many_threads_share_one_pipeline() -> None:
    spec = spec_of((40, 40, 20))
    pipelines = [bound(spec, LITTLE, *tail) for tail in TAILS]
    arrays = [data_of(spec, seed) for seed in range(4)]
    wrong: list[int] = []

    def work(seed: int) -> None:
        out = np.empty(spec.shape, spec.dtype)
        for pipeline in pipelines * 3:
            encoded = pipeline.encode(arrays[seed])
            pipeline.decode_into(encoded, out)
            if not (np.array_equal(out, arrays[seed]) and np.array_equal(pipeline.decode(encoded), out)):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    "codecs",
    [
        [],
        [ZSTD],
        [LITTLE, LITTLE],
        [ZSTD, LITTLE],
        [LITTLE, codec("transpose", order=[0])],
        [LITTLE, ZSTD, codec("transpose", order=[0])],
    ],
)
def test_chain_in_wrong_order_raises_metadata_error(codecs: list[Any]) -> None:
    with pytest.raises(MetadataError):
        chain(*codecs)


def test_library_exceptions_become_codec_errors() -> None:
    class Broken(BytesBytesCodec):
        name = "broken"

        @classmethod
        def from_config(cls, configuration: Any) -> Broken:
            return cls()

        def to_config(self) -> dict[str, Any]:
            return {}

        def encode(self, data: Any) -> Any:
            raise RuntimeError("boom")

        def decode(self, data: Any, size: int | None, limit: int) -> Any:
            raise KeyError("boom")

    array = data_of(spec_of((2,)))
    for codecs in (
        [LITTLE, Broken()],
        [LITTLE, Broken(), CRC],
        [codec("bitround", keepbits=3), LITTLE, Broken()],
    ):
        pipeline = bound(spec_of((2,)), *codecs)
        with pytest.raises(CodecError, match="'broken' cannot encode"):
            pipeline.encode(array)
    for codecs in ([LITTLE, Broken()], [codec("bitround", keepbits=3), LITTLE, Broken()]):
        with pytest.raises(CodecError, match="'broken' cannot decode"):
            bound(spec_of((2,)), *codecs).decode(b"x")


def test_decoded_bytes_of_wrong_length_raise_codec_error() -> None:
    class Longer(BytesBytesCodec):
        name = "longer"

        @classmethod
        def from_config(cls, configuration: Any) -> Longer:
            return cls()

        def to_config(self) -> dict[str, Any]:
            return {}

        def encode(self, data: Any) -> Any:
            return bytes(data)

        def decode(self, data: Any, size: int | None, limit: int) -> Any:
            return bytes(data) + b"x"

    pipeline = bound(spec_of((2,)), LITTLE, Longer())
    encoded = pipeline.encode(data_of(spec_of((2,))))
    with pytest.raises(CodecError):
        pipeline.decode(encoded)
    with pytest.raises(CodecError):
        pipeline.decode_into(encoded, np.empty(2, "f4"))


def test_checks_is_true_for_chains_with_checksums() -> None:
    spec = spec_of((4,))
    assert bound(spec, LITTLE, ZSTD).checks
    assert bound(spec, LITTLE, CRC).checks
    assert bound(spec, LITTLE, GZIP).checks
    assert not bound(spec, LITTLE).checks
    assert not bound(spec, LITTLE, blosc()).checks
    assert not bound(spec, LITTLE, codec("zstd", level=1)).checks


def test_structured_data_is_byte_swapped_per_field() -> None:
    dtype = np.dtype([("a", "<i4"), ("b", "<f8"), ("c", "S3"), ("d", [("e", "<u2")])])
    spec = spec_of((5,), dtype)
    array = data_of(spec)
    pipeline = bound(spec, BIG)
    encoded = bytes(pipeline.encode(array))
    assert encoded == array.astype(dtype.newbyteorder(">")).tobytes()
    np.testing.assert_array_equal(pipeline.decode(encoded), array)


def test_plain_is_true_if_decoded_bytes_are_the_array_memory() -> None:
    spec = spec_of((3, 4))
    assert bound(spec, LITTLE, ZSTD).plain
    assert bound(spec, codec("transpose", order=[0, 1]), LITTLE).plain
    others = (
        [BIG],
        [codec("transpose", order=[1, 0]), LITTLE, ZSTD],
        [codec("bitround", keepbits=2), LITTLE],
    )
    for codecs in others:
        pipeline = bound(spec, *codecs)
        assert not pipeline.plain
        with pytest.raises(CodecError, match="plain"):
            pipeline.decode_bytes(pipeline.encode(data_of(spec)))
