"""Find the chunks of one HDF5 or NetCDF4 file with h5py.

The structure is read through h5py: links (`hdf5_links`), dimensions (`netcdf4`), data sets (`hdf5_arrays`) and
attributes (`hdf5_attributes`). Finally, some elements of each array are read with h5py and with exzarr and compared.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

from exzarr._format.node_names import V2_DOCUMENTS
from exzarr._nodes.array import Array
from exzarr._tools.virtual.hdf5_arrays import array_of
from exzarr._tools.virtual.hdf5_attributes import attribute, attributes_of
from exzarr._tools.virtual.hdf5_filters import filters_of, readable
from exzarr._tools.virtual.hdf5_links import DanglingError, Found, Links
from exzarr._tools.virtual.hdf5_source import source_of
from exzarr._tools.virtual.model import DAMAGE, LeftOut, UnreferencedError, VirtualArray, VirtualFile
from exzarr._tools.virtual.netcdf4 import Dimensions, is_phantom, padded, plain_name
from exzarr._tools.virtual.places import Place, opened_array, taken_in_chunks
from exzarr._tools.virtual.values import fill_json
from exzarr.errors import ExzarrError, MissingDependencyError, StoreError, UnsupportedError
from exzarr.stores.base import check_key

__all__ = ["read_hdf5"]

_SAMPLE = 1000
"""Number of elements that are compared."""


def read_hdf5(place: Place, *, exclude: Collection[str], inline: int, skip: bool) -> VirtualFile:
    """Find the chunks of a file.

    Parameters
    ----------
    place
        The file.
    exclude
        Paths of data sets, groups and links to leave out.
    inline
        Chunks of fewer bytes than this are stored in the references.
    skip
        Leave out and list objects that references cannot express. Otherwise they are an error.
    """
    h5py = _library()
    try:
        file = h5py.File(source_of(place), "r")
    except ExzarrError:
        raise
    except FileNotFoundError as error:
        raise StoreError(str(error)) from error
    except DAMAGE as error:
        raise StoreError(f"{place.name!r} cannot be read as an HDF5 or NetCDF file: {error}") from error
    try:
        with file, closing(Links(h5py, file, place)) as links:
            return _Reading(h5py, links, place, exclude, inline, skip).read()
    except DAMAGE as error:
        if isinstance(error, ExzarrError):
            raise
        raise StoreError(f"{place.name!r} cannot be read; it may be damaged: {error}") from error


def _library() -> ModuleType:
    try:
        import h5py
    except ImportError as error:
        raise MissingDependencyError(
            "virtualize needs h5py for HDF5 and NetCDF4 files: pip install 'exzarr[virtual]'"
        ) from error
    module: ModuleType = h5py
    return module


class _Reading:
    """One pass over a file."""

    def __init__(
        self, h5py: ModuleType, links: Links, place: Place, exclude: Collection[str], inline: int, skip: bool
    ) -> None:
        self._h5py = h5py
        self._links = links
        self._place = place
        self._exclude = exclude
        self._inline = inline
        self._skip = skip
        self._found = VirtualFile(place.name)
        self._places = [place]

    def read(self) -> VirtualFile:
        nodes = [*self._links.walk(self._excluded, self._report)]
        datasets = [node for node in nodes if isinstance(node.item, self._h5py.Dataset)]
        dimensions = Dimensions(self._h5py, nodes[0].item, datasets)
        names = {node.path for node in datasets if not is_phantom(node.item)}
        arrays: dict[Any, VirtualArray | None] = {}
        for node in nodes:
            plain = plain_name(node.path)
            path = node.path if plain in names else plain
            if self._excluded(node.path):
                continue
            if isinstance(node.item, self._h5py.Group):
                if self._named("group", path):
                    self._found.groups[path] = self._attributes(node, path)
            elif not isinstance(node.item, self._h5py.Dataset):
                self._left_out(
                    "type", path, "", "it is a named type; data sets of this type are read without the name"
                )
            elif not is_phantom(node.item) and self._named("dataset", path):
                self._add(node, path, dimensions, arrays)
        return self._found

    # -- data sets ---------------------------------------------------------------

    def _add(
        self, node: Found, path: str, dimensions: Dimensions, arrays: dict[Any, VirtualArray | None]
    ) -> None:
        """Add the data set of `node`. A second name of a data set gets the same chunks."""
        known = arrays.get(node.identity)
        if known is not None:
            self._found.arrays[path] = replace(known)
            return
        arrays[node.identity] = None
        try:
            array = self._array(node, path, dimensions)
        except (*DAMAGE, UnreferencedError) as error:
            self._report("dataset", path, error)
            return
        arrays[node.identity] = self._found.arrays[path] = array

    def _array(self, node: Found, path: str, dimensions: Dimensions) -> VirtualArray:
        h5py, dataset = self._h5py, node.item
        array = array_of(h5py, dataset, node.place.target, small=self._inline)
        array.attributes = self._attributes(node, path)
        mask = attribute(dataset, "_FillValue")
        if mask is not None and not isinstance(mask, h5py.Empty):
            try:
                array.masked = fill_json(array, np.ravel(np.asarray(mask))[0])
            except (UnreferencedError, IndexError, UnicodeDecodeError):
                pass  # it stays an attribute
        axes = dimensions.axes(node)
        array.attributes["_ARRAY_DIMENSIONS"] = [axis.name for axis in axes]
        for number in range(dataset.ndim):
            if len(dataset.dims[number]) > 1:
                self._left_out(
                    "attribute", path, "DIMENSION_LIST",
                    f"dimension {number} has several scales; only the name {axes[number].name!r} is kept",
                )  # fmt: skip
        labels = _enumeration(h5py, dataset)
        if labels:
            self._left_out("type", path, "", f"the names of its values are left out: {labels}")
        if node.place not in self._places:
            self._places.append(node.place)
        array = padded(array, dataset, dimensions.shape(node), self._opened)
        array = taken_in_chunks(array, node.place, self._inline)
        if readable(h5py, filters_of(dataset)):
            _compare(self._opened(array), array, dataset)
        return array

    def _opened(self, array: VirtualArray) -> Array:
        return opened_array(array, self._places)

    def _attributes(self, node: Found, path: str) -> dict[str, Any]:
        return attributes_of(
            self._h5py, node.item, lambda name, reason: self._left_out("attribute", path, name, reason)
        )

    # -- objects that are left out -----------------------------------------------

    def _excluded(self, path: str) -> bool:
        plain = plain_name(path)
        for one in self._exclude:
            if one in (path, plain) or path.startswith(one + "/") or plain.startswith(one + "/"):
                self._found.excluded.add(one)
                return True
        return False

    def _named(self, kind: Any, path: str) -> bool:
        """Return True if Zarr allows a node of this name. Otherwise report it."""
        try:
            path.encode()
            if path:
                check_key(path)
            if path.rpartition("/")[2] in V2_DOCUMENTS:
                raise UnreferencedError("Zarr uses this name for its metadata")
        except (UnreferencedError, UnicodeEncodeError, ExzarrError) as error:
            self._report(kind, path, UnreferencedError(f"Zarr cannot have this name: {error}"))
            return False
        return True

    def _left_out(self, kind: Any, path: str, name: str, reason: str) -> None:
        self._found.left_out.append(LeftOut(self._place.name, kind, path, name, reason))

    def _report(self, kind: Any, path: str, error: Exception) -> None:
        """Raise an error that names `path`, or list the object as left out."""
        if self._excluded(path):
            return
        if isinstance(error, ExzarrError) and not isinstance(error, UnreferencedError):
            raise error
        reason = str(error) if isinstance(error, UnreferencedError) else f"it cannot be read: {error}"
        if self._skip or isinstance(error, DanglingError):
            self._left_out(kind, path, "", reason)
            return
        raise (UnsupportedError if isinstance(error, UnreferencedError) else StoreError)(
            f"{self._place.name}: {path!r} cannot be referenced: {reason}; exclude=[{path!r}] (--exclude {path}) "
            "leaves it out, on_unsupported='skip' (--on-unsupported skip) leaves out everything that cannot be referenced"
        ) from error


def _enumeration(h5py: ModuleType, dataset: Any) -> str:
    """Return the first names of an enumeration's values; ``""`` if it is not an enumeration."""
    names = None if dataset.dtype.kind == "b" else h5py.check_enum_dtype(dataset.dtype)
    if not names:
        return ""
    labels = ", ".join(
        f"{name}={value}" for name, value in sorted(names.items(), key=lambda item: item[1])[:10]
    )
    return labels + (", ..." if len(names) > 10 else "")


def _compare(ours: Array, array: VirtualArray, dataset: Any) -> None:
    """Compare some elements of a stored chunk, read by h5py and by exzarr. Raise UnreferencedError if they differ."""
    if not dataset.size:
        return
    grid = [-(-length // chunk) for length, chunk in zip(dataset.shape, array.chunk_shape, strict=True)]
    stored = sorted(index for index in array.chunks if all(map(int.__lt__, index, grid)))
    index = stored[len(stored) // 2] if stored else (0,) * dataset.ndim
    origin = [at * length for at, length in zip(index, array.chunk_shape, strict=True)]
    region = tuple(
        slice(at, min(length, at + (_SAMPLE if axis == dataset.ndim - 1 else 1)))
        for axis, (at, length) in enumerate(zip(origin, dataset.shape, strict=True))
    )
    try:
        mine = np.asarray(ours[region])
    except ExzarrError as error:
        raise UnreferencedError(f"exzarr cannot read its chunks: {error}") from error
    if dataset.dtype.kind == "O":
        same = bool(np.all(mine.astype(object) == np.asarray(dataset.asstr()[region], object)))
    else:
        same = _same(mine, np.asarray(dataset[region]))
    if not same:
        raise UnreferencedError("exzarr and h5py read different values")


def _same(mine: np.ndarray, theirs: np.ndarray) -> bool:
    if theirs.dtype.names is None:
        return mine.dtype.str == theirs.dtype.str and mine.tobytes() == theirs.tobytes()
    return all(_same(mine[name], theirs[name]) for name in theirs.dtype.names)
