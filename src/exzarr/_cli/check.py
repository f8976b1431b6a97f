"""``exzarr check``: find and repair damage in a hierarchy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from exzarr._cli.failures import DIFFERENT, in_options
from exzarr._cli.options import AS_JSON, examples, takes_urls
from exzarr._cli.output import console, print_json

if TYPE_CHECKING:
    from exzarr._tools.check.report import CheckReport

__all__ = ["register"]

COLOURS = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("check")(check)


@examples(
    "exzarr check cube.zarr --deep",
    "exzarr check cube.zarr --repair plan.json",
    "exzarr check cube.zarr --repair plan.json --apply",
)
@takes_urls()
def check(
    path: Annotated[str, typer.Argument(metavar="PATH", help="An array or a group.")],
    deep: Annotated[bool, typer.Option("--deep", help="Read and decode every chunk.")] = False,
    repair: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a repair plan to this file. Changes nothing else."),
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Carry out the plan in the file of --repair.")
    ] = False,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Also plan to move undecodable chunks to quarantine.")
    ] = False,
    full: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="An array whose chunks must all be stored (a pattern; can be repeated).",
        ),
    ] = None,
    grace: Annotated[
        float,
        typer.Option(
            min=0, metavar="SECONDS", help="Do not report unfinished work of other processes that is newer."
        ),
    ] = 60.0,
    limit: Annotated[
        int, typer.Option(min=1, metavar="N", help="Maximum findings of one code to list for each node.")
    ] = 1000,
    as_json: AS_JSON = False,
    storage_options: dict[str, Any] | None = None,
) -> None:
    """Find damage in an array, or in a group with all nodes below it.

    With --repair FILE, also write a repair plan. --repair FILE --apply then carries out exactly that plan. The exit
    status is 1 if there are errors (other failures: 2 and 3).
    """
    from exzarr._tools.check.checking import check as check_nodes
    from exzarr.errors import ArgumentError

    if apply:
        _apply(path, repair, as_json, deep or quarantine or bool(full), storage_options)
        return
    if quarantine and repair is None:
        raise ArgumentError("--quarantine changes the repair plan and requires --repair FILE")
    report = check_nodes(
        path,
        deep=deep,
        full=full or False,
        grace=grace,
        limit=limit,
        progress=not as_json and console(stderr=True).is_terminal,
        storage_options=storage_options,
    )
    plan = report.plan(quarantine=quarantine) if repair is not None else None
    if plan is not None and repair is not None:
        plan.save(repair)
    if as_json:
        found: dict[str, Any] = report.asdict()
        print_json(found if plan is None else {**found, "plan": [str(action) for action in plan.actions]})
    else:
        _print(report)
    if plan is not None and not as_json:
        out = console()
        out.print(f"\n{plan}", markup=False)
        if plan.actions:
            out.print(
                f"\nnothing was changed; to do exactly this: exzarr check {path} --repair {repair} --apply",
                markup=False,
            )
    if not report.ok:
        raise typer.Exit(DIFFERENT)


def _apply(
    path: str,
    file: Path | None,
    as_json: bool,
    other_options: bool,
    storage_options: dict[str, Any] | None,
) -> None:
    from exzarr._tools.check.repair import repair
    from exzarr.errors import ArgumentError

    if file is None:
        raise ArgumentError("--apply requires --repair FILE, with the plan of an earlier run without --apply")
    if other_options:
        raise ArgumentError(
            "--apply only carries out the plan in the file: use --deep, --full and --quarantine when you plan"
        )
    report = repair(path, file, storage_options=storage_options)
    if as_json:
        print_json(report.asdict())
    else:
        console().print(str(report), markup=False)
    if not report.ok:
        raise typer.Exit(DIFFERENT)


def _print(report: CheckReport) -> None:
    from rich.text import Text

    from exzarr._tools.check.findings import KINDS

    out = console()
    out.print(report.place, markup=False)
    out.print(f"  {report.summary()}", markup=False)
    for code in report.by_code():
        kind = KINDS[code]
        out.print(Text.assemble("\n", (f"{code} {kind.severity}", COLOURS[kind.severity]), f": {kind.title}"))
        for line in report.lines(code):
            out.print(in_options(line), markup=False)
    for line in report.tail():
        out.print(line, markup=False)
