"""`exzarr.batches` equals NumPy for the same samples, in every mode, for every kind of array."""

from __future__ import annotations

import gc
import threading
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr import config, telemetry
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import Location
from exzarr.errors import ArgumentError, ChunkCorruptError, ChunkMissingError
from tests.engine.spy import Hook
from tests.engine.tools import assert_same, make, numbered
from tests.stream.batches.tools import layouts, stored
from tests.stream.tools import eventually, stream_threads

SHUFFLES: Any = [False, "chunks", "window", "full"]


@st.composite
def loaders(draw: Any, formats: str = "mapping") -> tuple[Any, Any, int, dict[str, Any]]:
    """Generate arrays, equal NumPy arrays, a batch size, and options."""
    axis = draw(st.integers(0, 3))
    samples = draw(st.integers(0 if draw(st.integers(0, 9)) == 0 else 1, 40))
    given_: dict[str, Any] = {}
    data: dict[str, np.ndarray] = {}
    for name in "abc"[: draw(st.integers(1, 3))]:
        others = draw(st.lists(st.integers(1, 3), min_size=max(axis, 0), max_size=3))
        shape = (*others[:axis], samples, *others[axis:])
        options = draw(layouts(shape))
        if samples == 0 and "shards" not in options:
            options["chunks"] = tuple([max(1, n) for n in shape])
        given_[name], data[name] = stored(shape, **options)
        if draw(st.integers(0, 5)) == 0:
            given_[name] = data[name]
    shuffle = draw(st.sampled_from(SHUFFLES))
    options = {
        "axis": axis,
        "shuffle": shuffle,
        "window": draw(st.none() | st.integers(1, 5)) if shuffle == "window" else None,
        "seed": draw(st.integers(0, 3)),
        "epoch": draw(st.integers(0, 3)),
        "drop_last": draw(st.booleans()),
        "prefetch": draw(st.integers(0, 3)),
        "workers": draw(st.sampled_from([None, 1, 3])),
        "cache_bytes": draw(st.sampled_from([0, 100, 1000, 1 << 20])),
    }
    return given_, data, draw(st.integers(1, samples + 2)), options


@given(loaders(), st.integers(1, 3))
def test_batches_equal_numpy(loader: Any, world_size: int) -> None:
    arrays, data, size, options = loader
    axis, samples = options["axis"], next(iter(data.values())).shape[options["axis"]]
    seen: list[int] = []
    counts = []
    for rank in range(world_size):
        batches = exzarr.batches(arrays, size, rank=rank, world_size=world_size, **options)
        rows = [*batches.indices()]
        got = [*batches]
        assert len(batches) == len(rows) == len(got)
        assert all(len(some) == size for some in rows[:-1])
        counts.append(len(got))
        for some, batch in zip(rows, got, strict=True):
            assert [*batch] == [*data]
            for name, model in data.items():
                assert_same(batch[name], np.take(model, some, axis))
            seen += some.tolist()
    assert len(set(seen)) == len(seen)
    if options["drop_last"]:
        assert set(counts) == {samples // world_size // size}
        assert len(seen) == world_size * size * counts[0]
    else:
        assert sorted(seen) == [*range(samples)]
        assert max(counts) - min(counts) <= 1


@given(loaders())
def test_order_is_independent_of_workers_and_prefetch(loader: Any) -> None:
    arrays, _, size, options = loader
    rows = [some.tolist() for some in exzarr.batches(arrays, size, **options).indices()]
    again = exzarr.batches(arrays, size, **{**options, "prefetch": 7, "workers": 2})
    assert [some.tolist() for some in again.indices()] == rows
    if options["shuffle"] is False:
        assert [*chain(*rows)] == [*range(sum(map(len, rows)))]


@given(loaders(), st.integers(1, 4), st.booleans())
def test_parts_partition_the_batches(loader: Any, count: int, interleaved: bool) -> None:
    arrays, _, size, options = loader
    whole = exzarr.batches(arrays, size, **options)
    parts = [whole.part(index, count, interleaved=interleaved) for index in range(count)]
    assert sum(map(len, parts)) == len(whole)
    expected = [{name: batch[name].tobytes() for name in batch} for batch in whole]
    read = [[{name: batch[name].tobytes() for name in batch} for batch in part] for part in parts]
    if interleaved:
        assert all(part == expected[index::count] for index, part in enumerate(read))
    else:
        assert [*chain(*read)] == expected


# -- results ----------------------------------------------------------------------------------


def test_batches_have_the_form_of_the_argument() -> None:
    a, data = stored((10, 2), chunks=(4, 2))
    labels = np.arange(10)
    assert_same(next(iter(exzarr.batches(a, 4))), data[:4])
    pair = next(iter(exzarr.batches((a, labels), 4)))
    assert isinstance(pair, tuple)
    assert_same(pair[1], labels[:4])
    assert isinstance(next(iter(exzarr.batches([a], 4))), tuple)
    named = next(iter(exzarr.batches({1: a, "y": labels}, 4)))
    assert [*named] == [1, "y"]


def test_the_arrays_of_a_group() -> None:
    group = exzarr.create_group(exzarr.MemoryStore())
    group.create_array("x", data=numbered((9, 2)))
    group.create_array("y", data=numbered((9,)))
    group.create_group("z")
    batch = next(iter(exzarr.batches(group, 5)))
    assert [*batch] == ["x", "y"]
    assert_same(batch["x"], numbered((9, 2))[:5])


@pytest.mark.parametrize("shuffle", SHUFFLES)
@pytest.mark.parametrize("chunk", [1, 6])
def test_a_batch_is_an_array_of_its_own(shuffle: Any, chunk: int) -> None:
    a, data = stored((60, 3), chunks=(chunk, 3))
    loader = exzarr.batches(a, 8, shuffle=shuffle, seed=3)
    rows = [*loader.indices()]
    kept = []
    for batch in loader:
        assert not np.may_share_memory(batch, data)
        assert batch.flags.writeable
        assert batch.flags.c_contiguous
        assert batch.ctypes.data % 64 == 0  # so that JAX uses it without a copy
        kept.append(batch.copy())
        batch[...] = -7
    for some, batch in zip(rows, kept, strict=True):
        assert_same(batch, data[some])


@pytest.mark.parametrize(
    "dtype", ["string", bytes, "U4", "M8[ns]", "bool", "c8", ">f4", [("a", "i2"), ("b", "f8")]]
)
@pytest.mark.parametrize("shuffle", SHUFFLES)
def test_any_data_type(dtype: Any, shuffle: Any) -> None:
    a, data = stored((30, 2), dtype, chunks=(4, 1))
    loader = exzarr.batches(a, 7, shuffle=shuffle)
    for some, batch in zip(loader.indices(), loader, strict=True):
        assert_same(batch, data[some])


def test_chunks_that_are_not_stored() -> None:
    a = make((20, 2), chunks=(5, 2), fill_value=9)
    a[5:10] = 1
    got = np.concatenate([*exzarr.batches(a, 3)])
    assert_same(got, a[...])
    strict = make((20, 2), chunks=(5, 2), store=a.store, fill_value=9, access={"missing": "error"})
    with pytest.raises(ChunkMissingError):
        [*exzarr.batches(strict, 3)]


@pytest.mark.parametrize("kind", ["local", "zip"])
@pytest.mark.parametrize("shuffle", SHUFFLES)
@pytest.mark.parametrize("options", [{}, {"shards": (8, 4)}, {"zarr_format": 2}], ids=["v3", "shards", "v2"])
def test_on_every_store(kind: str, shuffle: Any, options: Any, tmp_path: Path) -> None:
    data = numbered((50, 6))
    path = tmp_path / ("a.zip" if kind == "zip" else "a.zarr")
    with exzarr.ZipStore(path, mode="w") if kind == "zip" else exzarr.LocalStore(path) as store:
        make(data.shape, store=store, chunks=(4, 4), **options)[...] = data
    loader = exzarr.batches(exzarr.open_array(path, mode="r"), 7, shuffle=shuffle)
    for some, batch in zip(loader.indices(), loader, strict=True):
        assert_same(batch, data[some])


# -- epochs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", ["chunks", "window", "full"])
def test_every_pass_is_another_epoch(shuffle: Any) -> None:
    a, _ = stored((64,), "i8", chunks=(4,))
    loader = exzarr.batches(a, 16, shuffle=shuffle, seed=5)
    first, second = np.concatenate([*loader]), np.concatenate([*loader])
    assert loader.epoch == 2
    assert first.tolist() != second.tolist()
    loader.set_epoch(0)
    assert np.concatenate([*loader]).tolist() == first.tolist()
    assert (
        np.concatenate([*exzarr.batches(a, 16, shuffle=shuffle, seed=5, epoch=1)]).tolist() == second.tolist()
    )
    assert np.concatenate([*exzarr.batches(a, 16, shuffle=shuffle, seed=6)]).tolist() != first.tolist()


def test_next_pass_after_a_break_starts_at_the_beginning() -> None:
    a, _ = stored((64,), "i8", chunks=(4,))
    loader = exzarr.batches(a, 16, shuffle="window")
    first = next(iter(loader))
    assert loader.epoch == 0
    assert_same(next(iter(loader)), first)


def test_concurrent_passes_are_independent() -> None:
    a, _ = stored((64,), "i8", chunks=(4,))
    loader = exzarr.batches(a, 16, shuffle="window")
    pairs = [*zip(loader, loader, strict=True)]
    for one, other in pairs:
        assert_same(one, other)


# -- errors -----------------------------------------------------------------------------------


def test_damaged_chunk_raises_in_its_place() -> None:
    a, data = stored((40, 2), chunks=(4, 2))
    a.store.put("c/6/0", b"damaged")
    for prefetch in (0, 3):
        got: list[np.ndarray] = []
        loader = exzarr.batches(a, 4, prefetch=prefetch)
        with config.override(inline_bytes=0), pytest.raises(ChunkCorruptError) as caught:
            got.extend(loader)
        assert caught.value.index == (6, 0)
        # A few blocks are read together, so the error may be raised a little before its own batch.
        assert all(np.array_equal(batch, data[4 * i : 4 * i + 4]) for i, batch in enumerate(got))
        assert loader.state_dict()["batches"] == len(got)
        assert not stream_threads()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch_size": 0}, "batch_size must be a whole number from 1 on, not 0"),
        ({"batch_size": 2.5}, "batch_size must be"),
        ({"shuffle": True}, "shuffle is False, 'chunks', 'window' or 'full', not True"),
        ({"shuffle": "all"}, "shuffle is False"),
        ({"window": 3}, "window is for shuffle='window'"),
        ({"window": 0, "shuffle": "window"}, "window must be"),
        ({"seed": -1}, "seed must be"),
        ({"epoch": -1}, "epoch must be"),
        ({"prefetch": -1}, "prefetch must be"),
        ({"workers": 0}, "workers must be"),
        ({"rank": 2, "world_size": 2}, "rank must be from 0 to world_size - 1, which is 1, not 2"),
        ({"world_size": 0}, "world_size must be"),
        ({"cache_bytes": -5}, "cache_bytes must be"),
        ({"axis": 2}, r"there is no axis 2 in array 0 of shape \(10, 2\)"),
        ({"axis": 0.0}, "axis is the number of a dimension"),
        ({"arrays": []}, "batches of no array"),
        ({"arrays": "x"}, "not of str"),
        ({"arrays": [[1, 2]]}, "not of list"),
        ({"arrays": [np.zeros(3), np.zeros(4)]}, "NumPy array 0 has 3, NumPy array 1 has 4"),
        ({"arrays": {"a": np.zeros((3, 2)), "b": np.zeros(3)}, "axis": -1}, "a negative axis is ambiguous"),
    ],
)
def test_invalid_arguments_are_rejected(wrong: dict[str, Any], message: str) -> None:
    given_: dict[str, Any] = {"arrays": make((10, 2), chunks=(5, 2)), "batch_size": 4, **wrong}
    with pytest.raises(ArgumentError, match=message):
        exzarr.batches(**given_)


def test_an_array_that_was_resized_is_refused() -> None:
    a, _ = stored((10, 2), chunks=(5, 2))
    loader = exzarr.batches(a, 4)
    a.resize((12, 2))
    with pytest.raises(ArgumentError, match="resized"):
        next(iter(loader))


# -- reading ahead ------------------------------------------------------------------------------


@pytest.mark.parametrize("prefetch", [0, 1, 4])
@pytest.mark.parametrize("shuffle", SHUFFLES)
def test_prefetch_bounds_the_batches_made_ahead(prefetch: int, shuffle: Any) -> None:
    a, _ = stored((40, 2), chunks=(1, 2))
    chunks: list[str] = []
    hooked = Array(Location(Hook(a.store, lambda what, key: chunks.append(key)), ""), a.metadata)
    loader = exzarr.batches(hooked, 2, shuffle=shuffle, prefetch=prefetch)
    for i, batch in enumerate(loader):
        assert len(batch) == 2
        ahead = min(20, i + 1 + prefetch) * 2
        assert eventually(lambda: len(chunks) == ahead)  # noqa: B023 - asked for before the next
    assert sorted(chunks) == sorted({*chunks})


def test_a_pass_that_is_dropped_leaves_no_thread() -> None:
    a, _ = stored((4000, 2), chunks=(4, 2))
    for _ in exzarr.batches(a, 2, shuffle="window"):
        break
    gc.collect()
    assert eventually(lambda: not stream_threads())
    with iter(exzarr.batches(a, 2)) as some:
        next(some)
        assert stream_threads()
    assert not stream_threads()
    assert [*some] == []


def test_without_prefetch_no_thread_is_started() -> None:
    a, _ = stored((40, 2), chunks=(4, 2))
    before = threading.active_count()
    for _ in exzarr.batches(a, 4, prefetch=0, workers=1):
        assert threading.active_count() == before


def test_repr_and_explain_show_the_settings() -> None:
    a, _ = stored((40, 2), chunks=(4, 2))
    loader = exzarr.batches(a, 6, shuffle="window", window=3, rank=1, world_size=2, epoch=4)
    assert repr(loader) == "<exzarr.Batches of 6 of 20 samples, shuffle='window' of 3, epoch 4, rank 1 of 2>"
    assert len(loader) == 4


@pytest.mark.parametrize("shuffle", SHUFFLES)
def test_hooks_get_read_and_progress_events(shuffle: Any) -> None:
    a, _ = stored((40, 2), "i4", chunks=(4, 2))
    events: list[Any] = []
    with telemetry.listening(events.append):
        for _ in exzarr.batches(a, 6, shuffle=shuffle):
            pass
    progress = [event for event in events if isinstance(event, telemetry.StreamProgress)]
    assert [(event.stream, event.done, event.total) for event in progress] == [
        ("batches", i + 1, 7) for i in range(7)
    ]
    assert [event.bytes for event in progress] == [8 * 6 * (i + 1) for i in range(6)] + [8 * 40]
    read = [event for event in events if isinstance(event, telemetry.SelectionRead)]
    assert sum(event.bytes for event in read) == 8 * 40
    assert sum(isinstance(event, telemetry.ChunkRead) for event in events) == 10
