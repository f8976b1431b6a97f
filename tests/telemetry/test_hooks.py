"""Hooks: registration for the process and for a context, filters, and errors in hooks."""

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
def _no_hooks_left() -> Iterator[None]:
    assert not telemetry.hooks()
    yield
    assert not telemetry.hooks()


class Counter:
    """A hook that is an object."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)


def test_hook_gets_events_between_add_and_remove() -> None:
    events: list[Event] = []
    telemetry.emit(HIT)
    telemetry.add_hook(events.append)
    telemetry.emit(HIT)
    telemetry.emit(RETRIED)
    telemetry.remove_hook(events.append)
    telemetry.emit(HIT)
    assert events == [HIT, RETRIED]


def test_hooks_are_called_in_order_of_registration() -> None:
    order: list[str] = []
    with (
        telemetry.listening(lambda _: order.append("a")),
        telemetry.listening(lambda _: order.append("b")),
        telemetry.listening(lambda _: order.append("c"), scope="context"),
    ):
        telemetry.emit(HIT)
    assert order == ["a", "b", "c"]


def test_hook_added_twice_is_called_twice_and_removed_once() -> None:
    counter = Counter()
    telemetry.add_hook(counter)
    telemetry.add_hook(counter)
    telemetry.emit(HIT)
    assert len(counter.events) == 2
    telemetry.remove_hook(counter)
    telemetry.emit(HIT)
    assert len(counter.events) == 3
    telemetry.remove_hook(counter)
    telemetry.remove_hook(counter)


@pytest.mark.parametrize("only", [Retried, (Retried, StreamProgress), [Retried]])
def test_only_filters_events(only: object) -> None:
    counter = Counter()
    with telemetry.listening(counter, only=only):  # type: ignore[arg-type]
        telemetry.emit(HIT)
        telemetry.emit(RETRIED)
    assert counter.events == [RETRIED]


@pytest.mark.parametrize("scope", ["process", "context"])
def test_listening_ends_after_exception(scope: str) -> None:
    counter = Counter()

    def fail() -> None:
        with telemetry.listening(counter, scope=scope):  # type: ignore[arg-type]
            telemetry.emit(HIT)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    telemetry.emit(HIT)
    assert len(counter.events) == 1


def test_other_threads_are_in_process_scope_only() -> None:
    process, context = Counter(), Counter()
    with telemetry.listening(process), telemetry.listening(context, scope="context"):
        for run in (lambda work: work(), copy_context().run):
            thread = threading.Thread(target=run, args=[lambda: telemetry.emit(HIT)])
            thread.start()
            thread.join()
    assert len(process.events) == 2
    assert len(context.events) == 1


def test_contexts_are_separate() -> None:
    events = {name: Counter() for name in "ab"}
    both = threading.Barrier(2, timeout=60)

    def listen(name: str) -> None:
        with telemetry.listening(events[name], scope="context"):
            both.wait()
            telemetry.emit(CacheHit(name, "c/0"))
            both.wait()

    threads = [threading.Thread(target=listen, args=[name]) for name in events]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, counter in events.items():
        assert [event.cache for event in counter.events if isinstance(event, CacheHit)] == [name]


def test_error_in_hook_is_logged_once_and_not_raised(caplog: pytest.LogCaptureFixture) -> None:
    counter = Counter()

    def broken(event: Event) -> None:
        raise ValueError("an error in a hook")

    with (
        caplog.at_level(logging.ERROR, "exzarr.telemetry"),
        telemetry.listening(broken),
        telemetry.listening(counter),
    ):
        for _ in range(3):
            telemetry.emit(HIT)
    assert len(counter.events) == 3
    (record,) = caplog.records
    assert record.name == "exzarr.telemetry"
    assert "broken" in record.getMessage()
    assert record.exc_info is not None
    assert "an error in a hook" in str(record.exc_info[1])


def test_keyboard_interrupt_in_hook_is_raised() -> None:
    def interrupted(event: Event) -> None:
        raise KeyboardInterrupt

    with telemetry.listening(interrupted), pytest.raises(KeyboardInterrupt):
        telemetry.emit(HIT)


def test_hook_itself_emits_no_events() -> None:
    events: list[Event] = []

    def echo(event: Event) -> None:
        events.append(event)
        assert not telemetry.hooks()
        telemetry.emit(event)

    with telemetry.listening(echo):
        telemetry.emit(HIT)
        telemetry.emit(HIT)
    assert len(events) == 2


def test_invalid_hook_and_scope_are_refused() -> None:
    with pytest.raises(ArgumentError, match="cannot be called"):
        telemetry.add_hook(3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="scope"), telemetry.listening(print, scope="thread"):  # type: ignore[arg-type]
        pass


def test_events_are_frozen_and_can_be_pickled() -> None:
    chunk = telemetry.ChunkRead(
        "memory://a", "t", "c/1/2", None, stored=True, bytes_stored=7, bytes_decoded=8
    )
    for event in (HIT, RETRIED, chunk, StreamProgress("chunk_stream", "t", 3, 10)):
        assert pickle.loads(pickle.dumps(event)) == event
        with pytest.raises(dataclasses.FrozenInstanceError):
            event.at = 0  # type: ignore[misc]
        assert event.thread == threading.get_ident()
