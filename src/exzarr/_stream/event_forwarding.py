"""Forward telemetry events from worker processes: they return with the results of the tasks."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exzarr import telemetry
from exzarr.telemetry import Event

if TYPE_CHECKING:
    from exzarr._stream.maps.runners import Runner

__all__ = ["ForwardingRunner", "RecordedTask"]


@dataclass(frozen=True, slots=True)
class _Recorded:
    """The result of a task in another process, and the events that happened there."""

    value: Any
    events: list[Event]


class RecordedTask:
    """A task that returns its events along with its result if it runs in another process."""

    def __init__(self, task: Callable[[Any], Any]) -> None:
        self._task = task
        self._home = os.getpid()

    def __call__(self, item: Any) -> Any:
        if os.getpid() == self._home:  # hooks are called directly
            return self._task(item)
        events: list[Event] = []
        # Only the events of this task: the process may run others at the same time.
        with telemetry.listening(events.append, scope="context"):
            value = self._task(item)
        return _Recorded(value, events)


class ForwardingRunner:
    """The `Runner` of a `RecordedTask`: emit its events to the hooks that were registered when it was opened.

    Events of a task that fails are lost.
    """

    def __init__(self, runner: Runner, hooks: telemetry.Hooks) -> None:
        self.workers, self.timeout = runner.workers, runner.timeout
        self._runner = runner
        self._hooks = hooks

    def __call__(self, item: Any) -> Any:
        answer = self._runner(item)
        if not isinstance(answer, _Recorded):
            return answer
        for event in answer.events:
            telemetry.emit(event, self._hooks)
        return answer.value

    def close(self) -> None:
        self._runner.close()
