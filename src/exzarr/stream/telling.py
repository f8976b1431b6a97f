"""Events of tasks that run in other processes, brought home with what they return."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exzarr import telemetry
from exzarr.telemetry import Event

if TYPE_CHECKING:
    from exzarr.stream.runners import Runner

__all__ = ["Hearing", "Telling"]


@dataclass(frozen=True, slots=True)
class Told:
    """What a task returned in another process, and what happened there meanwhile."""

    value: Any
    events: list[Event]


class Telling:
    """A task that, in another process than the one it was made in, returns what happened as well."""

    def __init__(self, task: Callable[[Any], Any]) -> None:
        self._task = task
        self._home = os.getpid()

    def __call__(self, item: Any) -> Any:
        if os.getpid() == self._home:  # then it is heard as it happens
            return self._task(item)
        events: list[Event] = []
        # Of this task only: there may be others in the same process.
        with telemetry.listening(events.append, scope="context"):
            value = self._task(item)
        return Told(value, events)


class Hearing:
    """A `Runner` of a `Telling` task: tells those who listened when it was opened what the task has to tell.

    Of what fails nothing is told.
    """

    def __init__(self, runner: Runner, hooks: telemetry.Hooks) -> None:
        self.workers, self.timeout = runner.workers, runner.timeout
        self._runner = runner
        self._hooks = hooks

    def __call__(self, item: Any) -> Any:
        answer = self._runner(item)
        if not isinstance(answer, Told):
            return answer
        for event in answer.events:
            telemetry.emit(event, self._hooks)
        return answer.value

    def close(self) -> None:
        self._runner.close()
