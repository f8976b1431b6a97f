"""``exzarr virtualize``: HDF5 and NetCDF4 files as Zarr, where they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from exzarr.cli.output import console, human_bytes, print_json

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("virtualize")(virtualize)


def virtualize(
    files: Annotated[
        list[str], typer.Argument(help="HDF5 or NetCDF4 files: paths or URLs.", metavar="FILE...")
    ],
    output: Annotated[
        str | None, typer.Option(help="A .json file or a .parq folder; without it, JSON is printed.")
    ] = None,
    concat_dim: Annotated[
        str | None, typer.Option("--concat-dim", help="The dimension along which the files are joined.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="A dataset or group to leave out; may be given again.")
    ] = None,
    inline: Annotated[int, typer.Option(help="Chunks of fewer bytes become part of the references.")] = 500,
    relative: Annotated[
        bool, typer.Option("--relative", help="Name files by their place beside the output.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Write references, by which HDF5 and NetCDF4 files are read as Zarr.

    The elements stay where they are: references say where in which file each chunk lies. They are kerchunk's, as
    JSON or Parquet, and open with exzarr and with fsspec.
    """
    from exzarr.group import Group
    from exzarr.tools.virtual.virtualize import references_of
    from exzarr.tools.virtual.virtualize import virtualize as virtualized

    if output is None:
        print_json(references_of(files, concat_dim=concat_dim, exclude=exclude or (), inline=inline))
        return
    group = virtualized(
        files,
        output,
        concat_dim=concat_dim,
        exclude=exclude or (),
        inline=inline,
        relative=relative,
        overwrite=overwrite,
    )
    arrays = [node for _, node in group.walk() if not isinstance(node, Group)]
    nbytes = human_bytes(sum(array.nbytes for array in arrays))
    out = console()
    told = f"{_count(len(arrays), 'array')} of {_count(len(files), 'file')}, {nbytes} of elements"
    out.print(f"{output}: {told}", markup=False)
    outside = [file for file in files if "://" in file or not _beside(file, output)]
    if outside:
        out.print(
            f"  files lie elsewhere: ReferenceStore({output!r}, allow=[...]) names the places that may be read",
            markup=False,
        )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number != 1 else "")


def _beside(file: str, output: str) -> bool:
    """Whether references in `output` may lead to `file` without being asked."""
    return Path(file).resolve().is_relative_to(Path(output).resolve().parent)
