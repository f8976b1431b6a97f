"""Output of the commands: coloured text in a terminal, plain text in a pipe, or JSON."""

from __future__ import annotations

import codecs
import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import IO, TYPE_CHECKING, Any, TextIO, cast

from exzarr._tools.plain import plain_json
from exzarr.telemetry.units import human_bytes

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = [
    "console",
    "replace_unencodable",
    "facts",
    "human_bytes",
    "plain_json",
    "print_json",
    "ratio",
    "times",
]

WIDE = 10_000
"""Width of a pipe, large enough that no line is cut or wrapped."""


def console(*, stderr: bool = False) -> Console:
    """Return a new console for stdout or stderr. Each call looks the stream up, because it can be redirected."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    if stream.isatty():
        return Console(file=stream, highlight=False)
    return Console(file=cast("IO[str]", _Stripped(stream)), highlight=False, width=WIDE, soft_wrap=True)


_PLAIN = str.maketrans(
    {
        **dict.fromkeys("×✗", "x"),
        **dict.fromkeys("├│", "|"),
        **dict.fromkeys("─━╸╺–—·", "-"),
        **dict.fromkeys("▁▂", "_"),
        **dict.fromkeys("▃▄▅", "="),
        **dict.fromkeys("▆▇█", "#"),
        "└": "`", "✓": "+", "→": ">", "…": "~", "•": "*", "◆": "#", "µ": "u", "°": " ", "≥": ">", "≤": "<", "’": "'",
    }
)  # fmt: skip
"""ASCII replacements for the characters of tables, trees and bars, for encodings that lack them."""


def replace_unencodable(stream: Any) -> None:
    """Make a text stream replace characters that its encoding lacks, instead of raising an error."""
    if getattr(stream, "errors", None) in ("strict", "surrogateescape") and hasattr(stream, "reconfigure"):
        codecs.register_error("exzarr.plain", _plain)
        stream.reconfigure(errors="exzarr.plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    drawn = error.object[error.start : error.end].translate(_PLAIN)
    return drawn.encode("ascii", "backslashreplace").decode(), error.end


class _Stripped:
    """A stream that removes the trailing blanks of table lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(re.sub(r"[ \t]+(?=\n|$)", "", text) if "\n" in text else text)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def facts(rows: Iterable[tuple[str, str]]) -> Table:
    """Return a table of names and values in two columns."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(name), Text(value))
    return table


def times(sizes: Sequence[object]) -> str:
    """Format sizes as ``54 × 18 × 432``."""
    return " × ".join(str(size) for size in sizes) or "()"


def ratio(data: int, stored: int) -> str:
    """Format the ratio of the bytes in memory to the stored bytes."""
    return f"{data / stored:.3g} ×" if stored else "–"


def print_json(value: Any) -> None:
    """Print strict JSON on stdout."""
    print(json.dumps(plain_json(value), indent=2, allow_nan=False))
