"""`parallel_chunk_map` in threads: results, chunk selection, order, reduction and output."""

from __future__ import annotations

import operator
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr import Chunk, Retry
from exzarr.errors import ArgumentError, ChunkCorruptError, ChunkError, ChunkMissingError, ReadOnlyError
from exzarr.stores import CountingStore
from tests.stream.arrays import LAYOUTS, STORES, blocks, numbers, stored
from tests.stream.tools import eventually, stream_threads


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def memory(data: Any, chunks: Any = (3,), **options: Any) -> exzarr.Array:
    data = np.asarray(data)
    array = exzarr.create_array(None, shape=data.shape, dtype=data.dtype, chunks=chunks, **options)
    array[...] = data
    return array


# -- results -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STORES)
def test_results_come_in_grid_order(layout: str, kind: str, tmp_path: Path) -> None:
    array, data = stored(kind, layout, tmp_path)
    results = list(array.parallel_chunk_map(lambda d: (d.shape, d.sum()), workers=3))
    assert results == [(data[region].shape, data[region].sum()) for _, region in blocks(layout)]


def test_items_come_with_their_chunks_index(layout: str) -> None:
    array, data = stored("memory", layout, Path())
    found = dict(array.parallel_chunk_map(np.max, ordered=False, workers=3).items())
    assert found == {index: data[region].max() for index, region in blocks(layout)}


def test_the_function_can_have_the_chunk(layout: str) -> None:
    array, data = stored("memory", layout, Path())
    chunks = list(array.parallel_chunk_map(lambda chunk: chunk, with_chunk=True))
    assert [(chunk.index, chunk.region) for chunk in chunks] == [*blocks(layout)]
    for chunk in chunks:
        assert type(chunk) is Chunk
        np.testing.assert_array_equal(chunk.data, data[chunk.region])


def test_function_may_change_its_data(layout: str) -> None:
    array, data = stored("memory", layout, Path())

    def doubles(values: np.ndarray) -> np.ndarray:
        values *= 2
        return values

    for found, (_, region) in zip(array.parallel_chunk_map(doubles), blocks(layout), strict=True):
        np.testing.assert_array_equal(found, data[region] * 2)
    np.testing.assert_array_equal(array[...], data)


@pytest.mark.parametrize("shape", [(), (0,), (4, 0)])
def test_arrays_without_dimensions_or_elements(shape: tuple[int, ...]) -> None:
    array = exzarr.full(shape, fill_value=7, chunks=tuple(2 for _ in shape), dtype="i2")
    assert list(array.parallel_chunk_map(lambda d: (d.shape, d.sum()))) == ([((), 7)] if shape == () else [])


def test_a_function_may_return_exceptions_and_nothing() -> None:
    array = memory(range(6))
    assert list(array.parallel_chunk_map(lambda d: None if d[0] else KeyError)) == [KeyError, None]
    (first, _) = array.parallel_chunk_map(lambda _: ValueError("fine"))
    assert isinstance(first, ValueError)


# -- selection of chunks -----------------------------------------------------------------


def test_a_region_crops_its_chunks(layout: str) -> None:
    array, data = stored("memory", layout, Path())
    box = (slice(2, 20), slice(4, 6))
    found = list(array.parallel_chunk_map(lambda chunk: chunk, region=box, with_chunk=True))
    wanted = []
    for index, region in blocks(layout):
        cropped = tuple(
            slice(max(r.start, b.start), min(r.stop, b.stop)) for r, b in zip(region, box, strict=True)
        )
        if all(r.start < r.stop for r in cropped):
            wanted.append((index, cropped))
    assert [(chunk.index, chunk.region) for chunk in found] == wanted
    assert all((chunk.data == data[chunk.region]).all() for chunk in found)


@pytest.mark.parametrize("how", ["predicate", "indices", "mask"])
def test_where_selects_chunks(layout: str, how: str) -> None:
    array, data = stored("memory", layout, Path())
    picked = [(index, region) for index, region in blocks(layout) if sum(index) % 2]
    mask = np.zeros(array.cdata_shape if layout != "rectilinear" else (2, 3), bool)
    mask[tuple(np.transpose([index for index, _ in picked]))] = True
    where: Any = {
        "predicate": lambda index: sum(index) % 2,
        "indices": [index for index, _ in picked],
        "mask": mask,
    }[how]
    stream = array.parallel_chunk_map(np.sum, where=where)
    assert list(stream) == [data[region].sum() for _, region in picked]
    assert stream.stats.chunks == len(picked)


def test_chunks_that_are_not_stored(layout: str) -> None:
    array, data = stored("memory", layout, Path())
    empty = [index for index, region in blocks(layout) if (data[region] == -1).all()]
    assert empty
    filled = array.parallel_chunk_map(np.sum)
    assert len(list(filled)) == len([*blocks(layout)])
    assert filled.stats.missing == len(empty)
    skipped = array.parallel_chunk_map(np.sum, missing="skip")
    assert [index for index, _ in skipped.items()] == [i for i, _ in blocks(layout) if i not in empty]
    assert (skipped.stats.skipped, skipped.stats.missing) == (len(empty), len(empty))
    strict = exzarr.open_array(array.store, missing="error")
    with pytest.raises(ChunkMissingError) as caught:
        list(strict.parallel_chunk_map(np.sum))
    assert caught.value.index == empty[0]
    few = list(strict.parallel_chunk_map(np.sum, missing="skip"))
    assert len(few) == len([*blocks(layout)]) - len(empty)


# -- several arrays ----------------------------------------------------------------------


@pytest.mark.parametrize("other", LAYOUTS)
def test_several_arrays_are_mapped_together(layout: str, other: str, tmp_path: Path) -> None:
    one, data = stored("memory", layout, tmp_path)
    two, _ = stored("memory", other, tmp_path)
    two[...] = data * 3
    found = list(exzarr.parallel_chunk_map(lambda a, b: (b - a).sum(), [one, two]))
    assert found == [(data[region] * 2).sum() for _, region in blocks(layout)]


def test_each_array_has_a_chunk_of_its_own() -> None:
    one, two = memory(range(5)), memory(np.arange(5) / 2, chunks=(4,))
    found = list(
        exzarr.parallel_chunk_map(
            lambda a, b: (a.index, a.data.dtype, b.data.dtype, b.region), (one, two), with_chunk=True
        )
    )
    assert found == [((0,), "i8", "f8", (slice(0, 3),)), ((1,), "i8", "f8", (slice(3, 5),))]


def test_a_chunk_that_one_of_the_arrays_has_is_not_missing() -> None:
    one, two = memory([0, 0, 0, 0, 0, 0, 1, 1]), memory([0, 0, 0, 5, 5, 5, 0, 0], fill_value=0)
    stream = exzarr.parallel_chunk_map(lambda a, b: (a.sum(), b.sum()), [one, two], missing="skip")
    assert dict(stream.items()) == {(1,): (0, 15), (2,): (2, 0)}
    assert (stream.stats.skipped, stream.stats.missing) == (1, 4)


def test_arrays_of_different_shapes_are_not_mapped_together() -> None:
    with pytest.raises(ArgumentError, match=r"have one shape: \(5,\) and \(6,\)"):
        exzarr.parallel_chunk_map(operator.add, [memory(range(5)), memory(range(6))])
    with pytest.raises(ArgumentError, match="no array"):
        exzarr.parallel_chunk_map(operator.add, [])
    with pytest.raises(ArgumentError, match="for exzarr arrays, not ndarray"):
        exzarr.parallel_chunk_map(operator.add, np.arange(3))  # type: ignore[arg-type]


# -- reduce ------------------------------------------------------------------------------


def test_results_are_reduced(layout: str) -> None:
    array, data = stored("memory", layout, Path())
    assert array.parallel_chunk_map(np.sum, reduce=operator.add) == data.sum()
    assert array.parallel_chunk_map(np.max, reduce=np.maximum, ordered=False, workers=3) == data.max()
    assert array.parallel_chunk_map(np.sum, reduce=operator.add, initial=100) == data.sum() + 100
    histogram = array.parallel_chunk_map(
        lambda d: np.histogram(d, bins=5, range=(-1, 400))[0], reduce=operator.iadd
    )
    np.testing.assert_array_equal(histogram, np.histogram(data, bins=5, range=(-1, 400))[0])


def test_reduction_order_is_independent_of_workers() -> None:
    array = memory(np.arange(40), chunks=(3,))
    wanted = None
    for workers in (1, 2, 5):
        for _ in range(3):
            found = array.parallel_chunk_map(
                lambda d: str(d[0]), reduce=lambda a, b: f"({a} {b})", workers=workers, prefetch=workers
            )
            wanted = wanted or found
            assert found == wanted
    assert wanted == "((((0 3) (6 9)) ((12 15) (18 21))) (((24 27) (30 33)) (36 39)))"


def test_nothing_to_reduce() -> None:
    array = memory(range(6))
    assert array.parallel_chunk_map(np.sum, where=[], reduce=operator.add, initial=5) == 5
    with pytest.raises(ArgumentError, match="initial value"):
        array.parallel_chunk_map(np.sum, where=[], reduce=operator.add)
    with pytest.raises(ArgumentError, match="there is no reduce"):
        array.parallel_chunk_map(np.sum, initial=5)


# -- out ---------------------------------------------------------------------------------


@pytest.mark.parametrize("target", LAYOUTS)
def test_results_are_written_to_any_chunk_grid(layout: str, target: str, tmp_path: Path) -> None:
    array, data = stored("memory", layout, tmp_path)
    out, _ = stored("local", target, tmp_path)
    stats = array.parallel_chunk_map(lambda d: d * 2 + 1, out=out, workers=4)
    assert stats.chunks == len([*blocks(layout)])
    np.testing.assert_array_equal(out[...], data * 2 + 1)


@given(st.data())
def test_no_result_is_lost_at_the_borders_of_chunks(drawn: st.DataObject) -> None:
    shape = drawn.draw(st.lists(st.integers(1, 12), min_size=1, max_size=2), label="shape")
    sizes = st.tuples(*[st.integers(1, 7)] * len(shape))
    data = numbers(tuple(shape))
    array = memory(data, chunks=drawn.draw(sizes, label="chunks"))
    inner = drawn.draw(sizes, label="out's chunks")
    times = drawn.draw(st.none() | st.integers(1, 3), label="of its shards")
    out = exzarr.create_array(
        None,
        shape=data.shape,
        dtype="i8",
        chunks=inner,
        shards=None if times is None else tuple(n * times for n in inner),
    )
    array.parallel_chunk_map(np.negative, out=out, workers=3)
    np.testing.assert_array_equal(out[...], -data)


@pytest.mark.parametrize("where", [None, lambda _: True])
def test_each_shard_is_written_once(where: Any) -> None:
    data = numbers((40, 24))
    array = memory(data, chunks=(5, 4))
    store = CountingStore(exzarr.MemoryStore())
    out = exzarr.create_array(store, shape=data.shape, dtype="i8", chunks=(5, 4), shards=(20, 8))
    store.reset()
    array.parallel_chunk_map(np.negative, out=out, where=where, workers=3)
    np.testing.assert_array_equal(out[...], -data)
    assert store.requests["put"] == 6


def test_only_mapped_regions_are_written() -> None:
    array, out = memory(range(10)), memory(np.full(10, -5.0), chunks=(4,))
    array.parallel_chunk_map(np.sqrt, out=out, region=slice(2, 8), where=lambda index: index != (1,))
    wanted = np.full(10, -5.0)
    wanted[[2, 6, 7]] = np.sqrt([2, 6, 7])
    np.testing.assert_array_equal(out[...], wanted)


@pytest.mark.parametrize("chunks", [(3,), (4,)], ids=["direct", "across"])
def test_result_of_wrong_shape_is_an_error(chunks: tuple[int, ...]) -> None:
    array, out = memory(range(6)), memory(np.zeros(6), chunks=chunks)
    with pytest.raises(ChunkError, match=r"fn returned a result of shape \(\) for a region of shape \(3,\)"):
        array.parallel_chunk_map(np.sum, out=out)
    with pytest.raises(ChunkError, match="fn returned None"):
        array.parallel_chunk_map(lambda _: None, out=out)
    stats = array.parallel_chunk_map(lambda d: d[: 3 - d[0]], out=out, on_error="skip")
    assert (stats.chunks, stats.failed) == (1, 1)
    np.testing.assert_array_equal(out[...], [0, 1, 2, 0, 0, 0])


def test_invalid_out_is_rejected(tmp_path: Path) -> None:
    array, _ = stored("local", "v3", tmp_path)
    with pytest.raises(ArgumentError, match="would be mapped twice"):
        array.parallel_chunk_map(np.negative, out=exzarr.open_array(tmp_path / "a.zarr"))
    with pytest.raises(ReadOnlyError, match="mode='r\\+'"):
        memory(numbers(), chunks=(3, 3)).parallel_chunk_map(
            np.negative, out=exzarr.open_array(tmp_path / "a.zarr", mode="r")
        )
    with pytest.raises(ArgumentError, match="have one shape"):
        array.parallel_chunk_map(np.negative, out=memory(range(4)))
    with pytest.raises(ArgumentError, match="not both"):
        array.parallel_chunk_map(np.negative, out=memory(numbers(), chunks=(3, 3)), reduce=operator.add)


# -- failures ----------------------------------------------------------------------------


def fails_at(*where: int) -> Any:
    def fails(data: np.ndarray) -> Any:
        if data[0] in where:
            raise ValueError(f"no {data[0]}")
        return data[0]

    return fails


@pytest.mark.parametrize("timeout", [None, 60])
def test_a_failure_names_the_chunk_and_has_what_was_raised_as_its_cause(timeout: float | None) -> None:
    array = memory(range(12))
    stream = array.parallel_chunk_map(fails_at(6, 9), timeout=timeout)
    assert [next(stream), next(stream)] == [0, 3]
    with pytest.raises(
        ChunkError, match=r"chunk \(2,\) of array '/' \(key 'c/2'\): ValueError: no 6"
    ) as caught:
        next(stream)
    assert type(caught.value.__cause__) is ValueError
    assert list(stream) == []
    assert eventually(lambda: not stream_threads())


@pytest.mark.parametrize("timeout", [None, 60])
def test_failures_can_be_skipped_or_passed_to_a_callable(timeout: float | None) -> None:
    array = memory(range(12))
    stream = array.parallel_chunk_map(fails_at(3, 9), on_error="skip", timeout=timeout)
    assert list(stream) == [0, 6]
    assert (stream.stats.chunks, stream.stats.failed) == (2, 2)
    told: list[Any] = []
    total = array.parallel_chunk_map(
        fails_at(3, 9), on_error=told.append, reduce=operator.add, timeout=timeout
    )
    assert total == 6
    assert [error.index for error in told] == [(1,), (3,)]

    def refuses(error: Exception) -> None:
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        list(array.parallel_chunk_map(fails_at(3), on_error=refuses, timeout=timeout))


@pytest.mark.parametrize("timeout", [None, 60])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_failures_are_retried_as_often_as_specified(timeout: float | None, times: int) -> None:
    array, calls, lock = memory(range(12)), [0] * 12, threading.Lock()

    def fails(data: np.ndarray) -> int:
        with lock:
            calls[data[0]] += 1
        if data[0] == 6 and calls[6] <= times:
            raise ConnectionError("gone for a moment")
        return int(data[0])

    retry = Retry(attempts=3, wait_initial=0, wait_jitter=0)
    stream = array.parallel_chunk_map(fails, retries=retry, on_error="skip", timeout=timeout)
    assert list(stream) == ([0, 3, 6, 9] if times < 3 else [0, 3, 9])
    assert calls[6] == min(3, times + 1)
    assert calls[0] == calls[3] == calls[9] == 1
    assert stream.stats.retries == min(2, times)


def test_permanent_errors_are_not_retried() -> None:
    calls: list[int] = []

    def fails(data: np.ndarray) -> None:
        calls.append(data[0])
        raise ValueError

    with pytest.raises(ChunkError):
        list(memory([1]).parallel_chunk_map(fails, retries=5))
    assert calls == [1]
    quick = Retry(on=ChunkError, attempts=4, wait_initial=0, wait_jitter=0)
    with pytest.raises(ChunkError):
        list(memory([1]).parallel_chunk_map(fails, retries=quick))
    assert calls == [1] * 5


def test_damage_is_reported_as_damage(layout: str, tmp_path: Path) -> None:
    array, _ = stored("local", layout, tmp_path)
    key = min(key for key in array.store.list() if not key.rpartition("/")[2].startswith((".z", "zarr")))
    value = bytes(array.store.get(key) or b"")
    array.store.put(key, value[: len(value) * 2 // 3])
    stream = array.parallel_chunk_map(np.sum, on_error=lambda error: found.append(error))
    found: list[Exception] = []
    list(stream)
    assert found
    assert all(isinstance(error, ChunkCorruptError) for error in found)
    assert {error.index for error in found} <= {index for index, _ in blocks(layout)}  # type: ignore[attr-defined]


# -- a lazy stream -----------------------------------------------------------------------


def test_workers_and_prefetch_bound_the_work_ahead() -> None:
    started: list[int] = []
    array = memory(range(300))
    with array.parallel_chunk_map(lambda d: started.append(d[0]), workers=2, prefetch=3) as stream:
        assert started == []
        for number in range(1, 20):
            next(stream)
            assert len(started) <= number - 1 + 2 + 3
    assert eventually(lambda: not stream_threads())


@pytest.mark.parametrize("how", ["close", "with", "drop", "exception"])
def test_leaving_early_ends_the_threads(how: str) -> None:
    array = memory(range(300))
    stream = array.parallel_chunk_map(np.sum, workers=2, prefetch=2)
    next(stream)
    assert stream_threads()
    if how == "close":
        stream.close()
        stream.close()
        assert list(stream) == []
    elif how == "with":
        with stream:
            pass
    elif how == "drop":
        del stream
    else:
        with pytest.raises(ZeroDivisionError), stream:
            raise ZeroDivisionError
    assert eventually(lambda: not stream_threads())


def test_overdue_thread_is_abandoned() -> None:
    release = threading.Event()
    array = memory(range(12))

    def slow(data: np.ndarray) -> int:
        if data[0] == 3:
            release.wait()
        return int(data[0])

    told: list[Any] = []
    try:
        # On a busy machine other chunks may take as long.
        results = list(array.parallel_chunk_map(slow, timeout=0.3, on_error=told.append, workers=2))
        late = [error.index for error in told]
        assert (1,) in late
        assert results == [3 * i for i in range(4) if (i,) not in late]
        assert all(isinstance(error, TimeoutError) for error in told)
        assert "longer than 0.3 s" in str(told[0])
    finally:
        release.set()
    assert eventually(lambda: not stream_threads())


def test_stats_and_progress_count_everything_and_end_at_total() -> None:
    array = memory(np.where(np.arange(30) < 6, 0, np.arange(30)))
    seen: list[tuple[int, int]] = []
    stream = array.parallel_chunk_map(
        fails_at(12),
        where=lambda index: index != (5,),
        missing="skip",
        on_error="skip",
        progress=lambda done, total: seen.append((done, total)),
    )
    results = list(stream)
    assert len(results) == 6
    stats = stream.stats
    assert (stats.chunks, stats.failed, stats.skipped, stats.missing) == (6, 1, 3, 2)
    assert stats.bytes == 6 * 3 * 8
    assert stats.seconds > 0
    assert stream.total == 10
    assert seen[-1] == (10, 10)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


# -- arguments ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"workers": 0}, "workers must be a positive number, not 0"),
        ({"prefetch": -1}, "prefetch must not be negative"),
        ({"timeout": 0}, "timeout is a number of seconds"),
        ({"retries": -1}, "retries= must be None, a number of further attempts"),
        ({"on_error": "ignore"}, "on_error must be 'raise', 'skip' or a callable"),
        ({"missing": "zero"}, "missing is 'fill' or 'skip'"),
        ({"executor": "greenlets"}, "executor is 'threads', 'processes', a concurrent.futures.Executor"),
        ({"progress": 3}, "progress is True, False, or something to call"),
    ],
)
def test_invalid_arguments_are_rejected(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ArgumentError, match=told):
        memory(range(6)).parallel_chunk_map(np.sum, **options)


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("where", ["in next", "in the loop"])
def test_ctrl_c_does_not_wait_for_threads(where: str) -> None:
    array = memory(range(12))
    begun, release, main = threading.Event(), threading.Event(), threading.get_ident()

    def stuck(data: np.ndarray) -> None:
        if data[0]:
            begun.set()
            release.wait()

    def loop() -> None:
        with array.parallel_chunk_map(stuck, workers=1, prefetch=2) as stream:
            next(stream)
            begun.wait()
            if where == "in the loop":
                raise KeyboardInterrupt
            threading.Timer(0.05, signal.pthread_kill, [main, signal.SIGINT]).start()
            next(stream)

    try:
        with pytest.raises(KeyboardInterrupt):
            loop()
        assert not release.is_set()
        assert stream_threads()
    finally:
        release.set()
    assert eventually(lambda: not stream_threads())


def test_close_stops_a_piece_in_progress() -> None:
    seen: list[int] = []
    begun, release = threading.Event(), threading.Event()

    def slow(data: np.ndarray) -> None:
        seen.append(int(data[0]))
        if len(seen) == 4:  # pieces have 1, 2, 4, ... chunks
            begun.set()
            release.wait()

    array = memory(range(3000))
    stream = array.parallel_chunk_map(slow, workers=1, prefetch=100)
    next(stream)
    begun.wait()
    threading.Timer(0.05, release.set).start()
    stream.close()
    assert len(seen) == 4
