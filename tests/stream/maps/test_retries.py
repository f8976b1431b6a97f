"""Each chunk of a map is retried as often as specified, and all chunks that can complete do."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, strategies as st

import exzarr
from exzarr import Retry
from exzarr.errors import WorkerDiedError
from tests.breadth import examples

# Outcomes of chunks: (number of failures, whether they are temporary, error).
FATES: dict[str, tuple[float, bool, type[Exception]]] = {
    "fine": (0, True, Exception),
    "wrong": (np.inf, False, ValueError),
    "flaky": (1, True, ConnectionError),
    "gone": (np.inf, True, ConnectionError),
    "exits once": (1, True, ChildProcessError),
    "killed twice": (2, True, ChildProcessError),
    "exits": (np.inf, True, ChildProcessError),
}
FATAL = ("exits once", "killed twice", "exits")


def fate_of(fates: list[str], notes: Path) -> Callable[[np.ndarray], int]:
    """Return a function that gives each chunk its outcome and records each call."""

    def fn(data: np.ndarray) -> int:
        number = int(data[0])
        with (notes / str(number)).open("a") as note:
            note.write("x")
        calls = (notes / str(number)).stat().st_size
        fate = fates[number]
        if fate == "wrong":
            raise ValueError(number)
        if fate == "gone" or (fate == "flaky" and calls == 1):
            raise ConnectionError(number)
        if fate == "exits" or (fate == "exits once" and calls == 1):
            os._exit(3)
        if fate == "killed twice" and calls <= 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    return fn


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
@examples(6, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=st.data())
def test_chunks_are_retried_as_specified(drawn: st.DataObject) -> None:
    executor = drawn.draw(st.sampled_from(["processes", "processes", "threads"]), label="executor")
    kinds = [fate for fate in FATES if executor == "processes" or fate not in FATAL]
    fates = drawn.draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=9), label="fates")
    attempts = drawn.draw(st.integers(1, 3), label="attempts")
    options: dict[str, Any] = {
        "workers": drawn.draw(st.integers(1, 3), label="workers"),
        "prefetch": drawn.draw(st.integers(0, 3), label="prefetch"),
        "ordered": drawn.draw(st.booleans(), label="ordered"),
        "retries": Retry(attempts=attempts, wait_initial=0, wait_jitter=0),
    }
    told: list[Any] = []
    with TemporaryDirectory() as folder:
        notes = Path(folder, "notes")
        notes.mkdir()
        array = exzarr.create_array(Path(folder, "a.zarr"), shape=(len(fates),), dtype="i8", chunks=(1,))
        array[...] = np.arange(len(fates))
        stream = array.parallel_chunk_map(
            fate_of(fates, notes), executor=executor, on_error=told.append, **options
        )
        results = list(stream)
        calls = [(notes / str(number)).stat().st_size for number in range(len(fates))]
    done, failed, called = [], {}, []
    for number, fate in enumerate(fates):
        fails, passes, raised = FATES[fate]
        tries = attempts if passes else 1
        called.append(int(min(fails + 1, tries)))
        if fails < tries:
            done.append(number)
        else:
            failed[number,] = raised
    assert calls == called
    assert (results if options["ordered"] else sorted(results)) == done
    assert {error.index for error in told} == set(failed)
    for error in told:
        assert isinstance(error.__cause__, failed[error.index])
        assert isinstance(error, WorkerDiedError) == (fates[error.index[0]] in FATAL)
    assert (stream.stats.chunks, stream.stats.failed) == (len(done), len(failed))
    assert stream.stats.retries == sum(calls) - len(fates)
