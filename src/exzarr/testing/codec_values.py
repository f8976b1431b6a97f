"""The part of the codec suite about values: round trips, and the sizes that a codec declares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr._typing import AnyArray
from exzarr.codecs.base import ChunkSpec
from exzarr.codecs.memory import exports_buffer
from exzarr.codecs.pipeline import BoundPipeline
from exzarr.errors import CodecError
from exzarr.testing.codec_case import ALL_DATA_TYPES, CodecCase, Refused, sample

__all__ = ["CodecValues"]


class CodecValues(CodecCase):
    """Decoding returns what was encoded."""

    def test_required_data_types_and_shapes_round_trip(self) -> None:
        for pipeline in self.required():
            array = sample(pipeline.spec)
            self.check_equal(pipeline.decode(self.encoded(pipeline, array)), array)

    def test_other_data_types_round_trip_or_are_refused(self) -> None:
        for data_type in ALL_DATA_TYPES:
            try:
                pipeline = self.bound(data_type, (6, 4))
                array = sample(pipeline.spec)
                data = pipeline.encode(array)
            except (Refused, CodecError):
                continue
            self.check_equal(pipeline.decode(bytes(data)), array)

    def test_all_memory_orders_encode_the_same_values(self) -> None:
        for pipeline in self.required():
            array = sample(pipeline.spec)
            for view in _views(array):
                self.check_equal(pipeline.decode(self.encoded(pipeline, view)), array)

    def test_special_values_round_trip(self) -> None:
        for data_type in self.data_types:
            pipeline = self.bound_1d(data_type, 64)
            for array in _special(pipeline.spec):
                try:
                    data = self.encoded(pipeline, array)
                except Refused:
                    continue
                self.check_equal(pipeline.decode(data), array)

    def test_encoding_and_decoding_do_not_change_their_input(self) -> None:
        for pipeline in self.required():
            array = sample(pipeline.spec)
            array.flags.writeable = False
            before = array.tolist()
            data = self.encoded(pipeline, array)
            for given in (data, bytearray(data), memoryview(data)):
                self.check_equal(pipeline.decode(given), array)
                assert bytes(given) == data
            assert array.tolist() == before

    def test_results_are_independent_of_later_calls(self) -> None:
        pipeline = self.one()
        first, second = sample(pipeline.spec, 1), sample(pipeline.spec, 2)
        data = pipeline.encode(first)
        decoded = pipeline.decode(bytes(data))
        other = pipeline.decode(bytes(pipeline.encode(second)))
        self.check_equal(decoded, first)
        self.check_equal(other, second)
        self.check_equal(pipeline.decode(bytes(data)), first)

    def test_decodes_into_given_arrays(self) -> None:
        for pipeline in self.required():
            spec = pipeline.spec
            array = sample(spec)
            data = self.encoded(pipeline, array)
            for out, around in _destinations(spec):
                before = around.copy()
                pipeline.decode_into(data, out)
                self.check_equal(np.asarray(out), array)
                out[...] = before[tuple([slice(1, 1 + n) for n in spec.shape])]
                assert around.tolist() == before.tolist(), "decode_into wrote outside of its array"

    def test_edge_chunks_of_an_array_round_trip(self) -> None:
        for data_type in self.data_types:
            store: dict[str, bytes] = {}
            chain = self.make_chain()
            for chunks in ((4, 3), (6, 3), (64, 64)):
                try:
                    self.bound(data_type, chunks)
                except Refused:
                    continue
                array = exzarr.create_array(
                    store, shape=(10, 7), chunks=chunks, dtype=data_type, overwrite=True,
                    filters=[codec for codec in chain if codec.kind == "array_array"] or None,
                    serializer=next(codec for codec in chain if codec.kind == "array_bytes"),
                    compressors=[codec for codec in chain if codec.kind == "bytes_bytes"] or None,
                )  # fmt: skip
                values = sample(ChunkSpec((10, 7), array.metadata.data_type, array.fill_value))
                array[...] = values
                again = exzarr.open_array(store, mode="r")
                self.check_equal(again[...], values)
                self.check_equal(again[-1:, 2:], values[-1:, 2:])

    def test_huge_chunks_round_trip(self) -> None:
        data_type = self.data_types[0]
        itemsize = self.bound_1d(data_type, 64).spec.dtype.itemsize
        pipeline = self.bound_1d(data_type, max(64, self.huge // itemsize // 64 * 64))
        array = sample(pipeline.spec)
        self.check_equal(pipeline.decode(self.encoded(pipeline, array)), array)

    # -- sizes --------------------------------------------------------------------

    def test_declared_sizes_hold(self) -> None:
        for pipeline in self.required():
            for array in (sample(pipeline.spec), *_special(pipeline.spec)):
                try:
                    size = len(self.encoded(pipeline, array))
                except Refused:
                    continue
                if pipeline.encoded_size is not None:
                    assert size == pipeline.encoded_size, "encoded_size is the exact size"
                assert size <= pipeline.max_encoded_size, "max_encoded_size is an upper bound"

    def test_bytes_codec_enforces_size_and_limit(self) -> None:
        codec = self.make_codec()
        if codec.kind != "bytes_bytes":
            pytest.skip("only bytes -> bytes codecs get a size and a limit")
        pipeline = self.one()
        codec = _bound_codec(pipeline, codec)
        for raw in (sample(pipeline.spec).tobytes(), bytes(pipeline.spec.nbytes)):
            data, n = bytes(codec.encode(raw)), len(raw)
            assert bytes(codec.decode(data, n, n)) == raw
            assert bytes(codec.decode(data, None, n)) == raw
            for size, limit in ((n + 1, n + 1), (n - 1, n - 1), (None, n - 1), (1, n), (0, 0)):
                with pytest.raises(CodecError):
                    codec.decode(data, size, limit)
            for wrong in (n - 1, n + 1):
                with pytest.raises(CodecError):
                    codec.decode_into(data, memoryview(bytearray(wrong)))
            out = bytearray(n)
            codec.decode_into(data, memoryview(out))
            assert out == raw
            several = codec.decode_each([data, data], n)
            assert several is None or [bytes(one) for one in several] == [raw, raw]

    def test_bytes_codec_encodes_nothing(self) -> None:
        codec = self.make_codec()
        if codec.kind != "bytes_bytes":
            pytest.skip("only bytes -> bytes codecs get empty input")
        assert bytes(codec.decode(bytes(codec.encode(b"")), 0, 0)) == b""

    # -- other libraries ------------------------------------------------------------

    def test_chunks_of_other_libraries_decode(self) -> None:
        for data, array in self.encoded_elsewhere():
            pipeline = self.bound(array.dtype, array.shape)
            self.check_equal(pipeline.decode(data), array)

    def test_other_libraries_decode_chunks(self) -> None:
        for pipeline in self.required():
            array = sample(pipeline.spec)
            found = self.decode_elsewhere(self.encoded(pipeline, array), pipeline.spec)
            if found is not None:
                self.check_equal(np.asarray(found), array)

    def bound_1d(self, data_type: Any, size: int) -> BoundPipeline:
        """Return the chain for a chunk of `size` elements; of one of `shapes` if the codec refuses those."""
        for shape in ((size,), (size // 8, 8), (1, size // 8, 8), *self.shapes):
            try:
                return self.bound(data_type, shape)
            except Refused:
                continue
        pytest.fail(f"the codec refuses all chunks of {data_type}")


def _bound_codec(pipeline: BoundPipeline, codec: Any) -> Any:
    evolve = getattr(codec, "evolve", None)
    return codec if evolve is None else evolve(pipeline.spec)


def _views(array: AnyArray) -> Iterator[AnyArray]:
    """Yield arrays with the same values and other strides."""
    if not array.ndim:
        return
    yield np.asfortranarray(array)
    yield array[tuple([slice(None, None, -1)] * array.ndim)].copy()[
        tuple([slice(None, None, -1)] * array.ndim)
    ]
    wide = np.empty([2 * n + 1 for n in array.shape], array.dtype)
    view = wide[tuple([slice(1, None, 2)] * array.ndim)]
    view[...] = array
    yield view


def _special(spec: ChunkSpec) -> Iterator[AnyArray]:
    """Yield chunks with zeros, extremes and, for floats, values that are not finite."""
    dtype = spec.dtype
    if dtype.kind in "TO":
        return
    yield np.zeros(spec.shape, dtype)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        for values in ([info.min, info.max], [info.max], [info.min]):
            yield np.resize(np.array(values, dtype), spec.shape)
    elif dtype.kind == "f":
        limits = np.finfo(dtype)
        for numbers in (
            [0.0, -0.0], [limits.max, limits.min, limits.tiny, limits.smallest_subnormal], [np.nan], [np.inf, -np.inf],
        ):  # fmt: skip
            yield np.resize(np.array(numbers, dtype), spec.shape)
    elif dtype.kind != "b":
        raw = np.resize(np.arange(256, dtype=np.uint8), spec.size * dtype.itemsize)
        if dtype.kind not in "Uc":
            yield raw.view(dtype).reshape(spec.shape)


def _destinations(spec: ChunkSpec) -> Iterator[tuple[AnyArray, AnyArray]]:
    """Yield arrays to decode into: contiguous, in Fortran order, and a part of a larger one, each with its base."""
    inner = tuple([slice(1, 1 + n) for n in spec.shape])
    for order in ("C", "F"):
        around = np.zeros([n + 2 for n in spec.shape], spec.dtype, order=order)
        yield around[inner] if spec.shape else around, around
    if exports_buffer(spec.dtype) and len(spec.shape) == 1:
        around = np.zeros(spec.shape[0] + 2, spec.dtype)
        yield around[1:-1], around
