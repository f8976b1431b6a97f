"""Convert hierarchies from Zarr v2 to v3 and from v3 to v2.

In nearly all cases the bytes of the chunks do not change. Converting in place then only writes metadata documents. (v3
can keep v2's chunk keys; from v3 to v2, chunks may need new keys.) Otherwise a converted copy is staged next to the
folder, and replaces it when the copy is complete.
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

from exzarr._format import v3
from exzarr._format.node_names import V2_DOCUMENTS
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
    """Convert an array, or a group with everything below it, to the other version of the format.

    Values, attributes and dimension names stay the same. Consolidated metadata is consolidated again. For v2, inner
    chunks of shards become chunks, because v2 has no shards.

    Parameters
    ----------
    source, path
        An array, a group, or a store (or a path, or URL) and a path in it.
    zarr_format
        The version to convert to, 2 or 3.
    destination
        The place for a converted copy. None converts in place; no other process may write during this time.
    overwrite
        Replace an existing node at the destination.
    remove_v2
        For a conversion in place to v3: remove the v2 documents after the v3 documents are written. By default both
        exist. v3 software then uses the v3 documents, and v2 readers can still read the current data, but may not
        see later changes through v3.
    on_error
        As for `exzarr.copy`. In place, skipped nodes are not converted.
    progress, storage_options, destination_options
        As for `exzarr.copy`.

    Returns
    -------
    CopyReport
        What was converted, with the nodes that were skipped. Print it to see a summary.

    Raises
    ------
    ArgumentError
        The other version cannot represent an array. The message names the array and the reason. Nothing was changed.
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
    refuse_options(destination_options, "without a destination, only storage_options apply")
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
                f"converting {location} in place re-encodes chunks and replaces the folder, which would lose what is not "
                f"converted: {'; '.join(lost[:MOST_NAMED])}. Pass a destination, or move these away first"
            )
        return _swap(location, zarr_format, progress)


def _in_place(
    plan: list[NodePlan],
    zarr_format: int,
    *,
    remove_v2: bool,
    progress: Callable[[CopyProgress], object] | None,
) -> CopyReport:
    """Write the new metadata documents, leaves first, then remove the old ones, root first."""
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
            # If both versions exist, readers use v3, so the v3 documents must be removed.
            _delete(node.source, (v3.DOCUMENT,))
            if node.is_array and _other_keys(node):
                for key, _ in [*stored_indices(node.source, node.array_meta)]:
                    instrument(node.source.store).delete(key)
        elif remove_v2:
            _delete(node.source, V2_DOCUMENTS)
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
    """Stage a converted copy next to the node's folder, then replace the folder."""
    local = location.store.local_path(location.path)
    if local is None:
        raise ArgumentError(
            f"cannot convert {location} in place: its chunks must be re-encoded, and {location.store} has no folder "
            "that can be replaced. Pass a destination"
        )
    folder = Path(local.rstrip("/"))
    # Names that exzarr does not list as nodes
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
