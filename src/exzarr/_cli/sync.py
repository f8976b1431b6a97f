"""``exzarr sync``: make an array or a hierarchy equal to another one by copying what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from exzarr._cli.options import AS_JSON, ON_ERROR, examples, takes_urls
from exzarr._cli.output import console, print_json

if TYPE_CHECKING:
    from exzarr._tools.sync.report import SyncReport
    from exzarr.cost import Cost

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("sync")(sync)


@examples(
    "exzarr sync cube.zarr backup.zarr",
    "exzarr sync cube.zarr s3://bucket/cube.zarr --dry-run --internet",
    "exzarr sync s3://bucket/cube.zarr mirror.zarr --delete",
)
@takes_urls()
def sync(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="An array or a group.")],
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", help="The array or group to make equal: a folder, a .zip file or a URL."
        ),
    ],
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete nodes and keys that only TARGET has.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Change nothing: print what would be done, and its cost.")
    ] = False,
    internet: Annotated[
        bool, typer.Option("--internet", help="For the cost: bytes leave the provider's region.")
    ] = False,
    on_error: ON_ERROR = "raise",
    to_option: Annotated[
        list[str] | None,
        typer.Option(
            "--to-option",
            metavar="KEY=VALUE",
            help="An option of TARGET's store; --option and --anon then apply to SOURCE only.",
        ),
    ] = None,
    as_json: AS_JSON = False,
    storage_options: dict[str, Any] | None = None,
) -> None:
    """Make TARGET equal to SOURCE by copying what differs.

    Run an interrupted sync again: it continues with what still differs. The exit status is 1 if nodes were left out or
    SOURCE has changed during the sync.
    """
    from exzarr._cli.options import parse_on_error, parse_options, progress_bar
    from exzarr._tools.sync.sync import sync as sync_nodes

    with progress_bar("comparing" if dry_run else "syncing", quiet=as_json) as progress:
        report = sync_nodes(
            source,
            target,
            delete=delete,
            dry_run=dry_run,
            on_error=parse_on_error(on_error),
            progress=progress,
            storage_options=storage_options,
            target_options=parse_options(to_option, "--to-option") or None,
        )
    costs = _costs(report, internet)
    if as_json:
        print_json({**report.asdict(), "costs": {url: cost.asdict() for url, cost in costs.items()}})
    else:
        out = console()
        out.print(str(report), markup=False)
        for url, cost in costs.items():
            bound = "at most " if report.dry_run else ""
            out.print(f"cost at {url}: {bound}{cost}", markup=False)
    if not report.complete:
        raise typer.Exit(1)


def _costs(report: SyncReport, internet: bool) -> dict[str, Cost]:
    """Return the cost at each store whose prices are known."""
    from exzarr import cost

    requests = report.planned if report.dry_run else report.requests
    found = {}
    for url in dict.fromkeys(url for url, _ in requests):
        prices = cost.prices_of_url(url)
        if prices is not None:
            found[url] = cost.of(report, prices, internet=internet, store=url)
    return found
