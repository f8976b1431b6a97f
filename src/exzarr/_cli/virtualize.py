"""``exzarr virtualize``: HDF5 and NetCDF files as Zarr, in place."""

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

MOST_LISTED = 50
"""Things left out that are printed; the rest is counted."""


class OnUnsupported(StrEnum):
    """What happens to what no reference can express."""

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
            help="A .json file or a .parq folder; without it, JSON is printed.",
        ),
    ] = None,
    concat_dim: Annotated[
        str | None,
        typer.Option("--concat-dim", metavar="NAME", help="The dimension along which the files are joined."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="A dataset, group or link to leave out; may be given again."),
    ] = None,
    inline: Annotated[
        int, typer.Option(metavar="BYTES", help="Chunks of fewer bytes become part of the references.")
    ] = 500,
    relative: Annotated[
        bool, typer.Option("--relative", help="Name files by their place beside the output.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
    on_unsupported: Annotated[
        OnUnsupported,
        typer.Option(
            "--on-unsupported",
            metavar="raise|skip",
            help="What no reference can express: an error, or left out and listed.",
        ),
    ] = OnUnsupported.RAISE,
    storage_options: dict[str, Any] | None = None,
) -> None:
    """Write references, by which HDF5 and NetCDF files are read as Zarr.

    The elements stay where they are: references say where in which file each chunk is. They are kerchunk's, as
    JSON or Parquet, and open with exzarr and with fsspec. What the files hold and the references do not have is
    listed by name.
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
    told = f"{_count(len(arrays), 'array')} of {_count(len(files), 'file')}, {nbytes} of elements"
    out.print(f"{output}: {told}", markup=False)
    _print_left_out(group.left_out, stderr=False)
    outside = [file for file in files if "://" in file or not _beside(file, output)]
    if outside:
        out.print(
            f"  files are in other places: commands that read {output} need --allow PLACE for their folders or URLs",
            markup=False,
        )


def _print_left_out(left_out: Sequence[LeftOut], *, stderr: bool) -> None:
    if not left_out:
        return
    out = console(stderr=stderr)
    out.print(f"  left out ({len(left_out)}):", markup=False)
    for one in left_out[:MOST_LISTED]:
        out.print(f"    {one}", markup=False)
    if len(left_out) > MOST_LISTED:
        out.print(
            f"    and {len(left_out) - MOST_LISTED} more: exzarr.virtualize(...).left_out", markup=False
        )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number != 1 else "")


def _beside(file: str, output: str) -> bool:
    """Whether references in `output` may lead to `file` without being asked."""
    return Path(file).resolve().is_relative_to(Path(output).resolve().parent)
