"""Telemetry events of worker processes reach the hooks of the process that runs the map."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr import telemetry
from exzarr.telemetry import ChunkRead, ChunkWritten, Event, StoreRequest
from tests.engine.tools import numbered


@pytest.fixture
def array(tmp_path: Path) -> exzarr.Array:
    array = exzarr.create_array(str(tmp_path / "a.zarr"), shape=(32, 32), chunks=(8, 8), dtype="i4")
    array[...] = numbered((32, 32))
    return array


def executors() -> list[Any]:
    return [
        pytest.param(lambda: "processes", True, id="processes"),
        pytest.param(lambda: ProcessPoolExecutor(2, get_context("spawn")), True, id="executor"),
        pytest.param(lambda: "threads", False, id="threads"),
        pytest.param(lambda: ThreadPoolExecutor(2), False, id="thread executor"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("make", "elsewhere"), executors())
def test_events_of_workers_are_forwarded(
    array: exzarr.Array, tmp_path: Path, make: Any, elsewhere: bool
) -> None:
    out = exzarr.create_array(str(tmp_path / "out.zarr"), shape=(32, 32), chunks=(8, 8), dtype="i8")
    heard: list[Event] = []
    executor = make()
    try:
        with telemetry.listening(heard.append), exzarr.profile() as report:
            array.parallel_chunk_map(np.square, workers=2, executor=executor, out=out)
    finally:
        if isinstance(executor, Executor):
            executor.shutdown()
    np.testing.assert_array_equal(out[...], numbered((32, 32)).astype("i8") ** 2)
    read = [event for event in heard if isinstance(event, ChunkRead)]
    written = [event for event in heard if isinstance(event, ChunkWritten)]
    assert Counter(event.index for event in read) == Counter(np.ndindex(4, 4))
    assert Counter(event.index for event in written) == Counter(np.ndindex(4, 4))
    there = {event.process for event in read}
    assert (os.getpid() not in there) if elsewhere else (there == {os.getpid()})
    assert report.total("read").chunks == report.total("write").chunks == 16
    sizes = {
        event.key: event.bytes for event in heard if isinstance(event, StoreRequest) and event.kind == "get"
    }
    for key in array.store.list("c"):
        assert sizes[key] == array.store.size(key)


@pytest.mark.slow
def test_results_are_the_same_with_and_without_hooks(array: exzarr.Array) -> None:
    plain = [*array.parallel_chunk_map(np.sum, workers=2, executor="processes")]
    with exzarr.profile() as report:
        told = [*array.parallel_chunk_map(np.sum, workers=2, executor="processes")]
    assert told == plain
    assert report.total("read").chunks == 16


def test_errors_in_workers_are_the_same_with_hooks(array: exzarr.Array) -> None:
    def fails(data: Any) -> Any:
        raise ValueError("no such luck")

    with exzarr.profile(), pytest.raises(exzarr.ChunkError, match="no such luck"):
        [*array.parallel_chunk_map(fails, workers=1, executor="processes")]
