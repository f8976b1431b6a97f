"""``exzarr copy``: copy arrays and hierarchies, and change chunks, codecs or data type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from exzarr._cli.options import AS_JSON, ON_ERROR, examples, takes_urls
from exzarr._cli.output import console, human_bytes, print_json

if TYPE_CHECKING:
    from exzarr._tools.report import CopyReport

__all__ = ["print_report", "register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("copy")(copy)


@examples(
    "exzarr copy cube.zarr backup.zip",
    "exzarr copy cube.zarr/sst series.zarr --chunks time=-1,lat=10 --shards none --compressors zstd:9",
    "exzarr copy s3://public/cube.zarr cube.zarr --anon",
)
@takes_urls()
def copy(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="An array or a group.")],
    destination: Annotated[
        str,
        typer.Argument(metavar="DESTINATION", help="Destination: a folder, a .zip file or a URL."),
    ],
    chunks: Annotated[
        str | None,
        typer.Option(
            metavar="SIZES", help="New chunks: 100,100 (-1: the whole dimension) or time=12,lat=90."
        ),
    ] = None,
    shards: Annotated[str | None, typer.Option(metavar="SIZES", help="New shards, or none.")] = None,
    compressors: Annotated[
        str | None, typer.Option(metavar="CODECS", help="zstd, zstd:9, gzip, blosc, none, or JSON.")
    ] = None,
    filters: Annotated[str | None, typer.Option(metavar="CODECS", help="Names, none, or JSON.")] = None,
    checksum: Annotated[
        bool | None,
        typer.Option("--checksum/--no-checksum", help="Add a checksum to all chunks, or remove it."),
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(metavar="DTYPE", help="Convert the elements to this data type.")
    ] = None,
    casting: Annotated[
        str,
        typer.Option(
            metavar="HOW", help="Conversions that --dtype may do: same_kind loses no value, unsafe may."
        ),
    ] = "same_kind",
    zarr_format: Annotated[
        int | None,
        typer.Option("--zarr-format", min=2, max=3, metavar="2|3", help="Zarr version of the copy."),
    ] = None,
    on_error: ON_ERROR = "raise",
    memory: Annotated[str, typer.Option(metavar="SIZE", help="Maximum memory for re-encoding.")] = "256MiB",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing DESTINATION.")] = False,
    to_option: Annotated[
        list[str] | None,
        typer.Option(
            "--to-option",
            metavar="KEY=VALUE",
            help="An option of DESTINATION's store; --option and --anon then apply to SOURCE only.",
        ),
    ] = None,
    as_json: AS_JSON = False,
    storage_options: dict[str, Any] | None = None,
) -> None:
    """Copy an array, or a group with all nodes below it.

    Chunks are copied byte for byte if their encoding stays the same, and re-encoded otherwise.
    """
    from exzarr._cli.options import (
        parse_bytes,
        parse_codecs,
        parse_on_error,
        parse_options,
        parse_sizes,
        progress_bar,
    )
    from exzarr._tools.copy import copy as copy_nodes

    changes: dict[str, Any] = {}
    if chunks is not None:
        changes["chunks"] = parse_sizes(chunks, "--chunks")
    if shards is not None:
        changes["shards"] = parse_sizes(shards, "--shards")
    if compressors is not None:
        changes["compressors"] = parse_codecs(compressors, "--compressors")
    if filters is not None:
        changes["filters"] = parse_codecs(filters, "--filters")
    if checksum is not None:
        changes["checksum"] = checksum
    if dtype is not None:
        changes["dtype"] = dtype
    elif casting != "same_kind":
        raise typer.BadParameter("it requires --dtype", param_hint="--casting")
    if zarr_format is not None:
        changes["zarr_format"] = zarr_format
    most = parse_bytes(memory, "--memory")
    with progress_bar("copying", quiet=as_json) as progress:
        report = copy_nodes(
            source,
            destination,
            overwrite=overwrite,
            on_error=parse_on_error(on_error),
            memory=most,
            progress=progress,
            casting=casting,  # type: ignore[arg-type]  # checked by `copy`
            storage_options=storage_options,
            destination_options=parse_options(to_option, "--to-option") or None,
            **changes,
        )
    print_report(report, as_json)


def print_report(report: CopyReport, as_json: bool) -> None:
    """Print a report as text or JSON, and exit with status 1 if nodes were left out."""
    if as_json:
        print_json(report.asdict())
    else:
        _print_text(report)
    if report.left_out:
        raise typer.Exit(1)


def _print_text(report: CopyReport) -> None:
    out = console()
    out.print(str(report), markup=False)
    if report.chunks and report.seconds > 0 and report.bytes_data > 2**20:
        speed = human_bytes(int(report.bytes_data / report.seconds))
        out.print(f"  {human_bytes(report.bytes_data)} of elements, {speed}/s", markup=False)
