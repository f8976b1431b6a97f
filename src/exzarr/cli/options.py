"""Options that several commands read in one way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from exzarr.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from exzarr.nodes.survey import OnError

__all__ = ["ON_ERROR", "parse_bytes", "parse_codecs", "parse_on_error", "parse_sizes", "progress_bar"]

ON_ERROR = Annotated[
    str,
    typer.Option(
        "--on-error",
        help="What to do about nodes that can't be read: raise an error, or skip them, name them, and exit with 1.",
    ),
]


def parse_on_error(text: str) -> OnError:
    """``raise`` or ``skip``; ArgumentError for anything else."""
    if text == "raise":
        return "raise"
    if text == "skip":
        return "skip"
    raise ArgumentError(f"--on-error {text!r}: it is 'raise' or 'skip'")


def parse_sizes(text: str, option: str) -> Any:
    """``100``, ``100,-1,50``, ``time=12,lat=90`` or ``none``; ArgumentError for anything else."""
    if text.strip().lower() == "none":
        return None
    parts = [part.strip() for part in text.strip("()[] ").split(",")]
    try:
        if any("=" in part for part in parts):
            named = [part.split("=") for part in parts]
            return {name.strip(): int(size) for name, size in named}
        sizes = [int(part) for part in parts if part]
    except ValueError:
        raise ArgumentError(
            f"{option} {text!r}: write one length (100), one for each dimension (100,100), -1 for a whole "
            "dimension, or lengths by name (time=12,lat=90)"
        ) from None
    return sizes[0] if len(sizes) == 1 else tuple(sizes)


def parse_codecs(text: str, option: str) -> Any:
    """``none``, a name (``zstd``), names (``delta,zstd``), or JSON; ArgumentError for broken JSON."""
    text = text.strip()
    if text.lower() == "none":
        return None
    if text[:1] in "{[":
        try:
            return json.loads(text)
        except ValueError as error:
            raise ArgumentError(f"{option}: not valid JSON: {error}") from None
    names = [name.strip() for name in text.split(",")]
    return names[0] if len(names) == 1 else names


def parse_bytes(text: str, option: str) -> int:
    """``268435456``, ``256MiB``, ``1.5 GB``."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", text, re.IGNORECASE)
    if match is None:
        raise ArgumentError(f"{option} {text!r}: write a number of bytes, such as 512MiB or 2GB")
    base = 1024 if match[3] else 1000
    return int(float(match[1]) * base ** " kmgt".index(match[2].lower() or " "))


@contextmanager
def progress_bar(what: str, *, quiet: bool) -> Iterator[Callable[[Any], object] | None]:
    """A bar on stderr while a copy runs; nothing where stderr is no terminal."""
    from exzarr.cli.output import console

    out = console(stderr=True)
    if quiet or not out.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn(what),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[path]}"),
        console=out,
        transient=True,
    ) as bar:
        task = bar.add_task(what, total=None, path="")
        yield lambda event: bar.update(task, total=event.total, completed=event.done, path=event.path)
