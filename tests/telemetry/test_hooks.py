"""Who hears which events: hooks for the process and for a context, and what their errors come to."""

from __future__ import annotations

import dataclasses
import logging
import pickle
import threading
from collections.abc import Iterator
from contextvars import copy_context

import pytest

from exzarr import telemetry
from exzarr.errors import ArgumentError
from exzarr.telemetry import CacheHit, Event, Retried, StreamProgress

HIT = CacheHit("chunks", "c/0", 12)
RETRIED = Retried("get 'c/0'", attempt=1, wait=0.5, error="it was gone")


@pytest.fixture(autouse=True)
def _nobody_is_left() -> Iterator[None]:
    assert not telemetry.hooks()
    yield
    assert not telemetry.hooks()


class Counter:
    """A hook that is an object."""

    def __init__(self) -> None:
        self.heard: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.heard.append(event)


def test_a_hook_hears_what_happens_between_adding_and_removing_it() -> None:
    heard: list[Event] = []
    telemetry.emit(HIT)
    telemetry.add_hook(heard.append)
    telemetry.emit(HIT)
    telemetry.emit(RETRIED)
    telemetry.remove_hook(heard.append)
    telemetry.emit(HIT)
    assert heard == [HIT, RETRIED]


def test_hooks_hear_in_the_order_in_which_they_were_added() -> None:
    order: list[str] = []
    with (
        telemetry.listening(lambda _: order.append("a")),
        telemetry.listening(lambda _: order.append("b")),
        telemetry.listening(lambda _: order.append("c"), scope="context"),
    ):
        telemetry.emit(HIT)
    assert order == ["a", "b", "c"]


def test_a_hook_that_was_added_twice_hears_twice_and_is_removed_once() -> None:
    counter = Counter()
    telemetry.add_hook(counter)
    telemetry.add_hook(counter)
    telemetry.emit(HIT)
    assert len(counter.heard) == 2
    telemetry.remove_hook(counter)
    telemetry.emit(HIT)
    assert len(counter.heard) == 3
    telemetry.remove_hook(counter)
    telemetry.remove_hook(counter)


@pytest.mark.parametrize("only", [Retried, (Retried, StreamProgress), [Retried]])
def test_only_the_wanted_events_are_heard(only: object) -> None:
    counter = Counter()
    with telemetry.listening(counter, only=only):  # type: ignore[arg-type]
        telemetry.emit(HIT)
        telemetry.emit(RETRIED)
    assert counter.heard == [RETRIED]


@pytest.mark.parametrize("scope", ["process", "context"])
def test_a_block_ends_also_where_it_fails(scope: str) -> None:
    counter = Counter()

    def fail() -> None:
        with telemetry.listening(counter, scope=scope):  # type: ignore[arg-type]
            telemetry.emit(HIT)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    telemetry.emit(HIT)
    assert len(counter.heard) == 1


def test_other_threads_are_heard_by_the_process_and_not_by_a_context() -> None:
    process, context = Counter(), Counter()
    with telemetry.listening(process), telemetry.listening(context, scope="context"):
        for run in (lambda work: work(), copy_context().run):
            thread = threading.Thread(target=run, args=[lambda: telemetry.emit(HIT)])
            thread.start()
            thread.join()
    assert len(process.heard) == 2
    assert len(context.heard) == 1


def test_two_contexts_do_not_hear_each_other() -> None:
    heard = {name: Counter() for name in "ab"}
    both = threading.Barrier(2, timeout=60)

    def listen(name: str) -> None:
        with telemetry.listening(heard[name], scope="context"):
            both.wait()
            telemetry.emit(CacheHit(name, "c/0"))
            both.wait()

    threads = [threading.Thread(target=listen, args=[name]) for name in heard]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, counter in heard.items():
        assert [event.cache for event in counter.heard if isinstance(event, CacheHit)] == [name]


def test_an_error_in_a_hook_is_logged_once_and_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    counter = Counter()

    def broken(event: Event) -> None:
        raise ValueError("a hook's own mistake")

    with (
        caplog.at_level(logging.ERROR, "exzarr.telemetry"),
        telemetry.listening(broken),
        telemetry.listening(counter),
    ):
        for _ in range(3):
            telemetry.emit(HIT)
    assert len(counter.heard) == 3
    (record,) = caplog.records
    assert record.name == "exzarr.telemetry"
    assert "broken" in record.getMessage()
    assert record.exc_info is not None
    assert "a hook's own mistake" in str(record.exc_info[1])


def test_ctrl_c_in_a_hook_is_not_swallowed() -> None:
    def interrupted(event: Event) -> None:
        raise KeyboardInterrupt

    with telemetry.listening(interrupted), pytest.raises(KeyboardInterrupt):
        telemetry.emit(HIT)


def test_what_a_hook_does_itself_makes_no_events() -> None:
    heard: list[Event] = []

    def echo(event: Event) -> None:
        heard.append(event)
        assert not telemetry.hooks()
        telemetry.emit(event)

    with telemetry.listening(echo):
        telemetry.emit(HIT)
        telemetry.emit(HIT)
    assert len(heard) == 2


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(ArgumentError, match="cannot be called"):
        telemetry.add_hook(3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="scope"), telemetry.listening(print, scope="thread"):  # type: ignore[arg-type]
        pass


def test_events_are_frozen_and_pickle() -> None:
    chunk = telemetry.ChunkRead(
        "memory://a", "t", "c/1/2", None, stored=True, bytes_stored=7, bytes_decoded=8
    )
    for event in (HIT, RETRIED, chunk, StreamProgress("chunk_stream", "t", 3, 10)):
        assert pickle.loads(pickle.dumps(event)) == event
        with pytest.raises(dataclasses.FrozenInstanceError):
            event.at = 0  # type: ignore[misc]
        assert event.thread == threading.get_ident()
