"""The canonical form: how a data type is called, and what bytes elements are, whatever they are stored as."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from exzarr._format.data_type import DataType, is_ml
from exzarr._format.metadata import ARRAY_DIMENSIONS, ArrayMetadata
from exzarr.errors import UnsupportedError

__all__ = ["Encoder", "attributes_of", "block_shape", "canonical_json", "dimension_names_of"]

BLOCK_NBYTES = 1 << 20
"""Most bytes of elements in a block."""
VARIABLE_ITEMSIZE = 16
"""What an element of variable length counts for in that."""

AnyArray = npt.NDArray[Any]


def canonical_json(value: Any) -> str:
    """JSON in one way: keys sorted, no blanks, ASCII, numbers as Python writes them, ``NaN`` and ``Infinity`` as such."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def dimension_names_of(meta: ArrayMetadata) -> list[str | None] | None:
    """The dimension names; None where no dimension has one."""
    names = meta.dimension_names
    return [*names] if names is not None and any(name is not None for name in names) else None


def attributes_of(meta: ArrayMetadata) -> dict[str, Any]:
    """The attributes, but for the one in which v2 keeps the dimension names."""
    names = dimension_names_of(meta)
    if names is not None and meta.attributes.get(ARRAY_DIMENSIONS) == names:
        return {key: value for key, value in meta.attributes.items() if key != ARRAY_DIMENSIONS}
    return meta.attributes


def block_shape(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """The shape of the blocks that an array is digested in.

    All lengths start at 1. As long as a block has at most half of `BLOCK_NBYTES`, the shortest length that
    does not reach the array's yet is doubled (of several, the last).
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
    """The canonical name of a data type, and the bytes of arrays of it.

    Attributes
    ----------
    name
        ``"float32"``, ``"datetime64[1s]"``, ``"string"``; of a structured type a list of its fields.
    itemsize
        Bytes of an element; `VARIABLE_ITEMSIZE`, where they vary.
    """

    def __init__(self, data_type: DataType) -> None:
        self._kind = data_type.kind
        if data_type.kind == "fixed":
            self.name, self._dtype = _fixed(data_type.dtype)
            self.itemsize = self._dtype.itemsize
        else:
            self.name, self.itemsize = data_type.kind, VARIABLE_ITEMSIZE

    def encode(self, block: AnyArray) -> bytes:
        """The elements of `block` in C order, little-endian and packed.

        A string is its length in bytes (8 bytes) and its UTF-8; a byte string is its length and itself.
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
    """A Python object as JSON has it. UnsupportedError for what is none."""
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
        f"an object of type {type(item).__name__} has no canonical form to make a checksum of"
    )


def _fixed(dtype: np.dtype[Any]) -> tuple[Any, np.dtype[Any]]:
    """Name, and the dtype of the canonical bytes: packed, little-endian."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        name, stored = _fixed(base)
        return {"array": name, "shape": [*shape]}, np.dtype((stored, shape))
    if dtype.names is not None:
        fields = [(field, *_fixed(dtype[field])) for field in dtype.names]
        return [[field, name] for field, name, _ in fields], np.dtype([(f, s) for f, _, s in fields])
    if is_ml(dtype):
        if "int" in dtype.name:  # of two or four bits: what is in the others does not count
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
    """`block` in the dtype of its canonical bytes; NaNs keep what they carry."""
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
        return np.ascontiguousarray(block).byteswap().view(stored)  # converting might quiet a NaN
    return np.ascontiguousarray(block, stored)
