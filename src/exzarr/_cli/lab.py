"""``exzarr lab``: find good chunks and codecs for an array by measurement."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from exzarr._cli.options import AS_JSON, examples, takes_urls
from exzarr._cli.output import console, print_json

if TYPE_CHECKING:
    from exzarr.telemetry.show import Table

__all__ = ["fitting", "parse_access", "register"]

DROPPED_COLUMNS = (
    "speed",
    "written",
    "stored",
    "checksum",
    "memory",
    "encode",
    "decode",
    "requests",
    "files",
)
"""Columns to drop in a narrow terminal, in this order."""

_ACCESS = re.compile(r"(?:(?P<name>[^=:*]+)=)?(?P<kind>[a-z]+)(?::(?P<how>[^*]*))?(?:\*(?P<weight>[0-9.]+))?")

TARGET = Annotated[str, typer.Argument(metavar="PATH_OR_SHAPE", help="An array, or a shape: 365,720,1440.")]
DTYPE = Annotated[str | None, typer.Option(metavar="DTYPE", help="The data type, with a shape.")]
SAMPLE = Annotated[str, typer.Option(metavar="SIZE", help="Maximum size of the sample.")]
PLOT = Annotated[Path | None, typer.Option(metavar="FILE", help="Draw it to this file (.png, .svg, .pdf).")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    lab = typer.Typer(
        no_args_is_help=True,
        help="Find good chunks and codecs for an array by measurement.",
    )
    lab.command("chunks")(chunks)
    lab.command("codecs")(codecs)
    app.add_typer(lab, name="lab")


@examples(
    "exzarr lab chunks cube.zarr/sst -a maps=window:time=1 -a series=window:lat=1,lon=1",
    "exzarr lab chunks 365,720,1440 --dtype f4 -a scan -a random --measure 0",
)
@takes_urls()
def chunks(
    target: TARGET,
    dtype: DTYPE = None,
    access: Annotated[
        list[str] | None,
        typer.Option(
            "--access",
            "-a",
            metavar="PATTERN",
            help="How you read it: scan, window:1,-1,-1, random or batch:256; can be repeated.",
        ),
    ] = None,
    store: Annotated[
        str,
        typer.Option(metavar="PLACE", help="local, s3 (simulated), or the URL of a store for the trials."),
    ] = "local",
    compressors: Annotated[
        str | None,
        typer.Option(metavar="CODECS", help="Name, zstd:9, names, none, or JSON; default: the array's."),
    ] = None,
    shards: Annotated[bool, typer.Option(help="Allow shards.")] = True,
    objects: Annotated[
        int, typer.Option(min=1, metavar="N", help="Maximum number of files (objects) for the whole array.")
    ] = 100_000,
    measure: Annotated[
        int, typer.Option(min=0, metavar="N", help="Number of layouts to try on a sample; 0: estimate only.")
    ] = 6,
    seconds: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Approximate time for the trials.")
    ] = 20.0,
    sample: SAMPLE = "32MiB",
    plot: PLOT = None,
    as_json: AS_JSON = False,
    storage_options: dict[str, Any] | None = None,
) -> None:
    """Recommend chunks and shards for the way you read an array.

    A cost model compares layouts, with counts from exzarr's own plans. The best layouts are tried on a sample.
    --access describes a read: scan (the whole array), window:SHAPE (anywhere), random (single elements) or
    batch:ROWS, with an optional NAME= before it and *WEIGHT after it.
    """
    from exzarr._cli.options import parse_bytes, parse_codecs
    from exzarr.lab.chunk_lab import chunks as chunk_lab

    report = chunk_lab(
        _target(target),
        dtype,
        parse_access(access) if access else None,
        store=store,
        compressors="auto" if compressors is None else parse_codecs(compressors, "--compressors"),
        shards=shards,
        objects=objects,
        measure=measure,
        seconds=seconds,
        sample_bytes=parse_bytes(sample, "--sample"),
        progress=_progress(as_json),
        storage_options=storage_options,
    )
    _show(report, as_json, plot)
    if not as_json and not isinstance(_target(target), tuple):
        layout = report.best.layout
        if (
            report.now is None
            or layout.chunks != report.now.layout.chunks
            or layout.shards != report.now.layout.shards
        ):
            cut = ",".join(map(str, layout.chunks))
            whole = ",".join(map(str, layout.shards)) if layout.shards else "none"
            console().print(
                f"\nto apply it: exzarr copy {target} NEW --chunks {cut} --shards {whole}", markup=False
            )


@examples(
    "exzarr lab codecs cube.zarr/sst --effort quick",
    "exzarr lab codecs cube.zarr/sst --only zstd:9 --only blosc",
)
@takes_urls()
def codecs(
    target: TARGET,
    dtype: DTYPE = None,
    chunks: Annotated[
        str | None, typer.Option(metavar="SIZES", help="Shape of the chunks; default: the array's.")
    ] = None,
    effort: Annotated[str, typer.Option(metavar="HOW", help="quick, normal or thorough.")] = "normal",
    lossy: Annotated[bool, typer.Option("--lossy", help="Also try codecs that round floats.")] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="CODECS", help="Try only this (name, names, none, or JSON; can be repeated)."),
    ] = None,
    extra: Annotated[
        list[str] | None, typer.Option(metavar="CODECS", help="Also try this (can be repeated).")
    ] = None,
    disk: Annotated[str, typer.Option(metavar="SIZE", help="Bytes per second of a local disk.")] = "2GB",
    network: Annotated[
        str, typer.Option(metavar="SIZE", help="Bytes per second from an object store.")
    ] = "200MB",
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Number of threads; default: exzarr's.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Approximate total time.")] = 30.0,
    sample: SAMPLE = "16MiB",
    plot: PLOT = None,
    as_json: AS_JSON = False,
    storage_options: dict[str, Any] | None = None,
) -> None:
    """Measure compressors on an array's own chunks, and recommend one for each use."""
    from dataclasses import replace

    from exzarr._cli.options import parse_bytes, parse_codecs, parse_sizes
    from exzarr.errors import ArgumentError
    from exzarr.lab.codec_lab import codecs as codec_lab
    from exzarr.lab.codec_report import ARCHIVE, LOCAL, OBJECTS

    if effort not in ("quick", "normal", "thorough"):
        raise ArgumentError(f"--effort {effort!r}: quick, normal or thorough")
    shape = None if chunks is None else parse_sizes(chunks, "--chunks")
    report = codec_lab(
        _target(target),
        dtype,
        chunks=(shape,) if isinstance(shape, int) else shape,
        effort=effort,  # type: ignore[arg-type]
        lossy=lossy,
        only=[parse_codecs(one, "--only") for one in only] if only else None,
        extra=[parse_codecs(one, "--extra") for one in extra or ()],
        threads=threads,
        seconds=seconds,
        sample_bytes=parse_bytes(sample, "--sample"),
        destinations=(
            replace(LOCAL, bandwidth=parse_bytes(disk, "--disk")),
            replace(OBJECTS, bandwidth=parse_bytes(network, "--network")),
            ARCHIVE,
        ),
        progress=_progress(as_json),
        storage_options=storage_options,
    )
    _show(report, as_json, plot)


def parse_access(texts: list[str]) -> dict[str, Any]:
    """Parse ``NAME=KIND:HOW*WEIGHT`` for each access pattern.

    HOW is a window's shape, the axis and step of a scan, the points of a random read, or rows and axis of a batch.

    Raises
    ------
    ArgumentError
        If a text is not a valid pattern.
    """
    from exzarr.errors import ArgumentError
    from exzarr.lab.access import KINDS

    found: list[tuple[str | None, str, Any]] = []
    for text in texts:
        text = text.strip()
        match = _ACCESS.fullmatch(text)
        if match is None or match["kind"] not in KINDS:
            raise ArgumentError(
                f"--access {text!r}: write one of {', '.join(KINDS)}, such as window:1,-1,-1 or maps=window:time=1*2"
            )
        kind, how = match["kind"], match["how"]
        try:
            pattern = KINDS[kind](
                weight=float(match["weight"] or 1), **(_parameters(kind, how) if how else {})
            )
        except ValueError as error:
            if isinstance(error, ArgumentError):
                raise
            raise ArgumentError(f"--access {text!r}: {how!r} is not valid for {kind}") from None
        found.append((match["name"] and match["name"].strip(), text, pattern))
    return _named(found)


def _named(found: list[tuple[str | None, str, Any]]) -> dict[str, Any]:
    """Return the patterns by name. The default name is the kind, or the text if the kind is not unique."""
    from exzarr.errors import ArgumentError

    kinds = [text.partition(":")[0].partition("*")[0] for name, text, _ in found if not name]
    named: dict[str, Any] = {}
    for given, text, pattern in found:
        kind = text.partition(":")[0].partition("*")[0]
        name = given or (kind if kinds.count(kind) == 1 else text.partition("*")[0])
        if name in named:
            raise ArgumentError(f"--access {text!r}: {name!r} exists already; write NAME={text}")
        named[name] = pattern
    return named


def _parameters(kind: str, how: str) -> dict[str, Any]:
    from exzarr._cli.options import parse_sizes

    if kind == "window":
        shape = parse_sizes(how, "--access")
        return {"shape": (shape,) if isinstance(shape, int) else shape}
    first, _, second = (part.strip() for part in how.partition(","))
    if kind == "random":
        return {"points": int(first)}
    if kind == "batch":
        return {"rows": int(first), **({"axis": _axis(second)} if second else {})}
    return {"axis": _axis(first), **({"step": int(second)} if second else {})}


def _axis(text: str) -> int | str:
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else text


def _target(text: str) -> Any:
    """Parse a shape, or return `text` as a path if it is not one."""
    if re.fullmatch(r"\(?\s*\d+(\s*[,x×]\s*\d+)*\s*,?\s*\)?", text) and not Path(text).exists():
        return tuple([int(n) for n in re.findall(r"\d+", text)])
    return text


def _progress(as_json: bool) -> bool:
    return not as_json and console(stderr=True).is_terminal


def _show(report: Any, as_json: bool, plot: Path | None) -> None:
    if as_json:
        print_json(report.asdict())
    else:
        out = console()
        out.print(report.headline(), markup=False)
        for title, table in report.tables():
            out.print()
            out.print(_rich(fitting(table, out.width), title))
        out.print()
        for reason in report.reasons:
            out.print(_bullet(reason))
    if plot is not None:
        report.plot(plot)


def fitting(table: Table, width: int) -> Table:
    """Drop the least important columns of `table` until it is no wider than `width` characters."""
    from exzarr.telemetry.show import Table as Plain

    keep = [*range(len(table.header))]
    for name in DROPPED_COLUMNS:
        lengths = [max(len(row[i]) for row in (table.header, *table.rows)) for i in keep]
        if sum(lengths) + 2 * len(keep) <= width:
            break
        keep = [i for i in keep if table.header[i] != name]
    words = frozenset([at for at, i in enumerate(keep) if i in table.words])
    header = tuple([table.header[i] for i in keep])
    return Plain(header, [tuple([row[i] for i in keep]) for row in table.rows], words)


def _rich(table: Table, title: str) -> Any:
    """Return a coloured table: recommended in green, current in yellow, much slower in red."""
    from rich.table import Table as RichTable
    from rich.text import Text

    made = RichTable(
        title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for number, name in enumerate(table.header):
        made.add_column(
            name, justify="left" if number in table.words else "right", header_style="dim", no_wrap=True
        )
    styles = {"→": "bold green", "now": "yellow", "◆": "bold"}
    for row in table.rows:
        cells = [Text(cell, style="red" if _slow(cell) else "") for cell in row]
        made.add_row(*cells, style=styles.get(row[0], ""))
    return made


def _slow(cell: str) -> bool:
    match = re.search(r"\(([\d,.]+)×\)$", cell)
    return match is not None and float(match[1].replace(",", "")) >= 5


def _bullet(text: str) -> Any:
    from rich.padding import Padding
    from rich.text import Text

    words = Text("• " + text)
    words.highlight_regex(r"^• [^:(]+(?=[:(])", "bold")
    return words if console().width > 1000 else Padding(words, (0, 0, 0, 0))
