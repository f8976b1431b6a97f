"""A window maps items in threads, ordered or not, within its bounds, and leaves no threads behind."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import given, strategies as st

from exzarr import config
from exzarr._retrying import Retry
from exzarr._stream.window import Outcome, Window
from exzarr.errors import ExzarrError, StreamError, TimedOutError
from tests.stream.tools import PATIENCE, eventually, stream_threads


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = stream_threads()
    yield
    gc.collect()
    assert eventually(lambda: stream_threads() <= before), stream_threads()


def values(window: Window[Any, Any]) -> list[Any]:
    return [outcome.value for outcome in window]


# -- outcomes ------------------------------------------------------------------------------------


@given(
    count=st.integers(0, 60),
    workers=st.integers(1, 5),
    prefetch=st.integers(0, 9),
    ordered=st.booleans(),
    bad=st.sets(st.integers(0, 60)),
)
def test_every_item_has_one_outcome(
    count: int, workers: int, prefetch: int, ordered: bool, bad: set[int]
) -> None:
    def fn(n: int) -> int:
        if n in bad:
            raise ValueError(n)
        return -n

    outcomes = [*Window(fn, range(count), workers=workers, prefetch=prefetch, ordered=ordered)]
    items = [outcome.item for outcome in outcomes]
    assert (items if ordered else sorted(items)) == [*range(count)]
    for outcome in outcomes:
        if outcome.item in bad:
            assert outcome.value is None
            assert isinstance(outcome.error, ValueError)
        else:
            assert outcome == Outcome(outcome.item, -outcome.item)


def test_ordered_outcomes_follow_the_items() -> None:
    second = threading.Event()

    def fn(n: int) -> int:
        if n == 0:
            assert second.wait(PATIENCE)
        if n == 1:
            second.set()
        return n

    assert values(Window(fn, range(10), workers=2, prefetch=2)) == [*range(10)]


def test_unordered_outcomes_come_as_they_are_ready() -> None:
    gate = threading.Event()

    def fn(n: int) -> int:
        if n == 0:
            assert gate.wait(PATIENCE)
        return n

    with Window(fn, range(3), workers=2, prefetch=2, ordered=False) as window:
        assert next(window).value == 1
        gate.set()
        assert sorted(values(window)) == [0, 2]


def test_workers_work_at_the_same_time() -> None:
    barrier = threading.Barrier(3)
    assert (
        values(Window(lambda n: barrier.wait(PATIENCE) >= 0, range(9), workers=3, prefetch=3)) == [True] * 9
    )


def test_outcomes_are_frozen() -> None:
    (outcome,) = Window(str, [1], workers=1, prefetch=0)
    with pytest.raises(AttributeError):
        outcome.value = "2"  # type: ignore[misc]


def test_an_error_of_the_items_comes_after_the_outcomes_before_it() -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise KeyError("the sixth")

    got: list[Any] = []
    window = Window(str, items(), workers=2, prefetch=20)
    with pytest.raises(KeyError, match="the sixth"):
        got.extend(outcome.value for outcome in window)
    assert got == ["0", "1", "2", "3", "4"]
    assert [*window] == []


def test_context_variables_carry_over() -> None:
    with config.override(inline_bytes=4711):
        window = Window(lambda n: config.get().inline_bytes, range(8), workers=4, prefetch=4)
    assert set(values(window)) == {4711}
    assert config.get().inline_bytes != 4711


# -- bounds --------------------------------------------------------------------------------------


class Thing:
    """An object whose instances are counted."""

    alive: ClassVar[weakref.WeakSet[Thing]] = weakref.WeakSet()

    def __init__(self) -> None:
        self.alive.add(self)


@pytest.mark.parametrize(("workers", "prefetch"), [(1, 0), (1, 1), (2, 0), (2, 3), (4, 8)])
@pytest.mark.parametrize("ordered", [True, False])
def test_items_taken_never_exceed_the_window(workers: int, prefetch: int, ordered: bool) -> None:
    taken = 0
    bound = max(2, workers + prefetch)

    def items() -> Iterator[int]:
        nonlocal taken
        for n in range(50):
            taken += 1
            yield n

    with Window(str, items(), workers=workers, prefetch=prefetch, ordered=ordered) as window:
        assert taken == 0  # nothing before it is asked for
        for handed_out, _ in enumerate(window, 1):
            # Including the one that the consumer holds. Only `next` takes items.
            assert taken - (handed_out - 1) <= bound
            if handed_out < 40 and workers + prefetch > 1:
                assert taken - (handed_out - 1) == bound  # and it does go as far


@pytest.mark.parametrize("ordered", [True, False])
def test_values_alive_never_exceed_the_window(ordered: bool) -> None:
    most = 0

    def fn(n: int) -> Thing:
        nonlocal most
        thing = Thing()
        most = max(most, len(Thing.alive))
        return thing

    for outcome in Window(fn, range(300), workers=3, prefetch=2, ordered=ordered):
        del outcome
        assert len(Thing.alive) <= 5
    assert 1 <= most <= 5
    assert len(Thing.alive) == 0


def test_idle_threads_hold_no_item() -> None:
    with Window(lambda n: Thing(), range(2), workers=2, prefetch=2) as window:
        assert next(window).value is not None
        assert next(window).value is not None
        assert eventually(lambda: len(Thing.alive) == 0)


def test_errors_are_in_no_reference_cycle() -> None:
    def fail(n: int) -> None:
        thing = Thing()  # referenced by the frame in the error's traceback
        raise ValueError(thing)

    gc.collect()
    gc.disable()
    try:
        outcome = next(Window(fail, [1], workers=1, prefetch=0))
        assert len(Thing.alive) == 1
        del outcome
        assert eventually(lambda: len(Thing.alive) == 0)
    finally:
        gc.enable()


# -- the end -------------------------------------------------------------------------------------


class Blocker:
    """A function that blocks until it is released."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.started: list[int] = []
        self.finished: list[int] = []

    def __call__(self, n: int) -> int:
        self.started.append(n)
        assert self.gate.wait(PATIENCE)
        self.finished.append(n)
        return n


def test_threads_end_with_the_items() -> None:
    window = Window(str, range(5), workers=3, prefetch=3)
    assert len([*window]) == 5
    assert stream_threads() == set()  # and not only eventually
    assert [*window] == []


def test_close_waits_for_items_in_progress_and_drops_the_rest() -> None:
    blocker = Blocker()
    window = Window(lambda n: n if n == 0 else blocker(n), range(100), workers=2, prefetch=10)
    assert next(window).value == 0
    assert eventually(lambda: len(blocker.started) == 2)
    threading.Timer(0.01, blocker.gate.set).start()
    window.close()
    assert stream_threads() == set()
    assert len(blocker.started) == len(blocker.finished) == 2
    assert [*window] == []
    window.close()


def test_leaving_a_with_block_closes() -> None:
    def consume() -> None:
        with Window(str, range(100), workers=2, prefetch=10) as window:
            next(window)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        consume()
    assert stream_threads() == set()


def test_dropped_window_ends_its_threads() -> None:
    blocker = Blocker()
    window = Window(lambda n: n if n == 0 else blocker(n), range(100), workers=2, prefetch=10)
    next(window)
    assert eventually(lambda: len(blocker.started) == 2)
    gone = weakref.ref(window)
    del window
    assert gone() is None  # by reference counting: there is no cycle
    blocker.gate.set()
    assert eventually(lambda: stream_threads() == set())
    assert len(blocker.started) == 2


def test_a_window_in_a_cycle_is_ended_by_the_collector() -> None:
    class Holder:
        pass

    holder = Holder()
    holder.me = holder  # type: ignore[attr-defined]
    holder.window = Window(str, range(100), workers=2, prefetch=10)  # type: ignore[attr-defined]
    next(holder.window)  # type: ignore[attr-defined]
    assert len(stream_threads()) == 2
    del holder
    gc.collect()
    assert eventually(lambda: stream_threads() == set())


def test_a_break_out_of_a_loop_ends_the_threads() -> None:
    for outcome in Window(str, range(1000), workers=2, prefetch=10):
        if outcome.item == 3:
            break
    assert eventually(lambda: stream_threads() == set())


def test_a_generator_is_closed_with_the_window() -> None:
    closed = []

    def items() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.append(True)

    with Window(str, items(), workers=2, prefetch=2) as window:
        next(window)
    assert closed == [True]


def test_a_window_that_is_never_asked_starts_no_thread() -> None:
    Window(str, range(1000), workers=2, prefetch=10)
    assert stream_threads() == set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_the_copy_in_a_forked_child_is_closed() -> None:
    window = Window(str, range(100), workers=2, prefetch=10)
    next(window)
    child = os.fork()
    if child == 0:  # nothing of pytest may run in here
        code = 1
        try:
            signal.alarm(60)
            try:
                next(window)
            except StreamError as error:
                code = 0 if "fork" in str(error) else 2
            window.close()
            del window
            gc.collect()
            if [outcome.value for outcome in Window(str, range(3), workers=2, prefetch=1)] != ["0", "1", "2"]:
                code = 3
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(values(window)) == 99  # the parent's goes on


def test_a_program_that_forgets_its_window_ends(
    run_python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = run_python(
        "import time\n"
        "from exzarr._stream.window import Window\n"
        "window = Window(lambda n: time.sleep(60) if n else n, range(100), workers=2, prefetch=4)\n"
        "print(next(window).value)\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")


def test_without_threads_the_caller_works(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    assert (
        values(Window(lambda n: threading.current_thread(), range(5), workers=2, prefetch=2))
        == [threading.current_thread()] * 5
    )


# -- timeouts and retries ------------------------------------------------------------------------

QUICK = Retry(on=ValueError, attempts=3, wait_initial=0.0, wait_jitter=0.0)


@pytest.mark.parametrize("ordered", [True, False])
def test_an_item_that_takes_too_long_fails_and_the_others_go_on(ordered: bool) -> None:
    gate = threading.Event()

    def fn(n: int) -> int:
        if n == 3:
            assert gate.wait(PATIENCE)
        return n

    with Window(fn, range(20), workers=2, prefetch=3, ordered=ordered, timeout=0.2) as window:
        outcomes = [*window]
        assert len(stream_threads()) == 1  # the one that hangs
    gate.set()
    assert sorted(o.value for o in outcomes if o.error is None) == [n for n in range(20) if n != 3]
    (failed,) = [o for o in outcomes if o.error is not None]
    assert failed.item == 3
    assert isinstance(failed.error, TimedOutError)
    assert isinstance(failed.error, (TimeoutError, ExzarrError))
    assert "0.2 s" in str(failed.error)


def test_every_thread_that_hangs_is_replaced() -> None:
    gate = threading.Event()

    def fn(n: int) -> int:
        if n % 2:
            assert gate.wait(PATIENCE)
        return n

    outcomes = [*Window(fn, range(10), workers=2, prefetch=1, timeout=0.1)]
    gate.set()
    assert [o.value for o in outcomes] == [0, None, 2, None, 4, None, 6, None, 8, None]


def test_overdue_item_is_retried_if_the_policy_allows() -> None:
    gate = threading.Event()
    calls: list[int] = []

    def fn(n: int) -> int:
        calls.append(n)
        if n == 1 and calls.count(1) < 3:
            assert gate.wait(PATIENCE)
        return n

    retry = Retry(attempts=3, wait_initial=0.0, wait_jitter=0.0)
    outcomes = [*Window(fn, range(4), workers=2, prefetch=1, timeout=0.1, retry=retry)]
    gate.set()
    assert [(o.value, o.error, o.attempts) for o in outcomes] == [
        (0, None, 1),
        (1, None, 3),
        (2, None, 1),
        (3, None, 1),
    ]


def test_temporary_failures_are_retried() -> None:
    calls: list[int] = []

    def fn(n: int) -> int:
        calls.append(n)
        if n == 1 and calls.count(1) < 3:
            raise ValueError("not yet")
        if n == 2:
            raise ValueError("never")
        if n == 3:
            raise KeyError("not worth it")
        return n

    outcomes = [*Window(fn, range(4), workers=2, prefetch=1, retry=QUICK)]
    assert [outcome.attempts for outcome in outcomes] == [1, 3, 3, 1]
    assert [type(outcome.error) for outcome in outcomes] == [type(None), type(None), ValueError, KeyError]


def test_close_ends_the_wait_before_a_retry() -> None:
    waiting = threading.Event()

    def fn(n: int) -> int:
        if n:
            waiting.set()
            raise ValueError(n)
        return n

    retry = Retry(on=ValueError, attempts=None, timeout=1e6, wait_initial=1e5, wait_max=1e5)
    with Window(fn, range(3), workers=2, prefetch=1, retry=retry) as window:
        next(window)
        assert waiting.wait(PATIENCE)
    assert stream_threads() == set()
