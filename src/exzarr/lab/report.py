"""What the reports of both labs share: text, HTML, JSON and plots."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from exzarr._html.fragments import framed, heading, items
from exzarr.errors import MissingDependencyError
from exzarr.telemetry.show import Table, html_of, text_of

if TYPE_CHECKING:
    import os

__all__ = ["LabReport", "bare_axes", "new_figure", "shape_text"]


class LabReport(ABC):
    """Tables and reasons. Printing a report shows text; a notebook shows tables."""

    __slots__ = ()

    reasons: tuple[str, ...]
    legends: ClassVar[bool] = False
    """True if the titles of the tables are legends, which stand below."""

    @abstractmethod
    def headline(self) -> str:
        """Return two lines on what was tried."""

    @abstractmethod
    def tables(self) -> Iterator[tuple[str, Table]]:
        """Yield titles and tables."""

    @abstractmethod
    def asdict(self) -> dict[str, Any]:
        """Return the report as plain dicts, lists, numbers and strings."""

    @abstractmethod
    def figure(self) -> Any:
        """Return the plot as a matplotlib ``Figure``."""

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw the report to a file (.png, .svg, .pdf) and return its path. Requires matplotlib."""
        where = Path(path)
        self.figure().savefig(where, dpi=150)
        return where

    def to_json(self, *, indent: int | None = None) -> str:
        """Return the report as JSON."""
        return json.dumps(self.asdict(), indent=indent, allow_nan=False)

    def __str__(self) -> str:
        parts = [self.headline()]
        for title, table in self.tables():
            parts.append("\n".join(self._ordered(title, text_of(table))))
        parts.append("\n".join([f"• {reason}" for reason in self.reasons]))
        return "\n\n".join(parts)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        parts = [heading(self.headline())]
        for title, table in self.tables():
            parts += self._ordered(heading("", title), html_of(table))
        return framed(*parts, items(self.reasons))

    def _ordered(self, title: str, table: str) -> tuple[str, str]:
        return (table, title) if self.legends else (title, table)


def shape_text(shape: Sequence[int]) -> str:
    """Format a shape: ``100×20``."""
    return "×".join(map(str, shape)) or "()"


def new_figure(width: float, height: float) -> Any:
    """Return an empty matplotlib ``Figure`` of this size in inches."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError("plot requires matplotlib: pip install 'exzarr[demo]'") from None
    return Figure(figsize=(width, height), layout="constrained")


def bare_axes(axes: Any) -> None:
    """Hide the upper and the right border."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
