"""Batches in other processes: forked before and during a pass, spawned, and as workers that share an epoch."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr._stream.batches.batches import Batches
from tests.engine.tools import numbered
from tests.stream.tools import stream_threads

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")]

SHUFFLES: Any = [False, "chunks", "window", "full"]
CONTEXTS = [
    method for method in ("fork", "spawn", "forkserver") if method in multiprocessing.get_all_start_methods()
]


@pytest.fixture
def loader(tmp_path: Path, request: pytest.FixtureRequest) -> Batches:
    images = exzarr.create_array(tmp_path / "x.zarr", data=numbered((300, 5)), chunks=(7, 5))
    labels = exzarr.create_array(tmp_path / "y.zarr", data=np.arange(300), chunks=(64,), shards=(128,))
    return exzarr.batches({"x": images, "y": labels}, 16, shuffle=getattr(request, "param", "window"), seed=4)


def labels_of(batches: Any) -> list[list[int]]:
    """Return the labels of each batch, after a check of the data that belongs to them."""
    result = []
    for batch in batches:
        np.testing.assert_array_equal(batch["x"], numbered((300, 5))[batch["y"]])
        result.append(batch["y"].tolist())
    return result


def in_a_fork(work: Any) -> None:
    """Run ``work()`` in a forked child; fail if it fails."""
    child = os.fork()
    if not child:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - whatever it is, the parent is told
            import traceback

            traceback.print_exc()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.parametrize("loader", SHUFFLES, indirect=True)
def test_a_loader_works_in_a_forked_child(loader: Batches) -> None:
    expected = [rows.tolist() for rows in loader.indices()]

    def work() -> None:
        assert labels_of(loader) == expected

    some = iter(loader)  # the parent's threads run
    next(some)
    in_a_fork(work)
    in_a_fork(work)
    assert len(labels_of(some)) == len(expected) - 1


@pytest.mark.parametrize("loader", SHUFFLES, indirect=True)
def test_pass_continues_in_a_forked_child_and_in_its_parent(loader: Batches) -> None:
    expected = [rows.tolist() for rows in loader.indices()]
    some = iter(loader)
    begun = [next(some)["y"].tolist() for _ in range(3)]

    def work() -> None:
        assert begun + labels_of(some) == expected
        assert not stream_threads()

    in_a_fork(work)
    assert begun + labels_of(some) == expected


def serve(loader: Batches, index: int, count: int, interleaved: bool, out: Any) -> None:
    part = loader.part(index, count, interleaved=interleaved)
    out.put((index, labels_of(part)))


@pytest.mark.parametrize("method", CONTEXTS)
@pytest.mark.parametrize("interleaved", [False, True])
def test_processes_share_an_epoch(loader: Batches, method: str, interleaved: bool) -> None:
    expected = [rows.tolist() for rows in loader.indices()]
    context: Any = multiprocessing.get_context(method)
    out = context.SimpleQueue()
    workers = [context.Process(target=serve, args=(loader, i, 2, interleaved, out)) for i in range(2)]
    for worker in workers:
        worker.start()
    got = dict(out.get() for _ in workers)
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    if interleaved:
        merged = [got[i % 2][i // 2] for i in range(len(expected))]
    else:
        merged = got[0] + got[1]
    assert merged == expected
