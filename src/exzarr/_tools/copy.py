"""Copying arrays, groups and hierarchies from any store to any store.

Everything is planned before anything is written: whatever cannot be copied is an error that leaves
the destination untouched. Where nothing about an array's encoding changes, its stored chunks are
moved as they are; otherwise it is read and written block by block. Metadata documents come last.
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
from exzarr._tools.recipe import KEEP, Keep, Recipe
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
"""Bytes of the array that are in memory at once where chunks are re-encoded."""


@known_arguments
def copy(
    source: Array | Group | StoreLike,
    destination: Group | StoreLike,
    *,
    source_path: str = "",
    path: str = "",
    chunks: Sizes | Keep = KEEP,
    shards: Sizes | Keep | None = KEEP,
    filters: Any = KEEP,
    serializer: Any = KEEP,
    compressors: Any = KEEP,
    checksum: ChecksumLike | Keep = KEEP,
    dtype: Any = KEEP,
    casting: Casting = "same_kind",
    zarr_format: Literal[2, 3] | Keep | None = KEEP,
    overwrite: bool = False,
    on_error: OnError = "raise",
    memory: int = MEMORY,
    progress: Callable[[CopyProgress], object] | None = None,
    storage_options: StorageOptions | None = None,
    destination_options: StorageOptions | None = None,
) -> CopyReport:
    """Copy an array, or a group with everything below it.

    What is not named stays as it is. Where an array's encoding stays, its stored chunks are moved byte
    for byte; chunks that are not stored are not stored in the copy either. Attributes and dimension
    names come along; where the source's metadata is consolidated, the copy's is.

    Parameters
    ----------
    source, source_path
        What to copy: an array or a group; or a store (or a path, or URL) and a path in it.
    destination, path
        Where to: a store (or a path, or URL) and the path in it that the copy will have; or a group, and
        the copy's path below it (by default the source's own name).
    chunks, shards
        One length for all dimensions, one for each, or a dict of lengths by dimension name; -1 is the
        whole dimension. ``shards=None`` is for no shards.
    filters, serializer, compressors, checksum
        As for `exzarr.create_array`. ``checksum=True`` adds a checksum to codecs that have none, ``checksum=False``
        removes it.
    dtype
        Convert the elements.
    casting
        Which conversions to `dtype` are allowed, as for `Array.set`.
    zarr_format
        2 or 3.
    overwrite
        Replace what is at the destination.
    on_error
        What to do about a node that can't be copied, and about links that are not followed: ``"raise"`` an error before
        anything is written, or ``"skip"`` it and name it in the report.
    memory
        Most bytes of an array's elements that are in memory at once (one destination chunk, or shard, at
        least), where chunks have to be re-encoded.
    progress
        Called with a `CopyProgress` after every few chunks.
    storage_options
        Options of stores that are given by URL, see `exzarr.open`: of `source`, of `destination`, or of both where
        both are URLs.
    destination_options
        Options of `destination` alone; `storage_options` are then those of `source`.

    Raises
    ------
    NodeNotFoundError
        There is nothing at the source.
    NodeExistsError
        There is something at the destination.
    ArgumentError
        What is asked for makes no sense, or cannot be said in `zarr_format`.
    """
    recipe = Recipe(
        chunks,
        shards,
        filters,
        serializer,
        compressors,
        dtype,
        KEEP if zarr_format is None else zarr_format,
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
    """Carry out what `plan_copy` planned. Its first node is the root of what is copied."""
    started = time.perf_counter()
    root = plan[0]
    tally = Tally(sum(node.nbytes for node in plan), progress)
    with node_creation.built(root.target, root.target_meta, overwrite=overwrite) as place:
        # From the leaves up: a group is there only when all of it is.
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
    """The notes of all nodes; foreign keys count as one."""
    notes = [f"{node.target.path or '/'}: {note}" for node in plan for note in node.notes]
    return (*notes, *foreign_note(plan[0].foreign))


def check_casts(plan: list[NodePlan], casting: Casting) -> None:
    """ArgumentError, before anything is written, where an array's data type does not convert."""
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
    mode: Literal["r", "r+"],
    opened: ExitStack,
    storage_options: StorageOptions | None = None,
) -> Location:
    """Where `source` is. A store that is opened for it is put into `opened`.

    Tools look at what is stored, not at what consolidated metadata says of it. That which a group was opened with is
    kept for stores that cannot list.
    """
    if isinstance(source, Array | Group):
        refuse_options(storage_options, f"{source.name!r} is open, and has its store already")
        return source._location.child(path)
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
        raise ArgumentError("the destination is an array; give a group, a store or a path")
    if isinstance(destination, Group):
        refuse_options(storage_options, f"{destination.name!r} is open, and has its store already")
        name = path or source.path.rpartition("/")[2]
        if not name:
            raise ArgumentError(
                "the source is the root of its store and has no name: say path=, the copy's name"
            )
        # The group's own location: consolidated metadata it was opened with is kept in step.
        return destination._location.child(name)
    mode: Mode = "a"
    if isinstance(destination, str | os.PathLike) and os.fspath(destination).lower().endswith(".zip"):
        if not overwrite and Path(destination).is_file():
            raise NodeExistsError(
                f"there is a zip file {os.fspath(destination)!r} already; overwrite=True replaces it"
            )
        mode = "w"
    store, base_path = resolve_store(destination, mode=mode, storage_options=storage_options)
    if not isinstance(destination, Store):
        opened.enter_context(store)  # a zip file is there when it is closed, and not where copying fails
    return Location(store, base_path).child(path)
