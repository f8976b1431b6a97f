"""Small chunks are read several at a time, but are returned, fail and are kept one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr._nodes.array import Array
from exzarr.errors import ChunkCorruptError, ChunkError, ChunkStoreError, StoreError
from exzarr.stores.base import Store
from exzarr.stores.local.files import OpenFile
from exzarr.stores.local.store import LocalStore
from exzarr.stores.memory import MemoryStore
from tests.engine.spy import Spy
from tests.engine.tools import assert_same, make, numbered, open_array

KINDS: dict[str, dict[str, Any]] = {
    "raw": {"compressors": None},
    "zstd": {"compressors": "zstd"},
    "blosc": {"compressors": {"id": "blosc", "cname": "lz4"}},
}


@pytest.fixture(params=[None, (64, 64)], ids=["chunks", "shards"])
def shards(request: pytest.FixtureRequest) -> Any:
    return request.param


def small(store: Store, kind: str, shards: Any, shape: tuple[int, ...] = (128, 128), **more: Any) -> Array:
    """Return an array of 8 × 8 chunks."""
    options = {**KINDS[kind], **more, **({"shards": shards} if shards else {})}
    array = make(shape, "i4", store=store, chunks=(8, 8), **options)
    array[...] = numbered(shape)
    return open_array(store)


def owner(array: Any) -> Any:
    """Return the object that owns the memory."""
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return array


@pytest.mark.parametrize("kind", KINDS)
def test_keeping_a_chunk_keeps_no_other_memory(kind: str, shards: Any, tmp_path: Path) -> None:
    array = small(LocalStore(tmp_path / "a"), kind, shards, (130, 125))
    memory = [owner(chunk.data) for chunk in array.chunk_stream()]
    assert len({id(each) for each in memory}) == 17 * 16
    assert max(each.nbytes for each in memory) == 8 * 8 * 4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("region", [None, (slice(5, 120), slice(3, 61))])
def test_chunks_of_many_shards_are_one_piece(kind: str, region: Any, shards: Any, tmp_path: Path) -> None:
    array = small(LocalStore(tmp_path / "a"), kind, shards)
    model = numbered((128, 128))
    indices = []
    for chunk in array.chunk_stream(region, workers=1):
        assert_same(chunk.data, model[chunk.region])
        indices.append(chunk.index)
    assert indices == sorted(indices)


def test_rows_of_a_shard_that_are_read_together_are_one_request() -> None:
    store = MemoryStore()
    small(store, "raw", (64, 64))
    spy = Spy(store)
    array = open_array(spy)
    deep = [*array.chunk_stream(workers=1)]
    assert len(deep) == 256
    # A piece is up to 128 chunks here: 8 rows of both shards.
    assert max(nbytes for _, nbytes in spy.reads) == 64 * 64 * 4


@pytest.mark.parametrize("kind", ["zstd", "blosc"])
def test_a_damaged_chunk_among_many_fails_alone(kind: str, shards: Any, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "a")
    array = small(store, kind, shards)
    if shards:
        path = tmp_path / "a/c/1/0"
        content = bytearray(path.read_bytes())
        content[4:12] = bytes(8)  # in the shard's first inner chunk
        path.write_bytes(content)
        bad = (8, 0)
    else:
        (tmp_path / "a/c/8/3").write_bytes(b"no chunk")
        bad = (8, 3)
    errors: list[ChunkError] = []
    found = {chunk.index: chunk.data for chunk in array.chunk_stream(on_error=errors.append)}  # type: ignore[arg-type]
    assert [error.index for error in errors] == [bad]
    assert isinstance(errors[0], ChunkCorruptError)
    assert len(found) == 255
    assert_same(found[8, 4], numbered((128, 128))[64:72, 32:40])


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that cannot be read")
@pytest.mark.parametrize("kind", KINDS)
def test_a_chunk_that_cannot_be_read_among_many_fails_alone(kind: str, tmp_path: Path) -> None:
    array = small(LocalStore(tmp_path / "a"), kind, None)
    bad = tmp_path / "a/c/8/3"
    bad.unlink()
    bad.symlink_to("/proc/self/mem")  # its first page is unreadable
    missing = tmp_path / "a/c/8/5"
    missing.unlink()
    errors: list[ChunkError] = []
    stream = array.chunk_stream(on_error=errors.append)  # type: ignore[arg-type]
    found = {chunk.index: chunk.data for chunk in stream}
    assert [(error.index, type(error)) for error in errors] == [((8, 3), ChunkStoreError)]
    assert len(found) == 255
    assert stream.stats.missing == 1
    assert not found[8, 5].any()
    assert_same(found[8, 4], numbered((128, 128))[64:72, 32:40])


@given(
    start=st.integers(0, 5000),
    sizes=st.lists(st.integers(0, 9), max_size=9),
    repeats=st.sampled_from([1, 2, 300]),
)
def test_parts_that_lie_in_a_row_are_read_by_one_call(
    start: int, sizes: list[int], repeats: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sizes = sizes * repeats  # 2700 are more than one call takes
    content = np.random.default_rng(0).bytes(5000)
    path = tmp_path_factory.mktemp("scattered") / "value"
    path.write_bytes(content)
    buffers = [memoryview(bytearray(size)) for size in sizes]
    value = OpenFile(str(path))
    try:
        if start + sum(sizes) <= len(content):
            value.read_scattered(buffers, start)
            assert b"".join(buffers) == content[start : start + sum(sizes)]
        else:
            with pytest.raises(StoreError):
                value.read_scattered(buffers, start)
    finally:
        value.close()


@pytest.mark.parametrize("kind", [LocalStore, MemoryStore])
def test_each_key_fails_separately(kind: Any, tmp_path: Path) -> None:
    store = LocalStore(tmp_path) if kind is LocalStore else MemoryStore()
    store.put("a", b"123")
    store.put("b", b"45678")
    buffers = [memoryview(bytearray(4)) for _ in range(5)]
    assert [*store.try_each(["a", "none", "b"], buffers)][:2] == [3, -1]
    found = store.try_each(["a", "../b", "none", "b"], buffers)
    assert (found[0], found[2]) == (3, -1)
    assert isinstance(found[1], Exception)
    assert isinstance(found[3], int)
    assert found[3] > 4
    assert [bytes(buffers[0][:3]), bytes(buffers[3])] == [b"123", b"4567"]
