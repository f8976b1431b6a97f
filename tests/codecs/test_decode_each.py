"""Small chunks that are decoded in one call give the same values and errors as single chunks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given, strategies as st

from exzarr.codecs.zstd import decompress_each
from exzarr.errors import ChunkCorruptError
from exzarr.stores.memory import MemoryStore
from tests.engine.tools import assert_same, make, open_array

SIZE = 64


def frame(value: bytes, *, checksum: bool = True) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=checksum).compress(value)


@given(st.lists(st.binary(min_size=SIZE, max_size=SIZE), min_size=1, max_size=20), st.booleans())
def test_decode_each_returns_the_compressed_values(values: list[bytes], checksum: bool) -> None:
    found = decompress_each([memoryview(frame(v, checksum=checksum)) for v in values], SIZE)
    assert found is not None
    assert [bytes(memoryview(one)) for one in found] == values


GOOD = frame(bytes(range(SIZE)))


@pytest.mark.parametrize(
    "bad",
    [
        GOOD + b"x",
        GOOD + GOOD,
        GOOD[:-1],
        GOOD[:-4],
        GOOD[:12] + bytes([GOOD[12] ^ 1]) + GOOD[13:],
        frame(b"short"),
        zstandard.ZstdCompressor(write_content_size=False).compress(bytes(SIZE)),
        b"",
        b"no frame at all",
    ],
    ids=[
        "trailing byte",
        "two frames",
        "cut",
        "no checksum",
        "flipped bit",
        "short",
        "no size",
        "empty",
        "other",
    ],
)
def test_decode_each_returns_none_for_invalid_frames(bad: bytes) -> None:
    assert decompress_each([GOOD] * 8 + [bad], SIZE) is None


LAYOUTS: dict[str, dict[str, Any]] = {
    "runs": {"chunks": (4, 4)},
    "bands": {"chunks": (1, 64)},
    "shards": {"chunks": (4, 4), "shards": (16, 64)},
    "bands in shards": {"chunks": (1, 64), "shards": (16, 64)},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_reads_with_missing_and_damaged_chunks(layout: str) -> None:
    array = make((16, 64), "f4", compressors="zstd", **LAYOUTS[layout])
    pipeline = array.chunk_source.pipeline
    assert pipeline is None or pipeline.decode_each is not None
    values = np.arange(1, 1025, dtype="f4").reshape(16, 64)
    array[...] = values
    assert_same(array[...], values)
    store = array.store
    assert isinstance(store, MemoryStore)
    if not array.chunk_source.sharded:
        last = "c/3/15" if layout == "runs" else "c/15/0"
        store.delete(last)
        region = np.s_[12:, 60:] if layout == "runs" else np.s_[15:]
        values[region] = 0
        assert_same(open_array(store)[...], values)
    key = next(key for key in sorted(store.list()) if key.startswith("c/"))
    damaged = bytearray(store.get(key) or b"")
    damaged[20] ^= 0xFF
    store.put(key, bytes(damaged))
    with pytest.raises(ChunkCorruptError) as caught:
        open_array(store)[...]
    assert caught.value.key == key
    assert caught.value.index == (0, 0)
