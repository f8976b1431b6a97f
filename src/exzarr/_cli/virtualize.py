"""``exzarr virtualize``: write references that present HDF5 and NetCDF files as Zarr."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from exzarr._cli.options import examples, takes_urls
from exzarr._cli.output import console, human_bytes, print_json

if TYPE_CHECKING:
    from exzarr._tools.virtual.model import LeftOut

__all__ = ["register"]

MAX_LISTED = 50
"""Maximum number of omitted objects to print; the others are counted."""


class OnUnsupported(StrEnum):
    """Treatment of objects that references cannot express."""

    RAISE = "raise"
    SKIP = "skip"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("virtualize")(virtualize)


@examples(
    "exzarr virtualize model.nc -o model.json",
    "exzarr virtualize 2019.nc 2020.nc -o both.parq --concat-dim time",
    "exzarr virtualize s3://bucket/model.nc -o model.json --anon",
)
@takes_urls("--option", references=False)
def virtualize(
    files: Annotated[list[str], typer.Argument(help="HDF5 or NetCDF files: paths or URLs.", metavar="FILE")],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PLACE",
            help="A .json file or a .parq folder. Default: print JSON.",
        ),
    ] = None,
    concat_dim: Annotated[
        str | None,
        typer.Option("--concat-dim", metavar="NAME", help="The dimension along which to join the files."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="A dataset, group or link to omit; can be repeated."),
    ] = None,
    inline: Annotated[
        int, typer.Option(metavar="BYTES", help="Store chunks with fewer bytes in the references.")
    ] = 500,
    relative: Annotated[
        bool, typer.Option("--relative", help="Store file paths relative to the output.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
    on_unsupported: Annotated[
        OnUnsupported,
        typer.Option(
            "--on-unsupported",
            metavar="raise|skip",
            help="For objects that references cannot express: raise an error, or omit and list them.",
        ),
    ] = OnUnsupported.RAISE,
    storage_options: dict[str, Any] | None = None,
) -> None:
    """Write references to read HDF5 and NetCDF files as Zarr.

    The data stay in the files: references hold the file and position of each chunk. They use kerchunk's format, as
    JSON or Parquet, and open with exzarr and fsspec. The command lists all objects that the references omit.
    """
    from exzarr._nodes.group import Group
    from exzarr._tools.virtual.virtualize import references_of, virtualize as virtualized

    skip: Literal["raise", "skip"] = "skip" if on_unsupported is OnUnsupported.SKIP else "raise"
    if output is None:
        references, left_out = references_of(
            files,
            concat_dim=concat_dim,
            exclude=exclude or (),
            inline=inline,
            on_unsupported=skip,
            storage_options=storage_options,
        )
        print_json(references)
        _print_left_out(left_out, stderr=True)
        return
    group = virtualized(
        files,
        output,
        concat_dim=concat_dim,
        exclude=exclude or (),
        inline=inline,
        relative=relative,
        overwrite=overwrite,
        on_unsupported=skip,
        storage_options=storage_options,
    )
    arrays = [node for _, node in group.walk() if not isinstance(node, Group)]
    nbytes = human_bytes(sum(array.nbytes for array in arrays))
    out = console()
    summary = f"{_count(len(arrays), 'array')} of {_count(len(files), 'file')}, {nbytes} of elements"
    out.print(f"{output}: {summary}", markup=False)
    _print_left_out(group.left_out, stderr=False)
    outside = [file for file in files if "://" in file or not _beside(file, output)]
    if outside:
        out.print(
            f"  files are in other places: commands that read {output} require --allow PLACE for these folders or URLs",
            markup=False,
        )


def _print_left_out(left_out: Sequence[LeftOut], *, stderr: bool) -> None:
    if not left_out:
        return
    out = console(stderr=stderr)
    out.print(f"  left out ({len(left_out)}):", markup=False)
    for one in left_out[:MAX_LISTED]:
        out.print(f"    {one}", markup=False)
    if len(left_out) > MAX_LISTED:
        out.print(f"    and {len(left_out) - MAX_LISTED} more: exzarr.virtualize(...).left_out", markup=False)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number != 1 else "")


def _beside(file: str, output: str) -> bool:
    """Return whether references in `output` may lead to `file` without ``--allow``."""
    return Path(file).resolve().is_relative_to(Path(output).resolve().parent)
