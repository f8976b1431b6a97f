"""A progress bar in a terminal, drawn by rich on the standard error."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from exzarr._stream.progress.progress import State

__all__ = ["TerminalBar"]


class TerminalBar:
    """A one-line bar without a thread: it is drawn only in `show`."""

    def __init__(self, what: str, console: Console | None = None) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[words]}"),
            console=console or Console(stderr=True),
            auto_refresh=False,
        )
        self._task = self._bar.add_task(what, total=None, words="")
        self._bar.start()

    def show(self, state: State) -> None:
        self._bar.update(self._task, completed=state.done, total=state.total, words=state.words, refresh=True)

    def stop(self) -> None:
        self._bar.stop()
