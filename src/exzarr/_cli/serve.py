"""``exzarr serve``: serve a hierarchy over HTTP."""

from __future__ import annotations

from dataclasses import replace
from textwrap import indent
from typing import TYPE_CHECKING, Annotated, Any

import typer

from exzarr._cli.options import examples, parse_bytes, takes_urls
from exzarr.errors import ArgumentError

if TYPE_CHECKING:
    from exzarr.serve import Served

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("serve")(serve)


@examples(
    "exzarr serve cube.zarr",
    "exzarr serve s3://bucket/cube.zarr --anon --consolidate --port 0",
    "exzarr serve cube.zarr --write",
    "exzarr serve cube.zarr --host 0.0.0.0 --cors https://hms-dbmi.github.io",
)
@takes_urls()
def serve(
    path: Annotated[str, typer.Argument(metavar="PATH", help="An array or a group.")],
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="Address to listen on. Other machines need a token, which is made."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", help="Port to listen on; 0 for a free one.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(metavar="TEXT", envvar="EXZARR_SERVE_TOKEN", help="Secret that clients must give."),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Take PUT and DELETE; an empty or missing PATH is allowed.")
    ] = False,
    consolidate: Annotated[
        bool, typer.Option("--consolidate", help="Give groups consolidated metadata, made when it is read.")
    ] = False,
    cors: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="Origin whose pages may read; '*' for all; can be repeated."),
    ] = None,
    listing: Annotated[
        bool, typer.Option("--listing/--no-listing", help="List folders, as HTML and by WebDAV.")
    ] = True,
    max_upload: Annotated[
        str | None,
        typer.Option(
            "--max-upload",
            metavar="SIZE",
            help="Largest value that a PUT may store, with --write. Default: 128MiB.",
        ),
    ] = None,
    storage_options: dict[str, Any] | None = None,
) -> None:
    """Serve an array or a hierarchy as plain Zarr over HTTP, until Ctrl-C.

    It prints how zarr-python, xarray, TensorStore, zarrita.js and exzarr open it.
    """
    from exzarr.serve import ServeOptions, run

    if max_upload is not None and not write:
        raise ArgumentError("--max-upload requires --write")
    options = ServeOptions(write=write)
    largest = options.max_upload if max_upload is None else parse_bytes(max_upload, "--max-upload")
    options = replace(
        options,
        consolidate=consolidate,
        listing=listing,
        cors=tuple(cors or ()),
        token=token,
        max_upload=largest,
        memory=max(largest, options.memory),
    )
    run(path, options, host=host, port=port, storage_options=storage_options, announce=_announce)


def _announce(served: Served) -> None:
    from exzarr.serve import snippets

    lines = [f"{served}", "Ctrl-C stops the server."]
    for client, source in snippets(served).items():
        lines += ["", client, indent(source.rstrip(), "    ")]
    print("\n".join(lines), flush=True)
