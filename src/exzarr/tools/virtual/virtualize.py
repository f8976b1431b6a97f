"""`exzarr.virtualize`: HDF5 and NetCDF4 files read as Zarr, where they lie."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from exzarr.errors import ArgumentError
from exzarr.group import Group
from exzarr.stores.base import Store
from exzarr.stores.reference_json import is_url
from exzarr.tools.virtual.hdf5 import read_hdf5
from exzarr.tools.virtual.join import join
from exzarr.tools.virtual.model import VirtualArray, VirtualFile
from exzarr.tools.virtual.places import Place, json_form, opened, place_of
from exzarr.tools.virtual.write import write_references

__all__ = ["references_of", "virtualize"]

Files = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
INLINE = 500
"""kerchunk's default."""


def virtualize(
    files: Files,
    output: str | os.PathLike[str] | None = None,
    *,
    concat_dim: str | None = None,
    exclude: Collection[str] = (),
    inline: int = INLINE,
    relative: bool = False,
    overwrite: bool = False,
    stores: Mapping[str, Store] | None = None,
) -> Group:
    """HDF5 and NetCDF4 files as a Zarr hierarchy whose chunks stay where they are.

    No elements are copied, but for small chunks: what is made are references, which say where in which file each
    chunk lies. kerchunk and h5py look for that (the extra ``virtual``).

    Parameters
    ----------
    files
        A path or URL, or several, which are joined in this order.
    output
        Where the references are written: a file that ends in ``.json``, or a folder that ends in ``.parq``, which
        suits millions of chunks, for it is read by and by. Both are kerchunk's formats, and open with `exzarr.open`
        and with fsspec. Default: nowhere.
    concat_dim
        The dimension along which several files are joined. What does not have it must be the same in all of them.
    exclude
        Paths of datasets and groups to leave out.
    inline
        Chunks of fewer bytes than this are taken into the references.
    relative
        Name files by their place beside `output`, so that both can be moved together. fsspec takes such names as
        relative to the current folder, so the default is whole paths.
    overwrite
        Replace what is at `output`.
    stores
        Stores to read URLs with, by their beginning: ``{"s3://bucket": ObjectStore(...)}``. Others are made by
        what the environment says.

    Returns
    -------
    Group
        The hierarchy, for reading.

    Raises
    ------
    UnsupportedError
        What no reference can say: filters that Zarr lacks, ragged or virtual datasets, chunks that do not fit
        into one grid when joined. The message names the dataset.
    ArgumentError
        Files that can't be joined: arrays that only one has, that are stored differently or differ in what their
        numbers mean.
    """
    found, places = _found(files, concat_dim, exclude, inline, stores or {})
    if output is not None:
        written = _relative(found, output) if relative else found
        write_references(written, output, overwrite=overwrite)
    return opened(found, places)


def references_of(
    files: Files,
    *,
    concat_dim: str | None = None,
    exclude: Collection[str] = (),
    inline: int = INLINE,
    stores: Mapping[str, Store] | None = None,
) -> dict[str, Any]:
    """The references that `virtualize` makes, in kerchunk's JSON form."""
    return json_form(_found(files, concat_dim, exclude, inline, stores or {})[0])


def _found(
    files: Files, concat_dim: str | None, exclude: Collection[str], inline: int, stores: Mapping[str, Store]
) -> tuple[VirtualFile, Sequence[Place]]:
    if isinstance(files, (str, os.PathLike)):
        files = [files]
    if isinstance(exclude, str):
        exclude = [exclude]
    if not files:
        raise ArgumentError("there is no file to virtualize")
    if len(files) > 1 and concat_dim is None:
        raise ArgumentError(
            f"{len(files)} files are joined along a dimension: concat_dim='time' (--concat-dim time)"
        )
    places = [place_of(file, stores) for file in files]
    exclude = [path.strip("/") for path in exclude]
    found = [read_hdf5(place, exclude=exclude, inline=inline) for place in places]
    return (found[0] if concat_dim is None else join(found, places, concat_dim)), places


def _relative(found: VirtualFile, output: str | os.PathLike[str]) -> VirtualFile:
    """References by paths from where they are written to."""
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
        arrays[path] = VirtualArray(array.document, array.attributes, chunks)
    return VirtualFile(found.name, found.groups, arrays)
