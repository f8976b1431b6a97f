"""Progress bars in notebooks: HTML that is updated in place."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exzarr._stream.progress.progress import State

__all__ = ["JupyterBar", "MarimoBar", "bar_html"]


class JupyterBar:
    """Bar in Jupyter, VS Code and Colab: one output of the cell, updated in place."""

    def __init__(self, what: str) -> None:
        from IPython.display import HTML, display

        self._what = what
        self._html: Any = HTML
        self._handle: Any = display(HTML(""), display_id=True)

    def show(self, state: State) -> None:
        self._handle.update(self._html(bar_html(self._what, state)))

    def stop(self) -> None:
        pass


class MarimoBar:
    """Bar in marimo: the output of the running cell."""

    def __init__(self, what: str) -> None:
        import marimo

        self._what = what
        self._marimo: Any = marimo

    def show(self, state: State) -> None:
        self._marimo.output.replace(self._marimo.Html(bar_html(self._what, state)))

    def stop(self) -> None:
        pass


def bar_html(what: str, state: State) -> str:
    """Return the bar as one line of HTML."""
    place = "" if state.total is None else f' value="{state.done}" max="{max(1, state.total)}"'
    return f"<div>{escape(what)} <progress{place}></progress> {escape(state.words)}</div>"
