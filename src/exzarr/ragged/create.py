"""`exzarr.ragged.create`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from exzarr._api.creating import create_group
from exzarr._format.dtypes import from_numpy
from exzarr._format.ragged import OFFSETS_OF, SAMPLE_DIMENSION
from exzarr._nodes.group import Group
from exzarr.errors import ArgumentError
from exzarr.ragged.ragged import Ragged
from exzarr.stores.resolve import StoreLike

if TYPE_CHECKING:
    from exzarr.stores.url_options import StorageOptions

__all__ = ["create"]

ROW_SIZE, OFFSETS = "row_size", "offsets"
"""Names of the arrays of lengths and positions."""

CHUNK_NBYTES, SHARD_NBYTES = 8 * 1024, 4 * 1024 * 1024
"""Default sizes of a chunk of values, and of the shard that holds it. A random item costs reading and decoding a chunk."""

ITEMS_PER_CHUNK = 1 << 14
"""Default number of items in a chunk of an array with one element per item."""


def create(
    store: StoreLike | Group | None = None,
    dtype: Any = None,
    *,
    path: str | None = None,
    fields: Mapping[str, Any] | None = None,
    item_fields: Mapping[str, Any] | None = None,
    data: Any = None,
    dimensions: tuple[str, str] = ("item", "value"),
    attributes: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    storage_options: StorageOptions | None = None,
) -> Ragged:
    """Create a ragged array: a group with arrays of values, and the number of values of each item.

    ::

        r = exzarr.ragged.create("documents.zarr", "u2")
        r = exzarr.ragged.create(
            "episodes.zarr",
            fields={"image": {"dtype": "u1", "shape": (64, 64, 3), "chunks": 32}, "reward": "f4"},
            item_fields={"seed": "i8"},
        )

    Parameters
    ----------
    store
        A path, a URL or a store, as for `exzarr.create_group`, or a group.
    dtype
        Data type of the values, if there is one field. Its name is ``"values"``.
    path
        Path of the new group in the store, or below the group.
    fields
        Instead of `dtype`: for each field, its data type, or a mapping of keywords of `exzarr.create_array`. There,
        ``shape`` is the shape of one value (default: ``()``, a scalar); ``chunks`` and ``shards`` are numbers of values,
        or whole shapes. Default: chunks of about 8 KiB in shards of about 4 MiB.
    item_fields
        Fields with one element per item, in the same form.
    data
        Items to store, as for `Ragged.extend`.
    dimensions
        Names of the dimensions of the items and of the values.
    attributes
        Attributes of the group.
    overwrite
        Delete an existing node and everything below it first.
    storage_options
        Options of the store that a URL names.

    Returns
    -------
    Ragged
        The ragged array, open for reading and appending.

    Raises
    ------
    NodeExistsError
        The store has a node at this path, and `overwrite` is False.
    ArgumentError
        The fields do not fit together, or `data` does not fit them.
    """
    item, value = _dimension_names(dimensions)
    kinds = {"values": (fields if fields is not None else {"values": dtype}), "items": item_fields or {}}
    if (dtype is None) == (fields is None):
        raise ArgumentError("give dtype for a single field, or fields; not both")
    own = {
        ROW_SIZE: _counts(item, {SAMPLE_DIMENSION: value, "long_name": "number of values of each item"}),
        OFFSETS: _counts(
            f"{item}_bound", {OFFSETS_OF: value, "long_name": "position of the first value of each item"}
        ),
    }
    arrays = {
        **{name: _options(name, options, value, per_item=False) for name, options in kinds["values"].items()},
        **{name: _options(name, options, item, per_item=True) for name, options in kinds["items"].items()},
    }
    if (
        not kinds["values"]
        or len(arrays) < len(kinds["values"]) + len(kinds["items"])
        or own.keys() & arrays.keys()
    ):
        raise ArgumentError(
            f"a ragged array needs one or more fields with different names, which are not {ROW_SIZE!r} and {OFFSETS!r}"
        )
    group = _new_group(store, path, attributes, overwrite, storage_options)
    with group.batch():
        for name, options in (own | arrays).items():
            group.create_array(name, **options)
        group.get_array(OFFSETS).append(np.zeros(1, np.int64))
    group.consolidate_metadata()
    ragged = Ragged(group)
    if data is not None:
        ragged.extend(data)
    return ragged


def _new_group(
    store: StoreLike | Group | None,
    path: str | None,
    attributes: Mapping[str, Any] | None,
    overwrite: bool,
    storage_options: StorageOptions | None,
) -> Group:
    if not isinstance(store, Group):
        return create_group(
            store, path=path, attributes=attributes, overwrite=overwrite, storage_options=storage_options
        )
    if path is None or storage_options is not None:
        raise ArgumentError("in a group, a ragged array needs a path, and takes no storage_options")
    if store.zarr_format != 3:
        raise ArgumentError(f"group {store.name!r} has Zarr format 2: ragged arrays are created in format 3")
    return store.create_group(path, attributes=attributes, overwrite=overwrite)


def _dimension_names(dimensions: tuple[str, str]) -> tuple[str, str]:
    names = tuple(dimensions)
    if len({*names}) != 2 or not all(isinstance(name, str) and name for name in names):
        raise ArgumentError(
            f"dimensions are two different names, of the items and of the values, not {dimensions!r}"
        )
    return names[0], names[1]


def _counts(dimension: str, attributes: dict[str, str]) -> dict[str, Any]:
    """Return the options of an array of integers with one element per item."""
    return {
        "shape": 0,
        "dtype": "i8",
        "chunks": ITEMS_PER_CHUNK,
        "dimension_names": (dimension,),
        "attributes": attributes,
    }


def _options(name: str, given: Any, dimension: str, *, per_item: bool) -> dict[str, Any]:
    """Return the options of the array of one field."""
    options = {**given} if isinstance(given, Mapping) else {"dtype": given}
    if options.get("dtype") is None or "data" in options:
        raise ArgumentError(f"field {name!r} needs a data type, and no data: pass data to create")
    shape = options.pop("shape", ())
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if options.get("chunks") is None:
        options.pop("chunks", None)
        options = _default_chunks(options, math.prod(shape), per_item=per_item) | options
    for part in ("chunks", "shards"):
        size = options.get(part)
        if isinstance(size, int) and not isinstance(size, bool):
            options[part] = size = (size, *[max(1, n) for n in shape])
        if size is not None and (not isinstance(size, Sequence) or len(size) != 1 + len(shape)):
            raise ArgumentError(
                f"{part} of field {name!r} are a number of values, or a shape of {1 + len(shape)} numbers"
            )
    names = (dimension, *[f"{name}_{axis}" for axis in range(1, 1 + len(shape))])
    return {"shape": (0, *shape), "dimension_names": names, **options}


def _default_chunks(options: Mapping[str, Any], size: int, *, per_item: bool) -> dict[str, int]:
    """Return the number of values in a chunk and in a shard; `size` is the number of elements of a value."""
    if per_item:
        return {"chunks": ITEMS_PER_CHUNK}
    nbytes = max(1, from_numpy(options["dtype"], 3).dtype.itemsize * size)
    chunk = _power_of_two(CHUNK_NBYTES // nbytes)
    many = _power_of_two(SHARD_NBYTES // (chunk * nbytes))
    return {"chunks": chunk, "shards": chunk * many} if many > 1 else {"chunks": chunk}


def _power_of_two(most: int) -> int:
    """Return the largest power of two that is not above `most`, and at least 1."""
    return 1 << max(0, most.bit_length() - 1)
