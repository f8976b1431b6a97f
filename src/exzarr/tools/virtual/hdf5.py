"""One HDF5 or NetCDF4 file: where its chunks lie, by way of kerchunk (https://fsspec.github.io/kerchunk) and h5py.

kerchunk translates a dataset at a time. What it would leave out or take for something else without a word is looked
at here: compact and virtual datasets, external files, fill values, ragged arrays. In the end some elements of each
array are read both ways.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Collection
from types import ModuleType
from typing import Any

import numpy as np

from exzarr.array import Array
from exzarr.creation.metadata import array_metadata
from exzarr.errors import ExzarrError, MissingDependencyError, StoreError, UnsupportedError
from exzarr.format import json_text, v2
from exzarr.stores.base import Store
from exzarr.stores.reference_json import JsonReferences
from exzarr.tools.virtual.model import VirtualArray, VirtualFile
from exzarr.tools.virtual.places import Place, opened

__all__ = ["read_hdf5"]

_NO_VARIABLE = b"This is a netCDF dimension but not a netCDF variable"
_SAMPLE = 1000
"""Elements that are read both ways."""


def read_hdf5(place: Place, *, exclude: Collection[str], inline: int) -> VirtualFile:
    """Where the chunks of a file lie.

    Parameters
    ----------
    place
        The file.
    exclude
        Paths of datasets and groups to leave out.
    inline
        Chunks of fewer bytes than this are taken into the references.
    """
    h5py, kerchunk = _libraries()
    datasets: dict[str, Any] = {}

    class Visited(h5py.File):  # type: ignore[misc, name-defined]
        """A file of which kerchunk sees what it may see, and which knows at which dataset it failed."""

        def visititems(self, visit: Callable[[str, Any], None]) -> None:
            # Not from inside of h5py's own visit, which holds its lock: kerchunk has a thread of zarr-python's
            # create arrays, and waits; garbage of h5py's that is collected in that thread waits for the lock.
            names: list[str] = []
            super().visit(names.append)
            for name in names:
                if any(name == path or name.startswith(path + "/") for path in exclude):
                    continue
                item = self[name]
                if isinstance(item, h5py.Dataset):
                    datasets[name] = item
                    _refuse(h5py, place.name, name, item)
                    if _nowhere(h5py, item):
                        continue
                try:
                    visit(name, item)
                except Exception as error:
                    raise _unsupported(place.name, name, str(error)) from error

    try:
        file = Visited(_source(place), "r")
    except OSError as error:
        raise StoreError(
            f"cannot open {place.name!r} as an HDF5 or NetCDF4 file (NetCDF3 is another format): {error}"
        ) from error
    with file:
        # The URL is a name to kerchunk, as long as it takes nothing in; ours are put there below.
        translator = kerchunk.SingleHdf5ToZarr(
            file, url=os.devnull, inline_threshold=0, error="raise", vlen_encode="leave"
        )
        try:
            found = _parsed(JsonReferences(translator.translate(), place.name), place)
        finally:
            translator.close()
        for name, dataset in datasets.items():
            try:
                _complete(h5py, found, name, dataset)
            except UnicodeDecodeError as error:
                raise _unsupported(place.name, name, f"its strings are not UTF-8: {error}") from error
        for array in found.arrays.values():
            _take_in(array, place, inline)
        group = opened(found, [place])
        for name, array in found.arrays.items():
            ours = group[name]
            assert isinstance(ours, Array)
            _compare(ours, array, datasets[name], place.name, name)
    return found


def _libraries() -> tuple[ModuleType, ModuleType]:
    try:
        import h5py
        import kerchunk.hdf
    except ImportError as error:
        raise MissingDependencyError(
            "virtualize needs kerchunk and h5py: pip install 'exzarr[virtual]'"
        ) from error
    return h5py, kerchunk.hdf


def _source(place: Place) -> Any:
    path = place.store.local_path(place.key)
    if path is not None:
        return path
    size = place.store.size(place.key)
    if size is None:
        raise FileNotFoundError(f"there is no {place.name!r}")
    return io.BufferedReader(_StoreFile(place.store, place.key, size), 1 << 19)


class _StoreFile(io.RawIOBase):
    """A value of a store as a file for reading."""

    def __init__(self, store: Store, key: str, size: int) -> None:
        self._store, self._key, self._size = store, key, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        length = max(0, min(len(view), self._size - self._at))
        data = self._store.get(self._key, (self._at, length)) if length else b""
        if data is None or len(data) != length:
            raise OSError(f"{self._key!r} has changed while it was read")
        view[:length] = data
        self._at += length
        return length


def _unsupported(file: str, name: str, reason: str) -> UnsupportedError:
    return UnsupportedError(
        f"{file}: {name!r} cannot be referenced: {reason}; exclude=[{name!r}] (--exclude {name}) leaves it out"
    )


def _refuse(h5py: ModuleType, file: str, name: str, dataset: Any) -> None:
    """Raise for what would be read wrongly."""
    reason = None
    if dataset.shape is None:
        reason = "it holds nothing, not even a shape"
    elif dataset.is_virtual:
        reason = "it is a virtual dataset, made of others"
    elif dataset.external:
        reason = "its data lie in another file"
    elif h5py.check_ref_dtype(dataset.dtype) is not None:
        if dataset.attrs.get("CLASS") != b"DIMENSION_SCALE":
            reason = "its elements refer to other datasets"
    elif dataset.dtype.kind == "O" and h5py.check_string_dtype(dataset.dtype) is None:
        reason = "its elements are arrays of different lengths"
    elif dataset.dtype.hasobject and dataset.dtype.names:
        reason = "its elements are records that hold strings or arrays of different lengths"
    if reason is not None:
        raise _unsupported(file, name, reason)


def _nowhere(h5py: ModuleType, dataset: Any) -> bool:
    """Whether there is nothing to refer to.

    The data lie in the dataset's header, or are strings that lie anywhere in the file, or there are none.
    """
    compact = dataset.id.get_create_plist().get_layout() == h5py.h5d.COMPACT
    return bool(compact or dataset.dtype.kind == "O" or (dataset.chunks is None and not dataset.size))


def _parsed(references: JsonReferences, place: Place) -> VirtualFile:
    found = VirtualFile(place.name)
    documents: dict[str, Any] = {}
    chunks: dict[str, dict[tuple[int, ...], Any]] = {}
    for key in references.list(""):
        path, _, last = key.rpartition("/")
        value = references.get(key)
        if last[:1] == ".":
            assert isinstance(value, bytes)
            documents[key] = json_text.decode(value, key)
        elif value is not None:
            index = tuple(map(int, last.split(".")))
            chunks.setdefault(path, {})[index] = (
                value if isinstance(value, bytes) else (place.target, *value[1:])
            )
    for key, document in documents.items():
        path, _, last = key.rpartition("/")
        attributes = documents.get(f"{path}/.zattrs" if path else ".zattrs", {})
        if last == ".zgroup":
            found.groups[path] = dict(attributes)
        elif last == ".zarray":
            array = VirtualArray(dict(document), dict(attributes), chunks.get(path, {}))
            # Scales of groups have paths; the names of dimensions are names.
            array.attributes["_ARRAY_DIMENSIONS"] = [name.rpartition("/")[2] for name in array.dimensions]
            if not array.shape:
                array.chunks = dict.fromkeys([()], *array.chunks.values()) if array.chunks else {}
            found.arrays[path] = array
    return found


def _complete(h5py: ModuleType, found: VirtualFile, name: str, dataset: Any) -> None:
    """What kerchunk says of a dataset, and what it does not."""
    array = found.arrays.get(name)
    if array is None:
        if dataset.attrs.get("NAME", b"").startswith(_NO_VARIABLE):
            return
        array = found.arrays[name] = _inlined(h5py, dataset)
    grid = [
        -(-length // chunk) if chunk else 0
        for length, chunk in zip(array.shape, array.chunk_shape, strict=True)
    ]
    if len(array.chunks) < np.prod(grid, dtype=object) and dataset.dtype.kind != "O":
        # What is not stored reads as HDF5's fill value, which need not be the attribute `_FillValue`.
        fill = _fill_value(dataset)
        if fill != array.document["fill_value"] and "_FillValue" in dataset.attrs:
            array.attributes["_FillValue"] = np.asarray(dataset.attrs["_FillValue"]).ravel()[0].item()
        array.document["fill_value"] = fill


def _inlined(h5py: ModuleType, dataset: Any) -> VirtualArray:
    """A dataset that has no place in the file that could be referred to, as part of the references."""
    document = _document(dataset)
    dimensions = [
        scale[0].name.rpartition("/")[2] if len(scale) else f"phony_dim_{n}"
        for n, scale in enumerate(dataset.dims)
    ]
    if h5py.h5ds.is_scale(dataset.id) and dataset.ndim == 1:
        dimensions = [dataset.name.rpartition("/")[2]]
    attributes = _plain_attributes(dataset)
    array = VirtualArray(document, {**attributes, "_ARRAY_DIMENSIONS": dimensions})
    if dataset.size and _nowhere(h5py, dataset):
        array.chunks[(0,) * dataset.ndim] = _elements(dataset)
    return array


def _elements(dataset: Any) -> bytes:
    if dataset.dtype.kind != "O":
        return np.ascontiguousarray(dataset[...]).tobytes()
    from numcodecs.vlen import VLenUTF8

    return bytes(VLenUTF8().encode(np.asarray(dataset.asstr()[()], object).ravel()))


def _plain_attributes(dataset: Any) -> dict[str, Any]:
    hidden = ("CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "_FillValue")
    found: dict[str, Any] = {}
    for name, value in dataset.attrs.items():
        if name in hidden or name.startswith(("_Netcdf4", "_NC")):
            continue
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        elif isinstance(value, (np.ndarray, np.generic)):
            value = value.item() if np.size(value) == 1 else value.tolist()
        found[name] = value if isinstance(value, (str, int, float, list)) else str(value)
    return found


def _document(dataset: Any) -> dict[str, Any]:
    text = dataset.dtype.kind == "O"
    chunks = (not text and dataset.chunks) or tuple(max(1, length) for length in dataset.shape)
    metadata = array_metadata(
        shape=dataset.shape,
        chunks=chunks,
        dtype="string" if text else dataset.dtype,
        filters="auto" if text else None,
        compressors=None,
        fill_value="" if text else dataset.fillvalue,
        zarr_format=2,
    )
    return v2.array_json(metadata)[0]


def _fill_value(dataset: Any) -> Any:
    return _document(dataset)["fill_value"]


def _take_in(array: VirtualArray, place: Place, most: int) -> None:
    """Small chunks become part of the references: a request costs more than they do."""
    for index, reference in array.chunks.items():
        if not isinstance(reference, bytes) and reference[2] is not None and reference[2] < most:
            data = place.store.get(place.key, (reference[1], reference[2]))
            if data is None or len(data) != reference[2]:
                raise StoreError(f"{place.name!r} has changed while it was read")
            array.chunks[index] = bytes(data)


def _compare(ours: Array, array: VirtualArray, dataset: Any, file: str, name: str) -> None:
    """Some elements of a stored chunk, read by h5py and by exzarr."""
    if ours.shape != dataset.shape or (ours.dtype != dataset.dtype and not dataset.dtype.hasobject):
        raise _unsupported(file, name, f"{dataset.dtype} became {ours.dtype}, {dataset.shape} {ours.shape}")
    if not dataset.size:
        return
    stored = sorted(array.chunks)
    index = stored[len(stored) // 2] if stored else (0,) * dataset.ndim
    origin = [at * length for at, length in zip(index, array.chunk_shape, strict=True)]
    region = tuple(
        slice(at, min(length, at + (_SAMPLE if axis == dataset.ndim - 1 else 1)))
        for axis, (at, length) in enumerate(zip(origin, dataset.shape, strict=True))
    )
    try:
        mine = np.asarray(ours[region])
    except ExzarrError as error:
        raise _unsupported(file, name, f"what was found cannot be read: {error}") from error
    if dataset.dtype.kind == "O":
        same = mine.astype(object) == np.asarray(dataset.asstr()[region], object)
    else:
        same = mine.tobytes() == np.asarray(dataset[region]).tobytes()
    if not np.all(same):
        raise _unsupported(file, name, "exzarr and h5py read different values")
