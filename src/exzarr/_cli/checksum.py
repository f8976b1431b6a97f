"""``exzarr checksum``: one digest of the content of an array or a hierarchy."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from exzarr._cli.options import AS_JSON, ON_ERROR, examples, takes_urls
from exzarr._cli.output import console, print_json

if TYPE_CHECKING:
    from exzarr._tools.checksum.digest import Checksum

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("checksum")(checksum)


@examples(
    "exzarr checksum cube.zarr",
    "exzarr checksum cube.zarr --nodes",
)
@takes_urls()
def checksum(
    path: Annotated[str, typer.Argument(metavar="PATH", help="An array or a group.")],
    nodes: Annotated[
        bool, typer.Option("--nodes", help="Also print one line for each node below PATH.")
    ] = False,
    on_error: ON_ERROR = "raise",
    memory: Annotated[str, typer.Option(metavar="SIZE", help="Maximum memory for elements.")] = "256MiB",
    as_json: AS_JSON = False,
    storage_options: dict[str, Any] | None = None,
) -> None:
    """Print one digest of the content of an array or a hierarchy.

    It depends on data, attributes and names, and does not depend on chunks, codecs, store or Zarr version.
    """
    from exzarr._cli.options import parse_bytes, parse_on_error
    from exzarr._tools.checksum.digest import checksum as checksum_of

    terminal = console(stderr=True).is_terminal and not as_json
    found = checksum_of(
        path,
        memory=parse_bytes(memory, "--memory"),
        progress=terminal,
        on_error=parse_on_error(on_error),
        storage_options=storage_options,
    )
    if as_json:
        print_json(found.asdict())
    else:
        _print_text(found, path, nodes)
    if found.left_out:
        raise typer.Exit(1)


def _print_text(found: Checksum, path: str, nodes: bool) -> None:
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    for one in found.left_out:
        print(f"left out: {one}", file=sys.stderr)
    print(f"{found.hexdigest}  {path}")
    if nodes:
        for name, digest in found.nodes.items():
            print(f"{digest}    /{name}")
