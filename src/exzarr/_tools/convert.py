"""From Zarr v2 to v3 and back.

Where no chunk's bytes change, which is nearly always, converting in place writes metadata documents
and nothing else (v3 can keep v2's chunk keys; the other way round chunks may need new keys).
Otherwise a converted copy is made beside the folder and takes its place when it is complete.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from exzarr._format import v2, v3
from exzarr._nodes import hierarchy
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.stored import stored_indices
from exzarr._nodes.survey import MOST_NAMED, OnError
from exzarr._spelling import known_arguments
from exzarr._tools.chunk_moves import move_chunks
from exzarr._tools.copy import copy, execute, locate
from exzarr._tools.copy_plan import NodePlan, place_of, plan_copy
from exzarr._tools.recipe import Recipe
from exzarr._tools.reencode import store_missing
from exzarr._tools.report import CopyProgress, CopyReport, Tally
from exzarr.errors import ArgumentError
from exzarr.stores.instrument import instrument
from exzarr.stores.local.store import LocalStore
from exzarr.stores.resolve import refuse_options

if TYPE_CHECKING:
    from exzarr.stores.resolve import StoreLike
    from exzarr.stores.url_options import StorageOptions

__all__ = ["convert"]

_V2_DOCUMENTS = (v2.ZARRAY, v2.ZGROUP, v2.ZATTRS, v2.ZMETADATA)


@known_arguments
def convert(
    source: Any,
    zarr_format: Literal[2, 3] = 3,
    *,
    path: str = "",
    destination: StoreLike | None = None,
    overwrite: bool = False,
    remove_v2: bool = False,
    on_error: OnError = "raise",
    progress: Callable[[CopyProgress], object] | None = None,
    storage_options: StorageOptions | None = None,
    destination_options: StorageOptions | None = None,
) -> CopyReport:
    """Turn an array, or a group with everything below it, into the other version of the format.

    The values, attributes and dimension names stay; consolidated metadata is consolidated anew. Shards
    become chunks on the way to v2, which has none.

    Parameters
    ----------
    source, path
        An array, a group, or a store (or a path, or URL) and a path in it.
    zarr_format
        The version to convert to.
    destination
        Where a converted copy goes; None converts in place. In place nobody else may write meanwhile.
    overwrite
        Replace what is at the destination.
    remove_v2
        In place, to v3: remove the v2 documents when the v3 ones are written. By default they
        stay beside them (in v3 software, v3 counts), and v2 readers go on reading what
        is there now; what is written through v3 later, they may not see.
    on_error
        As for `exzarr.copy`. In place, what is skipped stays as it is.
    progress, storage_options, destination_options
        As for `exzarr.copy`.

    Raises
    ------
    ArgumentError
        The other version cannot say it. The message names the array and what it is; nothing
        was changed.
    """
    if destination is not None:
        return copy(
            source,
            destination,
            source_path=path,
            zarr_format=zarr_format,
            overwrite=overwrite,
            on_error=on_error,
            progress=progress,
            storage_options=storage_options,
            destination_options=destination_options,
        )
    refuse_options(destination_options, "without a destination there is one place (storage_options)")
    with ExitStack() as opened:
        location = locate(source, path, "r+", opened, storage_options)
        plan = plan_copy(
            location, location, Recipe(zarr_format=zarr_format), keep_keys=True, on_error=on_error
        )
        if all(node.same_bytes for node in plan):
            return _in_place(plan, zarr_format, remove_v2=remove_v2, progress=progress)
        lost = (*plan[0].left_out, *plan[0].foreign)
        if lost:
            raise ArgumentError(
                f"converting {location} in place re-encodes chunks, and puts a new folder in place of the old one, which "
                f"would lose what is not converted: {'; '.join(lost[:MOST_NAMED])}. Give a destination, or move it away"
            )
        return _swap(location, zarr_format, progress)


def _in_place(
    plan: list[NodePlan],
    zarr_format: int,
    *,
    remove_v2: bool,
    progress: Callable[[CopyProgress], object] | None,
) -> CopyReport:
    """New metadata documents beside the old, from the leaves up; then the old ones go, from the root down."""
    started = time.perf_counter()
    todo = [node for node in plan if node.meta.zarr_format != zarr_format]
    tally = Tally(sum(node.nbytes for node in todo), progress)
    for node in reversed(todo):
        if node.is_array:
            tally.start(node.target.path, node.nbytes)
            if _other_keys(node):
                move_chunks(node, tally)
            if node.other_fill:
                store_missing(node, tally)
            tally.finish()
        hierarchy.save(node.target, node.target_meta)
        if node.consolidated_v2 is not None:
            from exzarr._nodes.consolidation import write

            write(node.target.store, node.target.path, node.consolidated_v2)
    for node in todo:
        if zarr_format == 2:
            # Where both versions lie side by side v3 counts, so its documents have to go.
            _delete(node.source, (v3.DOCUMENT,))
            if node.is_array and _other_keys(node):
                for key, _ in [*stored_indices(node.source, node.array_meta)]:
                    instrument(node.source.store).delete(key)
        elif remove_v2:
            _delete(node.source, _V2_DOCUMENTS)
    root = plan[0]
    return CopyReport(
        source=place_of(root.source),
        destination=place_of(root.target),
        arrays=sum(node.is_array for node in todo),
        groups=sum(not node.is_array for node in todo),
        arrays_moved=sum(node.is_array for node in todo),
        chunks=tally.chunks,
        bytes_stored=tally.stored,
        bytes_data=tally.total,
        seconds=time.perf_counter() - started,
        notes=tuple([f"{node.target.path or '/'}: {note}" for node in todo for note in node.notes]),
        left_out=root.left_out,
    )


def _other_keys(node: NodePlan) -> bool:
    return node.array_meta.chunk_key_encoding != node.target_array_meta.chunk_key_encoding


def _delete(location: Location, names: tuple[str, ...]) -> None:
    for name in names:
        instrument(location.store).delete(location.key(name))


def _swap(
    location: Location, zarr_format: Literal[2, 3], progress: Callable[[CopyProgress], object] | None
) -> CopyReport:
    """A converted copy beside the node's folder, which then takes the folder's place."""
    local = location.store.local_path(location.path)
    if local is None:
        raise ArgumentError(
            f"the chunks of {location} must be re-encoded, and {location.store} has no folders that could "
            "be exchanged: give a destination"
        )
    folder = Path(local.rstrip("/"))
    # Names that exzarr itself takes for no node, should anybody list the folder meanwhile
    new, old = [
        folder.with_name(f".{folder.name}.exzarr-convert-{os.getpid()}-{what}") for what in ("new", "old")
    ]
    try:
        plan = plan_copy(location, Location(LocalStore(new), ""), Recipe(zarr_format=zarr_format))
        report = execute(plan, overwrite=False, progress=progress)
        folder.rename(old)
        try:
            new.rename(folder)
        except BaseException:
            old.rename(folder)
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    return replace(report, destination=report.source)
