"""Batches through a cache of decoded chunks on disk equal NumPy, in any state of the cache."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr import telemetry
from exzarr.errors import ArgumentError, CacheWarning
from exzarr.stores import DiskCache, LatencyStore, LocalStore
from tests.breadth import examples
from tests.engine.tools import assert_same, numbered
from tests.stream.batches.tools import layouts, stored

SHUFFLES: Any = [False, "chunks", "window", "full"]


def chunks_decoded(batches: Any) -> int:
    """Run a pass; return how many chunks were decoded."""
    events: list[Any] = []
    with telemetry.listening(events.append):
        for _ in batches:
            pass
    return sum(isinstance(event, telemetry.ChunkRead) for event in events)


@st.composite
def cases(draw: Any) -> tuple[list[tuple[tuple[int, ...], dict[str, Any]]], int, dict[str, Any]]:
    samples, axis = draw(st.integers(1, 40)), draw(st.integers(0, 1))
    arrays = []
    for _ in range(draw(st.integers(1, 2))):
        others = draw(st.lists(st.integers(1, 3), min_size=axis, max_size=2))
        shape = (*others[:axis], samples, *others[axis:])
        arrays.append((shape, draw(layouts(shape))))
    shuffle = draw(st.sampled_from(SHUFFLES))
    options = {
        "axis": axis,
        "shuffle": shuffle,
        "seed": draw(st.integers(0, 3)),
        "cache_bytes": draw(st.sampled_from([0, 100, 1 << 20])),
    }
    return arrays, draw(st.integers(1, samples + 2)), options


@given(cases(), st.data())
@examples(12)
def test_batches_with_a_cache_equal_numpy(case: Any, data: st.DataObject) -> None:
    given_, size, options = case
    with tempfile.TemporaryDirectory() as folder:
        arrays, models = zip(
            *[
                stored(shape, store=LocalStore(f"{folder}/{i}"), **kind)
                for i, (shape, kind) in enumerate(given_)
            ],
            strict=True,
        )
        cache = DiskCache(f"{folder}/cache", data.draw(st.sampled_from([5000, 10**6])))
        samples, axis = models[0].shape[options["axis"]], options["axis"]
        some = sorted(data.draw(st.sets(st.integers(0, samples - 1), min_size=1)))
        for rank in (0, 1, 0):
            loader = exzarr.batches(arrays, size, rank=rank, world_size=2, cache=cache, **options)
            for batches in (loader, loader.subset(some)):
                for rows, batch in zip(batches.indices(), batches, strict=True):
                    for got, model in zip(batch, models, strict=True):
                        assert_same(got, np.take(model, rows, axis))
            at = tuple([data.draw(st.integers(0, n - 1)) for n in models[0].shape])
            arrays[0][at] = models[0][at] = data.draw(st.integers(-9, 9))


@pytest.mark.parametrize("shuffle", SHUFFLES)
@pytest.mark.parametrize("options", [{}, {"shards": (40, 3)}], ids=["plain", "shards"])
def test_later_runs_decode_nothing(shuffle: Any, options: Any, tmp_path: Path) -> None:
    array = exzarr.create_array(tmp_path / "a.zarr", data=numbered((200, 3)), chunks=(10, 3), **options)
    assert chunks_decoded(exzarr.batches(array, 16, shuffle=shuffle, cache=tmp_path / "cache")) == 20
    again = exzarr.batches(
        exzarr.open_array(tmp_path / "a.zarr"), 16, shuffle=shuffle, cache=tmp_path / "cache"
    )
    assert "or taken from the cache on disk" in str(again.explain())
    assert chunks_decoded(again) == 0
    # A changed chunk, and only this one (the shard of four), is read again.
    array[57] = -1
    assert chunks_decoded(again) == (4 if options else 1)
    assert chunks_decoded(again) == 0
    (got,) = exzarr.batches(array, 200, cache=tmp_path / "cache")
    assert_same(got, array[...])


def test_splits_and_loaders_share_the_cache(tmp_path: Path) -> None:
    array = exzarr.create_array(tmp_path / "a.zarr", data=numbered((200, 3)), chunks=(10, 3))
    loader = exzarr.batches(array, 16, cache=tmp_path / "cache")
    unaligned = loader.split((0.5, 0.5), align=False)
    assert [chunks_decoded(part) for part in unaligned] == [20, 0]
    weighted = loader.replace(shuffle="full").weighted(np.arange(200))
    assert chunks_decoded(weighted) == 0
    other = exzarr.create_array(tmp_path / "b.zarr", data=numbered((200, 3)) + 1, chunks=(10, 3))
    (got,) = exzarr.batches(other, 200, cache=loader._settings.cache)
    assert_same(got, other[...])


def test_an_append_keeps_the_entries_of_whole_chunks(tmp_path: Path) -> None:
    array = exzarr.create_array(tmp_path / "a.zarr", data=numbered((25, 3)), chunks=(10, 3))
    assert chunks_decoded(exzarr.batches(array, 16, cache=tmp_path / "cache")) == 3
    array.append(numbered((10, 3)))
    batches = exzarr.batches(array, 35, cache=tmp_path / "cache")
    assert chunks_decoded(batches) == 2
    assert_same(next(iter(batches)), array[...])


def test_chunks_of_variable_length_are_not_cached(tmp_path: Path) -> None:
    words = exzarr.create_array(
        tmp_path / "w.zarr", data=np.array(["a", "bc"] * 10), dtype="string", chunks=(5,)
    )
    numbers = exzarr.create_array(tmp_path / "n.zarr", data=np.arange(20), chunks=(5,))
    batches = exzarr.batches((words, numbers), 10, cache=tmp_path / "cache")
    one, other = batches.explain().reads
    assert "cache on disk" not in one.how
    assert "cache on disk" in other.how
    for _ in range(2):
        got = [*batches]
        assert_same(np.concatenate([batch[0] for batch in got]), words[...])


def test_damaged_entries_are_read_again(tmp_path: Path) -> None:
    array = exzarr.create_array(tmp_path / "a.zarr", data=numbered((40, 3)), chunks=(10, 3))
    batches = exzarr.batches(array, 40, cache=tmp_path / "cache")
    assert chunks_decoded(batches) == 4
    files = sorted(path for path in (tmp_path / "cache").rglob("*") if path.is_file())
    files[0].write_bytes(files[0].read_bytes()[:-5])
    files[1].write_bytes(b"")
    changed = bytearray(files[2].read_bytes())
    changed[-1] ^= 1
    files[2].write_bytes(changed)
    assert chunks_decoded(batches) == 3
    assert_same(next(iter(batches)), array[...])


def test_a_cache_that_cannot_be_written_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"a file")
    array = exzarr.create_array(tmp_path / "a.zarr", data=numbered((40, 3)), chunks=(10, 3))
    batches = exzarr.batches(array, 40, cache=tmp_path / "cache")
    with pytest.warns(CacheWarning, match="the cache in .* cannot keep values") as caught:
        assert_same(next(iter(batches)), array[...])
    assert len(caught) == 1


FULL = """
import resource, sys, warnings
import exzarr
warnings.simplefilter("always")
batches = exzarr.batches(exzarr.open_array(sys.argv[1]), 40, cache=sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))  # every write of more than 100 bytes fails
(got,) = batches
assert (got == exzarr.open_array(sys.argv[1])[...]).all()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no limits of file sizes")
def test_a_full_disk_is_reported_and_leaves_no_file(tmp_path: Path, run_python: Callable[..., Any]) -> None:
    exzarr.create_array(tmp_path / "a.zarr", data=numbered((40, 3)), chunks=(10, 3))
    done = run_python(FULL, str(tmp_path / "a.zarr"), str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("CacheWarning") == 1
    assert "File too large" in done.stderr
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_stores_without_lasting_versions_are_reported(tmp_path: Path) -> None:
    exzarr.save(tmp_path / "a.zip", numbered((40, 3)))
    batches = exzarr.batches(exzarr.open_array(tmp_path / "a.zip", mode="r"), 10, cache=tmp_path / "cache")
    with pytest.warns(CacheWarning, match="no versions of values") as caught:
        assert len([*batches]) == 4
    assert len(caught) == 1
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("memory", "in the memory|is in memory"),
        ("small", "the cache of 100 bytes is too small for .* max_bytes must be at least 480"),
    ],
)
def test_unusable_caches_are_refused(kind: str, message: str, tmp_path: Path) -> None:
    if kind == "memory":
        array, cache = exzarr.array(numbered((40, 3)), chunks=(10, 3)), DiskCache(tmp_path / "cache")
    else:
        array = exzarr.create_array(tmp_path / "a.zarr", data=numbered((40, 3)), chunks=(10, 3))
        cache = DiskCache(tmp_path / "cache", 100)
    with pytest.raises(ArgumentError, match=message):
        exzarr.batches(array, 10, cache=cache)


def test_versions_are_requested_concurrently(tmp_path: Path) -> None:
    exzarr.create_array(tmp_path / "a.zarr", data=numbered((400, 3)), chunks=(10, 3))
    far = LatencyStore(LocalStore(tmp_path / "a.zarr"), 0.001)
    assert far.traits.concurrency > 0
    batches = exzarr.batches(exzarr.open_array(far), 100, shuffle="full", cache=tmp_path / "cache")
    for count in (40, 0):
        assert chunks_decoded(batches) == count
    rows = next(batches.indices())
    assert_same(next(iter(batches)), numbered((400, 3))[rows])


@pytest.mark.slow
def test_versions_of_an_object_store(s3_server: Any, tmp_path: Path) -> None:
    store = s3_server.store("decoded-cache")
    array = exzarr.create_array(store, data=numbered((40, 3)), chunks=(10, 3))
    batches = exzarr.batches(array, 40, cache=tmp_path / "cache")
    assert [chunks_decoded(batches), chunks_decoded(batches)] == [4, 0]
    array[11] = 0
    assert chunks_decoded(batches) == 1
    assert_same(next(iter(batches)), array[...])


EPOCHS = """
import itertools, sys
import numpy as np
import exzarr
array = exzarr.open_array(sys.argv[1])
cache = exzarr.stores.DiskCache(sys.argv[2], 60_000)
for epoch in itertools.count(int(sys.argv[3])):
    batches = exzarr.batches(array, 100, shuffle="full", seed=epoch, cache=cache, cache_bytes=20_000)
    for rows, batch in zip(batches.indices(), batches, strict=True):
        assert (batch == rows[:, None]).all()
    print(epoch, flush=True)
"""


@pytest.mark.slow
def test_killed_processes_leave_a_valid_bounded_cache(tmp_path: Path) -> None:
    rows = np.arange(400)
    exzarr.create_array(tmp_path / "a.zarr", data=np.stack([rows] * 40, 1), chunks=(10, 40))  # 128 kB
    command = [sys.executable, "-c", EPOCHS, str(tmp_path / "a.zarr"), str(tmp_path / "cache")]
    children = [subprocess.Popen([*command, seed], stdout=subprocess.PIPE, text=True) for seed in "05"]
    for child in children:
        with child, child.stdout as lines:  # type: ignore[union-attr]
            assert [lines.readline() for _ in range(3)][-1]  # epochs are complete, and the next one has begun
            child.send_signal(signal.SIGKILL)
    cache = DiskCache(tmp_path / "cache", 60_000)
    array = exzarr.open_array(tmp_path / "a.zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (got,) = exzarr.batches(array, 400, cache=cache)
    assert_same(got, array[...])
    size = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert 0 < size <= 60_000 * 1.2
