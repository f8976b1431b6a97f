"""``exzarr gallery``: list, run and open the notebooks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from exzarr._cli.failures import DIFFERENT, FAILED
from exzarr._cli.output import console, print_json

if TYPE_CHECKING:
    from exzarr.gallery.catalog import Notebook

__all__ = ["register"]

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of a notebook, or a unique part of it.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    gallery = typer.Typer(no_args_is_help=True, help="List, run and open the executable tutorials.")
    gallery.command("list")(list_)
    gallery.command("run")(run)
    gallery.command("open")(open_)
    app.add_typer(gallery, name="gallery")


def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List all notebooks by theme, with one line each."""
    from exzarr.gallery.catalog import notebooks, theme_title

    known = notebooks()
    if as_json:
        print_json([_facts(one) for one in known])
        return
    from rich.table import Table
    from rich.text import Text

    out = console()
    theme = None
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in known:
        if one.theme != theme:
            if theme is not None:
                table.add_row("", "")
            theme = one.theme
            table.add_row(Text(theme_title(theme), style="bold"), "")
        table.add_row(Text(f"  {one.name}", style="cyan"), Text(one.header.summary))
    out.print(table)
    out.print(
        "\nexzarr gallery run NAME runs one; exzarr gallery open NAME opens it in the browser", markup=False
    )


def _facts(one: Notebook) -> dict[str, str]:
    from exzarr.gallery.catalog import theme_title

    header = one.header
    return {
        "name": one.name,
        "theme": theme_title(one.theme),
        "title": header.title,
        "summary": header.summary,
        "goal": header.goal,
        "data": header.data,
        "licence": header.licence,
        "run_time": header.run_time,
        "try_next": header.try_next,
        "path": str(one.path),
    }


def run(name: Name) -> None:
    """Run a notebook and print its checks. Succeeds only if all checks pass."""
    from exzarr.gallery.catalog import find

    one = find(name)
    _need_marimo()
    done = subprocess.run([sys.executable, str(one.path)], check=False)  # noqa: S603 - our own file
    if done.returncode:
        raise typer.Exit(DIFFERENT)
    console().print(f"{one.name} ran to its end", markup=False)


def open_(
    name: Name,
    app: Annotated[
        bool, typer.Option("--app", help="Show the notebook without its code, read-only.")
    ] = False,
) -> None:
    """Open a notebook in the browser. A notebook of an installed package is copied to this folder first."""
    from exzarr.gallery.catalog import find

    one = find(name)
    _need_marimo()
    path = one.path if app or "site-packages" not in one.path.parts else _copy(one.path)
    how = ["run"] if app else ["edit"]
    command = [sys.executable, "-m", "marimo", "--yes", *how, str(path)]
    environment = {**os.environ, "MARIMO_SKIP_UPDATE_CHECK": "1"}
    done = subprocess.run(command, env=environment, check=False)  # noqa: S603 - our own file
    if done.returncode:
        raise typer.Exit(FAILED)


def _copy(path: Path) -> Path:
    copied = Path.cwd() / path.name
    if not copied.exists():
        shutil.copyfile(path, copied)
    console().print(f"your copy: {copied}", markup=False)
    return copied


def _need_marimo() -> None:
    from importlib.util import find_spec

    from exzarr.errors import MissingDependencyError

    if find_spec("marimo") is None:
        raise MissingDependencyError("the notebooks need marimo: pip install 'exzarr[gallery]'")
