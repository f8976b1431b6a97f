"""Check ragged arrays (`exzarr.ragged`): that lengths agree, and that the offsets divide the values into items."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._format.ragged import OFFSETS_OF, SAMPLE_DIMENSION, Layout, find_layout
from exzarr._nodes import hierarchy
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.locating import open_node
from exzarr._tools.check.documents import join
from exzarr._tools.check.findings import Finding
from exzarr._tools.check.nodes import Nodes
from exzarr._tools.check.run import Run
from exzarr._typing import AnyArray
from exzarr.errors import ChunkError, ExzarrError, MetadataError

__all__ = ["check_ragged"]

BLOCK = 1_000_000
"""Number of offsets that are read together."""

Arrays = dict[str, tuple[Location, ArrayMetadata]]


def check_ragged(run: Run, nodes: Nodes) -> None:
    """Note what is wrong with the offsets of ragged arrays. Without ``deep``, only the first and the last are read."""
    marked = [
        node.location.path.rpartition("/")[0]
        for node in nodes.arrays
        if {OFFSETS_OF, SAMPLE_DIMENSION} & {*node.meta.attributes}
    ]
    for path in dict.fromkeys(marked):
        findings = _findings(run, path)
        if findings:
            run.findings.suspect(findings, partial(_again, run, path), changing=True)


def _again(run: Run, path: str) -> tuple[Finding, ...]:
    """Inspect a group again. A writer may be appending."""
    findings = _findings(run, path)
    documents = [join(at, name) for at in (path, *[f.key for f in findings]) for name in hierarchy.DOCUMENTS]
    if findings and run.is_young(*documents):
        for finding in findings:
            run.findings.leave_open(finding)
        return ()
    return findings


def _findings(run: Run, path: str) -> tuple[Finding, ...]:
    arrays = _arrays(Location(run.store, path))
    metas = {name: meta for name, (_, meta) in arrays.items()}
    try:
        layout = find_layout(metas, repr(path))
    except MetadataError:
        return ()  # another use of CF's attributes
    try:
        layout.lengths(metas, repr(path or "/"))
    except MetadataError as error:
        return (Finding("EXZ901", path, path, str(error), fingerprint=str(error)),)
    try:
        found = [*_faults(layout, arrays, deep=run.options.deep)]
    except ChunkError:
        return ()  # a damaged chunk is another finding
    return tuple(
        [Finding("EXZ902", path, join(path, name), what, fingerprint=what) for name, what in found[:1]]
    )


def _arrays(group: Location) -> Arrays:
    """Return the arrays of a group, with consolidated metadata if it exists: only there do all change together."""
    try:
        place, meta = open_node(group, None, kind="group")
        assert isinstance(meta, GroupMetadata)
        members = [(name, at, hierarchy.readable(at)) for name, at in hierarchy.children(place)]
    except ExzarrError:
        return {}
    return {name: (at.direct, found) for name, at, found in members if isinstance(found, ArrayMetadata)}


def _faults(layout: Layout, arrays: Arrays, *, deep: bool) -> Iterator[tuple[str, str]]:
    """Yield the array and the description of each fault."""
    values = arrays[layout.fields[0]][1].shape[0]
    sizes = None if layout.row_size is None else _open(arrays[layout.row_size])
    if layout.offsets is not None:
        offsets = _open(arrays[layout.offsets])
        yield from _of_offsets(layout.offsets, offsets, sizes if deep else None, values, deep=deep)
    elif sizes is not None and layout.row_size is not None and deep:
        total = 0
        for start, block in _blocks(sizes):
            if (block < 0).any():
                at = start + int(np.flatnonzero(block < 0)[0])
                yield layout.row_size, f"the row size of item {at} is {int(block[at - start])}"
            total += int(block.sum())
        if total != values:
            yield layout.row_size, f"the row sizes add up to {total:,}, and there are {values:,} values"


def _of_offsets(
    name: str, offsets: Array, sizes: Array | None, values: int, *, deep: bool
) -> Iterator[tuple[str, str]]:
    if not offsets.shape[0]:
        yield name, "there is no offset; an empty ragged array has one, 0"
        return
    first, last = int(offsets[0]), int(offsets[-1])
    if first != 0:
        yield name, f"the first offset is {first:,}, not 0"
    if last != values:
        yield name, f"the last offset is {last:,}, and there are {values:,} values"
    before = first
    for start, block in _blocks(offsets) if deep else ():
        lengths = np.diff(block, prepend=before)
        if (lengths < 0).any():
            at = int(np.flatnonzero(lengths < 0)[0])
            yield name, f"offset {start + at:,} is {int(block[at]):,}, less than the one before it"
        skip = 0 if start else 1  # the first offset ends no item
        items = slice(start + skip - 1, start + len(block) - 1)
        stored = None if sizes is None else np.asarray(sizes[items]).astype(np.int64)
        if stored is not None and not np.array_equal(stored, lengths[skip:]):
            at = int(np.flatnonzero(stored != lengths[skip:])[0])
            item = items.start + at
            yield (
                name,
                f"item {item:,} has {int(lengths[skip:][at]):,} values by its offsets, and the row size {int(stored[at]):,}",
            )
        before = int(block[-1])


def _open(array: tuple[Location, ArrayMetadata]) -> Array:
    return Array(*array, read_only=True)


def _blocks(array: Array) -> Iterator[tuple[int, AnyArray]]:
    """Yield the elements of an array of one dimension as int64, in blocks, each with its start."""
    for start in range(0, array.shape[0], BLOCK):
        yield start, np.asarray(array[start : start + BLOCK]).astype(np.int64)
