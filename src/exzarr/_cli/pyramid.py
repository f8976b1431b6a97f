"""``exzarr pyramid``: build a pyramid from an array."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from exzarr._cli.options import AS_JSON, examples, takes_urls
from exzarr._cli.output import console, print_json

if TYPE_CHECKING:
    from exzarr.multiscale.pyramid import Pyramid

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("pyramid")(pyramid)


@examples(
    "exzarr pyramid volume.zarr volume.ome.zarr --axes zyx --scale z=2,y=0.5,x=0.5 --unit micrometer",
    "exzarr pyramid image.zarr/0 image.zarr --method nearest",
    "exzarr pyramid dem.zarr dem-pyramid.zarr --convention multiscales --crs EPSG:32633 --scale=-10,10 --nodata=-9999",
)
@takes_urls()
def pyramid(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="An array.")],
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="The group for the levels: a folder, a .zip or .ozx file or a URL. If SOURCE is below it, it becomes the "
            "first level.",
        ),
    ],
    levels: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Number of levels. Default: until one fits into a chunk."),
    ] = None,
    factors: Annotated[
        str | None,
        typer.Option(
            metavar="SIZES", help="Elements that become one: 2, 1,2,2 or y=2,x=2. Default: 2 in space."
        ),
    ] = None,
    method: Annotated[
        str, typer.Option(metavar="NAME", help="mean, mode (for labels), nearest, min or max.")
    ] = "mean",
    nodata: Annotated[
        float | None,
        typer.Option(metavar="NUMBER", help="The value of missing elements, which are left out."),
    ] = None,
    axes: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Names of the axes: tczyx, or time,lat,lon.")
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(metavar="NUMBERS", help="Distance of elements: 0.5 (in space), 1,0.5,0.5 or z=2,y=0.5."),
    ] = None,
    translation: Annotated[
        str | None,
        typer.Option(metavar="NUMBERS", help="World coordinates of the first element, as for --scale."),
    ] = None,
    unit: Annotated[
        str | None, typer.Option(metavar="NAME", help="Unit of the axes in space, such as micrometer.")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="TEXT", help="Name of the image.")] = None,
    convention: Annotated[
        str, typer.Option(metavar="NAME", help="ome-zarr, or multiscales (for GeoZarr).")
    ] = "ome-zarr",
    version: Annotated[
        str | None, typer.Option(metavar="0.4|0.5|0.6", help="Version of OME-Zarr. Default: 0.5.")
    ] = None,
    crs: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="Coordinate reference system, for --convention multiscales."),
    ] = None,
    chunks: Annotated[str | None, typer.Option(metavar="SIZES", help="Chunks. Default: as SOURCE.")] = None,
    shards: Annotated[str | None, typer.Option(metavar="SIZES", help="Shards. Default: as SOURCE.")] = None,
    compressors: Annotated[
        str | None,
        typer.Option(metavar="CODECS", help="zstd, zstd:9, gzip, blosc, or JSON. Default: as SOURCE."),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, metavar="N", help="Number of threads.")] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Record progress in this file: the same command resumes a killed build."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing TARGET.")] = False,
    as_json: AS_JSON = False,
    storage_options: dict[str, Any] | None = None,
) -> None:
    """Build a pyramid: an array, and copies of it with less and less resolution.

    The array is read once, and memory is bounded by its chunks.
    """
    from exzarr._api.opening import open_array
    from exzarr._cli.options import parse_codecs, parse_numbers, parse_sizes
    from exzarr.multiscale.writing import write

    changes: dict[str, Any] = {}
    for option, text, parse in (
        ("factors", factors, parse_sizes),
        ("chunks", chunks, parse_sizes),
        ("shards", shards, parse_sizes),
        ("compressors", compressors, parse_codecs),
        ("scale", scale, parse_numbers),
        ("translation", translation, parse_numbers),
    ):
        if text is not None:
            changes[option] = parse(text, f"--{option}")
    if axes is not None:
        changes["axes"] = [part.strip() for part in axes.split(",")] if "," in axes else axes
    # Options that belong to neither place are refused with the source.
    of_source = storage_options if "://" in source or "://" not in target else None
    made = write(
        open_array(source, mode="r", storage_options=of_source),
        target,
        levels="auto" if levels is None else levels,
        method=method,  # type: ignore[arg-type]  # checked by `write`
        nodata=nodata,
        unit=unit,
        name=name,
        convention=convention,  # type: ignore[arg-type]
        version=version,  # type: ignore[arg-type]
        crs=crs,
        workers=workers,
        checkpoint=checkpoint,
        overwrite=overwrite,
        progress=not as_json and console(stderr=True).is_terminal,
        storage_options=storage_options if "://" in target else None,
        **changes,
    )
    if as_json:
        print_json(_as_json(made))
    else:
        _print(made)
    made.group.store.close()  # a zip file is complete now


def _as_json(made: Pyramid) -> dict[str, Any]:
    return {
        "group": str(made.group.location),
        "convention": made.metadata.convention,
        "version": made.metadata.version,
        "axes": [axis.name for axis in made.axes],
        "levels": [
            {
                "path": level.array.path,
                "shape": [*level.shape],
                "scale": [*level.scale],
                "translation": [*level.translation],
            }
            for level in made
        ],
    }


def _print(made: Pyramid) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    out.print(f"{made.group.location}: {made.metadata.convention} {made.metadata.version}", markup=False)
    table = Table("level", "shape", "chunks", "scale", box=None, pad_edge=False)
    for level in made:
        array = level.array
        chunks = "rectilinear" if not array.metadata.chunk_grid.regular else _numbers(array.chunks)
        table.add_row(Text(array.basename), _numbers(level.shape), chunks, _numbers(level.scale))
    out.print(table)


def _numbers(values: Any) -> str:
    return " × ".join([f"{value:g}" if isinstance(value, float) else str(value) for value in values])
