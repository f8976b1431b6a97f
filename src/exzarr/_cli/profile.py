"""``exzarr profile`` and the option ``--profile`` of all commands."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from exzarr._cli.options import examples
from exzarr._cli.output import console, print_json

__all__ = ["OPTION", "profiled", "register"]

OPTION = "--profile"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    settings: dict[str, Any] = {
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,  # arguments after the command belong to it
    }
    app.command("profile", context_settings=settings)(profile)


@examples(
    "exzarr profile --plot timeline.png copy cube.zarr copy.zarr",
)
def profile(
    ctx: typer.Context,
    command: Annotated[
        list[str], typer.Argument(metavar="COMMAND", help="Another command of exzarr, with its arguments.")
    ],
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print the profile as JSON on stdout; the command's own output goes to stderr."
        ),
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the timeline to this file (.png, .svg, .pdf).")
    ] = None,
) -> None:
    """Run another command, and print where its time went.

    The profile goes to stderr, so you can still pipe the command's output. `exzarr COMMAND --profile` does the same.
    """
    parent = ctx.parent
    assert parent is not None
    with profiled(as_json=as_json, plot=plot):
        main = parent.command.main
        code = main(args=command, prog_name=parent.info_name, standalone_mode=False)
    if isinstance(code, int) and code:
        raise typer.Exit(code)


@contextmanager
def profiled(*, as_json: bool = False, plot: Path | None = None) -> Iterator[None]:
    """Print the profile of the block, even if it raises an error."""
    import exzarr

    with ExitStack() as stack:
        stack.callback(lambda: _show(report, as_json, plot))
        if as_json:
            stack.enter_context(redirect_stdout(sys.stderr))
        report = stack.enter_context(exzarr.profile())
        yield


def _show(report: Any, as_json: bool, plot: Path | None) -> None:
    if as_json:
        print_json(report.asdict())
    else:
        out = console(stderr=True)
        sys.stdout.flush()
        out.print()
        out.print(str(report), markup=False, soft_wrap=True)
    if plot is not None:
        report.plot(plot)
