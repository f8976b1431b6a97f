"""exzarr.gallery.flow: counts of waiting blocks, and memory that NumPy allocates."""

from __future__ import annotations

import threading
import tracemalloc

import numpy as np

from exzarr.gallery.flow import Flow, MemoryTrace
from tests.stream.tools import eventually


def test_waiting_counts_blocks_made_and_not_stored() -> None:
    flow = Flow()
    for n in range(4):
        flow.made(n)
    for n in range(3):
        flow.stored(n)
    flow.made(4)
    seconds, waiting = flow.waiting()
    assert waiting.tolist() == [1, 2, 3, 4, 3, 2, 1, 2]
    assert seconds[0] == 0
    assert (np.diff(seconds) >= 0).all()
    assert flow.most == 4
    assert flow.ages().shape == (3,)
    assert (flow.ages() > 0).all()
    assert flow.per_second() > 0


def test_empty_flow_has_nothing_waiting() -> None:
    assert Flow().most == 0
    assert Flow().ages().shape == (0,)


def test_flow_counts_events_of_concurrent_threads() -> None:
    flow = Flow()

    def work(k: int) -> None:
        for n in range(200):
            flow.made((k, n))
            flow.stored((k, n))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert flow.waiting()[1][-1] == 0
    assert 1 <= flow.most <= 4
    assert len(flow.ages()) == 800


def test_memory_trace_records_current_and_peak_memory() -> None:
    kept = np.ones(1 << 20, "u1")
    with MemoryTrace(every=0.001) as trace:
        large = np.ones(8 << 20, "u1")
        assert eventually(lambda: trace.nbytes[-1] >= 8 << 20)
        del large
        assert eventually(lambda: trace.nbytes[-1] < 1 << 20)
    assert 8 << 20 <= trace.peak < 9 << 20
    assert trace.seconds == sorted(trace.seconds)
    assert not tracemalloc.is_tracing()
    assert kept.all()
