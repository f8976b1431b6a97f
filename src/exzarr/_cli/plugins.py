"""``exzarr plugins``: what other packages add to exzarr."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from exzarr._cli.options import AS_JSON, examples
from exzarr._cli.output import console, print_json

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("plugins")(plugins)


@examples(
    "exzarr plugins",
    "exzarr plugins --load",
)
def plugins(
    load: Annotated[
        bool, typer.Option("--load", help="Import each plug-in; see whether it can be used.")
    ] = False,
    as_json: AS_JSON = False,
) -> None:
    """Print the codecs, stores, data types, chunk key encodings and chunk grids of installed packages.

    The exit status is 1 if one is broken: two packages provide its name, or, with --load, it cannot be imported.
    """
    from exzarr import registry

    found = registry.plugins(load=load)
    if as_json:
        print_json([asdict(one) for one in found])
    elif not found:
        print("no installed package adds to exzarr")
    else:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for title in ("kind", "name", "from", "status"):
            table.add_column(title)
        for one in found:
            status = ": ".join(filter(None, (one.status, one.reason)))
            table.add_row(*map(Text, (one.kind, one.name, one.origin, status)))
        console().print(table)
    if any(one.status == "broken" for one in found):
        raise typer.Exit(1)
