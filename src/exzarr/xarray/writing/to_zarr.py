"""`to_zarr`: write a dataset, an array or a tree of xarray to a Zarr store."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from xarray import DataArray, Dataset, DataTree

from exzarr import Group
from exzarr.errors import ArgumentError, ArgumentTypeError, MissingDependencyError, UnsupportedError
from exzarr.xarray.writing.execute import append, prepare, write
from exzarr.xarray.writing.options import Region, WriteMode, WriteOptions
from exzarr.xarray.writing.places import Place, open_place, planned_place
from exzarr.xarray.writing.plan import GroupPlan, plan_group
from exzarr.xarray.writing.result import ZarrDataStore
from exzarr.xarray.writing.unlisted import DATAARRAY_NAME, DATAARRAY_VARIABLE, ArrayWriter

if TYPE_CHECKING:
    from dask.delayed import Delayed

__all__ = ["to_zarr"]


def to_zarr(
    data: Dataset | DataArray | DataTree,
    store: Any = None,
    mode: WriteMode | None = None,
    group: str | None = None,
    encoding: Mapping[Any, Any] | None = None,
    *,
    compute: bool = True,
    consolidated: bool | None = None,
    append_dim: Hashable | None = None,
    region: Region | None = None,
    safe_chunks: bool = True,  # noqa: ARG001 - every write is safe
    align_chunks: bool = False,
    storage_options: Any = None,
    zarr_format: Literal[2, 3] | None = None,
    write_empty_chunks: bool | None = None,
    chunkmanager_store_kwargs: dict[str, Any] | None = None,
    key: str | None = None,
    write_inherited_coords: bool = False,
) -> ZarrDataStore | Delayed:
    """Write a dataset, an array or a tree to a Zarr store, like ``Dataset.to_zarr``.

    What is written is what xarray writes with zarr-python: ``xarray.open_zarr`` and ``engine="exzarr"`` read the same
    dataset with the same encoding. These things are different:

    - Blocks of dask may have any shape. Where several of them are in one stored chunk, each write to it reads, changes
      and puts the chunk while no other writer changes it, in other threads and processes, too.
    - An append is one commit for all variables; see `append_dim`. With a `key` it is stored once.
    - Chunks may be of different lengths: ``encoding={"t2m": {"chunks": ((3, 5, 2), 10)}}`` (Zarr v3).
    - By default, chunk shapes and the compressor are those of `exzarr.create_array`: zstd with a checksum.

    Parameters
    ----------
    data
        What is written. An array without name, or with the name of a coordinate, is stored as by ``DataArray.to_zarr``.
    store
        A path, a path that ends in ``.zip``, a URL, or a store or `Group` of exzarr, or a store of zarr-python. None is
        a new store in memory.
    mode
        ``"w"`` replaces an existing group. ``"w-"`` fails if there is one. ``"a"`` overwrites existing variables and
        creates missing ones. ``"a-"`` does so, but with `append_dim` it leaves variables without this dimension
        alone. ``"r+"`` changes values only. None is ``"a"`` with `append_dim`, ``"r+"`` with `region`, else ``"w-"``.
    group
        Path of the group in the store.
    encoding
        Encoding of new variables by name: ``{"t2m": {"dtype": "int16", "scale_factor": 0.1, "chunks": (24, 100, 100)}}``.
        For a tree: by path, then by name.
    compute
        False stores the metadata and the variables in memory, and returns a ``dask.delayed.Delayed`` that writes the
        blocks of dask. With `append_dim`, it stores nothing: the Delayed appends in one task, which computes the
        blocks.
    consolidated
        None and True write consolidated metadata (not with ``"r+"``). False does not; existing consolidated metadata is
        updated nevertheless.
    append_dim
        Dimension along which the dataset is appended. All variables with this dimension grow in one commit: readers
        of consolidated metadata see all of them grown, or none. If the process is killed before, nothing was appended.
        The dataset must have all stored variables with this dimension. A variable without this dimension is
        overwritten before the commit, if it holds other values than the stored one.
    region
        Where to write in existing arrays: slices by dimension, ``"auto"`` for a slice or for all of them: the place
        of the dataset's labels. Coordinates with an index are not written.
    safe_chunks
        True refuses writes that lose data, and False allows them in xarray. Here no write does, for either value.
    align_chunks
        True moves the borders between blocks of dask to those between stored chunks, so that each stored chunk is
        written once.
    storage_options
        Options of the store that a URL names, such as ``{"anon": True}``.
    zarr_format
        2 or 3; by default that of the existing group, or 3.
    write_empty_chunks
        True stores chunks that hold only the fill value. None: as ``encoding`` says, or False.
    chunkmanager_store_kwargs
        Further keywords of ``dask.array.store``.
    key
        Names an append. If an append with this key is stored, the call changes nothing, and says so in its result.
        Requires `append_dim`, Zarr v3 and consolidated metadata.
    write_inherited_coords
        For a tree: True stores inherited coordinates in each group.

    Returns
    -------
    ZarrDataStore or dask.delayed.Delayed
        The written group. With ``compute=False`` a Delayed; that of an append computes an `exzarr.Appended`.

    Raises
    ------
    ArgumentError
        The dataset does not fit what is stored, or arguments contradict each other. It is a ValueError.
    NodeExistsError
        The mode is ``"w-"``, and there is a group. It is a FileExistsError.
    LabelError
        A region cannot be found. It is a KeyError.

    See Also
    --------
    xarray.Dataset.to_zarr
    Group.append_together : the commit of an append.
    """
    options = WriteOptions.of(
        mode=mode,
        append_dim=append_dim,
        region=region,
        key=key,
        compute=compute,
        consolidated=consolidated,
        align_chunks=align_chunks,
        zarr_format=zarr_format,
        write_empty_chunks=write_empty_chunks,
        storage_options=storage_options,
        store_kwargs=chunkmanager_store_kwargs,
    )
    datasets = _datasets(data, encoding or {}, write_inherited_coords)
    if len(datasets) > 1 and append_dim is not None:
        raise UnsupportedError("append_dim appends to one group: write the datasets of a tree one by one")
    plans = []
    if options.creates:
        planned = planned_place(store, group, options)
        plans = [plan_group(planned, dataset, encoded, options) for dataset, encoded in datasets.values()]
    place = open_place(store, group, options)
    try:
        if options.creates:
            plans = [
                replace(plan, place=place.child(path)) for plan, path in zip(plans, datasets, strict=True)
            ]
        else:
            plans = [
                plan_group(place.child(path), dataset, encoded, options)
                for path, (dataset, encoded) in datasets.items()
            ]
        return _written(place, plans, options)
    finally:
        if isinstance(store, Group):
            store.refresh()
        if compute and place.owned:
            place.root.store.close()


Datasets = dict[str, tuple[Dataset, Mapping[str, Any]]]
"""Datasets and their encodings, by path of the group."""


def _datasets(
    data: Dataset | DataArray | DataTree, encoding: Mapping[Any, Any], write_inherited_coords: bool
) -> Datasets:
    if isinstance(data, DataTree):
        unknown = {*encoding} - {*data.groups}
        if unknown:
            raise ArgumentError(
                f"unexpected encoding group name(s) provided: {unknown}. The tree has {[*data.groups]}"
            )
        return {
            "" if path == "." else path: (
                node.to_dataset(inherit=write_inherited_coords or node is data),
                encoding.get(node.path) or {},
            )
            for path, node in data.subtree_with_keys
        }
    if isinstance(data, DataArray):
        data = _as_dataset(data)
    if not isinstance(data, Dataset):
        raise ArgumentTypeError(
            f"to_zarr writes a Dataset, a DataArray or a DataTree, not {type(data).__name__}"
        )
    return {"": (data, encoding)}


def _as_dataset(array: DataArray) -> Dataset:
    """Return the array as a dataset, in the form that ``xarray.open_dataarray`` reads."""
    if array.name is None:
        return array.to_dataset(name=DATAARRAY_VARIABLE)
    if array.name in array.coords or array.name in array.dims:
        dataset = array.to_dataset(name=DATAARRAY_VARIABLE)
        dataset.attrs[DATAARRAY_NAME] = array.name
        return dataset
    return array.to_dataset()


def _written(place: Place, plans: list[GroupPlan], options: WriteOptions) -> ZarrDataStore | Delayed:
    if plans[0].growing:
        return _appended(plans[0], options)
    with place.root.batch():
        arrays = [prepare(plan, options) for plan in plans]
    if options.consolidates:
        place.root.consolidate_metadata()
    writer = ArrayWriter()
    for plan, created in zip(plans, arrays, strict=True):
        write(plan, created, writer, options)
    writes = writer.sync(compute=options.compute, chunkmanager_store_kwargs=options.store_kwargs)
    result = ZarrDataStore(place.group, place.owned)
    return result if options.compute else _dask().delayed(_finished, pure=False)(writes, result)


def _finished(_: object, result: ZarrDataStore) -> None:
    result.close()


def _appended(plan: GroupPlan, options: WriteOptions) -> ZarrDataStore | Delayed:
    if options.compute:
        return ZarrDataStore(plan.place.group, plan.place.owned, append(plan, options))
    return _dask().delayed(_append_later, pure=False)(_Held(plan, options))


class _Held:
    """An append. It is no dataclass, so that dask does not compute the arrays in it before the task runs."""

    def __init__(self, plan: GroupPlan, options: WriteOptions) -> None:
        self.plan = plan
        self.options = options


def _append_later(held: _Held) -> Any:
    """Append in a task of dask: its blocks are computed by the same scheduler."""
    try:
        from distributed import get_worker, worker_client

        get_worker()
    except (ImportError, ValueError):  # not a worker of a cluster
        return append(held.plan, held.options)
    with worker_client():
        return append(held.plan, held.options)


def _dask() -> Any:
    try:
        import dask
    except ImportError:
        raise MissingDependencyError("compute=False requires dask: pip install 'exzarr[dask]'") from None
    return dask
