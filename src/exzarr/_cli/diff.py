"""``exzarr diff``: compare two arrays or hierarchies."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from exzarr._cli.failures import DIFFERENT
from exzarr._cli.options import AS_JSON, ON_ERROR, examples, takes_urls
from exzarr._cli.output import console, print_json

if TYPE_CHECKING:
    from exzarr._tools.diff.report import DiffReport

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("diff")(diff)


@examples(
    "exzarr diff cube.zarr copy.zarr",
    "exzarr diff cube.zarr/sst other.zarr/sst --rtol 1e-5 --region '0:10, ...'",
    "exzarr diff cube.zarr other.zarr --into differences.zarr --form sparse",
)
@takes_urls()
def diff(
    left: Annotated[str, typer.Argument(metavar="A", help="An array or a group.")],
    right: Annotated[str, typer.Argument(metavar="B", help="The array or group to compare with.")],
    rtol: Annotated[
        float, typer.Option(help="Relative tolerance of numbers: |A - B| <= ATOL + RTOL * |B|.")
    ] = 0.0,
    atol: Annotated[float, typer.Option(help="Absolute tolerance of numbers.")] = 0.0,
    nan_differs: Annotated[
        bool, typer.Option("--nan-differs", help="NaN and NaT differ from themselves.")
    ] = False,
    region: Annotated[
        str, typer.Option(metavar="SLICES", help="Compare a part of two arrays: '0:10, ...'.")
    ] = "",
    strict: Annotated[
        bool, typer.Option("--strict", help="Chunks, shards, codecs, fill value and format count as well.")
    ] = False,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="ASPECT", help="An aspect that does not count: attributes; can be repeated."),
    ] = None,
    first: Annotated[
        int, typer.Option(min=0, metavar="N", help="Maximum positions to list for each array.")
    ] = 10,
    into: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Write the positions of all differences to a new group."),
    ] = None,
    form: Annotated[
        str, typer.Option(metavar="mask|sparse", help="Content of the group of --into.")
    ] = "mask",
    on_error: ON_ERROR = "raise",
    memory: Annotated[str, typer.Option(metavar="SIZE", help="Maximum memory for elements.")] = "256MiB",
    workers: Annotated[int | None, typer.Option(min=1, metavar="N", help="Number of threads.")] = None,
    as_json: AS_JSON = False,
    storage_options: dict[str, Any] | None = None,
) -> None:
    """Compare two arrays, or two groups with everything below them.

    The exit status is 0 if they are equal, 1 if they differ, and 2 or 3 after an error.
    """
    from exzarr._cli.options import parse_bytes, parse_on_error
    from exzarr._cli.region import parse_region
    from exzarr._tools.diff.diff import diff as compare

    report = compare(
        left,
        right,
        rtol=rtol,
        atol=atol,
        equal_nan=not nan_differs,
        region=parse_region(region) if region else None,
        strict=strict,
        ignore=ignore or (),
        first=first,
        into=into,
        form=form,  # type: ignore[arg-type]  # checked there
        on_error=parse_on_error(on_error),
        workers=workers,
        memory=parse_bytes(memory, "--memory"),
        progress=console(stderr=True).is_terminal and not as_json,
        storage_options=storage_options,
    )
    if as_json:
        print_json(report.asdict())
    else:
        _print(report)
    if not report.equal:
        raise typer.Exit(DIFFERENT)


def _print(report: DiffReport) -> None:
    from rich.table import Table
    from rich.text import Text

    for line in (*report.left_out, *report.notes):
        print(f"note: {line}", file=sys.stderr)
    out = console()
    out.print(report.summary(), markup=False)
    rows = [*report.rows()]
    if not rows:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("node", "what", report.left, report.right):
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    out.print(table)
