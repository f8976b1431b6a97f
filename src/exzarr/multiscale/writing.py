"""`write`: build a pyramid from an array."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from exzarr._creation.metadata import array_metadata
from exzarr._engine.pool import in_flight
from exzarr._format.multiscales.model import Channel, Convention, LabelInfo, Multiscale
from exzarr._format.multiscales.parse import to_attributes
from exzarr._nodes.array import Array
from exzarr._nodes.chunk_sizes import inner_chunks
from exzarr._nodes.group import Group
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.locating import locate
from exzarr._spelling import known_arguments
from exzarr._stream.maps.runners import ExecutorLike
from exzarr._stream.options import StreamOptions
from exzarr._stream.progress.progress import Progress
from exzarr._tools.sizes import AS_SOURCE
from exzarr.errors import ArgumentError
from exzarr.multiscale.arrays import array_options, check_first_level, level_arrays, source_chunks
from exzarr.multiscale.blocks import Blocks, plan_blocks
from exzarr.multiscale.build import build
from exzarr.multiscale.describe import AxesLike, PerAxis, axes_of, numbers_of
from exzarr.multiscale.levels import Factors, plan_levels
from exzarr.multiscale.methods import Method, check_method
from exzarr.multiscale.moves import chunk_moves
from exzarr.multiscale.record import BuildRecord
from exzarr.multiscale.request import Request
from exzarr.multiscale.target import Target, found_group, relative_path, target_arrays
from exzarr.multiscale.task import TreeTask
from exzarr.stores.base import Store

if TYPE_CHECKING:
    from exzarr._retrying import Retry
    from exzarr.multiscale.pyramid import Pyramid
    from exzarr.stores.resolve import StoreLike
    from exzarr.stores.url_options import StorageOptions

__all__ = ["write"]

OmeVersion = Literal["0.4", "0.5", "0.6"]


@known_arguments
def write(
    source: Any,
    group: Group | StoreLike,
    *,
    levels: int | Literal["auto"] = "auto",
    factors: Factors = "auto",
    method: Method = "mean",
    nodata: Any = None,
    axes: AxesLike = None,
    scale: PerAxis = None,
    translation: PerAxis = None,
    unit: str | Mapping[str, str] | None = None,
    name: str | None = None,
    channels: Sequence[str | Channel] = (),
    label: LabelInfo | None = None,
    crs: str | Mapping[str, Any] | None = None,
    convention: Convention = "ome-zarr",
    version: OmeVersion | None = None,
    chunks: Any = AS_SOURCE,
    shards: Any = AS_SOURCE,
    compressors: Any = AS_SOURCE,
    overwrite: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    executor: ExecutorLike = "threads",
    workers: int | None = None,
    timeout: float | None = None,
    retries: int | Retry | None = None,
    progress: Progress = False,
    storage_options: StorageOptions | None = None,
) -> Pyramid:
    """Build a pyramid: the array, and copies of it with less and less resolution.

    The source is read once, in blocks of whole chunks, and each block feeds all levels. In memory are a few chunks of
    each level for each worker, whatever the size of the array.

    Each element of a level is made of a block of elements of the level before it. Blocks at the end of an axis may be
    shorter, so no element of the source is left out: lengths are rounded up.

    Parameters
    ----------
    source
        An exzarr array, or any array of NumPy, dask, h5py or similar libraries. If it is an array below `group`, it
        becomes the first level, and is not copied.
    group
        The group for the levels: a `Group`, or a store, path or URL as for `exzarr.open_group`. A new group appears when
        the pyramid is complete. The arrays of the levels are named ``0``, ``1``, ...
    levels
        Number of levels, with the first. ``"auto"`` adds levels until one fits into a chunk (of at most 512 elements)
        along every axis that is reduced.
    factors
        How many elements of a level become one element of the next. ``"auto"`` halves the axes of type space, but first
        only those whose elements are closest together, until all are equally far apart. A number is for all axes of
        type space; or give a number for each axis, a dict by name (others: 1), or a list of these for each further
        level.
    method
        How a block becomes one element: ``"mean"`` (of integers, rounded half to even), ``"mode"`` for labels (the most
        frequent value, of several the smallest), ``"nearest"`` (the first element), ``"min"``, ``"max"``, or a function
        such as `numpy.median`, called as ``f(values, axis=axes)``.
    nodata
        A value that marks missing elements. The methods leave out these elements, and NaN and NaT, unless a block has no
        others. (The method "nearest" and functions do not look at it.)
    axes
        Names of the axes, such as ``"tczyx"`` or ``("time", "lat", "lon")``, or `Axis` objects. Default: the
        dimension names of the source, else the last letters of ``"tczyx"``.
    scale, translation
        Distance of neighboring elements, and world coordinate of the center of the first element: a number for all axes
        of type space, one for each axis, or a dict by name. Default: 1 and 0.
    unit
        Unit of the axes of type space (``"micrometer"``), or a dict by name.
    name
        Name of the image.
    channels
        How viewers show the channels (OME-Zarr): labels, or `Channel` objects.
    label
        Colors and properties of labels (OME-Zarr), for a label image.
    crs
        Coordinate reference system, for the convention "multiscales": a code (``"EPSG:32633"``), a WKT2 text, or
        PROJJSON as a dict.
    convention, version
        ``"ome-zarr"`` with the version ``"0.5"`` (default), ``"0.4"`` (which is Zarr format 2) or ``"0.6"``; or
        ``"multiscales"``, the Zarr convention of GeoZarr, with the conventions "spatial" and "proj".
    chunks, shards, compressors
        As for `exzarr.create_array`, for all levels. Default: those of the source, if it has any. Otherwise chunks of
        about 1 MiB along the axes of type space, and of length 1 along others.
    overwrite
        Replace an existing group, with everything below it. If the source is below the group: replace the levels.
    checkpoint
        Path of a file that makes the build resumable: if it is interrupted or killed, the same call continues it.
    executor, workers, timeout, retries, progress
        As for `exzarr.parallel_chunk_map`. Processes and clusters must be able to open the stores of source and group.
        A timeout or an error ends the build.
    storage_options
        Options of the store that a URL names.

    Returns
    -------
    Pyramid
        The pyramid, open for reading and writing.

    Raises
    ------
    ArgumentError
        An argument is invalid, or the convention cannot state it. Nothing was stored.
    NodeExistsError
        There is a node in the way, and `overwrite` is False.
    StreamError
        The method failed. Without `checkpoint`, everything that was stored is removed.

    Notes
    -----
    Specifications: https://ngff.openmicroscopy.org/0.5/, section "multiscales" metadata, and
    https://github.com/zarr-conventions/multiscales.
    """
    from exzarr.multiscale.opening import open_image

    options = StreamOptions(workers=workers, timeout=timeout, retries=retries, progress=progress)
    location = _locate(group, storage_options)
    image = Request(convention, version or "0.5", name, crs, label, tuple(channels)).checked(version)
    source = source if hasattr(source, "shape") and hasattr(source, "dtype") else np.asarray(source)
    target = _target(location, image, overwrite)
    beside = relative_path(source, location)
    named = source.dimension_names if isinstance(source, Array) else None
    described = axes_of(axes, named, len(source.shape), unit)
    check_method(method, source.dtype)
    options_of_levels, dtype = array_options(
        source, described, target.zarr_format, chunks, shards, compressors
    )
    base = array_metadata(
        shape=source.shape, dtype=dtype, zarr_format=target.zarr_format, **options_of_levels
    )
    plans = plan_levels(
        source.shape,
        described,
        inner_chunks(base) or base.chunk_grid.max_chunk_shape,
        factors=factors,
        levels=levels,
        method=method,
        scale=numbers_of(scale, described, "scale", 1.0),
        translation=numbers_of(translation, described, "translation", 0.0),
    )
    if beside is not None:
        check_first_level(source, beside, described, target.zarr_format)
    metas = level_arrays(plans, dtype, options_of_levels, target.zarr_format, beside)
    multiscale = image.multiscale(described, plans, [*metas], method, nodata, source.dtype)
    shapes = [plan.shape for plan in plans]
    to_attributes(multiscale, shapes, {})  # raises if the convention cannot state it
    first = source.metadata if beside is not None else metas[next(iter(metas))]
    grids = [first.chunk_grid, *[meta.chunk_grid for meta in [*metas.values()][1:]]]
    blocks = plan_blocks(
        plans, [grid.max_chunk_shape for grid in grids], source_chunks(source), source.dtype.itemsize
    )
    record = _record(checkpoint, location, multiscale, blocks, source)
    new = {path: meta for path, meta in metas.items() if path != beside}
    with (
        nullcontext() if record is None else closing(record),
        target_arrays(
            target,
            new,
            lambda before: to_attributes(multiscale, shapes, before),
            record,
            beside=beside is not None,
        ) as arrays,
    ):
        level = blocks.task_level()
        each = [arrays.get(path) for path in metas]
        task = TreeTask(source, each, blocks, level, method, nodata, chunk_moves(source, each[0]))
        if executor == "threads" and workers is None:
            nbytes = int(np.prod(blocks.units[0], dtype=np.int64)) * source.dtype.itemsize
            stores: list[Store] = [location.store, *([source.store] if isinstance(source, Array) else [])]
            options = replace(options, workers=max(in_flight(store, nbytes) for store in stores))
        build(task, blocks, level, options, executor=executor, record=record, path=location.path)
    return open_image(location)


def _locate(group: Any, storage_options: StorageOptions | None) -> Location:
    if isinstance(group, Group):
        if storage_options is not None:
            raise ArgumentError("storage_options are for URLs, and the group is open already")
        return group.location
    if isinstance(group, Array):
        raise ArgumentError(f"{group.name!r} is an array: the levels of a pyramid are stored in a group")
    location, _ = locate(group, None, "a", storage_options)
    return location


def _target(location: Location, image: Request, overwrite: bool) -> Target:
    existing = found_group(location)
    if existing is not None and existing.zarr_format != image.zarr_format and not overwrite:
        raise ArgumentError(
            f"{location} is a group of Zarr format {existing.zarr_format}, and {image.convention} "
            f"{image.version} requires format {image.zarr_format}: choose another version or another group"
        )
    return Target(location, image.zarr_format, overwrite, existing)


def _record(
    checkpoint: str | os.PathLike[str] | None,
    location: Location,
    image: Multiscale,
    blocks: Blocks,
    source: Any,
) -> BuildRecord | None:
    if checkpoint is None:
        return None
    identity = {
        "dtype": str(source.dtype),
        "shapes": [[*shape] for shape in blocks.shapes],
        "blocks": [[*unit] for unit in blocks.units],
        "kwargs": image.details["kwargs"],
    }
    return BuildRecord(checkpoint, location.path, identity)
