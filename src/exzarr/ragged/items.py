"""`Items`: several items of a ragged array in memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, overload

import numpy as np

from exzarr._typing import AnyArray, IntArray
from exzarr.errors import ArgumentError, SelectionError

__all__ = ["Items", "Padded", "joined", "offsets_of"]


class Padded(NamedTuple):
    """Items of one field as one array.

    Attributes
    ----------
    values
        Array of shape ``(items, length, ...)``. Positions after the end of an item hold the padding.
    lengths
        Number of values of each item.
    """

    values: AnyArray
    lengths: IntArray

    @property
    def mask(self) -> AnyArray:
        """Array of shape ``(items, length)``: True for values, False for padding."""
        mask: AnyArray = np.arange(self.values.shape[1]) < self.lengths[:, None]
        return mask


@dataclass(frozen=True, slots=True, eq=False)
class Items(Sequence[Any]):
    """Several items: the values of all of them, one after the other, and the number of values of each.

    ``items[i]`` and iteration return single items: an array if there is one field, else a dict of arrays.

    Attributes
    ----------
    fields
        For each field, the values of all items: an array of shape ``(lengths.sum(), ...)``.
    lengths
        Number of values of each item.
    item_fields
        Arrays with one element per item.
    """

    fields: Mapping[str, AnyArray]
    lengths: IntArray
    item_fields: Mapping[str, AnyArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        total = int(self.lengths.sum())
        if not self.fields:
            raise ArgumentError("items need at least one field")
        if self.lengths.ndim != 1 or (len(self.lengths) and int(self.lengths.min()) < 0):
            raise ArgumentError("lengths must be an array of one dimension of numbers that are not negative")
        for name, values in self.fields.items():
            if not values.ndim or len(values) != total:
                raise ArgumentError(
                    f"field {name!r} has the shape {values.shape}, and lengths add up to {total} values"
                )
        for name, values in self.item_fields.items():
            if not values.ndim or len(values) != len(self.lengths):
                raise ArgumentError(
                    f"field {name!r} has the shape {values.shape}, and there are {len(self)} items"
                )

    @classmethod
    def of(cls, items: Sequence[Any], *, item_fields: Sequence[str] = (), name: str = "values") -> Items:
        """Join single items.

        Parameters
        ----------
        items
            Arrays, or mappings from field names to arrays. All have the same fields.
        item_fields
            Fields with one element per item.
        name
            Name of the field, if the items are arrays.

        Raises
        ------
        ArgumentError
            The items have different fields, their fields have different lengths, or the shapes do not match.
        """
        rows = [dict(item) if isinstance(item, Mapping) else {name: item} for item in items]
        if not rows:
            raise ArgumentError("there are no items to join")
        names = {*rows[0]}
        for number, row in enumerate(rows):
            if {*row} != names:
                raise ArgumentError(f"item {number} has the fields {sorted(row)}, and item 0 {sorted(names)}")
        long = [one for one in rows[0] if one not in item_fields]
        if not long:
            raise ArgumentError(f"the items have no values: their fields are {sorted(names)}")
        parts = {one: [_array(row[one], one, number) for number, row in enumerate(rows)] for one in long}
        lengths = _common_lengths({one: [len(part) for part in arrays] for one, arrays in parts.items()})
        single = {one: np.asarray([row[one] for row in rows]) for one in item_fields if one in names}
        return cls({one: _concatenated(arrays, one) for one, arrays in parts.items()}, lengths, single)

    # -- single items -------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Items: ...
    def __getitem__(self, index: int | slice) -> Any:
        """Return one item, or a range of items without a copy."""
        offsets = self.offsets
        if isinstance(index, slice):
            first, stop, step = index.indices(len(self))
            if step != 1:
                raise SelectionError(f"items are sliced with step 1, not {step}")
            stop = max(first, stop)
            part = slice(int(offsets[first]), int(offsets[stop]))
            fields = {name: values[part] for name, values in self.fields.items()}
            single = {name: values[first:stop] for name, values in self.item_fields.items()}
            return Items(fields, self.lengths[first:stop], single)
        if not -len(self) <= index < len(self):
            raise SelectionError(f"item {index} is out of bounds for {len(self)} items")
        index %= len(self)
        return self._item(index, int(offsets[index]), int(offsets[index + 1]))

    def __iter__(self) -> Iterator[Any]:
        offsets = self.offsets.tolist()
        for index, (start, stop) in enumerate(itertools.pairwise(offsets)):
            yield self._item(index, start, stop)

    def _item(self, index: int, start: int, stop: int) -> Any:
        if not self.item_fields and len(self.fields) == 1:
            return self.values[start:stop]
        found = {name: values[start:stop] for name, values in self.fields.items()}
        return found | {name: values[index] for name, values in self.item_fields.items()}

    # -- all items ----------------------------------------------------------------------

    @property
    def values(self) -> AnyArray:
        """Values of all items of the only field. Raise ArgumentError if there are several fields."""
        if len(self.fields) != 1:
            raise ArgumentError(
                f"there are several fields: use fields[name] with one of {sorted(self.fields)}"
            )
        return next(iter(self.fields.values()))

    @property
    def offsets(self) -> IntArray:
        """Position of the first value of each item, and the number of all values: ``len(items) + 1`` numbers."""
        return offsets_of(self.lengths)

    @property
    def nbytes(self) -> int:
        """Size of the values, in bytes."""
        arrays = [*self.fields.values(), *self.item_fields.values()]
        return sum([values.nbytes for values in arrays]) + self.lengths.nbytes

    def copy(self) -> Items:
        """Return a copy with arrays of its own."""
        fields = {name: values.copy() for name, values in self.fields.items()}
        return Items(
            fields, self.lengths.copy(), {name: values.copy() for name, values in self.item_fields.items()}
        )

    def padded(self, fill: Any = 0, *, length: int | None = None, field: str | None = None) -> Padded:
        """Return the items of one field as one array, with `fill` after the end of each item.

        Parameters
        ----------
        fill
            The padding.
        length
            Length of the second dimension. Default: the longest item.
        field
            Name of the field, if there are several.

        Raises
        ------
        ArgumentError
            An item is longer than `length`, or there is no such field.
        """
        if field is not None and field not in self.fields:
            raise ArgumentError(f"there is no field {field!r}; fields: {sorted(self.fields)}")
        values = self.values if field is None else self.fields[field]
        longest = int(self.lengths.max(initial=0))
        if length is None:
            length = longest
        elif longest > length:
            raise ArgumentError(f"an item has {longest} values, and length is {length}")
        padded = np.full((len(self), length, *values.shape[1:]), fill, values.dtype)
        padded[np.arange(length) < self.lengths[:, None]] = values
        return Padded(padded, self.lengths)

    def to_awkward(self) -> Any:
        """Return an ``awkward.Array`` without a copy: a list per item; with several fields, records of lists.

        Raises
        ------
        MissingDependencyError
            awkward is not installed: ``pip install 'exzarr[awkward]'``.
        """
        from exzarr.ragged.awkward import to_awkward

        return to_awkward(self)

    def to_arrow(self) -> Any:
        """Return a ``pyarrow.Table`` with a list column for each field and a column for each field of the items.

        Raises
        ------
        MissingDependencyError
            pyarrow is not installed: ``pip install 'exzarr[parquet]'``.
        """
        from exzarr.ragged.arrow import to_arrow

        return to_arrow(self)

    def __repr__(self) -> str:
        names = ", ".join([*self.fields, *self.item_fields])
        return f"<exzarr.ragged.Items: {len(self)} items of {names}, {int(self.lengths.sum())} values>"


def joined(several: Sequence[Items]) -> Items:
    """Join items that have the same fields."""
    if len(several) == 1:
        return several[0]

    def join(which: str, name: str) -> AnyArray:
        return _concatenated([getattr(items, which)[name] for items in several], name)

    first = several[0]
    return Items(
        {name: join("fields", name) for name in first.fields},
        np.concatenate([items.lengths for items in several]),
        {name: join("item_fields", name) for name in first.item_fields},
    )


def offsets_of(lengths: IntArray) -> IntArray:
    """Return the positions at which the items start, and the end of the last one."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _array(data: Any, name: str, number: int) -> AnyArray:
    try:
        values = np.asarray(data)
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"item {number}: field {name!r} can't be converted to an array: {error}"
        ) from None
    if not values.ndim:
        raise ArgumentError(f"item {number}: field {name!r} is a scalar, and must be an array of values")
    return values


def _common_lengths(found: Mapping[str, list[int]]) -> IntArray:
    """Return the lengths of the items; raise ArgumentError if the fields of an item have different lengths."""
    names = [*found]
    for number, lengths in enumerate(zip(*found.values(), strict=True)):
        if len({*lengths}) > 1:
            raise ArgumentError(
                f"item {number}: all fields must have the same length, not {dict(zip(names, lengths, strict=True))}"
            )
    return np.array(found[names[0]], np.int64)


def _concatenated(arrays: Sequence[AnyArray], name: str) -> AnyArray:
    """Join arrays. Empty ones are left out: an empty list has the data type float64."""
    filled = [array for array in arrays if len(array)]
    if not filled:
        return arrays[0]
    shapes = {array.shape[1:] for array in filled}
    if len(shapes) > 1:
        raise ArgumentError(f"the values of field {name!r} have different shapes: {sorted(shapes)}")
    return np.concatenate(filled)
