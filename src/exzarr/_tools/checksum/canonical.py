"""The canonical form of data types and elements, independent of how they are stored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from exzarr._format.data_type import DataType, is_ml
from exzarr._format.metadata import ARRAY_DIMENSIONS, ArrayMetadata
from exzarr._typing import AnyArray
from exzarr.errors import UnsupportedError

__all__ = ["Encoder", "attributes_of", "block_shape", "canonical_json", "dimension_names_of"]

BLOCK_NBYTES = 1 << 20
"""Maximum bytes of elements in a block."""
VARIABLE_ITEMSIZE = 16
"""Bytes that an element of variable length counts as."""


def canonical_json(value: Any) -> str:
    """Return canonical JSON: sorted keys, no blanks, ASCII, Python's form of numbers, bare ``NaN`` and ``Infinity``."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def dimension_names_of(meta: ArrayMetadata) -> list[str | None] | None:
    """Return the dimension names, or None if no dimension has a name."""
    names = meta.dimension_names
    return [*names] if names is not None and any(name is not None for name in names) else None


def attributes_of(meta: ArrayMetadata) -> dict[str, Any]:
    """Return the attributes without the one that holds the dimension names in v2."""
    names = dimension_names_of(meta)
    if names is not None and meta.attributes.get(ARRAY_DIMENSIONS) == names:
        return {key: value for key, value in meta.attributes.items() if key != ARRAY_DIMENSIONS}
    return meta.attributes


def block_shape(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Return the shape of the blocks in which an array is digested.

    All lengths start at 1. While a block has at most half of `BLOCK_NBYTES`, the shortest length that is less than the
    array's is doubled. If several lengths are the shortest, the last one is doubled.
    """
    lengths = [1] * len(shape)
    nbytes = max(1, itemsize)
    while 2 * nbytes <= BLOCK_NBYTES:
        short = [axis for axis in range(len(shape)) if lengths[axis] < shape[axis]]
        if not short:
            break
        axis = min(reversed(short), key=lambda axis: lengths[axis])
        lengths[axis] *= 2
        nbytes *= 2
    return tuple(lengths)


class Encoder:
    """The canonical name of a data type, and the canonical bytes of its elements.

    Attributes
    ----------
    name
        ``"float32"``, ``"datetime64[1s]"``, ``"string"``; for a structured type, a list of its fields.
    itemsize
        Bytes of an element; `VARIABLE_ITEMSIZE` if the length varies.
    """

    def __init__(self, data_type: DataType) -> None:
        self._kind = data_type.kind
        if data_type.kind == "fixed":
            self.name, self._dtype = _fixed(data_type.dtype)
            self.itemsize = self._dtype.itemsize
        else:
            self.name, self.itemsize = data_type.kind, VARIABLE_ITEMSIZE

    def encode(self, block: AnyArray) -> bytes:
        """Return the elements of `block` in C order, little-endian and packed.

        A string becomes its length in bytes (8 bytes) and its UTF-8; a byte string its length and its bytes.
        """
        if self._kind == "fixed":
            return _stored(block, self._dtype).tobytes()
        items = [self._item(item) for item in block.reshape(-1).tolist()]
        return b"".join([part for item in items for part in (len(item).to_bytes(8, "little"), item)])

    def _item(self, item: Any) -> bytes:
        if self._kind == "string":
            return str(item).encode()
        if self._kind == "bytes":
            return bytes(item)
        return canonical_json(_plain(item)).encode()


def _plain(item: Any) -> Any:
    """Return a Python object as JSON values. Raise UnsupportedError for other types."""
    if isinstance(item, np.ndarray):
        return {"dtype": str(item.dtype.newbyteorder("=")), "items": item.tolist(), "shape": [*item.shape]}
    if isinstance(item, np.generic):
        return item.item()
    if isinstance(item, Mapping):
        return {str(key): _plain(value) for key, value in item.items()}
    if isinstance(item, list | tuple):
        return [_plain(value) for value in item]
    if item is None or isinstance(item, bool | int | float | str):
        return item
    raise UnsupportedError(
        f"cannot compute a checksum: an object of type {type(item).__name__} has no canonical form"
    )


def _fixed(dtype: np.dtype[Any]) -> tuple[Any, np.dtype[Any]]:
    """Return the canonical name, and the dtype of the canonical bytes: packed, little-endian."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        name, stored = _fixed(base)
        return {"array": name, "shape": [*shape]}, np.dtype((stored, shape))
    if dtype.names is not None:
        fields = [(field, *_fixed(dtype[field])) for field in dtype.names]
        return [[field, name] for field, name, _ in fields], np.dtype([(f, s) for f, _, s in fields])
    if is_ml(dtype):
        if "int" in dtype.name:  # types of two or four bits: the other bits do not count
            return dtype.name, np.dtype("i1" if dtype.name[0] == "i" else "u1")
        return dtype.name, np.dtype(f"<u{dtype.itemsize}")
    if dtype.kind in "mM":
        unit, count = np.datetime_data(dtype)
        name = "datetime64" if dtype.kind == "M" else "timedelta64"
        return f"{name}[{count}{unit}]", np.dtype("<i8")
    if dtype.kind in "SUV":
        name = {"S": "bytes", "U": "utf32", "V": "raw"}[dtype.kind]
        length = dtype.itemsize // 4 if dtype.kind == "U" else dtype.itemsize
        return f"{name}[{length}]", dtype.newbyteorder("<")
    return dtype.newbyteorder("=").name, dtype.newbyteorder("<")


def _stored(block: AnyArray, stored: np.dtype[Any]) -> AnyArray:
    """Convert `block` to the dtype of its canonical bytes. NaNs keep their payload."""
    dtype = block.dtype
    if dtype.names is not None:
        made: AnyArray = np.empty(block.shape, stored)
        for field in dtype.names:
            made[field] = _stored(block[field], stored[field].base)
        return made
    if is_ml(dtype):
        if "int" in dtype.name:
            return block.astype(stored)
        return np.ascontiguousarray(block).view(f"u{dtype.itemsize}").astype(stored)
    if dtype.kind in "mM":
        return np.ascontiguousarray(block).view(dtype.str[0] + "i8").astype(stored)
    if dtype.kind in "fc" and not dtype.isnative:
        return (
            np.ascontiguousarray(block).byteswap().view(stored)
        )  # a conversion could change a signaling NaN
    return np.ascontiguousarray(block, stored)
