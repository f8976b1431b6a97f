"""v2 chunks have the same bytes as those of numcodecs and zarr-python, in both directions."""

from __future__ import annotations

from typing import Any

import numcodecs
import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr._format import fill_values, v2
from exzarr.codecs.base import ChunkSpec
from exzarr.codecs.pipeline import BoundPipeline, pipeline_for
from exzarr.codecs.v2 import v2_pipeline
from exzarr.errors import CodecError, MetadataError, UnsupportedError
from tests.breadth import examples
from tests.codecs.peer import Peer
from tests.codecs.tools import data_of, shapes, spec_of

COMPRESSORS: list[Any] = [
    None,
    numcodecs.Blosc(),
    numcodecs.Blosc("zstd", 3, numcodecs.Blosc.AUTOSHUFFLE),
    numcodecs.Blosc("lz4hc", 9, numcodecs.Blosc.BITSHUFFLE, 128),
    numcodecs.Blosc("zlib", 1, numcodecs.Blosc.NOSHUFFLE),
    numcodecs.Blosc("blosclz", 0),
    numcodecs.Zstd(0),
    numcodecs.Zstd(7, checksum=True),
    numcodecs.Zstd(-3),
    numcodecs.Zlib(6),
    numcodecs.LZ4(),
    numcodecs.BZ2(9),
    numcodecs.LZMA(),
    numcodecs.LZMA(format=3, filters=[{"id": 0x21, "preset": 1}]),
    numcodecs.Shuffle(4),
    numcodecs.Shuffle(1),
    numcodecs.CRC32(),
    numcodecs.CRC32(location="end"),
    numcodecs.CRC32C(),
    numcodecs.CRC32C(location="start"),
    numcodecs.Adler32(),
    numcodecs.Fletcher32(),
    numcodecs.JenkinsLookup3(),
    numcodecs.JenkinsLookup3(initval=7),
    numcodecs.Base64(),
]
# dtype of the array, filters
FILTERED: list[tuple[str, list[Any]]] = [
    ("<i4", [numcodecs.Delta("<i4")]),
    (">i4", [numcodecs.Delta(">i4", astype="<i2")]),
    ("<f8", [numcodecs.FixedScaleOffset(-5, 10, "<f8", "u1")]),
    (">f8", [numcodecs.FixedScaleOffset(0, 100, ">f8", "<i2"), numcodecs.Delta("<i2")]),
    ("<f4", [numcodecs.Quantize(2, "<f4")]),
    ("<f8", [numcodecs.Quantize(1, "<f8", "<f4")]),
    ("<f4", [numcodecs.BitRound(3)]),
    ("<f8", [numcodecs.BitRound(52)]),
    ("<f8", [numcodecs.AsType("<f4", "<f8")]),
    ("<i8", [numcodecs.AsType(">i2", "<i8")]),
    ("|b1", [numcodecs.PackBits()]),
    ("<i2", [numcodecs.Shuffle(2)]),
    ("<i4", [numcodecs.Delta("<i4"), numcodecs.Shuffle(4), numcodecs.Zlib(1)]),
    ("<U4", [numcodecs.Categorize(["a", "é"], "<U4")]),
    ("<M8[s]", [numcodecs.Delta("<i8")]),
]


def bind(metadata: Any) -> BoundPipeline:
    fill = metadata.fill_value
    fill = fill_values.default(metadata.data_type) if fill is None else fill
    return pipeline_for(metadata).bind(ChunkSpec(metadata.chunk_grid.chunk_shape, metadata.data_type, fill))


def metadata(
    dtype: Any, shape: tuple[int, ...], filters: list[Any], compressor: Any, order: str = "C"
) -> Any:
    return v2.parse_array(
        {
            "zarr_format": 2,
            "shape": list(shape),
            "chunks": list(shape),
            "dtype": dtype,
            "fill_value": None,
            "order": order,
            "filters": [codec.get_config() for codec in filters] or None,
            "compressor": compressor.get_config() if compressor is not None else None,
        }
    )


def by_numcodecs(array: np.ndarray[Any, Any], filters: list[Any], compressor: Any, order: str = "C") -> bytes:
    """Encode a chunk with numcodecs, step by step as in the v2 specification."""
    chunk: Any = np.asarray(array, order=order)  # type: ignore[call-overload]
    for codec in filters:
        chunk = codec.encode(chunk)
    if compressor is not None:
        chunk = compressor.encode(chunk)
    return chunk if isinstance(chunk, bytes) else np.asarray(chunk).tobytes("A")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">i2", "|u1", "<M8[ns]", "<U3", "|S5", ">c16"])
@pytest.mark.parametrize("compressor", COMPRESSORS, ids=repr)
def test_compressed_chunks(compressor: Any, dtype: str, order: str) -> None:
    array = data_of(spec_of((12, 10), dtype, zarr_format=2))
    pipeline = bind(metadata(dtype, array.shape, [], compressor, order))
    expected = by_numcodecs(array, [], compressor, order)
    assert bytes(pipeline.encode(array)) == expected
    for data in (expected, memoryview(bytearray(expected))):
        decoded = pipeline.decode(data)
        assert decoded.dtype == array.dtype
        np.testing.assert_array_equal(decoded, array)
    out = np.empty_like(array)
    pipeline.decode_into(expected, out)
    np.testing.assert_array_equal(out, array)


def test_gzip_differs_from_numcodecs_only_in_the_time_stamp() -> None:
    array = data_of(spec_of((50, 40), "<f4", zarr_format=2))
    for level in range(10):
        codec = numcodecs.GZip(level)
        pipeline = bind(metadata("<f4", array.shape, [], codec))
        ours, theirs = bytes(pipeline.encode(array)), by_numcodecs(array, [], codec)
        assert (ours[:4], ours[4:8], ours[8:]) == (theirs[:4], b"\0\0\0\0", theirs[8:])
        np.testing.assert_array_equal(pipeline.decode(theirs), array)
        assert codec.decode(ours) == array.tobytes()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("compressor", [None, numcodecs.Zlib(1), numcodecs.Blosc(shuffle=-1)], ids=repr)
@pytest.mark.parametrize(("dtype", "filters"), FILTERED, ids=repr)
def test_filtered_chunks(dtype: str, filters: list[Any], compressor: Any, order: str) -> None:
    if order == "F" and filters == [numcodecs.BitRound(3)]:
        pytest.skip("numcodecs' BitRound converts to C order, which reads back transposed")
    array = data_of(spec_of((6, 8), dtype, zarr_format=2))
    pipeline = bind(metadata(dtype, array.shape, filters, compressor, order))
    expected = by_numcodecs(array, filters, compressor, order)
    assert bytes(pipeline.encode(array)) == expected
    chunk: Any = expected if compressor is None else compressor.decode(expected)
    for codec in reversed(filters):
        chunk = codec.decode(chunk)
    values = np.asarray(chunk).reshape(-1, order="A").view(dtype).reshape(array.shape, order=order)  # type: ignore[call-overload]
    decoded = pipeline.decode(expected)
    assert decoded.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(decoded, values)


@given(
    shapes.filter(bool),
    st.sampled_from(["<f4", ">f8", "|u1", "<i2", "|b1", "<M8[s]"]),
    st.sampled_from(["C", "F"]),
    st.sampled_from(COMPRESSORS[:14]),
)
@examples(20)
def test_chunks_of_zarr_python(shape: tuple[int, ...], dtype: str, order: str, compressor: Any) -> None:
    array = data_of(spec_of(shape, dtype, zarr_format=2))
    peer = Peer(array, 2, order=order, compressors=compressor, filters=None)
    pipeline = bind(peer.metadata)
    assert bytes(pipeline.encode(array)) == peer.chunk
    np.testing.assert_array_equal(pipeline.decode(peer.chunk), array)


@pytest.mark.parametrize("order", ["C", "F"])
def test_strings_of_zarr_python(order: str) -> None:
    array = data_of(spec_of((4, 3), str))
    peer = Peer(array, 2, order=order, compressors=numcodecs.Zstd(1), dtype="string")
    pipeline = bind(peer.metadata)
    assert bytes(pipeline.encode(array)) == peer.chunk
    np.testing.assert_array_equal(pipeline.decode(peer.chunk), array)
    assert pipeline.decode(peer.chunk).dtype == np.dtypes.StringDType()


OBJECTS = np.empty((2, 3), object)
OBJECTS[...] = [[1, "two", None], [[3, 4], {"five": 5}, 6.5]]


@pytest.mark.parametrize("codec", [numcodecs.JSON(), numcodecs.MsgPack(), numcodecs.JSON(indent=1)], ids=repr)
@pytest.mark.parametrize("order", ["C", "F"])
def test_objects(codec: Any, order: str) -> None:
    pipeline = bind(metadata("|O", OBJECTS.shape, [codec], numcodecs.Zlib(1), order))
    encoded = bytes(pipeline.encode(OBJECTS))
    assert encoded == by_numcodecs(OBJECTS, [codec], numcodecs.Zlib(1), order)
    decoded = pipeline.decode(encoded)
    assert decoded.tolist() == OBJECTS.tolist()
    assert decoded.dtype == object


@pytest.mark.parametrize("codec", [numcodecs.JSON(), numcodecs.MsgPack()], ids=repr)
def test_numbers_as_text(codec: Any) -> None:
    array = np.arange(6, dtype="<i4").reshape(2, 3)
    pipeline = bind(metadata("<i4", (2, 3), [codec], None))
    encoded = bytes(pipeline.encode(array))
    assert encoded == by_numcodecs(array, [codec], None)
    np.testing.assert_array_equal(pipeline.decode(encoded), array)


def test_categories_of_objects() -> None:
    codec = numcodecs.Categorize(["a", "bb"], object)
    array = np.array([["a", "bb"], ["bb", ""]], object)
    pipeline = bind(metadata("|O", (2, 2), [codec], None))
    assert bytes(pipeline.encode(array)) == by_numcodecs(array, [codec], None)
    np.testing.assert_array_equal(pipeline.decode(pipeline.encode(array)), array)


def test_byte_strings_and_arrays_of_arrays() -> None:
    array = np.array([b"", b"a\0b", b"ccc"], object)
    pipeline = bind(metadata("|O", (3,), [numcodecs.VLenBytes()], None))
    assert bytes(pipeline.encode(array)) == bytes(numcodecs.VLenBytes().encode(array))
    np.testing.assert_array_equal(pipeline.decode(pipeline.encode(array)), array)

    codec = numcodecs.VLenArray("<i4")
    ragged = np.empty(3, object)
    ragged[:] = [np.array([1, 2], "<i4"), np.array([], "<i4"), np.array([3], "<i4")]
    pipeline = bind(metadata("|O", (3,), [codec], None))
    assert bytes(pipeline.encode(ragged)) == bytes(codec.encode(ragged))
    for ours, theirs in zip(pipeline.decode(pipeline.encode(ragged)), ragged, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_pickle_requires_allow_pickle() -> None:
    from exzarr import config

    meta = metadata("|O", (2, 3), [numcodecs.Pickle()], None)
    with pytest.raises(UnsupportedError, match="allow_pickle"):
        v2_pipeline(meta)
    with config.override(allow_pickle=True):
        pipeline = bind(meta)
    encoded = bytes(pipeline.encode(OBJECTS))
    assert encoded == numcodecs.Pickle().encode(OBJECTS)
    assert pipeline.decode(encoded).tolist() == OBJECTS.tolist()


@pytest.mark.parametrize(
    "config",
    [
        {"id": "zlib", "level": 99},
        {"id": "zlib", "level": "1"},
        {"id": "zlib", "levle": 1},
        {"id": "blosc", "cname": "nope"},
        {"id": "blosc", "shuffle": 7},
        {"id": "delta", "dtype": "nope"},
        {"id": "delta", "dtype": "O"},
        {"id": "delta", "dtype": "<f4", "self": 1},
        {"id": "lzma", "filters": [{"id": 1}]},
        {"id": "lzma", "format": 3},
        {"id": "crc32", "location": "middle"},
        {"id": "jenkins_lookup3", "prefix": 5},
        {"id": "shuffle", "elementsize": -1},
        {"id": "categorize", "labels": 5, "dtype": "O"},
        {"id": "json2", "encoding": 5, "nope": 1},
        {"id": "bitround", "keepbits": 99},
    ],
    ids=repr,
)
def test_invalid_configuration_raises_metadata_error(config: dict[str, Any]) -> None:
    document = {
        "zarr_format": 2, "shape": [2], "chunks": [2], "dtype": "<f4", "fill_value": 0, "order": "C",
        "filters": [config], "compressor": None,
    }  # fmt: skip
    with pytest.raises(MetadataError):
        bind(v2.parse_array(document))


def test_unknown_codec_raises_unsupported_error_with_its_name() -> None:
    document = {
        "zarr_format": 2, "shape": [2], "chunks": [2], "dtype": "<f4", "fill_value": 0, "order": "C",
        "filters": None, "compressor": {"id": "no-such-codec"},
    }  # fmt: skip
    with pytest.raises(UnsupportedError, match="no-such-codec"):
        v2_pipeline(v2.parse_array(document))


class Reversed(numcodecs.abc.Codec):
    """A codec of another package."""

    codec_id = "exzarr-test-reversed"

    def encode(self, buf: Any) -> bytes:
        return np.asarray(buf).tobytes("A")[::-1]

    def decode(self, buf: Any, out: Any = None) -> bytes:
        return bytes(buf)[::-1]


@pytest.mark.parametrize("order", ["C", "F"])
def test_codec_registered_by_another_package_works(order: str) -> None:
    numcodecs.register_codec(Reversed)
    try:
        array = data_of(spec_of((3, 4), "<i4", zarr_format=2))
        for filters, compressor in [
            ([], Reversed()),
            ([Reversed()], numcodecs.Zlib(1)),
            ([numcodecs.Zlib(1)], Reversed()),
        ]:
            pipeline = bind(metadata("<i4", array.shape, filters, compressor, order))
            encoded = bytes(pipeline.encode(array))
            np.testing.assert_array_equal(pipeline.decode(encoded), array)
            with pytest.raises(CodecError):
                pipeline.decode(encoded[:-5])
    finally:
        numcodecs.registry.codec_registry.pop(Reversed.codec_id)


def test_object_array_without_object_codec_raises_metadata_error() -> None:
    meta = metadata("|O", (2,), [numcodecs.VLenUTF8()], None)
    with pytest.raises(MetadataError, match="vlen-utf8"):
        bind(meta.with_(filters=()))
