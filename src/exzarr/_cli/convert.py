"""``exzarr convert``: convert between Zarr v2 and v3."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

import typer

from exzarr._cli.options import AS_JSON, ON_ERROR, examples, takes_urls

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("convert")(convert)


@examples(
    "exzarr convert old.zarr",
    "exzarr convert cube.zarr cube-v2.zarr --to 2",
)
@takes_urls()
def convert(
    path: Annotated[str, typer.Argument(metavar="PATH", help="An array or a group.")],
    destination: Annotated[
        str | None,
        typer.Argument(
            metavar="[DESTINATION]", help="Path of the converted copy. Without it, PATH itself is converted."
        ),
    ] = None,
    to: Annotated[
        int, typer.Option("--to", "-t", min=2, max=3, metavar="2|3", help="The version to convert to.")
    ] = 3,
    remove_v2: Annotated[
        bool, typer.Option("--remove-v2", help="After converting in place to v3, remove the v2 documents.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing DESTINATION.")] = False,
    on_error: ON_ERROR = "raise",
    to_option: Annotated[
        list[str] | None,
        typer.Option(
            "--to-option",
            metavar="KEY=VALUE",
            help="An option of DESTINATION's store; --option and --anon then apply to PATH only.",
        ),
    ] = None,
    as_json: AS_JSON = False,
    storage_options: dict[str, Any] | None = None,
) -> None:
    """Convert an array, or a group with all nodes below it, between Zarr v2 and v3.

    In place, only metadata documents are written if the stored chunks stay valid.
    """
    from exzarr._cli.copy import print_report
    from exzarr._cli.options import parse_on_error, parse_options, progress_bar
    from exzarr._tools.convert import convert as convert_nodes

    with progress_bar("converting", quiet=as_json) as progress:
        report = convert_nodes(
            path,
            cast("Literal[2, 3]", to),
            destination=destination,
            overwrite=overwrite,
            remove_v2=remove_v2,
            on_error=parse_on_error(on_error),
            progress=progress,
            storage_options=storage_options,
            destination_options=parse_options(to_option, "--to-option") or None,
        )
    print_report(report, as_json)
