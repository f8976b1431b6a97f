"""`exzarr.virtualize`: read HDF5 and NetCDF files as Zarr without copying them."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from exzarr._spelling import known_arguments
from exzarr._tools.virtual.group import VirtualGroup, virtual_group
from exzarr._tools.virtual.hdf5 import read_hdf5
from exzarr._tools.virtual.join import join
from exzarr._tools.virtual.model import LeftOut, VirtualFile
from exzarr._tools.virtual.netcdf3 import MAGICS, read_netcdf3
from exzarr._tools.virtual.places import Place, json_form, place_of
from exzarr._tools.virtual.write import write_references
from exzarr.errors import ArgumentError, StoreError
from exzarr.stores.base import Store
from exzarr.stores.resolve import refuse_options
from exzarr.stores.urls import is_url

if TYPE_CHECKING:
    from exzarr.stores.url_options import StorageOptions

__all__ = ["references_of", "virtualize"]

OnUnsupported = Literal["raise", "skip"]
Files = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
INLINE = 500
"""Default size limit of inlined chunks, the same as kerchunk's."""


@known_arguments
def virtualize(
    files: Files,
    output: str | os.PathLike[str] | None = None,
    *,
    concat_dim: str | None = None,
    exclude: Collection[str] = (),
    inline: int = INLINE,
    relative: bool = False,
    overwrite: bool = False,
    on_unsupported: OnUnsupported = "raise",
    stores: Mapping[str, Store] | None = None,
    storage_options: StorageOptions | None = None,
) -> VirtualGroup:
    """Read HDF5 and NetCDF files as a Zarr hierarchy whose chunks stay in the files.

    Only small chunks are copied. For all other chunks, references store the file, offset and length. HDF5 and NetCDF4
    files are read with h5py (the extra ``virtual``). NetCDF3 files need no library.

    Parameters
    ----------
    files
        A path or URL, or several, which are joined in this order.
    output
        A place to write the references to: a file that ends in ``.json``, or a folder that ends in ``.parq``. The
        folder is read in parts and is suitable for millions of chunks. Both are kerchunk's formats, and can be opened
        with `exzarr.open` and with fsspec. By default the references are not written.
    concat_dim
        The dimension along which several files are joined. Arrays without it must be equal in all files.
    exclude
        Paths of datasets, groups and links to leave out.
    inline
        Chunks of fewer bytes than this are stored in the references. So are datasets of fewer bytes that references
        cannot express, such as datasets with filters that Zarr does not have.
    relative
        Store file names relative to `output`, so that you can move both together. fsspec interprets such names relative
        to the current folder. The default is absolute paths.
    overwrite
        Replace existing references at `output`.
    on_unsupported
        ``"raise"``: a dataset, group or link that references cannot express is an error. ``"skip"`` leaves it out and
        lists it in the group's ``left_out``. Attributes that JSON cannot express, and links to missing targets, are
        listed there in both cases.
    stores
        Stores for URLs, by the beginning of the URL: ``{"s3://bucket": ObjectStore(...)}``. For other URLs, stores are
        created from `storage_options` and the environment.
    storage_options
        Options for URLs in `files` and `output`: see `exzarr.open`.

    Returns
    -------
    VirtualGroup
        The read-only hierarchy: a `Group` with ``left_out``, the list of everything in the files that is missing from
        the references.

    Raises
    ------
    UnsupportedError
        References cannot express a dataset: it has filters that Zarr does not have, it is ragged or virtual, a link
        leads outside the file's folder, or the joined chunks do not form one grid. The message names the dataset.
    StoreError
        A file is missing, damaged or in another format. The message names the object that cannot be read.
    ArgumentError
        The files cannot be joined, because an array is missing from one, is stored differently, or has another
        meaning (units, scale). Or `exclude` has a name that is in no file.
    """
    if storage_options and not any(is_url(os.fspath(one)) for one in [*_several(files), output or ""]):
        refuse_options(storage_options, "neither the files nor the output are URLs")
    found, places = _found(files, concat_dim, exclude, inline, on_unsupported, stores or {}, storage_options)
    if output is not None:
        written = _relative(found, output) if relative else found
        options = storage_options if is_url(os.fspath(output)) else None
        write_references(written, output, overwrite=overwrite, storage_options=options)
    return virtual_group(found, places)


def references_of(
    files: Files,
    *,
    concat_dim: str | None = None,
    exclude: Collection[str] = (),
    inline: int = INLINE,
    on_unsupported: OnUnsupported = "raise",
    stores: Mapping[str, Store] | None = None,
    storage_options: StorageOptions | None = None,
) -> tuple[dict[str, Any], Sequence[LeftOut]]:
    """Return the references of `virtualize` in kerchunk's JSON form, and what is missing from them."""
    if storage_options and not any(is_url(os.fspath(one)) for one in _several(files)):
        refuse_options(storage_options, "the files are not URLs")
    found, _ = _found(files, concat_dim, exclude, inline, on_unsupported, stores or {}, storage_options)
    return json_form(found), found.left_out


def _several(files: Files) -> Sequence[str | os.PathLike[str]]:
    return [files] if isinstance(files, (str, os.PathLike)) else files


def _found(
    files: Files,
    concat_dim: str | None,
    exclude: Collection[str],
    inline: int,
    on_unsupported: OnUnsupported,
    stores: Mapping[str, Store],
    storage_options: StorageOptions | None,
) -> tuple[VirtualFile, Sequence[Place]]:
    files = _several(files)
    if isinstance(exclude, str):
        exclude = [exclude]
    if on_unsupported not in ("raise", "skip"):
        raise ArgumentError(f"on_unsupported must be 'raise' or 'skip', not {on_unsupported!r}")
    if not files:
        raise ArgumentError("no file to virtualize was given")
    if len(files) > 1 and concat_dim is None:
        raise ArgumentError(
            f"joining {len(files)} files requires a dimension: concat_dim='time' (--concat-dim time)"
        )
    places = [place_of(file, stores, storage_options) for file in files]
    exclude = [path.strip("/") for path in exclude]
    found = [_read(place, exclude, inline, on_unsupported == "skip") for place in places]
    unknown = [path for path in exclude if not any(path in file.excluded for file in found)]
    if unknown:
        raise ArgumentError(
            f"exclude names {unknown[0]!r}, which is not in {'any of the files' if len(files) > 1 else files[0]}"
        )
    return (found[0] if concat_dim is None else join(found, places, concat_dim)), places


def _read(place: Place, exclude: Collection[str], inline: int, skip: bool) -> VirtualFile:
    """Find the chunks of a file in any supported format."""
    start = place.store.get(place.key, (0, 4))
    if start is None:
        raise StoreError(f"there is no {place.name!r}")
    read = read_netcdf3 if bytes(start) in MAGICS else read_hdf5
    return read(place, exclude=exclude, inline=inline, skip=skip)


def _relative(found: VirtualFile, output: str | os.PathLike[str]) -> VirtualFile:
    """Make file names relative to the folder of `output`."""
    if is_url(os.fspath(output)):
        raise ArgumentError("relative references are written to a file or folder, not to a URL")
    base = Path(output).expanduser().resolve().parent
    arrays = {}
    for path, array in found.arrays.items():
        chunks = {
            index: reference
            if isinstance(reference, bytes) or is_url(reference[0])
            else (os.path.relpath(reference[0], base).replace(os.sep, "/"), *reference[1:])
            for index, reference in array.chunks.items()
        }
        arrays[path] = replace(array, chunks=chunks)
    return replace(found, arrays=arrays)
