"""`Ragged`: the user's handle to a ragged array in a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, overload

import numpy as np

from exzarr._api.opening import open_group
from exzarr._engine.planning import indexing
from exzarr._engine.planning.explain import Explanation, explain
from exzarr._engine.planning.selections import IntegerIndex
from exzarr._engine.reading.ranges import plan_ranges, read_ranges
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._format.ragged import Layout, Lengths, find_layout
from exzarr._nodes.array import Array
from exzarr._nodes.casting import Casting, check_casting
from exzarr._nodes.group import Group
from exzarr._nodes.locating import open_node
from exzarr._stream.batches.orders import Shuffle
from exzarr._stream.ingest.targets import Target
from exzarr._typing import AnyArray, IntArray
from exzarr.errors import ArgumentError, ReadOnlyError, SelectionError, UnsupportedError
from exzarr.ragged.append import ChangeAttributes, NewItems
from exzarr.ragged.items import Items
from exzarr.ragged.offsets import Bounds, CountedBounds, OffsetCache, StoredBounds
from exzarr.ragged.target import RaggedTarget
from exzarr.stores.resolve import StoreLike

if TYPE_CHECKING:
    from exzarr.ragged.batches import RaggedBatches, TooLong
    from exzarr.stores.url_options import StorageOptions

__all__ = ["Ragged", "open"]

READ_NBYTES = 8 * 1024 * 1024
"""Bytes of values that iteration reads together."""


def open(  # noqa: A001
    store: StoreLike | Group,
    *,
    path: str | None = None,
    mode: Literal["r", "r+"] | None = None,
    storage_options: StorageOptions | None = None,
) -> Ragged:
    """Open a ragged array.

    Parameters
    ----------
    store
        A path, a URL or a store, as for `exzarr.open`, or a group.
    path
        Path of the ragged array's group in the store, or below the group.
    mode
        ``"r"`` reads, ``"r+"`` also appends. Default: ``"r+"`` if the store is writable. A group keeps its mode.
    storage_options
        Options of the store that a URL names.

    Returns
    -------
    Ragged

    Raises
    ------
    NodeNotFoundError
        There is no group.
    MetadataError
        The group is not a ragged array, or its arrays disagree about their length.

    Notes
    -----
    Any group in the contiguous ragged array representation of the CF conventions can be opened, also one that xarray
    has written. Without offsets, all row sizes are read on first use.
    """
    if mode not in (None, "r", "r+"):
        raise ArgumentError(f"mode is 'r' or 'r+', not {mode!r}: exzarr.ragged.create creates a ragged array")
    if not isinstance(store, Group):
        return Ragged(open_group(store, path=path, mode=mode, storage_options=storage_options))
    if mode is not None or storage_options is not None:
        raise ArgumentError(
            "a group is open already: mode and storage_options are for paths, URLs and stores"
        )
    return Ragged(store if path is None else store.get_group(path))


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The arrays as they were at one moment."""

    group: Group
    lengths: Lengths
    arrays: Mapping[str, Array]
    bounds: Bounds


class Ragged(Sequence[Any]):
    """A sequence of items of differing length in a store.

    Get one from `exzarr.ragged.create` or `exzarr.ragged.open`::

        r.append([3, 1, 4])              # one item
        r.extend([[1, 5], [], [9, 2]])   # several, in one commit
        r[0], r[-1]                      # one item: a NumPy array
        r[1:3], r[[3, 1]], r[mask]       # several items: Items
        for item in r: ...
        r.lengths

    With several fields, an item is a dict of arrays. A `Ragged` holds no values. Threads may share it, and it can be
    pickled if its store can. It keeps the lengths that it read when it was opened; `refresh` reads them again.
    """

    def __init__(self, group: Group) -> None:
        self._where = repr(group.name)
        self._cache = OffsetCache()
        group = _opened(group)
        self._layout: Layout = find_layout(_metadata(group), self._where)
        self._now = self._snapshot(group)

    # -- properties ---------------------------------------------------------------------

    @property
    def group(self) -> Group:
        """The group with the arrays."""
        return self._now.group

    @property
    def layout(self) -> Layout:
        """The names of the arrays. Internal: for `exzarr.ragged`."""
        return self._layout

    @property
    def fields(self) -> Mapping[str, np.dtype[Any]]:
        """Data type of the values of each field."""
        return {name: self._now.arrays[name].dtype for name in self._layout.fields}

    @property
    def item_fields(self) -> Mapping[str, np.dtype[Any]]:
        """Data type of each field with one element per item."""
        return {name: self._now.arrays[name].dtype for name in self._layout.item_fields}

    @property
    def read_only(self) -> bool:
        """True if items can't be appended."""
        return self.group.read_only

    @property
    def total(self) -> int:
        """Number of values of all items."""
        return self._now.lengths.values

    @property
    def lengths(self) -> IntArray:
        """Number of values of each item, read from the store: an array of ``len(r)`` integers."""
        now = self._now
        if self._layout.row_size is not None:
            return now.arrays[self._layout.row_size][:].astype(np.int64, copy=False)  # type: ignore[no-any-return]
        return now.bounds.of(np.arange(now.lengths.items))[1]

    def __len__(self) -> int:
        """Return the number of items."""
        return self._now.lengths.items

    # -- reading ------------------------------------------------------------------------

    @overload
    def __getitem__(self, selection: int) -> Any: ...
    @overload
    def __getitem__(self, selection: Any) -> Any: ...
    def __getitem__(self, selection: Any) -> Any:
        """Read one item, or several items as `Items`.

        Parameters
        ----------
        selection
            A number, a slice, a sequence of numbers, or a mask with one boolean per item. Numbers may be negative.

        Returns
        -------
        ndarray, dict of ndarray, or Items
            For a number, the item: an array of shape ``(n, ...)``, or a dict if there are several fields.

        Raises
        ------
        SelectionError
            An item does not exist, or the selection is of another kind.

        Notes
        -----
        The values of all selected items are read by one plan for each field: every chunk is read and decoded once.
        """
        now = self._now
        numbers, one = self._numbers(selection, now.lengths.items)
        items = self._read(now, numbers)
        return items[0] if one else items

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the items. About 8 MiB of values are read together, or one item if it is larger."""
        now, nbytes = self._now, self.value_nbytes
        first = 0
        while first < now.lengths.items:
            last = min(now.lengths.items, first + READ_NBYTES // 64)
            numbers = np.arange(first, last)
            starts, counts = now.bounds.of(numbers)
            sizes = (starts + counts - starts[0]) * nbytes
            many = max(1, int(np.searchsorted(sizes, READ_NBYTES, side="right")))
            yield from self._read(now, numbers[:many])
            first += many

    def explain(self, selection: Any) -> dict[str, Explanation]:
        """Return the cost of reading ``r[selection]``, for each field. Only offsets and sizes are read."""
        now = self._now
        starts, counts = now.bounds.of(self._numbers(selection, now.lengths.items)[0])
        sources = {name: now.arrays[name].chunk_source for name in self._layout.fields}
        return {
            name: explain(source, plan_ranges(source, starts, counts)) for name, source in sources.items()
        }

    def _numbers(self, selection: Any, length: int) -> tuple[IntArray, bool]:
        """Return the numbers of the selected items, and True if the selection is a single number."""
        if isinstance(selection, tuple):
            raise SelectionError(
                f"a ragged array has one dimension, and the selection {selection!r} has {len(selection)}: select items, "
                "and then values of an item"
            )
        axis = indexing.orthogonal((selection,), (length,)).axes[0]
        if isinstance(axis, IntegerIndex):
            return axis.positions, False
        if isinstance(selection, slice):
            return np.arange(*selection.indices(length)), False
        return np.arange(axis.start, axis.start + axis.count), selection is not Ellipsis  # type: ignore[union-attr]

    def read_items(self, numbers: IntArray, most: int | None = None) -> Items:
        """Read items by number, and at most `most` values of each. Internal: for `exzarr.ragged`."""
        return self._read(self._now, numbers, most)

    def lengths_of(self, numbers: IntArray) -> IntArray:
        """Return the lengths of items by number. Internal: for `exzarr.ragged`."""
        return self._now.bounds.of(numbers)[1]

    def _read(self, now: _Snapshot, numbers: IntArray, most: int | None = None) -> Items:
        starts, counts = now.bounds.of(numbers)
        if most is not None:
            counts = np.minimum(counts, most)

        def read(name: str, starts: IntArray, counts: IntArray) -> AnyArray:
            return read_ranges(now.arrays[name].chunk_source, starts, counts)

        return Items(
            {name: read(name, starts, counts) for name in self._layout.fields},
            counts,
            {name: read(name, numbers, np.ones_like(numbers)) for name in self._layout.item_fields},
        )

    @property
    def value_nbytes(self) -> int:
        """Size of one value of all fields together, in bytes."""
        arrays = [self._now.arrays[name] for name in self._layout.fields]
        return sum([array.itemsize * int(np.prod(array.shape[1:])) for array in arrays])

    # -- batches ------------------------------------------------------------------------

    def batches(
        self,
        batch_size: int | None = None,
        *,
        tokens: int | None = None,
        pad: Any = None,
        too_long: TooLong = "raise",
        shuffle: Shuffle = False,
        seed: int = 0,
        epoch: int = 0,
        prefetch: int = 2,
        rank: int = 0,
        world_size: int = 1,
    ) -> RaggedBatches:
        """Return batches of items for training, shuffled or in order.

        Parameters
        ----------
        batch_size
            Number of items per batch; the last batch may have fewer. Give this or `tokens`, or both.
        tokens
            Largest number of values per batch, with the padding. Items fill a batch in order until the next one would
            exceed it.
        pad
            The padding: batches are `Padded`, or dicts of them with several fields. None: batches are `Items`, whose
            values follow each other without padding (packing).
        too_long
            What to do with an item of more than `tokens` values: ``"raise"``, ``"skip"`` or ``"truncate"``.
        shuffle
            As for `exzarr.batches`: False, ``"chunks"``, ``"window"`` or ``"full"``. Blocks are items that lie
            together in about 1 MiB of values.
        seed, epoch
            Select the order. Each complete pass is followed by the next epoch.
        prefetch
            Number of batches that a thread makes ahead. With 0, the caller's thread makes them.
        rank, world_size
            This process is number `rank` of `world_size` processes that share the items. With `tokens`, ranks may have
            different numbers of batches.

        Returns
        -------
        RaggedBatches
            An iterable over the batches of an epoch, with `state_dict` and `load_state_dict`.

        Raises
        ------
        ArgumentError
            The arguments do not fit together. During a pass: an item is longer than `tokens`.
        """
        from exzarr.ragged.batches import BatchRules, RaggedBatches, Sharing

        rules = BatchRules(batch_size, tokens, pad, too_long)
        return RaggedBatches(self, rules, Sharing(shuffle, seed, rank, world_size), epoch, prefetch)

    # -- appending ----------------------------------------------------------------------

    def append(self, item: Any, *, casting: Casting = "same_kind") -> int:
        """Append one item, and return the number of items.

        Parameters
        ----------
        item
            An array of shape ``(n, ...)``; with several fields, a mapping from their names to arrays.
        casting
            Which conversions to the arrays' data types are allowed, as for `Array.set`.

        Raises
        ------
        ArgumentError
            The item does not fit. Nothing was stored.
        ReadOnlyError
            The ragged array is read-only.

        Notes
        -----
        All arrays grow in one commit: readers see the whole item or nothing, also if the process is killed. Any number
        of threads and processes may append concurrently. Each append changes the last chunks, so `extend` and
        `exzarr.ingest` are much faster for many items.
        """
        return self.extend([item], casting=casting)

    def extend(self, items: Any, *, casting: Casting = "same_kind") -> int:
        """Append several items in one commit, and return the number of items.

        Parameters
        ----------
        items
            An iterable of items, `Items`, an ``awkward.Array``, or a list array or table of pyarrow.
        casting
            Which conversions to the arrays' data types are allowed, as for `Array.set`.

        Raises
        ------
        ArgumentError
            An item does not fit. Nothing was stored.
        ReadOnlyError
            The ragged array is read-only.
        """
        self._require_writable()
        new = self.new_items(items, casting)
        if len(new.items):
            self.add(new, dict)
        return len(self)

    def new_items(self, data: Any, casting: Casting = "same_kind") -> NewItems:
        """Check and convert items. Internal: for `exzarr.ragged`."""
        check_casting(casting)
        known = {name: array.metadata for name, array in self._now.arrays.items()}
        return NewItems.of(data, self._layout, known, self._where, casting)

    def add(self, new: NewItems, attributes: ChangeAttributes) -> None:
        """Append items and change the group's attributes in one commit. Internal: for `exzarr.ragged`."""
        if new.commit(self.group, self._now.arrays, attributes):
            self.refresh()

    def value_arrays(self) -> Sequence[Array]:
        """Return the arrays of the fields. Internal: for `exzarr.ragged`."""
        return [self._now.arrays[name] for name in self._layout.fields]

    def ingest_target(self, axis: int | str, casting: Casting, *, reading: bool) -> Target:
        """Return the target of `exzarr.ingest`. Internal: for `exzarr.ingest`."""
        if axis != 0:
            raise ArgumentError(f"a ragged array grows by items: axis is 0, not {axis!r}")
        if self.group.zarr_format != 3:
            raise UnsupportedError(
                f"ragged array {self._where} has Zarr format 2, where the lengths and the attributes are two documents, "
                "which can't change together: ingestion requires format 3 (exzarr.convert converts it)"
            )
        if not reading:
            self._require_writable()
        return RaggedTarget(self, casting)

    def _require_writable(self) -> None:
        if self.read_only:
            raise ReadOnlyError(
                f"ragged array {self._where} in {self.group.store} is read-only: open it with mode='r+'"
            )

    # -- what is stored -----------------------------------------------------------------

    def refresh(self) -> Self:
        """Read the lengths again, and return the ragged array."""
        self._now = self._snapshot(_opened(self.group))
        return self

    def _snapshot(self, group: Group) -> _Snapshot:
        layout, where, stored = self._layout, self._where, _metadata(group)
        lengths = layout.lengths(stored, where)
        arrays = {
            name: Array(group.location.child(name), stored[name], **group.access) for name in layout.names
        }
        bounds: Bounds
        if layout.offsets is not None:
            bounds = StoredBounds(arrays[layout.offsets], self._cache, lengths.values, where)
        else:
            assert layout.row_size is not None
            bounds = CountedBounds(arrays[layout.row_size], lengths.values, where)
        return _Snapshot(group, lengths, arrays, bounds)

    def __reduce__(self) -> tuple[Any, ...]:
        return Ragged, (self.group,)

    def __repr__(self) -> str:
        fields = {**self.fields, **self.item_fields}
        listed = ", ".join(f"{name} {dtype}" for name, dtype in fields.items())
        return (
            f"<exzarr.ragged.Ragged {self.group.location}: {len(self)} items, {self.total} values, {listed}>"
        )


def _opened(group: Group) -> Group:
    """Open a group again, with consolidated metadata if it exists: only there do all arrays grow at the same moment."""
    location, meta = open_node(group.location.direct, group.zarr_format, kind="group")
    assert isinstance(meta, GroupMetadata)
    return Group(location, meta, **group.access)


def _metadata(group: Group) -> dict[str, ArrayMetadata]:
    return {name: array.metadata for name, array in group.arrays()}
