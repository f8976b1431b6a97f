"""zarr-python and exzarr read each other's v3 chunks, with equal bytes if the codec allows it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zarr
import zarr.codecs as zc
import zarr.codecs.numcodecs as zn
from hypothesis import given, strategies as st

from exzarr.codecs.base import ChunkSpec
from exzarr.codecs.pipeline import BoundPipeline, pipeline_for
from tests.breadth import examples
from tests.codecs.peer import Peer
from tests.codecs.tools import FIXED, data_of, shapes, spec_of

# Options for zarr-python, and a flag: its bytes must equal exzarr's.
CHAINS: dict[str, tuple[dict[str, Any], bool]] = {
    "raw": ({"compressors": None}, True),
    "big": ({"compressors": None, "serializer": zc.BytesCodec(endian="big")}, True),
    "transpose": ({"compressors": None, "filters": [zc.TransposeCodec(order=(1, 0))]}, True),
    "crc32c": ({"compressors": [zc.Crc32cCodec()]}, True),
    "zstd": ({"compressors": [zc.ZstdCodec(level=1)]}, False),
    "zstd-checksum": ({"compressors": [zc.ZstdCodec(level=3, checksum=True)]}, False),
    "gzip": ({"compressors": [zc.GzipCodec(level=1)]}, False),
    "blosc": ({"compressors": [zc.BloscCodec(cname="lz4", clevel=5)]}, True),
    "blosc-zstd-bits": ({"compressors": [zc.BloscCodec(cname="zstd", shuffle="bitshuffle")]}, True),
    "blosc-none": ({"compressors": [zc.BloscCodec(cname="zlib", shuffle="noshuffle")]}, True),
    "blosc-blosclz": ({"compressors": [zc.BloscCodec(cname="blosclz", clevel=9, blocksize=64)]}, True),
    "two": ({"compressors": [zc.BloscCodec(), zc.Crc32cCodec()]}, True),
    "three": ({"compressors": [zc.Crc32cCodec(), zc.GzipCodec(), zc.ZstdCodec()]}, False),
    "numcodecs.zlib": ({"compressors": [zn.Zlib(level=3)]}, True),
    "numcodecs.lz4": ({"compressors": [zn.LZ4(acceleration=2)]}, True),
    "numcodecs.bz2": ({"compressors": [zn.BZ2(level=2)]}, True),
    "numcodecs.lzma": ({"compressors": [zn.LZMA(preset=1)]}, True),
    "numcodecs.zstd": ({"compressors": [zn.Zstd(level=4, checksum=True)]}, True),
    "numcodecs.gzip": ({"compressors": [zn.GZip(level=4)]}, False),
    # zarr-python uses an element size of one byte here, for every data type.
    "numcodecs.blosc": ({"compressors": [zn.Blosc(cname="lz4", shuffle=2)]}, False),
    "numcodecs.shuffle": ({"compressors": [zn.Shuffle(), zn.Zlib(level=1)]}, True),
    "numcodecs.crc32": ({"compressors": [zn.CRC32()]}, True),
    "numcodecs.crc32c": ({"compressors": [zn.CRC32C()]}, True),
    "numcodecs.adler32": ({"compressors": [zn.Adler32()]}, True),
    "numcodecs.fletcher32": ({"compressors": [zn.Fletcher32()]}, True),
    "numcodecs.jenkins_lookup3": ({"compressors": [zn.JenkinsLookup3()]}, True),
}
FILTERS: dict[str, tuple[str, dict[str, Any]]] = {
    "delta": ("i4", {"filters": [zn.Delta(dtype="<i4", astype="<i2")]}),
    "delta-big": ("f8", {"filters": [zn.Delta(dtype="<f8")], "serializer": zc.BytesCodec(endian="big")}),
    "fixedscaleoffset": (
        "f8",
        {"filters": [zn.FixedScaleOffset(offset=-3, scale=10, dtype="<f8", astype="<i2")]},
    ),
    "quantize": ("f4", {"filters": [zn.Quantize(digits=1, dtype="<f4")]}),
    "bitround": ("f4", {"filters": [zn.BitRound(keepbits=5)]}),
    "astype": ("f8", {"filters": [zn.AsType(encode_dtype="<f4", decode_dtype="<f8")]}),
    "packbits": ("bool", {"filters": [zn.PackBits()]}),
    "two": (
        "f8",
        {
            "filters": [
                zn.FixedScaleOffset(offset=0, scale=10, dtype="<f8", astype="<i4"),
                zn.Delta(dtype="<i4"),
            ]
        },
    ),
    "after transpose": (
        "i4",
        {"filters": [zc.TransposeCodec(order=(1, 0)), zn.Delta(dtype="<i4")]},
    ),
}


def bind(peer: Peer) -> tuple[BoundPipeline, ChunkSpec]:
    meta = peer.metadata
    spec = ChunkSpec(meta.chunk_grid.chunk_shape, meta.data_type, meta.fill_value)
    return pipeline_for(meta).bind(spec), spec


def check(array: np.ndarray[Any, Any], options: dict[str, Any], same: bool) -> None:
    peer = Peer(array, **options)
    pipeline, _ = bind(peer)
    chunk = peer.chunk
    decoded = pipeline.decode(chunk)
    encoded = bytes(pipeline.encode(array))
    theirs = peer.read(chunk)
    assert decoded.dtype == theirs.dtype
    np.testing.assert_array_equal(decoded, theirs)
    if same:
        assert encoded == chunk
    np.testing.assert_array_equal(peer.read(encoded), theirs)


@pytest.mark.parametrize("dtype", ["f4", "u1", "i8", "c8", "datetime64[s]", "bool"])
@pytest.mark.parametrize("name", CHAINS)
def test_chunks_of_every_chain(name: str, dtype: str) -> None:
    options, same = CHAINS[name]
    check(data_of(spec_of((6, 8), dtype)), options, same)


@given(shapes.filter(bool), st.sampled_from(FIXED[:10]), st.sampled_from(list(CHAINS)))
@examples(20)
def test_chunks_of_any_shape(shape: tuple[int, ...], dtype: str, name: str) -> None:
    options, same = CHAINS[name]
    if "transpose" in name:
        shape = (*shape, 2)[:2]
    check(data_of(spec_of(shape, dtype)), options, same)


@pytest.mark.parametrize("name", FILTERS)
def test_chunks_through_numcodecs_filters(name: str) -> None:
    dtype, options = FILTERS[name]
    if name in ("delta-big", "after transpose") and not hasattr(zarr.codecs, "CastValue"):
        pytest.skip("zarr-python before 3.4 cannot read its own chunks here")
    check(data_of(spec_of((6, 8), dtype)), {**options, "compressors": None}, True)


@pytest.mark.parametrize("compressors", [None, [zc.ZstdCodec(level=1)], [zc.BloscCodec()]])
@pytest.mark.parametrize("shape", [(7,), (2, 3), (1, 1, 4)])
def test_chunks_of_strings(shape: tuple[int, ...], compressors: Any) -> None:
    array = data_of(spec_of(shape, str))
    check(array, {"compressors": compressors, "dtype": "string"}, compressors is None)


def test_chunks_of_byte_strings() -> None:
    from zarr.core.dtype import VariableLengthBytes

    array = data_of(spec_of((5, 3), bytes))
    check(array, {"compressors": None, "dtype": VariableLengthBytes()}, True)


def test_strings_in_fortran_memory_are_encoded_in_c_order() -> None:
    array = data_of(spec_of((4, 3), str))
    peer = Peer(array, compressors=None, dtype="string")
    assert bytes(bind(peer)[0].encode(np.asfortranarray(array))) == peer.chunk


@pytest.mark.parametrize("dtype", ["i4", "f8", "f2", "u8"])
def test_pcodec(dtype: str) -> None:
    pytest.importorskip("pcodec")
    check(data_of(spec_of((6, 8), dtype)), {"serializer": zn.PCodec(level=4), "compressors": None}, True)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_zfpy(dtype: str) -> None:
    zfpy = pytest.importorskip("zfpy")
    serializer = zn.ZFPY(mode=zfpy.mode_fixed_accuracy, tolerance=0.01)
    check(data_of(spec_of((6, 8), dtype)), {"serializer": serializer, "compressors": None}, True)
