"""Copy arrays, groups and hierarchies between stores.

The whole copy is planned before anything is written, so a node that cannot be copied is an error that leaves the
destination unchanged. If the encoding of an array does not change, its stored chunks are moved unchanged. Otherwise the
array is read and written block by block. Metadata documents are written last.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from exzarr._nodes import hierarchy, node_creation
from exzarr._nodes.array import Array
from exzarr._nodes.casting import Casting, check_casting, check_kinds
from exzarr._nodes.group import Group
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.survey import OnError
from exzarr._spelling import known_arguments
from exzarr._tools.chunk_moves import move_chunks
from exzarr._tools.copy_plan import NodePlan, foreign_note, place_of, plan_copy, refuse_overlap
from exzarr._tools.recipe import AS_SOURCE, AsSource, Recipe
from exzarr._tools.reencode import reencode, store_missing
from exzarr._tools.report import CopyProgress, CopyReport, Tally
from exzarr.codecs.checksummed import ChecksumLike
from exzarr.errors import ArgumentError, NodeExistsError
from exzarr.stores.base import Store
from exzarr.stores.resolve import Mode, StoreLike, refuse_options, resolve_store, shared_options

if TYPE_CHECKING:
    from exzarr._tools.sizes import Sizes
    from exzarr.stores.url_options import StorageOptions

__all__ = ["CopyProgress", "CopyReport", "copy"]

MEMORY = 256 * 2**20
"""Default bytes of array elements in memory while chunks are re-encoded."""


@known_arguments
def copy(
    source: Array | Group | StoreLike,
    destination: Group | StoreLike,
    *,
    source_path: str = "",
    path: str = "",
    chunks: Sizes | AsSource = AS_SOURCE,
    shards: Sizes | AsSource | None = AS_SOURCE,
    filters: Any = AS_SOURCE,
    serializer: Any = AS_SOURCE,
    compressors: Any = AS_SOURCE,
    checksum: ChecksumLike | AsSource = AS_SOURCE,
    dtype: Any = AS_SOURCE,
    casting: Casting = "same_kind",
    zarr_format: Literal[2, 3] | AsSource | None = AS_SOURCE,
    overwrite: bool = False,
    on_error: OnError = "raise",
    memory: int = MEMORY,
    progress: Callable[[CopyProgress], object] | None = None,
    storage_options: StorageOptions | None = None,
    destination_options: StorageOptions | None = None,
) -> CopyReport:
    """Copy an array, or a group with everything below it.

    Properties that you do not set stay the same. If the encoding of an array does not change, its stored chunks are
    moved byte for byte. Chunks that are not stored in the source are not stored in the copy. Attributes and dimension
    names are copied. If the metadata of the source is consolidated, so is the metadata of the copy.

    Parameters
    ----------
    source, source_path
        The node to copy: an array or a group; or a store (or a path, or URL) and a path in it.
    destination, path
        The place for the copy: a store (or a path, or URL) and a path in it; or a group and a path below it. Below a
        group, the default is the name of the source.
    chunks, shards
        One length for all dimensions, one for each dimension, or a dict of lengths by dimension name. -1 means the
        whole dimension. ``shards=None`` creates no shards.
    filters, serializer, compressors, checksum
        As for `exzarr.create_array`. ``checksum=True`` adds a checksum to codecs that have none, ``checksum=False``
        removes it.
    dtype
        Data type of the copy. Elements are converted.
    casting
        Allowed conversions to `dtype`, as for `Array.set`.
    zarr_format
        Version of the Zarr format of the copy, 2 or 3.
    overwrite
        Replace an existing node at the destination.
    on_error
        Action for nodes that cannot be copied and for links that are not followed: ``"raise"`` an error before anything
        is written, or ``"skip"`` them and name them in the report.
    memory
        Maximum bytes of array elements in memory while chunks are re-encoded. At least one destination chunk (shard) is
        always in memory.
    progress
        Function that is called with a `CopyProgress` after every few chunks.
    storage_options
        Options for URLs, see `exzarr.open`. They apply to `source` and `destination`.
    destination_options
        Options for `destination` only. `storage_options` then apply to `source` only.

    Returns
    -------
    CopyReport
        What was copied, with the nodes that were skipped. Print it to see a summary.

    Raises
    ------
    NodeNotFoundError
        There is no node at the source.
    NodeExistsError
        There is already a node at the destination.
    ArgumentError
        The arguments contradict each other, or `zarr_format` cannot represent the array.
    """
    recipe = Recipe(
        chunks,
        shards,
        filters,
        serializer,
        compressors,
        dtype,
        AS_SOURCE if zarr_format is None else zarr_format,
        checksum,
    )
    from_options, to_options = shared_options(source, destination, storage_options, destination_options)
    with ExitStack() as opened:
        from_ = locate(source, source_path, "r", opened, from_options)
        to = _target(destination, path, from_, opened, to_options, overwrite=overwrite)
        refuse_overlap(from_, to)
        plan = plan_copy(from_, to, recipe, on_error=on_error)
        if to.path.rpartition("/")[2] != from_.path.rpartition("/")[2]:
            hierarchy.check_new(to, plan[0].target_meta.zarr_format)
        check_casts(plan, casting)
        return execute(plan, overwrite=overwrite, memory=memory, progress=progress, casting=casting)


def execute(
    plan: list[NodePlan],
    *,
    overwrite: bool,
    memory: int = MEMORY,
    progress: Callable[[CopyProgress], object] | None = None,
    casting: Casting = "same_kind",
) -> CopyReport:
    """Carry out a plan of `plan_copy`. The first node of the plan is the root of the copy."""
    started = time.perf_counter()
    root = plan[0]
    tally = Tally(sum(node.nbytes for node in plan), progress)
    with node_creation.built(root.target, root.target_meta, overwrite=overwrite) as place:
        if place.store.traits.documents_first:
            for node in plan:
                below = node.target.path[len(root.target.path) :].lstrip("/")
                hierarchy.save(place.child(below), node.target_meta)
        # From the leaves up: a group exists only when everything below it exists.
        for node in reversed(plan):
            below = node.target.path[len(root.target.path) :].lstrip("/")
            _copy_node(replace(node, target=place.child(below)), node.target.path, tally, memory, casting)
    return CopyReport(
        source=place_of(root.source),
        destination=place_of(root.target),
        arrays=sum(node.is_array for node in plan),
        groups=sum(not node.is_array for node in plan),
        arrays_moved=sum(node.is_array and node.same_bytes for node in plan),
        chunks=tally.chunks,
        bytes_stored=tally.stored,
        bytes_data=tally.total,
        seconds=time.perf_counter() - started,
        notes=notes_of(plan),
        left_out=root.left_out,
    )


def notes_of(plan: list[NodePlan]) -> tuple[str, ...]:
    """Return the notes of all nodes, and one note about keys that belong to no node."""
    notes = [f"{node.target.path or '/'}: {note}" for node in plan for note in node.notes]
    return (*notes, *foreign_note(plan[0].foreign))


def check_casts(plan: list[NodePlan], casting: Casting) -> None:
    """Raise ArgumentError, before anything is written, if an array cannot be converted to its data type."""
    check_casting(casting)
    for node in plan:
        if node.is_array:
            given, wanted = node.array_meta.data_type.dtype, node.target_array_meta.data_type
            check_kinds(given, wanted, casting, f"the copy of array {node.source.path or '/'!r}")


def _copy_node(node: NodePlan, name: str, tally: Tally, memory: int, casting: Casting) -> None:
    if node.is_array:
        tally.start(name, node.nbytes)
        if node.same_bytes:
            move_chunks(node, tally)
            if node.other_fill:
                store_missing(node, tally)
        else:
            reencode(node, tally, memory, casting)
        tally.finish()
    hierarchy.save(node.target, node.target_meta)
    if node.consolidated_v2 is not None:
        from exzarr._nodes.consolidation import write

        write(node.target.store, node.target.path, node.consolidated_v2)


def locate(
    source: Any,
    path: str,
    mode: Mode,
    opened: ExitStack,
    storage_options: StorageOptions | None = None,
) -> Location:
    """Return the location of `source`. If a store is opened for it, `opened` closes the store.

    Tools read the stored documents, not consolidated metadata. The consolidated metadata of an open group is kept for
    stores that cannot list.
    """
    if isinstance(source, Array | Group):
        refuse_options(storage_options, f"{source.name!r} is already open, and has its store")
        return source.location.child(path)
    store, base_path = resolve_store(source, mode=mode, storage_options=storage_options)
    if not isinstance(source, Store):
        opened.enter_context(store)
    return Location(store, base_path).child(path)


def _target(
    destination: Any,
    path: str,
    source: Location,
    opened: ExitStack,
    storage_options: StorageOptions | None,
    *,
    overwrite: bool,
) -> Location:
    if isinstance(destination, Array):
        raise ArgumentError("the destination is an array; pass a group, a store or a path")
    if isinstance(destination, Group):
        refuse_options(storage_options, f"{destination.name!r} is already open, and has its store")
        name = path or source.path.rpartition("/")[2]
        if not name:
            raise ArgumentError(
                "the source is the root of its store and has no name: pass path=, the name of the copy"
            )
        # The group's own location, so that the consolidated metadata it was opened with is updated.
        return destination.location.child(name)
    mode: Mode = "a"
    if isinstance(destination, str | os.PathLike) and os.fspath(destination).lower().endswith(".zip"):
        if not overwrite and Path(destination).is_file():
            raise NodeExistsError(
                f"the zip file {os.fspath(destination)!r} already exists; overwrite=True replaces it"
            )
        mode = "w"
    store, base_path = resolve_store(destination, mode=mode, storage_options=storage_options)
    if not isinstance(destination, Store):
        opened.enter_context(store)  # a zip file appears when it is closed, and not if the copy fails
    return Location(store, base_path).child(path)
