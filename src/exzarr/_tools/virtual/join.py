"""Join several files to one hierarchy along a dimension. Chunks stay in their files; only their chunk indices change.

Arrays without the dimension must be equal in all files. For the other arrays, the chunks of a file follow the chunks of
the previous file. This requires chunks of one shape that end where the file ends. Otherwise there are two solutions:
raw chunks are split along the first dimension, and small arrays are stored in the references.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from exzarr._format import v2
from exzarr._nodes.array import Array
from exzarr._tools.virtual.model import Index, VirtualArray, VirtualFile
from exzarr._tools.virtual.places import Place, opened_array
from exzarr.errors import ArgumentError, UnsupportedError
from exzarr.stores.references.json_set import Reference

__all__ = ["join"]

SMALL = 1 << 20
"""Maximum bytes of an array that is stored in the references because they cannot express it."""
_PIECE = 4096
"""Minimum bytes of the pieces of a raw chunk: each piece is a request."""
_MEANING = (
    "units", "calendar", "scale_factor", "add_offset", "missing_value", "_FillValue", "_Unsigned",
)  # fmt: skip
"""Attributes that define the meaning of elements. Other attributes come from the first file."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One file's part of a joined array."""

    file: VirtualFile
    places: Sequence[Place]
    array: VirtualArray


def join(files: Sequence[VirtualFile], places: Sequence[Place], dimension: str) -> VirtualFile:
    """Join files along `dimension`.

    Raises
    ------
    ArgumentError
        The files have different arrays, or arrays that differ in more than their length along the dimension.
    UnsupportedError
        The chunks do not form one grid.
    """
    first = files[0]
    for file in files[1:]:
        _same_nodes(first, file)
    known = sorted({name for array in first.arrays.values() for name in array.dimensions})
    if dimension not in known:
        raise ArgumentError(
            f"{first.name}: no array has the dimension {dimension!r}; dimensions: {', '.join(known)}"
        )
    joined = VirtualFile(f"{len(files)} files joined along {dimension!r}", dict(first.groups))
    for file in files:
        joined.left_out += file.left_out
    for path in first.arrays:
        parts = [_Part(file, [place], file.arrays[path]) for file, place in zip(files, places, strict=True)]
        # A part without elements does not define how elements are stored.
        first_filled = next((part for part in parts if 0 not in part.array.shape), parts[0])
        for part in parts:
            _same_kind(path, first_filled, part)
        dimensions = parts[0].array.dimensions
        if dimension in dimensions:
            joined.arrays[path] = _joined(path, parts, dimensions.index(dimension))
        else:
            joined.arrays[path] = _shared(path, parts, dimension)
    return joined


def _same_nodes(first: VirtualFile, other: VirtualFile) -> None:
    for mine, theirs in ((first.arrays, other.arrays), (first.groups, other.groups)):
        odd = sorted(mine.keys() ^ theirs.keys())
        if odd:
            here, there = (first, other) if odd[0] in mine else (other, first)
            raise ArgumentError(
                f"{there.name} has no {odd[0]!r}, but {here.name} has; exclude=[{odd[0]!r}] leaves it out"
            )


def _same_kind(path: str, first: _Part, other: _Part) -> None:
    """Raise ArgumentError if the elements of two parts differ in meaning or encoding."""
    empty = 0 in first.array.shape or 0 in other.array.shape
    pairs: list[tuple[str, Any, Any]] = [("dimensions", first.array.dimensions, other.array.dimensions)]
    for name in ("dtype",) if empty else ("dtype", "order", "compressor", "filters"):
        mine, theirs = first.array.document[name], other.array.document[name]
        pairs += [(name, _encoding(mine), _encoding(theirs))]
    for name in () if empty else _MEANING:
        mine, theirs = first.array.attributes.get(name), other.array.attributes.get(name)
        pairs += [(f"attribute {name!r}", mine, theirs)]
    for what, mine, theirs in pairs:
        if _differ(mine, theirs):
            raise ArgumentError(
                f"{path!r} cannot be joined: its {what} is {mine!r} in {first.file.name} and {theirs!r} in "
                f"{other.file.name}; exclude=[{path!r}] leaves it out"
            )


def _differ(mine: Any, theirs: Any) -> bool:
    return bool(mine != theirs) and not (mine != mine and theirs != theirs)  # NaN is NaN


def _encoding(codec: Any) -> Any:
    """Return a codec without its level, which does not affect decoding."""
    if isinstance(codec, list):
        return [_encoding(one) for one in codec]
    if isinstance(codec, dict):
        return {name: value for name, value in codec.items() if name not in ("level", "clevel")}
    return codec


def _shared(path: str, parts: Sequence[_Part], dimension: str) -> VirtualArray:
    """Return an array without the dimension. Raise ArgumentError if it differs between the files."""
    first = parts[0]
    mine = opened_array(first.array, first.places)
    for part in parts[1:]:
        theirs = opened_array(part.array, part.places)
        if mine.shape != theirs.shape or not _same_elements(mine, theirs):
            raise ArgumentError(
                f"{path!r} has no dimension {dimension!r}, but differs between {first.file.name} and "
                f"{part.file.name}; exclude=[{path!r}] leaves it out"
            )
    return first.array


def _same_elements(mine: Array, theirs: Array) -> bool:
    if not mine.ndim:
        return _equal(np.asarray(mine[...]), np.asarray(theirs[...]))
    rows = max(1, mine.chunks[0])
    return all(
        _equal(np.asarray(mine[at : at + rows]), np.asarray(theirs[at : at + rows]))
        for at in range(0, mine.shape[0], rows)
    )


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    if a.dtype.kind in "OT" or b.dtype.kind in "OT":
        return bool(np.all(a == b))
    return a.tobytes() == b.tobytes()


def _joined(path: str, parts: Sequence[_Part], axis: int) -> VirtualArray:
    first = parts[0]
    for part in parts[1:]:
        if _but(part.array.shape, axis) != _but(first.array.shape, axis):
            raise ArgumentError(
                f"{path!r} cannot be joined: its shape is {first.array.shape} in {first.file.name} and "
                f"{part.array.shape} in {part.file.name}; exclude=[{path!r}] leaves it out"
            )
    filled = [part for part in parts if part.array.shape[axis]]
    arrays = [part.array for part in filled] or [first.array]
    unwritten = [array.unwritten for array in arrays if not array.complete]
    if any(_differ(one, unwritten[0]) for one in unwritten):
        small = _inlined(filled, axis)
        if small is not None:
            return small
        raise UnsupportedError(
            f"{path!r} cannot be joined by references: chunks that are not stored read as {unwritten[0]!r} in one file "
            f"and as another value in another file; exclude=[{path!r}] leaves it out"
        )
    joined = _by_references(path, filled, arrays, axis)
    return replace(joined, unwritten=unwritten[0]) if unwritten else joined


def _by_references(
    path: str, filled: Sequence[_Part], arrays: Sequence[VirtualArray], axis: int
) -> VirtualArray:
    lengths = [array.shape[axis] for array in arrays]
    chunk_shapes = {array.chunk_shape for array in arrays}
    if len(chunk_shapes) == 1 and not any(length % arrays[0].chunk_shape[axis] for length in lengths[:-1]):
        return _behind(arrays, axis)
    cut = _cut_length(arrays, axis)
    if cut:
        return _behind([_cut(array, axis, cut) for array in arrays], axis)
    small = _inlined(filled, axis)
    if small is not None:
        return small
    lengths_found = ", ".join(
        f"{part.array.shape[axis]} in chunks of {part.array.chunk_shape} ({part.file.name})"
        for part in filled[:3]
    )
    raise UnsupportedError(
        f"{path!r} cannot be joined by references: chunks must have one shape, and end where a file ends. "
        f"Lengths are {lengths_found}{', ...' if len(filled) > 3 else ''}. exclude=[{path!r}] leaves it out; exzarr.copy "
        "can combine the virtualized files into one array"
    )


def _but(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], *shape[axis + 1 :])


def _behind(arrays: Sequence[VirtualArray], axis: int) -> VirtualArray:
    """Concatenate arrays with chunks of one shape."""
    chunk = arrays[0].chunk_shape[axis]
    chunks: dict[Index, Reference] = {}
    length = 0
    for array in arrays:
        before = length // chunk
        for index, reference in array.chunks.items():
            chunks[(*index[:axis], index[axis] + before, *index[axis + 1 :])] = reference
        length += array.shape[axis]
    return _longer(arrays[0], axis, length, chunk, chunks)


def _longer(
    array: VirtualArray, axis: int, length: int, chunk: int, chunks: dict[Index, Reference]
) -> VirtualArray:
    shape, chunk_shape = [*array.shape], [*array.chunk_shape]
    shape[axis], chunk_shape[axis] = length, chunk
    return replace(array, document={**array.document, "shape": shape, "chunks": chunk_shape}, chunks=chunks)


def _cut_length(arrays: Sequence[VirtualArray], axis: int) -> int:
    """Return the length along the axis to which all chunks can be split; 0 if impossible or too small."""
    if any(not array.raw or math.prod(array.chunk_shape[:axis]) != 1 for array in arrays):
        return 0
    if len({_but(array.chunk_shape, axis) for array in arrays}) > 1:
        return 0
    lengths = [array.shape[axis] for array in arrays]
    length = math.gcd(*lengths[:-1], *[array.chunk_shape[axis] for array in arrays])
    nbytes = length * _row_nbytes(arrays[0], axis)
    requests = any(
        not isinstance(reference, bytes)
        for array in arrays
        if array.chunk_shape[axis] != length
        for reference in array.chunks.values()
    )
    return length if nbytes >= _PIECE or not requests else 0


def _row_nbytes(array: VirtualArray, axis: int) -> int:
    itemsize = v2.parse_array(array.documents()[0]).data_type.dtype.itemsize
    return math.prod(array.chunk_shape[axis + 1 :]) * itemsize


def _cut(array: VirtualArray, axis: int, length: int) -> VirtualArray:
    """Split raw chunks into consecutive pieces of `length` along the axis."""
    nbytes = length * _row_nbytes(array, axis)
    pieces = array.chunk_shape[axis] // length
    most = -(-array.shape[axis] // length)
    chunks: dict[Index, Reference] = {}
    for index, reference in array.chunks.items():
        for piece in range(pieces):
            at = index[axis] * pieces + piece
            if at >= most:
                break
            place = (*index[:axis], at, *index[axis + 1 :])
            if isinstance(reference, bytes):
                chunks[place] = reference[piece * nbytes : (piece + 1) * nbytes]
            else:
                chunks[place] = (reference[0], reference[1] + piece * nbytes, nbytes)
    return _longer(array, axis, array.shape[axis], length, chunks)


def _inlined(parts: Sequence[_Part], axis: int) -> VirtualArray | None:
    """Return an array with all elements in one inlined chunk; None if that is too large."""
    arrays = [opened_array(part.array, part.places) for part in parts]
    if sum(array.nbytes for array in arrays) > SMALL or arrays[0].dtype.kind in "OT":
        return None
    data = np.concatenate([np.asarray(array[...]) for array in arrays], axis=axis)
    document = {
        **parts[0].array.document,
        "shape": [*data.shape],
        "chunks": [max(1, length) for length in data.shape],
        "filters": None,
        "compressor": None,
        "order": "C",
    }
    found = replace(parts[0].array, document=document, chunks={})
    if data.size:
        found.chunks[(0,) * data.ndim] = data.astype(arrays[0].dtype, copy=False).tobytes()
    return found
