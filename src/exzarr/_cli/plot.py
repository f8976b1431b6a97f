"""``exzarr plot``: draw an image, a line or a histogram of an array."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from exzarr._cli.options import AS_JSON, examples, parse_bytes, takes_urls
from exzarr._cli.output import console, print_json
from exzarr.errors import ArgumentError

if TYPE_CHECKING:
    from exzarr._pictures.picture import Picture
    from exzarr._typing import IntArray

__all__ = ["picture_of", "register"]

LONGEST, MOST_PIXELS = 30_000, 1 << 28
"""Limits of a drawn file: matplotlib needs four bytes a pixel, and its sides are shorter than 65,536."""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("plot")(plot)


@examples(
    "exzarr plot earth.zarr/sst -r 0 -o map.png",
    'exzarr plot earth.zarr/sst -r ":, 45, 90" -o series.svg',
    "exzarr plot image.ome.zarr -o overview.png --limits 0,4095 --colours gray",
)
@takes_urls("--option")
def plot(
    path: Annotated[str, typer.Argument(metavar="PATH", help="An array, or the group of a pyramid.")],
    region: Annotated[
        str | None,
        typer.Option(
            "--region",
            "-r",
            metavar="REGION",
            help='What to draw, as in NumPy: "0, ..., 10:90". Of a pyramid: in its first level.',
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="A .png, .svg, .pdf or .jpg file. Default: draw in the terminal.",
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            metavar="image|line|histogram", help="Default: by the number of dimensions in the region."
        ),
    ] = None,
    colours: Annotated[
        str | None,
        typer.Option(
            "--colours", "--cmap", metavar="NAME", help="A colour map of matplotlib. Default: viridis."
        ),
    ] = None,
    limits: Annotated[
        str | None,
        typer.Option(
            metavar="LOW,HIGH", help="Range of the values. Default for colours: percentiles 2 and 98."
        ),
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="Logarithmic scale of the values.")] = False,
    symmetric: Annotated[
        bool, typer.Option("--symmetric", help="Limits of the colours symmetric around 0.")
    ] = False,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Title of the picture.")] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="WIDTHxHEIGHT", help="Size of the file in inches. Default: 8x5."),
    ] = None,
    dpi: Annotated[
        int | None,
        typer.Option(min=10, max=1200, metavar="N", help="Pixels per inch of the file. Default: 150."),
    ] = None,
    budget: Annotated[
        str,
        typer.Option(
            metavar="BYTES", help="The most bytes of chunks to decode; else, fewer elements are drawn."
        ),
    ] = "256MiB",
    as_json: AS_JSON = False,
    storage_options: dict[str, Any] | None = None,
) -> None:
    """Draw an array of any size. One dimension is a line, two are an image, and more are a histogram.

    At most about one element per pixel is read. The picture says which elements they are.
    """
    from exzarr._pictures.figure import Style, draw

    for option, given in (("--json", as_json), ("--size", size is not None), ("--dpi", dpi is not None)):
        if given and output is None:
            raise ArgumentError(f"{option} requires --output")
    style = Style(colours, _limits(limits), log, symmetric, _size(size or "8x5"), title)
    dpi = dpi or 150
    if output is not None:
        _check_file(output, style.size, dpi)
    picture = picture_of(path, region, kind, storage_options, decoded=parse_bytes(budget, "--budget"))
    if output is None:
        from exzarr._pictures.terminal import show

        show(picture, style, console())
        return
    draw(picture, style).savefig(output, dpi=dpi)
    sample = picture.sample
    if as_json:
        print_json(
            {
                "output": str(output),
                "kind": picture.kind,
                "shape": [*picture.values.shape],
                "of": [*sample.of],
                "chunks": sample.chunks,
                "chunks_in_region": sample.of_chunks,
                "bytes_decoded": sample.decoded,
            }
        )
        return
    console().print(f"{output}: {picture.kind} of {sample}", highlight=False, markup=False)


def picture_of(
    path: str,
    region: str | None,
    kind: str | None = None,
    storage_options: dict[str, Any] | None = None,
    *,
    decoded: int = 256 << 20,
) -> Picture:
    """Read the picture of a region of the array or pyramid at `path`."""
    from exzarr._cli.nodes import array_at, find_node
    from exzarr._cli.region import parse_region
    from exzarr._format.metadata import ArrayMetadata
    from exzarr._format.multiscales.parse import kind_of
    from exzarr._pictures.levels import level_for
    from exzarr._pictures.picture import Axis, Kind
    from exzarr._pictures.reading import read_picture
    from exzarr.errors import NodeTypeError
    from exzarr.multiscale.opening import open_image

    if kind is not None and kind not in get_args(Kind):
        raise ArgumentError(
            f"--kind {kind!r}: write {', '.join(get_args(Kind)[:-1])} or {get_args(Kind)[-1]}"
        )
    selection = () if region is None else parse_region(region)
    location, meta = find_node(path, storage_options)
    if isinstance(meta, ArrayMetadata):
        return read_picture(array_at(location, meta), selection, kind, decoded=decoded)  # type: ignore[arg-type]
    if kind_of(meta.attributes) != "image":
        raise NodeTypeError(
            f"{path} is a group without a pyramid, and plot draws arrays: `exzarr tree {path}` lists the arrays in it"
        )
    pyramid = open_image(location)
    level, selection = level_for(pyramid, selection)

    name = pyramid.name or pyramid.group.basename or path.rstrip("/").rpartition("/")[2]

    def axis_of(dim: int, at: IntArray) -> Axis:
        axis = pyramid.axes[dim]
        label = f"{axis.name} [{axis.unit}]" if axis.unit else axis.name
        return Axis(label, level.translation[dim] + level.scale[dim] * at)

    return read_picture(level.array, selection, kind, decoded=decoded, name=name, axis_of=axis_of)  # type: ignore[arg-type]


def _check_file(output: Path, size: tuple[float, float], dpi: int) -> None:
    """Raise ArgumentError for a file that cannot be written, before anything is read."""
    if output.suffix.lower() not in (".png", ".svg", ".pdf", ".jpg", ".jpeg"):
        raise ArgumentError(f"--output {output}: the name must end in .png, .svg, .pdf or .jpg")
    if not output.parent.is_dir():
        raise ArgumentError(f"--output {output}: there is no folder {output.parent}")
    width, height = (round(length * dpi) for length in size)
    if max(width, height) > LONGEST or width * height > MOST_PIXELS:
        raise ArgumentError(
            f"--size and --dpi give {width:,} × {height:,} pixels: at most {LONGEST:,} along a side, and {MOST_PIXELS:,} "
            "altogether"
        )


def _limits(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise ArgumentError(f"--limits {text!r}: write two numbers, such as 270,310") from None
    if not low < high:
        raise ArgumentError(f"--limits {text!r}: the first number must be less than the second")
    if not math.isfinite(high - low):
        raise ArgumentError(f"--limits {text!r}: write two finite numbers, such as 270,310")
    return low, high


def _size(text: str) -> tuple[float, float]:
    try:
        width, height = map(float, text.lower().split("x"))
    except ValueError:
        width = height = 0.0
    if not (0.5 <= width <= 100 and 0.5 <= height <= 100):
        raise ArgumentError(
            f"--size {text!r}: write width and height in inches, from 0.5 to 100, such as 8x5"
        )
    return width, height
