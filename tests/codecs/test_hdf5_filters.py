"""exzarr and the filters of hdf5plugin read each other's LZ4 and bitshuffle chunks."""

from __future__ import annotations

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr.codecs.numcodecs.hdf5 import Bitshuffle, LZ4Blocks
from exzarr.errors import CodecError

pytestmark = pytest.mark.slow

CODECS = {
    "lz4": (hdf5plugin.LZ4(), lambda size: LZ4Blocks()),
    "lz4 in blocks": (hdf5plugin.LZ4(nbytes=512), lambda size: LZ4Blocks(blocksize=512)),
    "bits": (hdf5plugin.Bitshuffle(cname="none"), lambda size: Bitshuffle(size)),
    "bits in blocks": (hdf5plugin.Bitshuffle(nelems=64, cname="none"), lambda size: Bitshuffle(size, 64)),
    "bits, lz4": (hdf5plugin.Bitshuffle(cname="lz4"), lambda size: Bitshuffle(size, compression="lz4")),
    "bits in blocks, lz4": (
        hdf5plugin.Bitshuffle(nelems=64, cname="lz4"),
        lambda size: Bitshuffle(size, 64, "lz4"),
    ),
    "bits, zstd": (hdf5plugin.Bitshuffle(cname="zstd"), lambda size: Bitshuffle(size, compression="zstd")),
}


def chunk(codec, data):
    """Return an open in-memory file with a data set of one chunk."""
    file = h5py.File(f"{codec}.h5", "w", driver="core", backing_store=False)
    made = file.create_dataset("a", data=data, chunks=data.shape, **CODECS[codec][0])
    return file, made


@pytest.mark.parametrize("codec", CODECS)
@given(
    size=st.sampled_from([1, 2, 3, 4, 8]),
    length=st.integers(1, 700) | st.sampled_from([8192, 20_001]),
    noise=st.integers(0, 7),
)
def test_hdf5_and_exzarr_read_each_other(codec, size, length, noise):
    data = np.random.default_rng(length).integers(0, 1 << noise, length * size).astype("u1")
    data = data.view("S3" if size == 3 else f"u{size}")
    file, made = chunk(codec, data)
    with file:
        theirs = made.id.read_direct_chunk((0,))[1]
        ours = CODECS[codec][1](size)
        assert bytes(ours.decode(theirs, data.nbytes, data.nbytes)) == data.tobytes()
        encoded = bytes(ours.encode(data.tobytes()))
        assert len(encoded) <= ours.max_encoded_size(data.nbytes)
        made.id.write_direct_chunk((0,), encoded)
        assert (made[...] == data).all()


@pytest.mark.parametrize("codec", CODECS)
def test_damaged_chunks_raise_or_decode_to_the_same_size(codec):
    data = np.arange(3000, dtype="<u2")
    file, made = chunk(codec, data)
    with file:
        stored = made.id.read_direct_chunk((0,))[1]
    ours = CODECS[codec][1](2)
    rng = np.random.default_rng(0)
    for cut in (0, 3, 11, 12, 15, len(stored) - 1):
        with pytest.raises(CodecError):
            ours.decode(stored[:cut], data.nbytes, data.nbytes)
    with pytest.raises(CodecError):
        ours.decode(stored + b"x", data.nbytes, data.nbytes)
    for _ in range(300):
        damaged = bytearray(stored)
        for at in rng.integers(0, min(len(stored), 40), 3):
            damaged[at] = rng.integers(256)
        try:
            assert len(ours.decode(bytes(damaged), data.nbytes, data.nbytes)) == data.nbytes
        except CodecError:
            pass


def test_headers_with_too_large_sizes_allocate_nothing():
    for codec in (LZ4Blocks(), Bitshuffle(8, compression="lz4"), Bitshuffle(8, compression="zstd")):
        for total, block in ((1 << 62, 1 << 20), (1 << 40, 0xFFFFFFF8)):
            header = total.to_bytes(8, "big") + block.to_bytes(4, "big")
            with pytest.raises(CodecError):
                codec.decode(header + bytes(8), total, total)
