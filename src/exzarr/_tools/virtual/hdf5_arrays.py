"""Describe one HDF5 data set as a Zarr v2 array whose chunks are parts of the file.

A data set that references cannot express raises UnreferencedError. The elements of small data sets are stored in the
references instead.
"""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np

from exzarr._api.opening import open_array
from exzarr._creation.metadata import array_metadata
from exzarr._format import json_text, v2
from exzarr._tools.virtual.hdf5_filters import codecs_of, filters_of
from exzarr._tools.virtual.model import Index, UnreferencedError, VirtualArray
from exzarr.errors import ExzarrError
from exzarr.stores.memory import MemoryStore
from exzarr.stores.references.json_set import Reference

__all__ = ["array_of", "taken_in"]


_MOST_TEXTS = 1 << 22
_TEXT_NBYTES = 12
"""Minimum bytes that HDF5 stores for a text of variable length: its length and its address."""
_MOST_ENCODED = 1 << 20
"""Maximum bytes of chunks that are encoded again."""
_MOST_COMPACT = 1 << 16
"""Maximum number of elements that HDF5 keeps in a header: 64 KiB."""


def array_of(h5py: ModuleType, dataset: Any, target: str, *, small: int) -> VirtualArray:
    """Return the array of a data set, without attributes.

    Parameters
    ----------
    target
        The name of the file in references.
    small
        Data sets of fewer bytes are stored in the references if references cannot express them.
    """
    _refuse(h5py, dataset)
    plist = dataset.id.get_create_plist()
    text = dataset.dtype.kind == "O"
    if text or plist.get_layout() == h5py.h5d.COMPACT or not dataset.size:
        # Text is scattered in the file, and compact data is in the header of the data set.
        if dataset.size > (_MOST_TEXTS if text else _MOST_COMPACT):
            raise UnreferencedError(
                f"its {dataset.size} elements are too many to be stored in the references"
            )
        stored = dataset.id.get_storage_size()
        most = min(stored, dataset.file.id.get_filesize())
        if text and dataset.chunks is None and stored and most < dataset.size * _TEXT_NBYTES:
            raise UnreferencedError(f"only {stored} bytes are stored for its {dataset.size} elements")
        return taken_in(dataset)
    filters = filters_of(dataset)
    try:
        chunks, mask, others = _chunks(dataset, target)
        codecs = codecs_of(filters, mask)
    except UnreferencedError:
        if dataset.nbytes < small:
            return taken_in(dataset)
        raise
    document = _document(dataset, dataset.chunks or dataset.shape)
    fill = document.pop("fill_value")
    document["filters"] = codecs or None
    array = VirtualArray(document, {}, chunks, unwritten=fill)
    return _with_encoded(array, dataset, others) if others else array


def taken_in(dataset: Any, *, shape: tuple[int, ...] | None = None, fill: Any = None) -> VirtualArray:
    """Return an array whose elements are stored in the references.

    If `shape` is larger than the data set's shape, the rest is filled with `fill`.
    """
    document = _document(dataset, dataset.shape)
    array = VirtualArray(document, {}, unwritten=document.pop("fill_value"))
    shape = dataset.shape if shape is None else shape
    document["shape"], document["chunks"] = [*shape], [max(1, length) for length in shape]
    if 0 not in shape:
        data = _elements(dataset)
        if shape != dataset.shape:
            whole = np.full(shape, fill, data.dtype)
            whole[tuple(map(slice, dataset.shape))] = data
            data = whole
        array.chunks[(0,) * len(shape)] = _encoded(data)
    return array


def _elements(dataset: Any) -> np.ndarray:
    """Read all elements; text as objects."""
    if dataset.dtype.kind != "O":
        return np.asarray(dataset[()])
    try:
        return np.asarray(dataset.asstr()[()], object)
    except UnicodeDecodeError as error:
        raise UnreferencedError(f"its strings are not UTF-8: {error}") from None


def _refuse(h5py: ModuleType, dataset: Any) -> None:
    """Raise UnreferencedError for a data set that would be read incorrectly."""
    dtype = dataset.dtype
    reason = None
    if dataset.shape is None:
        reason = "it has no elements and no shape (a null dataspace)"
    elif dataset.is_virtual:
        reason = "it is a virtual dataset, composed of other datasets"
    elif dataset.external:
        reason = "its data is in an external file"
    elif h5py.check_ref_dtype(dtype) is not None:
        reason = "its elements refer to other objects of the file"
    elif dtype.kind == "O" and h5py.check_string_dtype(dtype) is None:
        reason = "its elements are arrays of different lengths"
    elif dtype.hasobject and dtype.names:
        reason = "its elements are records with strings, references or arrays of different lengths"
    elif dtype.subdtype is not None:
        reason = "its elements are arrays"
    elif not _native(h5py, dataset.id.get_type()):
        reason = "its numbers have a format that NumPy does not support"
    if reason is not None:
        raise UnreferencedError(reason)


def _native(h5py: ModuleType, kind: Any) -> bool:
    """Return True if NumPy can interpret the elements in the file without conversion."""
    h5t = h5py.h5t
    code = kind.get_class()
    if code in (h5t.INTEGER, h5t.FLOAT):
        try:
            return bool(kind.equal(h5t.py_create(kind.dtype)))
        except TypeError:
            return False
    if code == h5t.COMPOUND:
        return all(_native(h5py, kind.get_member_type(i)) for i in range(kind.get_nmembers()))
    if code in (h5t.ENUM, h5t.ARRAY):
        return _native(h5py, kind.get_super())
    return True


def _document(dataset: Any, chunks: tuple[int, ...]) -> dict[str, Any]:
    text = dataset.dtype.kind == "O"
    dtype: Any = "string"
    fill: Any = ""
    if not text:
        dtype, fill = _padded(dataset.dtype), dataset.fillvalue
        if dtype.names and dtype != dataset.dtype:
            fill = np.frombuffer(np.asarray(fill, dataset.dtype).tobytes(), dtype)[0]
    try:
        metadata = array_metadata(
            shape=dataset.shape,
            chunks=tuple(max(1, length) for length in chunks),
            dtype=dtype,
            filters="auto" if text else None,
            compressors=None,
            fill_value=fill,
            zarr_format=2,
        )
        document = v2.array_json(metadata)[0]
        v2.parse_array(document)
    except ExzarrError as error:
        raise UnreferencedError(f"Zarr cannot have its elements of {dataset.dtype}: {error}") from None
    return document


def _padded(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return a data type without h5py's metadata, with padding as explicit fields, because Zarr has no offsets."""
    if dtype.names is None:
        if dtype.subdtype is None:
            return np.dtype(dtype.str)
        base, shape = dtype.subdtype
        return np.dtype((_padded(base), shape))
    fields: list[tuple[str, np.dtype[Any]]] = []
    at = 0
    for name in sorted(dtype.names, key=lambda name: dtype.fields[name][1]):  # type: ignore[index]
        kind, offset = dtype.fields[name][:2]  # type: ignore[index]
        if offset < at:
            raise UnreferencedError(f"the fields of its records overlap at {name!r}")
        if offset > at:
            fields.append((f"padding_{at}", np.dtype(f"V{offset - at}")))
        fields.append((name, _padded(kind)))
        at = offset + kind.itemsize
    if at < dtype.itemsize:
        fields.append((f"padding_{at}", np.dtype(f"V{dtype.itemsize - at}")))
    return np.dtype(fields)


def _chunks(dataset: Any, target: str) -> tuple[dict[Index, Reference], int, list[Index]]:
    """Return the references of stored chunks, the most common filter mask, and the chunks with another mask."""
    if dataset.chunks is None:
        offset = dataset.id.get_offset()
        if offset is None:
            return {}, 0, []
        size = dataset.id.get_storage_size()
        if size != dataset.nbytes:
            raise UnreferencedError(f"only {size} of its {dataset.nbytes} bytes are stored")
        return {(0,) * dataset.ndim: (target, offset, size)}, 0, []
    chunks: dict[Index, Reference] = {}
    by_mask: dict[int, list[Index]] = {}

    def visit(info: Any) -> None:
        index = tuple(at // length for at, length in zip(info.chunk_offset, dataset.chunks, strict=True))
        chunks[index] = (target, info.byte_offset, info.size)
        by_mask.setdefault(info.filter_mask, []).append(index)

    if hasattr(dataset.id, "chunk_iter"):
        dataset.id.chunk_iter(visit)
    else:
        for number in range(dataset.id.get_num_chunks()):
            visit(dataset.id.get_chunk_info(number))
    mask = max(by_mask, key=lambda mask: len(by_mask[mask]), default=0)
    others = [index for one, indexes in by_mask.items() if one != mask for index in indexes]
    return chunks, mask, others


def _with_encoded(array: VirtualArray, dataset: Any, indexes: list[Index]) -> VirtualArray:
    """Encode some chunks like the others, and store them in the references.

    HDF5 skips a filter for chunks that the filter would not make smaller.
    """
    nbytes = len(indexes) * math.prod(array.chunk_shape) * dataset.dtype.itemsize
    if nbytes > _MOST_ENCODED:
        raise UnreferencedError(
            f"{len(indexes)} of its {len(array.chunks)} chunks were written with other filters, and their {nbytes} "
            f"bytes exceed the limit of {_MOST_ENCODED} for chunks in the references"
        )
    store = MemoryStore()
    store.put(".zarray", json_text.encode({**array.document, "fill_value": array.unwritten}))
    ours = open_array(store, mode="r+", write_empty_chunks=True)
    for index in indexes:
        region = tuple(
            slice(at * length, min((at + 1) * length, most))
            for at, length, most in zip(index, array.chunk_shape, dataset.shape, strict=True)
        )
        ours[region] = dataset[region].astype(ours.dtype, copy=False)
        encoded = store.get(".".join(map(str, index)))
        assert encoded is not None
        array.chunks[index] = bytes(encoded)
    return array


def _encoded(data: np.ndarray) -> bytes:
    if data.dtype.kind != "O":
        return np.ascontiguousarray(data).tobytes()
    from numcodecs.vlen import VLenUTF8

    return bytes(VLenUTF8().encode(data.ravel()))
