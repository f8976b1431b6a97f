"""The command-line application: registers the commands, and turns errors into one line and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from exzarr._cli import (
    check,
    checksum,
    convert,
    copy,
    diff,
    gallery,
    head,
    info,
    lab,
    plot,
    plugins,
    profile,
    pyramid,
    serve,
    stats,
    sync,
    tree,
    virtualize,
)
from exzarr._cli.demo import command as demo
from exzarr._cli.failures import BROKEN_PIPE, INTERRUPTED, message_of, status_of
from exzarr._cli.output import replace_unencodable

__all__ = ["app"]


class _Commands(TyperGroup):
    """The top-level command group. It prints errors without a traceback, unless EXZARR_DEBUG is set."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        given = _option_first(sys.argv[1:] if args is None else args)
        run = partial(super().main, given, prog_name, complete_var, False, windows_expand_args, **extra)
        if not standalone_mode:
            return run()
        replace_unencodable(sys.stdout)
        replace_unencodable(sys.stderr)
        try:
            code = run()
            sys.stdout.flush()
        except BrokenPipeError:  # the reader closed the pipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = BROKEN_PIPE
        except (KeyboardInterrupt, typer.Abort):
            _fail("interrupted", INTERRUPTED)
        except Exception as error:  # noqa: BLE001 - any error becomes one line and an exit status
            if type(error).__name__ == "NoArgsIsHelpError":  # the help is already printed
                raise SystemExit(0) from None
            if os.environ.get("EXZARR_DEBUG", "0") not in ("", "0"):
                import traceback

                traceback.print_exc()
            _fail(message_of(error, {*_options_of(self)}), status_of(error))
        raise SystemExit(code if isinstance(code, int) else 0)


def _option_first(args: Sequence[str]) -> list[str]:
    """Move ``--profile`` from any position in `args` to the front, where the parser expects it."""
    end = args.index("--") if "--" in args else len(args)
    if profile.OPTION not in args[:end]:
        return [*args]
    return [profile.OPTION, *[arg for i, arg in enumerate(args) if i >= end or arg != profile.OPTION]]


def _options_of(command: Any) -> Iterator[str]:
    """Yield the options of a command and of its subcommands."""
    for parameter in command.params:
        yield from parameter.opts
    for below in getattr(command, "commands", {}).values():
        yield from _options_of(below)


def _fail(message: str, code: int) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(code)


def _version(wanted: bool) -> None:
    if wanted:
        import exzarr

        print(f"exzarr {exzarr.__version__}")
        raise typer.Exit


app = typer.Typer(
    name="exzarr",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # Rich help shows flags as <bool> and needs a wide terminal
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Inspect, copy, convert, check and repair Zarr arrays and hierarchies.",
    epilog="A PATH is a folder, a .zip file, references (.json, .parq), a path inside these, or a URL. "
    "Exit status: 0 success; 1 damage or differences were found; 2 wrong usage; 3 any other failure.",
)


@app.callback()
def _options(
    ctx: typer.Context,
    version: Annotated[  # noqa: ARG001 - the callback handles it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    profiling: Annotated[
        bool,
        typer.Option(
            profile.OPTION, help="Print where time and bytes went, on stderr; allowed after any command."
        ),
    ] = False,
) -> None:
    if profiling:
        ctx.with_resource(profile.profiled())


for _command in (
    demo,
    info,
    tree,
    head,
    plot,
    copy,
    sync,
    convert,
    pyramid,
    virtualize,
    check,
    checksum,
    diff,
    stats,
    lab,
    serve,
    profile,
    plugins,
    gallery,
):
    _command.register(app)
