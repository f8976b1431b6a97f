"""``exzarr head``: print values of an array."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from exzarr._cli.options import AS_JSON, examples, takes_urls
from exzarr._cli.output import console, print_json
from exzarr.errors import ArgumentError

if TYPE_CHECKING:
    from rich.console import Console

    from exzarr._typing import AnyArray

__all__ = ["register"]

MAX_ELEMENTS = 1_000_000
"""Maximum number of elements to print. Use the Python API to export more."""
MAX_ROWS, MAX_COLUMNS = 60, 24
"""Maximum number of rows and columns in a table; the middle of a longer table is omitted."""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("head")(head)


@examples(
    "exzarr head cube.zarr/sst --rows 3",
    'exzarr head cube.zarr/sst --region "0:3, ..., 5"',
)
@takes_urls()
def head(
    path: Annotated[str, typer.Argument(metavar="PATH", help="An array.")],
    region: Annotated[
        str | None,
        typer.Option("--region", "-r", metavar="REGION", help='What to print, as in NumPy: "0:3, ..., 5".'),
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option("--rows", "-n", min=1, metavar="N", help="Rows of the corner. Default: 8."),
    ] = None,
    columns: Annotated[
        int | None,
        typer.Option("--columns", "-c", min=1, metavar="N", help="Columns of the corner. Default: 6."),
    ] = None,
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw the region instead; without --region, the whole array.")
    ] = False,
    as_json: AS_JSON = False,
    storage_options: dict[str, Any] | None = None,
) -> None:
    """Print a corner of an array, or any region of it."""
    for option, given in (("--rows", rows is not None), ("--columns", columns is not None)):
        if given and (plot or region is not None):
            raise ArgumentError(
                f"{option} is about a corner: leave it out together with {'--plot' if plot else '--region'}"
            )
    if plot:
        _draw(path, region, as_json, storage_options)
        return
    import numpy as np

    from exzarr._cli.nodes import array_at, find_node, place_of
    from exzarr._cli.region import corner, parse_region
    from exzarr._engine.planning import indexing
    from exzarr._format.metadata import ArrayMetadata
    from exzarr._tools.xarray_fill import missing_marks
    from exzarr.errors import NodeTypeError

    location, meta = find_node(path, storage_options)
    if not isinstance(meta, ArrayMetadata):
        raise NodeTypeError(
            f"{path} is a group, and head prints arrays: `exzarr tree {path}` lists the arrays in it"
        )
    array = array_at(location, meta)
    selection = corner(array.shape, rows or 8, columns or 6) if region is None else parse_region(region)
    wanted = math.prod(indexing.basic(selection, array.shape).result_shape)
    if wanted > MAX_ELEMENTS:
        raise ArgumentError(
            f"the region has {wanted:,} elements, and head prints at most {MAX_ELEMENTS:,}: narrow the --region"
        )
    values = np.asarray(array[selection])
    if array.dtype.kind == "T" and not values.ndim:
        values = np.asarray(str(values), dtype=array.dtype)
    text = selection_text(selection)
    if as_json:
        print_json(
            {
                "path": place_of(location),
                "region": text,
                "shape": [*values.shape],
                "data_type": meta.data_type.name,
                "values": values,
            }
        )
        return
    from rich.text import Text

    out = console()
    name = location.path or path.rstrip("/").rpartition("/")[2]
    whole = " × ".join(map(str, array.shape)) or "()"
    out.print(Text.assemble((f"{name}[{text}]", "bold"), "  ", (f"of {whole} {meta.data_type.name}", "dim")))
    marks = missing_marks(meta, values.dtype)
    masked = np.isin(values, marks) if marks else np.zeros(values.shape, bool)
    shown = np.ma.MaskedArray(values, masked) if masked.any() else values
    _print(out, shown, _axes(selection, array.shape))
    if masked.any():
        what = ", ".join(dict.fromkeys(f"{mark:.6g}" for mark in marks))
        out.print(f"[dim]-- has no value: {masked.sum():,} of {masked.size:,} elements are {what}[/dim]")


def _draw(path: str, region: str | None, as_json: bool, storage_options: dict[str, Any] | None) -> None:
    from exzarr._cli.plot import picture_of
    from exzarr._pictures.figure import Style
    from exzarr._pictures.terminal import show

    if as_json:
        raise ArgumentError(
            "--plot and --json can't be combined: `exzarr plot --json -o FILE` reports what it drew"
        )
    show(picture_of(path, region, storage_options=storage_options), Style(), console())


def selection_text(selection: tuple[Any, ...]) -> str:
    """Return a selection in the notation of an index expression."""

    def part(item: Any) -> str:
        if item is ...:
            return "..."
        if isinstance(item, slice):
            ends = f"{'' if item.start is None else item.start}:{'' if item.stop is None else item.stop}"
            return ends if item.step is None else f"{ends}:{item.step}"
        return str(item)

    return ", ".join(map(part, selection)) or "()"


def _axes(selection: tuple[Any, ...], shape: tuple[int, ...]) -> list[range]:
    """Return the array's indices along each dimension of the result."""
    full: list[Any] = [*selection]
    if ... in full:
        at = full.index(...)
        full[at : at + 1] = [slice(None)] * (len(shape) - len(full) + 1)
    full += [slice(None)] * (len(shape) - len(full))
    return [range(n)[item] for item, n in zip(full, shape, strict=True) if isinstance(item, slice)]


def _print(out: Console, values: AnyArray, axes: list[range]) -> None:
    import numpy as np

    if not values.ndim:
        out.print(_text(values[()], None))
        return
    if not values.size:
        out.print("[dim]no elements[/dim]")
        return
    if values.ndim == 1:
        if values.dtype.kind in "biufc" and values.size <= MAX_COLUMNS:
            _table(out, values.reshape(1, -1), [None], axes[0])
        else:
            _table(out, values[:, None], axes[0], [None])
        return
    leading = values.shape[:-2]
    for number, index in enumerate(np.ndindex(leading)):
        if number == MAX_ROWS:
            out.print(f"[dim]… and {math.prod(leading) - MAX_ROWS:,} more[/dim]")
            break
        if leading:
            place = ", ".join(str(axis[i]) for axis, i in zip(axes, index, strict=False))
            out.print(f"\n[dim]\\[{place}, :, :][/dim]")
        _table(out, values[index], axes[-2], axes[-1])


def _table(out: Console, values: AnyArray, rows: Sequence[int | None], columns: Sequence[int | None]) -> None:
    """Print a two-dimensional array with the indices of its rows and columns (None: no index)."""
    from rich.table import Table
    from rich.text import Text

    at_rows, at_columns = _cut(len(rows), MAX_ROWS), _cut(len(columns), MAX_COLUMNS)
    digits = _digits(values)
    named = any(column is not None for column in columns)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_header=named)
    table.add_column("", style="dim", justify="right")
    for c in at_columns:
        table.add_column("…" if c is None else "" if columns[c] is None else str(columns[c]), justify="right")
    for r in at_rows:
        if r is None:
            table.add_row("…", *["…"] * len(at_columns))
            continue
        cells = ["…" if c is None else _text(values[r, c], digits) for c in at_columns]
        table.add_row("" if rows[r] is None else str(rows[r]), *[Text(cell) for cell in cells])
    out.print(table)


def _cut(n: int, most: int) -> list[int | None]:
    """Return the indices of the printed rows out of `n`; None marks the omitted rows."""
    if n <= most:
        return [*range(n)]
    half = most // 2
    return [*range(half), None, *range(n - half, n)]


def _digits(values: AnyArray) -> int | None:
    """Return the number of decimals for floats of this size; None if they need an exponent."""
    import numpy as np

    if values.dtype.kind != "f":
        return None
    finite = values.compressed() if isinstance(values, np.ma.MaskedArray) else values
    finite = finite[np.isfinite(finite)].astype("f8")
    finite = np.abs(finite[finite != 0])
    # Only a mark of missing data (1e20) among ordinary numbers is printed with an exponent.
    usual = finite[(finite < 1e7) & (finite >= 1e-4)]
    if usual.size < 0.5 * finite.size or not finite.size:
        return None if finite.size else 1
    most = max(0, 5 - max(0, math.floor(math.log10(float(usual.max())))))
    rounded = usual.round(most)
    return next(n for n in range(most + 1) if n == most or (usual.round(n) == rounded).all())


def _text(value: Any, digits: int | None) -> str:
    import numpy as np

    if isinstance(value, float | np.floating):
        number = float(value)
        if digits is not None and (number == 0 or 1e-5 <= abs(number) < 1e7):
            return f"{number:.{digits}f}"
        return f"{number:.6g}"
    return repr(value) if isinstance(value, str | bytes) else str(value)
