"""The engine requests only the bytes that it requires, in few requests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from exzarr import config
from exzarr._engine.strategy import coalesce
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import Location
from exzarr.codecs import registry
from exzarr.codecs.base import BytesBytesCodec
from exzarr.stores.local.store import LocalStore
from exzarr.stores.memory import MemoryStore
from tests.engine.spy import Spy
from tests.engine.tools import SHARES, assert_same, contents, make, numbered, open_array, raw

GZIP = {"name": "gzip", "configuration": {"level": 1}}
"""A codec chain slow enough that threads pay off."""


def spied(array: Array, **access: Any) -> tuple[Array, Spy]:
    spy = Spy(array.store)
    return Array(Location(spy, array.path), array.metadata, **access), spy


# -- reading ---------------------------------------------------------------------------------------


def test_raw_chunk_is_read_only_in_selected_bytes() -> None:
    array, spy = spied(raw((100, 100), "f8", chunks=(50, 50)))
    model = numbered((100, 100), "f8")
    array[...] = model
    windows: list[tuple[Any, int]] = [
        (np.s_[7, 3], 8),
        (np.s_[7, 3:20], 17 * 8),
        (np.s_[7:9, 3], (50 + 1) * 8),
        (np.s_[7, 40:60], 20 * 8),
        (np.s_[60:62, ::25], 2 * (50 + 26) * 8),
    ]
    for selection, fetched in windows:
        spy.reads.clear()
        assert_same(array[selection], model[selection])
        assert sum(n for _, n in spy.reads) == fetched


def test_raw_contiguous_rows_are_read_only_in_selected_rows() -> None:
    array, spy = spied(raw((100, 8), "i4", chunks=(40, 8)))
    model = numbered((100, 8))
    array[...] = model
    spy.reads.clear()
    assert_same(array[38:43], model[38:43])
    assert_same(array.oindex[[5, 39, 99]], model[[5, 39, 99]])
    assert [n for _, n in spy.reads] == [2 * 32, 3 * 32, 40 * 32, 32]


def test_each_chunk_takes_one_read() -> None:
    array, spy = spied(make((20, 20), chunks=(3, 4)))
    array[...] = numbered((20, 20))
    for selection in (np.s_[...], np.s_[::-2, 3:17], [[0, 1, 19, 0], [0, 0, 19, 1]], np.eye(20, dtype=bool)):
        spy.reads.clear()
        array[tuple(selection) if isinstance(selection, list) else selection]
        keys = [key for key, _ in spy.reads]
        assert len(keys) == len(set(keys))


def test_empty_selection_makes_no_request() -> None:
    array, spy = spied(make((20, 20), chunks=(3, 4)))
    assert array[3:3].shape == (0, 20)
    array[3:3] = 7
    array.vindex[[], []] = 1
    assert not spy.reads
    assert not spy.writes


def test_large_reads_are_shared_between_threads_and_small_ones_are_not() -> None:
    array, spy = spied(make((512, 512), "f8", chunks=(64, 64), compressors=GZIP))
    array[...] = np.random.default_rng(0).normal(size=(512, 512))
    with config.override(workers=2):
        for _ in range(20):
            array[...]
            if len(spy.threads) > 1:
                break
        assert len(spy.threads) == 2
        spy.threads.clear()
        array[:64, :64]
        array[5, 5]
        assert len(spy.threads) == 1


# -- shards ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("store", ["memory", "local"])
def test_a_shards_index_is_read_once_until_the_shard_changes(store: str, tmp_path: Any) -> None:
    inner = MemoryStore() if store == "memory" else LocalStore(tmp_path)
    spy = Spy(inner)
    array = make((64, 64), "u1", chunks=(4, 4), shards=(64, 64), compressors=None, store=spy)
    array[...] = numbered((64, 64), "u1")
    index_size = 256 * 16 + 4
    spy.reads.clear()
    for i in range(5):
        assert array[i, i] == numbered((64, 64), "u1")[i, i]
    assert [n for _, n in spy.reads].count(index_size) == 1
    array[0, 0] = 99
    spy.reads.clear()
    assert array[0, 0] == 99
    assert [n for _, n in spy.reads] == [index_size, 16]
    other = open_array(inner)
    other[0, 0] = 100
    assert array[0, 0] == 100


def test_the_cache_of_indexes_is_bounded() -> None:
    array = make((256, 8), "u1", chunks=(1, 8), shards=(8, 8), compressors=None)
    array[...] = numbered((256, 8), "u1")
    layout = array.chunk_source.layout
    assert layout is not None
    with config.override(shard_index_cache=1000):
        array[...]
        assert 0 < len(layout._cache) <= 1000 // (16 * 8)
        assert layout._cache.nbytes <= 1000
        assert_same(array[...], numbered((256, 8), "u1"))
    with config.override(shard_index_cache=0):
        array[...]
        assert not layout._cache


def test_cache_locked_during_a_fork_blocks_no_reader() -> None:
    array = make((16, 8), "u1", chunks=(1, 8), shards=(8, 8), compressors=None)
    array[...] = numbered((16, 8), "u1")
    layout = array.chunk_source.layout
    assert layout is not None
    with layout._cache.lock:
        assert_same(array[...], numbered((16, 8), "u1"))


def test_ranges_of_a_shard_are_joined() -> None:
    array, spy = spied(make((8, 64), "u1", chunks=(1, 64), shards=(8, 64), compressors=None))
    array[...] = numbered((8, 64), "u1")
    for gap, most, ranges in [
        (0, 1 << 20, [64, 64, 64]),
        (64, 1 << 20, [5 * 64]),
        (63, 1 << 20, [64, 64, 64]),
        (64, 3 * 64, [3 * 64, 64]),
        (64, 1, [64, 64, 64]),
    ]:
        with config.override(workers=1, coalesce_gap=gap, coalesce_max=most):
            spy.reads.clear()
            assert_same(array[1:6:2], numbered((8, 64), "u1")[1:6:2])
            assert [n for _, n in spy.reads if n != 8 * 16 + 4] == ranges


def test_coalescing_covers_every_range_within_the_limits() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        starts = np.sort(rng.integers(0, 500, rng.integers(1, 20)))
        wanted = [(int(s), int(rng.integers(0, 30))) for s in starts]
        gap, most = int(rng.integers(0, 40)), int(rng.integers(1, 200))
        covered = 0
        for begin, end, first, until in coalesce(wanted, gap, most):
            assert first == covered
            covered = until
            part = wanted[first:until]
            assert begin == part[0][0]
            assert end == max(s + n for s, n in part)
            assert len(part) == 1 or end - begin <= max(most, *[n for _, n in part])
        assert covered == len(wanted)


@pytest.mark.parametrize("location", ["start", "end"])
def test_one_large_shard_is_shared_between_threads(location: str) -> None:
    shards = {"shape": (512, 512), "index_location": location}
    array, spy = spied(make((512, 512), "f8", chunks=(64, 64), shards=shards, compressors=GZIP))
    model = np.random.default_rng(0).normal(size=(512, 512))
    array[...] = model
    with config.override(**SHARES):
        for selection in (
            np.s_[...],
            np.s_[3:250, 5:100],
            np.s_[17, :],
            np.s_[:, 17],
            np.s_[::3, ::-5],
            [4, 200, 9],
        ):
            assert_same(array[selection], model[selection])
        for _ in range(50):
            spy.threads.clear()
            array[...]
            if len(spy.threads) > 1:
                break
        assert len(spy.threads) == 2


# -- writing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shards", [None, (8, 8)])
def test_whole_chunks_are_written_without_reading(shards: Any) -> None:
    array, spy = spied(make((24, 32), chunks=(4, 4), shards=shards))
    array[...] = numbered((24, 32))
    array[8:] = 3
    array[:, 8:16] = numbered((24, 8))
    assert not spy.reads
    array[:9] = 1
    assert spy.reads


@pytest.mark.parametrize("shards", [None, (8, 8)])
def test_covered_chunks_are_only_read_at_the_end_of_the_array(shards: Any) -> None:
    array, spy = spied(make((19, 16), chunks=(4, 4), shards=shards))
    array[...] = numbered((19, 16))
    assert {key for key, _ in spy.reads} == {
        f"c/{4 if shards is None else 2}/{j}" for j in range(4)[: 4 if shards is None else 2]
    }


def test_chunks_of_only_the_fill_value_are_not_stored() -> None:
    for shards in (None, (4, 4)):
        array = make((8, 8), "f4", chunks=(2, 2), shards=shards, fill_value=np.nan)
        empty = contents(array.store)
        array[...] = np.nan
        assert contents(array.store) == empty
        array[:] = 1
        array[:4] = np.nan
        assert sorted(array.store.list("c")) == sorted(
            [f"c/{i}/{j}" for i in (2, 3) for j in range(4)] if shards is None else ["c/1/0", "c/1/1"]
        )
        array[4:] = np.nan
        assert contents(array.store) == empty
        # Compared bit by bit: -0.0 differs from 0.0, and one NaN from another.
        zero = make((4,), "f4", chunks=(2,), shards=None if shards is None else (4,))
        zero[:] = -0.0
        assert len([*zero.store.list("c")]) > 0
        assert np.signbit(zero[:]).all()


@pytest.mark.parametrize("how", ["access", "config"])
@pytest.mark.parametrize("shards", [None, (4, 4)])
def test_empty_chunks_are_stored_on_request(how: str, shards: Any) -> None:
    array = make((8, 8), chunks=(2, 2), shards=shards, access={"write_empty_chunks": how == "access"})
    with config.override(write_empty_chunks=how == "config"):
        array[:4] = 0
    assert len([*array.store.list("c")]) == (8 if shards is None else 2)
    strict = open_array(array.store, missing="error")
    assert_same(strict[:4], np.zeros((4, 8), "i4"))


@pytest.mark.parametrize("shared", [False, True])
def test_partial_shard_write_keeps_other_inner_chunks(shared: bool) -> None:
    parts: list[tuple[Any, int]] = [
        (np.s_[3, 3], -1),
        (np.s_[5:20, 7:9], -2),
        (np.s_[::7, 1::3], -3),
        (np.s_[0:4, 0:4], 0),
    ]
    array = make((32, 32), chunks=(4, 4), shards=(16, 16))
    model = numbered((32, 32))
    array[...] = model
    with config.override(**(SHARES if shared else {"workers": 1})):
        for region, value in parts:
            array[region] = model[region] = value
            assert_same(array[...], model)


# -- scratch memory --------------------------------------------------------------------------------------


class Nested(BytesBytesCodec):
    """Codec that reads another array while it decodes, as a codec with a stored table does."""

    name = "tests.nested"
    table: Any = None

    @classmethod
    def from_config(cls, configuration: Any) -> Any:
        return cls()

    def to_config(self) -> dict[str, Any]:
        return {}

    def encode(self, data: Any) -> bytes:
        return bytes(data)

    def decode(self, data: Any, size: Any, limit: int) -> Any:
        assert_same(Nested.table[...], numbered(Nested.table.shape, Nested.table.dtype))
        return data


@pytest.mark.parametrize("shards", [None, (24, 32)])
@pytest.mark.parametrize("chunks", [(6, 8), (6, 32)])
def test_nested_reads_use_separate_scratch_memory(chunks: Any, shards: Any) -> None:
    registry.register(Nested.name, Nested)
    for table_chunks in ((5, 7), (5, 40)):
        Nested.table = make((40, 40), "i4", chunks=table_chunks)
        Nested.table[...] = numbered((40, 40))
        array = make((24, 32), "i4", chunks=chunks, shards=shards, compressors=[{"name": Nested.name}])
        array[...] = numbered((24, 32))
        assert_same(array[...], numbered((24, 32)))
        assert_same(array[3:20, 5:30], numbered((24, 32))[3:20, 5:30])
