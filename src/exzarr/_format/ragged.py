"""The arrays of a ragged array, and how they are recognized. Pure functions of metadata.

`docs/guides/ragged-layout.md` describes the layout. It is the contiguous ragged array representation of the CF conventions
(https://cfconventions.org/cf-conventions/cf-conventions.html#_contiguous_ragged_array_representation), with an
additional array of offsets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from exzarr._format.metadata import ArrayMetadata
from exzarr.errors import MetadataError

__all__ = ["OFFSETS_OF", "SAMPLE_DIMENSION", "Layout", "Lengths", "find_layout"]

SAMPLE_DIMENSION = "sample_dimension"
"""CF's attribute of the count variable: the name of the dimension of the values."""

OFFSETS_OF = "offsets_of"
"""Attribute of the array of offsets: the name of the dimension of the values."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Lengths of a ragged array: the number of its `items`, and of their `values`."""

    items: int
    values: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Names of the arrays.

    Attributes
    ----------
    row_size
        Array with the number of values of each item: CF's count variable; None if there are only offsets.
    offsets
        Array with the position of the first value of each item, and the number of all values; None if there are only
        row sizes.
    fields
        Arrays with the values of all items, one after the other.
    item_fields
        Arrays with one element per item.
    """

    row_size: str | None
    offsets: str | None
    fields: tuple[str, ...]
    item_fields: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all arrays."""
        counts = [name for name in (self.row_size, self.offsets) if name is not None]
        return (*counts, *self.fields, *self.item_fields)

    def lengths(self, arrays: Mapping[str, ArrayMetadata], where: str) -> Lengths:
        """Return the lengths. Raise MetadataError if an array is missing, or if the arrays disagree."""
        missing = [name for name in self.names if name not in arrays]
        if missing:
            raise MetadataError(f"ragged array {where} has lost its array {missing[0]!r}")
        items = {name: arrays[name].shape[0] for name in (self.row_size, *self.item_fields) if name}
        if self.offsets is not None:
            items[self.offsets] = arrays[self.offsets].shape[0] - 1
        values = {name: arrays[name].shape[0] for name in self.fields}
        for what, found in (("items", items), ("values", values)):
            if len({*found.values()}) > 1:
                raise MetadataError(
                    f"the arrays of ragged array {where} have different numbers of {what}: {found}. Software that does "
                    "not know this layout has changed one of them. Resize them to one length"
                )
        return Lengths(next(iter(items.values())), next(iter(values.values())))


def find_layout(arrays: Mapping[str, ArrayMetadata], where: str) -> Layout:
    """Return the layout of the arrays of one group. Raise MetadataError if it is not that of a ragged array."""
    counts = _with_attribute(arrays, SAMPLE_DIMENSION)
    offsets = _with_attribute(arrays, OFFSETS_OF)
    dimensions = {*counts.values(), *offsets.values()}
    if len(dimensions) != 1 or len(counts) > 1 or len(offsets) > 1:
        found = f"{len(counts)} and {len(offsets)}" if dimensions else "none"
        raise MetadataError(
            f"group {where} is not a ragged array: it needs one array with the attribute {SAMPLE_DIMENSION!r} (the "
            f"number of values of each item), one with {OFFSETS_OF!r}, or both for the same dimension; it has {found}. "
            "exzarr.ragged.create creates a ragged array"
        )
    (dimension,) = dimensions
    row_size, offset = next(iter(counts), None), next(iter(offsets), None)
    item = _first_dimension(arrays[row_size]) if row_size is not None else None
    own = {row_size, offset}
    fields = [
        name for name, meta in arrays.items() if name not in own and _first_dimension(meta) == dimension
    ]
    per_item = [
        name
        for name, meta in arrays.items()
        if item is not None and name not in own and _first_dimension(meta) == item
    ]
    if not fields:
        raise MetadataError(
            f"ragged array {where} has no values: no array has the first dimension {dimension!r}"
        )
    for name, meta in arrays.items():
        if meta.dimension_names and {dimension, item}.intersection(meta.dimension_names[1:]) - {None}:
            raise MetadataError(
                f"array {name!r} of ragged array {where} has the dimensions {meta.dimension_names}: the dimensions "
                f"{dimension!r} and {item!r} must come first"
            )
    return Layout(row_size, offset, tuple(sorted(fields)), tuple(sorted(per_item)))


def _with_attribute(arrays: Mapping[str, ArrayMetadata], attribute: str) -> dict[str, str]:
    """Return the arrays of one dimension of integers that have an attribute, with its value."""
    return {
        name: str(meta.attributes[attribute])
        for name, meta in arrays.items()
        if attribute in meta.attributes and meta.ndim == 1 and meta.data_type.dtype.kind in "iu"
    }


def _first_dimension(meta: ArrayMetadata) -> str | None:
    return meta.dimension_names[0] if meta.dimension_names else None
