"""Change an array's shape, by resizing it or by appending to it.

Values that are stored outside of the array's shape are ignored. They may exist: a killed append has written chunks, but
not the document that makes them part of the array; or a writer that did not know that the array has shrunk has written
to its old shape. A resize that makes an array larger therefore clears these values before it writes the document. An
append overwrites them.

The document is written last when the array grows, and first when it shrinks. A reader therefore never finds an array
that lacks elements of its shape. A write intent explains the chunks that are outside in the meantime: it is the
document before or after the change (`_format.write_intents`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import product
from operator import index
from typing import Any, Protocol

import numpy as np

from exzarr import config
from exzarr._creation.layout import parse_shape
from exzarr._engine.planning import indexing
from exzarr._engine.planning.plan import make_plan
from exzarr._engine.pool import WorkFeed, run
from exzarr._engine.reading.read import read
from exzarr._engine.source import ChunkSource, open_source
from exzarr._engine.writing.write import write
from exzarr._format.appends import MEMBER
from exzarr._format.metadata import ArrayMetadata
from exzarr._nodes.casting import Casting, as_values
from exzarr._nodes.hierarchy import Location, Metadata, locked_document
from exzarr._nodes.stored import chunk_index
from exzarr._spelling import no_dimension
from exzarr.codecs.empty import is_fill
from exzarr.errors import ArgumentError, StoreError
from exzarr.stores.instrument import instrument

__all__ = ["Transact", "append", "check_same_shape", "extended", "resize", "store_fill", "store_rows"]

FEW = 100
"""Maximum number of keys that are deleted without listing which of them are stored."""

MOST_LEFT = 100_000
"""Maximum number of chunks of unfinished appends that are cleared, since documents may be invalid."""

Shape = tuple[int, ...]
Region = tuple[slice, ...]


class Transact(Protocol):
    """The signature of `transactions.change` for one array."""

    def __call__(
        self,
        make: Callable[[ArrayMetadata], ArrayMetadata],
        first: Callable[[ArrayMetadata, ArrayMetadata, Location], object] | None = None,
        **options: bool,
    ) -> ArrayMetadata: ...


def resize(location: Location, shape: int | Sequence[int], transact: Transact) -> None:
    """Change the shape of the array at `location`.

    When the array shrinks, chunks outside of it are deleted, and elements outside of it in chunks at the new edge become
    the fill value. On stores without locks, both remain and are ignored: a late delete could remove the data of a
    concurrent append.
    """
    lengths = parse_shape(shape)
    before: Shape = ()
    traits = location.store.traits
    documents_first = traits.documents_first

    def resized(meta: ArrayMetadata) -> ArrayMetadata:
        nonlocal before
        if len(lengths) != meta.ndim:
            raise ArgumentError(
                f"the array has {meta.ndim} dimensions, the new shape {lengths} has {len(lengths)}: "
                "resize keeps the number of dimensions"
            )
        before = meta.shape
        if documents_first and any(map(int.__lt__, lengths, before)):
            # Such a store does not delete chunks that the document lacks.
            _clear_outside(location, meta.with_(shape=tuple(map(min, before, lengths))), before)
        return meta if lengths == before else meta.with_(shape=lengths)

    def prepare(meta: ArrayMetadata, _: ArrayMetadata, place: Location) -> None:
        if any(map(int.__lt__, lengths, meta.shape)):
            # The old document explains the chunks that are outside from now on.
            was = locked_document(meta)[1]
            intents.callback(location.store.maintenance(location.path).announce_intent(was))
        _clear_outside(place, meta, lengths)

    def cleared(meta: ArrayMetadata) -> ArrayMetadata:
        # Use the current shape: another writer may have appended since.
        _clear_outside(location, meta, before)
        return meta

    with ExitStack() as intents:
        transact(resized, prepare, creates=False)
        if traits.exclusive_update and not documents_first and any(map(int.__lt__, lengths, before)):
            transact(cleared)


def append(
    known: ArrayMetadata,
    data: Any,
    axis: int | str,
    transact: Transact,
    write_empty: bool = False,
    casting: Casting = "same_kind",
    where: str = "an array",
) -> Shape:
    """Append `data` along a dimension, given by number or name, and return the new shape."""
    at = _axis(axis, known)
    # Before the lock, since the conversion may take long.
    values = as_values(data, known.data_type, casting=casting, where=where)

    def longer(meta: ArrayMetadata) -> ArrayMetadata:
        return extended(meta, values.shape, at)

    def rows(old: ArrayMetadata, new: ArrayMetadata, place: Location) -> None:
        store_rows(place, old.shape, new, values, at, write_empty)

    return transact(longer, rows).shape


def extended(meta: ArrayMetadata, added: Shape, axis: int) -> ArrayMetadata:
    """Return the metadata of an array after an append of data of the shape `added`."""
    shape = _appended_shape(meta.shape, added, axis)
    return meta if shape == meta.shape else meta.with_(shape=shape)


def store_rows(
    location: Location, before: Shape, grown: ArrayMetadata, values: Any, axis: int, write_empty: bool = False
) -> None:
    """Store `values` past the end of an array of the shape `before`, which gets the metadata `grown`."""
    start = before[axis]
    region = tuple([slice(start if d == axis else 0, n) for d, n in enumerate(grown.shape)])
    # An existing chunk makes a late conditional put fail.
    write_empty = write_empty or not location.store.traits.exclusive_update
    _write(open_source(location.store, location.path, grown), region, values, write_empty)


def _appended_shape(shape: Shape, added: Shape, axis: int) -> Shape:
    others = [(n, m) for d, (n, m) in enumerate(zip(added, shape, strict=False)) if d != axis]
    if len(added) != len(shape) or any(n != m for n, m in others):
        wanted = ", ".join("any" if d == axis else str(n) for d, n in enumerate(shape))
        raise ArgumentError(
            f"cannot append data of shape {added} along dimension {axis} of an array of shape {shape}: "
            f"it must have the shape ({wanted})"
        )
    return (*shape[:axis], shape[axis] + added[axis], *shape[axis + 1 :])


def _axis(axis: int | str, meta: ArrayMetadata) -> int:
    ndim = meta.ndim
    if not ndim:
        raise ArgumentError("a 0-dimensional array cannot be appended to")
    if isinstance(axis, str):
        names = meta.dimension_names or ()
        if axis not in names:
            raise ArgumentError(no_dimension(axis, names))
        return names.index(axis)
    try:
        axis = index(axis)
    except TypeError:
        raise ArgumentError(f"axis is the number or the name of a dimension, not {axis!r}") from None
    if not -ndim <= axis < ndim:
        raise ArgumentError(f"axis {axis} does not exist: the array has {ndim} dimensions")
    return axis % ndim


def check_same_shape(location: Location, begun: Metadata, now: Metadata) -> None:
    """Raise StoreError if the shape has changed since `first` began to write past it."""
    if not isinstance(begun, ArrayMetadata) or not isinstance(now, ArrayMetadata) or begun.shape == now.shape:
        return
    axis = next((d for d, (n, m) in enumerate(zip(begun.shape, now.shape, strict=False)) if n != m), 0)
    raise StoreError(
        f"another program changed the shape of {location} from {begun.shape} to {now.shape} while this process "
        f"appended to it, and took no lock: the elements past {begun.shape[axis]} along dimension {axis} may be "
        "from either. Append from one process at a time"
    )


# -- chunks outside of the shape -------------------------------------------------------


def store_fill(location: Location, meta: ArrayMetadata, shape: Shape) -> None:
    """Store the fill value in every chunk of an array of `shape` outside of the array that `meta` describes.

    Absent chunks are stored, too: a put on the condition that the chunk is absent then fails.
    """
    if len(shape) != meta.ndim:
        return
    wide = meta.with_(shape=tuple(map(max, meta.shape, shape)))
    source = open_source(location.store, location.path, wide)
    many = math.prod(source.grid.chunk_counts) - math.prod(_counts(source, meta.shape))
    if many > MOST_LEFT:
        raise StoreError(
            f"cannot change {location}: an unfinished append may have written {many} chunks outside of it, up to shape "
            f"{wide.shape}, according to the member {MEMBER!r} of its metadata document, which is too many to clear. If "
            "no writer is appending, delete that member of the document"
        )
    for d, n in enumerate(meta.shape):
        if n < wide.shape[d]:
            region = tuple([slice(n if axis == d else 0, end) for axis, end in enumerate(wide.shape)])
            _write_fill(source, region)


def _clear_outside(location: Location, meta: ArrayMetadata, shape: Shape) -> None:
    """Remove stored elements that are outside of the array that `meta` describes, but within `shape`."""
    inside = tuple(map(min, meta.shape, shape))
    if inside == shape:
        return
    # An array as large as both, rounded up to whole chunks, includes the chunks outside.
    widest = tuple(map(max, meta.shape, shape))
    whole = meta.with_(shape=_rounded_up(meta, widest))
    source = open_source(location.store, location.path, whole)
    _empty_outside(source, meta.shape)
    _clear_edges(source, meta.shape)


def _rounded_up(meta: ArrayMetadata, shape: Shape) -> Shape:
    dims = meta.with_(shape=shape).chunk_grid.dims
    return tuple(
        [
            dim.offset(dim.count(n) - 1) + dim.size(dim.count(n) - 1) if n else 0
            for dim, n in zip(dims, shape, strict=True)
        ]
    )


def _empty_outside(source: ChunkSource, shape: Shape) -> None:
    """Delete the chunks outside of `shape`, or store the fill value if deleting is not safe."""
    store = instrument(source.store)
    old = source.grid.chunk_counts
    new = _counts(source, shape)
    if math.prod(old) - math.prod(new) <= FEW:
        keys = [source.key(index) for index in _outside(old, new)]
    else:
        keys = [key for key in store.list(source.path) if _is_outside(source, key, new)]
    for key in keys:
        if store.traits.exclusive_update:
            store.delete(key)
        elif store.exists(key):
            _write_fill(source, source.grid.region(source.index(key)))


def _counts(source: ChunkSource, shape: Shape) -> Shape:
    return tuple([dim.count(n) for dim, n in zip(source.dims, shape, strict=True)])


def _outside(old: Shape, new: Shape) -> Iterator[Shape]:
    """Iterate over the chunk indexes in a grid of `old` counts that a grid of `new` counts lacks, each once."""
    for d in range(len(old)):
        inside = [range(n) for n in new[:d]]
        yield from product(*inside, range(new[d], old[d]), *[range(n) for n in old[d + 1 :]])


def _is_outside(source: ChunkSource, key: str, counts: Shape) -> bool:
    index = chunk_index(source, key)
    return index is not None and any(i >= n for i, n in zip(index, counts, strict=True))


def _clear_edges(source: ChunkSource, shape: Shape) -> None:
    """Write the fill value to elements past `shape` in chunks that extend past it."""
    most = math.prod(_counts(source, shape)) * len(shape)
    # Chunks that contain only the fill value are deleted, and absent ones remain absent.
    with config.override(write_empty_chunks=False):
        run(partial(_clear, source), _edges(source, shape), most, config.get().workers)


def _edges(source: ChunkSource, shape: Shape) -> Iterator[Region]:
    """Iterate over the regions past `shape` in the chunks at the end of the array, chunk by chunk."""
    counts = _counts(source, shape)
    if not all(counts):
        return
    for d, n in enumerate(shape):
        dim, last = source.dims[d], counts[d] - 1
        end = dim.offset(last) + dim.size(last)
        if n < end:
            chunks = [
                range(last, last + 1) if axis == d else range(count) for axis, count in enumerate(counts)
            ]
            for index in product(*chunks):
                region = source.grid.region(index)
                yield (*region[:d], slice(n, end), *region[d + 1 :])


def _clear(source: ChunkSource, feed: WorkFeed) -> None:
    fill = np.empty((), source.dtype)
    fill[()] = source.fill
    while batch := feed.take():
        for region in batch:
            selection = indexing.basic(region, source.shape)
            found = np.empty(selection.result_shape, source.dtype)
            read(source, make_plan(selection, source.dims, source.shape), selection.to_work(found))
            # Write only if the region has other values than the fill value, which is rare.
            if not is_fill(found, source.spec):
                _write(source, region, np.broadcast_to(fill, found.shape), False)


def _write_fill(source: ChunkSource, region: Region) -> None:
    fill = np.empty((), source.dtype)
    fill[()] = source.fill
    _write(source, region, np.broadcast_to(fill, [part.stop - part.start for part in region]), True)


def _write(source: ChunkSource, region: Region, values: Any, write_empty: bool) -> None:
    selection = indexing.basic(region, source.shape)
    plan = make_plan(selection, source.dims, source.shape)
    write(source, plan, selection.to_work(values), write_empty=write_empty)
