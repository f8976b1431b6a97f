"""Shards agree with zarr-python in all layouts, and errors name the damaged inner chunk."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
import zarr.codecs as zc
from hypothesis import given, strategies as st

from exzarr.codecs.base import ChunkSpec
from exzarr.codecs.pipeline import pipeline_for
from exzarr.codecs.registry import from_json, to_json
from exzarr.codecs.shards import MISSING, BoundShards
from exzarr.errors import CodecError, MetadataError
from tests.breadth import examples
from tests.codecs.peer import Peer
from tests.codecs.tools import BIG, CRC, LITTLE, ZSTD, blosc, bound, chain, codec, data_of, spec_of

INDEX = [LITTLE, CRC]


def sharding(
    chunk_shape: list[int], codecs: list[Any] | None = None, location: str = "end", index: Any = None
) -> dict[str, Any]:
    return codec(
        "sharding_indexed",
        chunk_shape=chunk_shape,
        codecs=codecs or [LITTLE],
        index_codecs=index or INDEX,
        index_location=location,
    )


def shards_of(spec: ChunkSpec, config: dict[str, Any]) -> BoundShards:
    shards = bound(spec, config).shards
    assert shards is not None
    return shards


CHAINS: dict[str, Any] = {
    "raw": [zc.BytesCodec()],
    "big": [zc.BytesCodec(endian="big")],
    "zstd": [zc.BytesCodec(), zc.ZstdCodec(level=1)],
    "blosc crc32c": [zc.BytesCodec(), zc.BloscCodec(typesize=4, shuffle="shuffle"), zc.Crc32cCodec()],
    "transpose": [zc.TransposeCodec(order=(1, 0)), zc.BytesCodec()],
    "nested": [zc.ShardingCodec(chunk_shape=(2, 1), codecs=[zc.BytesCodec(), zc.GzipCodec()])],
    "nested, index first": [
        zc.ShardingCodec(chunk_shape=(1, 3), codecs=[zc.BytesCodec()], index_location="start")
    ],
}


@pytest.mark.parametrize("location", ["start", "end"])
@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("holes", [False, True])
def test_shards_of_zarr_python(name: str, location: str, holes: bool) -> None:
    array = data_of(spec_of((8, 9), "i4"))
    if holes:
        array[:4, 3:] = 0
    peer = Peer(
        array,
        serializer=zc.ShardingCodec(chunk_shape=(4, 3), codecs=CHAINS[name], index_location=location),
        compressors=None,
        filters=None,
    )
    meta = peer.metadata
    pipeline = pipeline_for(meta).bind(ChunkSpec((8, 9), meta.data_type, meta.fill_value))
    np.testing.assert_array_equal(pipeline.decode(peer.chunk), array)
    out = np.empty((8, 9), "i4", order="F")
    pipeline.decode_into(memoryview(peer.chunk), out)
    np.testing.assert_array_equal(out, array)

    ours = pipeline.encode(array)
    np.testing.assert_array_equal(peer.read(bytes(ours)), array)
    assert pipeline.shards is not None
    # Inner chunks that contain only the fill value are omitted.
    stored = pipeline.shards.index_of(ours)[:, 0] != MISSING
    assert stored.tolist() == ([True, False, False, True, True, True] if holes else [True] * 6)


@given(st.data())
@examples(20)
def test_shards_of_any_shape(draw: st.DataObject) -> None:
    inner = draw.draw(st.lists(st.integers(1, 3), max_size=3))
    grid = draw.draw(st.lists(st.integers(1, 3), min_size=len(inner), max_size=len(inner)))
    tail = draw.draw(
        st.sampled_from([[LITTLE], [BIG, ZSTD], [LITTLE, blosc()], [codec("transpose", order="F"), LITTLE]])
    )
    location = draw.draw(st.sampled_from(["start", "end"]))
    index = draw.draw(st.sampled_from([[LITTLE], INDEX, [BIG, CRC], [LITTLE, CRC, CRC]]))
    spec = spec_of(
        tuple(i * g for i, g in zip(inner, grid, strict=True)), draw.draw(st.sampled_from(["i2", "f8", "U3"]))
    )
    pipeline = bound(spec, sharding(inner, tail, location, index))
    array = data_of(spec)
    for part in draw.draw(st.lists(st.tuples(*(st.integers(0, n - 1) for n in spec.shape)), max_size=3)):
        array[part] = spec.fill_value
    encoded = pipeline.encode(array)
    assert len(encoded) <= pipeline.max_encoded_size
    np.testing.assert_array_equal(pipeline.decode(encoded), array)

    shards = pipeline.shards
    assert shards is not None
    start, length = shards.index_range
    assert length == shards.index_size
    own = encoded[start : start + length] if start >= 0 else encoded[start:]
    table = shards.decode_index(own, len(encoded))
    assert table.shape == (shards.count, 2)
    for (begin, size), region in zip(table.tolist(), shards.regions(), strict=True):
        expected = array[region]
        if begin == MISSING:
            assert np.all(expected == spec.fill_value)
        else:
            np.testing.assert_array_equal(shards.inner.decode(encoded[begin : begin + size]), expected)


@pytest.mark.parametrize("location", ["start", "end"])
def test_index_has_the_layout_of_the_specification(location: str) -> None:
    spec = spec_of((2, 4), "u1")
    shards = shards_of(spec, sharding([1, 2], None, location))
    array = np.array([[1, 2, 0, 0], [0, 0, 3, 4]], "u1")
    encoded = shards.encode(array)
    assert shards.index_size == 4 * 16 + 4
    skip = shards.index_size if location == "start" else 0
    entries = struct.pack("<8Q", skip, 2, MISSING, MISSING, MISSING, MISSING, skip + 2, 2)
    body = encoded[skip : skip + 4]
    assert body == b"\x01\x02\x03\x04"
    assert entries in encoded
    assert encoded.index(entries) == (0 if location == "start" else 4)
    full = shards.encode(array, write_empty=True)
    assert len(full) == len(encoded) + 4


def test_empty_shard_contains_only_its_index() -> None:
    shards = shards_of(spec_of((4,), "f4", np.float32("nan")), sharding([2]))
    encoded = shards.encode(np.full(4, np.nan, "f4"))
    assert len(encoded) == shards.index_size
    assert np.isnan(shards.decode(encoded)).all()


def test_unused_space_and_shared_bytes_are_allowed() -> None:
    shards = shards_of(spec_of((4,), "u1"), sharding([2]))
    index = np.array([[5, 2], [5, 2]], np.uint64)
    encoded = b"xxxxx\x07\x08yyy" + bytes(shards.encode_index(index))
    assert shards.decode(encoded).tolist() == [7, 8, 7, 8]


@pytest.mark.parametrize(
    "entries",
    [
        (0, 3, 2, 2000),
        (0, 2, MISSING, 2),
        (0, 2, 2, MISSING),
        (0, 2, MISSING - 1, 2),
        (0, 2, 2, MISSING - 1),
        (MISSING - 1, MISSING - 1, 0, 2),
        (40, 2, 0, 2),
        (2**63, 2**63, 0, 2),
    ],
)
def test_index_entry_outside_the_shard_raises_codec_error(entries: tuple[int, ...]) -> None:
    shards = shards_of(spec_of((4,), "u1"), sharding([2]))
    encoded = b"\x01\x02\x03\x04" + bytes(shards.encode_index(np.array(entries, np.uint64).reshape(2, 2)))
    with pytest.raises(CodecError, match="index is damaged"):
        shards.decode(encoded)


def test_error_names_the_damaged_inner_chunk() -> None:
    shards = shards_of(spec_of((4, 4), "i4"), sharding([2, 2], [LITTLE, CRC]))
    encoded = bytearray(shards.encode(data_of(spec_of((4, 4), "i4"))))
    encoded[20 * 3 + 1] ^= 1
    with pytest.raises(CodecError, match=r"inner chunk \(1, 1\)"):
        shards.decode(bytes(encoded))


def test_damaged_index_raises_checksum_error() -> None:
    shards = shards_of(spec_of((4,), "u1"), sharding([2]))
    encoded = bytearray(shards.encode(np.arange(4, dtype="u1")))
    encoded[-10] ^= 1
    with pytest.raises(CodecError, match="index"):
        shards.decode(bytes(encoded))


@pytest.mark.parametrize(
    "config",
    [
        sharding([3]),
        sharding([2, 2]),
        sharding([0]),
        sharding([-2]),
        sharding([2], [ZSTD]),
        sharding([2], [LITTLE], index=[LITTLE, ZSTD]),
        sharding([2], [LITTLE], "middle"),
        {"name": "sharding_indexed", "configuration": {"chunk_shape": 2, "codecs": [LITTLE]}},
        {"name": "sharding_indexed", "configuration": {"chunk_shape": ["2"], "codecs": [LITTLE]}},
        {"name": "sharding_indexed", "configuration": {"chunk_shape": [2], "codecs": LITTLE}},
        {"name": "sharding_indexed", "configuration": {"chunk_shape": [2], "codecs": [5]}},
        {"name": "sharding_indexed", "configuration": {"chunk_shape": [2]}},
        sharding([2], [LITTLE, {"name": "zstd", "configuration": 5}]),
    ],
)
def test_impossible_configuration_raises_metadata_error(config: dict[str, Any]) -> None:
    with pytest.raises(MetadataError):
        bound(spec_of((4,)), config)


def test_shard_with_too_many_chunks_raises_before_allocation() -> None:
    with pytest.raises(MetadataError):
        bound(spec_of((2**31, 2**31)), sharding([1, 1]))
    assert shards_of(spec_of((2**20, 2**18)), sharding([1, 1])).index_size == 2**38 * 16 + 4


def test_configuration_round_trips() -> None:
    config = sharding([2, 2], [codec("transpose", order=[1, 0]), BIG, ZSTD], "start")
    assert to_json(from_json(config)) == config


def test_shards_inside_a_longer_chain_are_decoded_whole() -> None:
    spec = spec_of((4, 6), "i2")
    pipeline = bound(spec, codec("transpose", order=[1, 0]), sharding([3, 2]), ZSTD)
    array = data_of(spec)
    assert pipeline.shards is None
    np.testing.assert_array_equal(pipeline.decode(pipeline.encode(array)), array)


def test_filters_before_shards_also_encode_the_fill_value() -> None:
    spec = spec_of((4,), "f8", 1.0)
    pipeline = bound(
        spec, codec("scale_offset", offset=1, scale=10), codec("cast_value", data_type="int16"), sharding([2])
    )
    array = np.array([1.0, 1.0, 2.5, 3.0])
    encoded = pipeline.encode(array)
    np.testing.assert_array_equal(pipeline.decode(encoded), array)
    assert len(encoded) == 4 + 36


def test_a_chain_of_shards_of_strings() -> None:
    spec = spec_of((4, 2), str)
    pipeline = bound(spec, sharding([2, 2], ["vlen-utf8", ZSTD]))
    array = data_of(spec)
    array[:2] = ""
    np.testing.assert_array_equal(pipeline.decode(pipeline.encode(array)), array)


def test_evolve_sets_parameters_of_the_inner_chain() -> None:
    evolved = chain(codec("sharding_indexed", chunk_shape=[2], codecs=[codec("bytes"), codec("blosc", cname="lz4", clevel=5)],
                          index_codecs=INDEX)).evolve(spec_of((4,), "f8"))  # fmt: skip
    inner = evolved.codecs[0].codecs
    assert inner[0].endian in ("little", "big")
    assert (inner[1].typesize, inner[1].shuffle) == (8, "shuffle")
