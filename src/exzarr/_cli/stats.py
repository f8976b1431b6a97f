"""``exzarr stats``: statistics of the chunks of arrays."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from exzarr._cli.options import AS_JSON, examples, takes_urls
from exzarr._cli.output import console, print_json

if TYPE_CHECKING:
    from exzarr.statistics.overview import Overview

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("stats")(stats)


@examples(
    "exzarr stats cube.zarr",
    "exzarr stats cube.zarr/sst --refresh",
)
@takes_urls()
def stats(
    path: Annotated[str, typer.Argument(metavar="PATH", help="An array in a group, or a group.")],
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Store new statistics of chunks that have changed.")
    ] = False,
    as_json: AS_JSON = False,
    storage_options: dict[str, Any] | None = None,
) -> None:
    """Print minimum, maximum, mean and counts of arrays, from statistics of their chunks.

    Arrays without statistics get them: they are stored in a group beside the array, named NAME.statistics. Chunks that have
    changed since are read. Queries (a.where) then leave out chunks that cannot match.
    """
    from exzarr._cli.nodes import through_group
    from exzarr.statistics.overview import overview

    found = overview(through_group(path, storage_options), refresh=refresh)
    for line in found.left_out:
        print(f"left out: {line}", file=sys.stderr)
    if as_json:
        print_json(found.asdict())
    else:
        _print(found)


def _print(found: Overview) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("array", "type", "chunks", "stored", "read", "min", "max", "mean", "values", "NaN", "fill"):
        table.add_column(name, justify="left" if name in ("array", "type") else "right")
    for one in found.arrays:
        numbers = [f"{n:,}" for n in (one.chunks, one.stored, one.read)]
        values = [
            "–"
            if value is None
            else f"{value:.6g}"
            if isinstance(value, (float, np.floating))
            else str(value)
            for value in (one.min, one.max, one.mean)
        ]
        counts = [f"{n:,}" for n in (one.valid, one.nans, one.fills)]
        table.add_row(*map(Text, (one.path, one.data_type, *numbers, *values, *counts)))
    console().print(table)
