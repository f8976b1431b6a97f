"""Ray Data sets (https://docs.ray.io/en/latest/data/data.html) of stored arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from exzarr._stream.maps.on_ray import connected_ray
from exzarr._stream.slices.slice_stream import as_axis
from exzarr.errors import ArgumentError, MissingDependencyError

if TYPE_CHECKING:
    from exzarr._nodes.array import Array
    from exzarr._nodes.group import Group

__all__ = ["to_ray"]


def to_ray(
    arrays: Array | Group | Mapping[str, Array],
    *,
    axis: int | str = 0,
    columns: Sequence[str] | None = None,
    rows: Literal["samples", "chunks"] = "samples",
    row_number: str | None = None,
    num_cpus: float | None = None,
    memory: float | None = None,
    concurrency: int | None = None,
    override_num_blocks: int | None = None,
) -> Any:
    """Return a `ray.data.Dataset` whose tasks read stored arrays.

    ::

        dataset = exzarr.to_ray(group, columns=["image", "label"])
        for batch in dataset.iter_torch_batches(batch_size=256):
            batch["image"], batch["label"]

    Each read task opens the arrays by their address in a Ray worker, and reads whole chunks (shards) there. It states its
    rows, its bytes and the memory that it needs. Ray may repeat a task whose worker died: reading changes nothing.

    Parameters
    ----------
    arrays
        An array, a mapping from column names to arrays, or a group, whose arrays are the columns. Workers must be able to
        open their stores.
    axis
        Dimension of the samples: a number, or a dimension name, whose number may differ from array to array.
    columns
        Names of the arrays of a mapping or group to read. Default: all.
    rows
        ``"samples"``
            A row holds one position along `axis`: for each array, ``array[i]``. The column of a single array is
            ``"data"``. All arrays have the same length along `axis`.
        ``"chunks"``
            A row holds one stored chunk (shard) of a single array: ``"index"`` and ``"start"``, its index in the grid and
            its first element, and ``"data"``, cropped to the array.
    row_number
        Name of a further column with the position along `axis`, for example to write results back.
    num_cpus, memory
        Cores and bytes that Ray reserves for each read task. Default: one core, and the memory that a task needs.
    concurrency, override_num_blocks
        The number of tasks that run concurrently, and of blocks; see ``ray.data.read_datasource``.

    Returns
    -------
    ray.data.Dataset
        It reads when it is consumed. The shape is fixed by this call; the values are those stored at that time.

    Raises
    ------
    MissingDependencyError
        Ray Data is not installed.
    ArgumentError
        The arrays have different lengths along `axis`, a column does not exist, or the options do not fit together.

    Notes
    -----
    If this process is not connected to a Ray cluster, Ray connects or starts one, as ``ray.init()`` does.

    To write, use ``array.parallel_chunk_map(fn, out=other, executor="ray")``, or write in ``map_batches`` by `row_number`:
    partial writes of concurrent workers lose nothing, and a repeated one has the same effect.
    """
    if rows not in ("samples", "chunks"):
        raise ArgumentError(f"rows is 'samples' or 'chunks', not {rows!r}")
    found = _columns(arrays, columns)
    if rows == "chunks" and (len(found) != 1 or axis != 0 or row_number is not None):
        raise ArgumentError("rows='chunks' is for one array, without axis and row_number")
    if row_number in found:
        raise ArgumentError(f"row_number={row_number!r} is the name of an array: choose another")
    if rows == "samples":
        places = {name: as_axis(axis, array.ndim, array.dimension_names) for name, array in found.items()}
        lengths = {name: array.shape[places[name]] for name, array in found.items()}
        if len({*lengths.values()}) > 1:
            listed = ", ".join(f"{name!r} has {length}" for name, length in lengths.items())
            raise ArgumentError(
                f"all arrays must have the same length along axis {axis!r}: {listed}; choose some with columns="
            )
    try:
        import ray.data
    except ImportError:
        raise MissingDependencyError("to_ray requires Ray Data: pip install 'exzarr[ray]'") from None
    from exzarr.integrations.ray_datasource import ChunkDatasource, SampleDatasource

    connected_ray()
    source: Any
    if rows == "chunks":
        source = ChunkDatasource(*found.values())
    else:
        source = SampleDatasource(found, places, row_number)
    return ray.data.read_datasource(
        source,
        num_cpus=num_cpus,
        memory=source.task_memory if memory is None else memory,
        concurrency=concurrency,
        override_num_blocks=override_num_blocks,
    )


def _columns(arrays: Any, columns: Sequence[str] | None) -> dict[str, Array]:
    """Return the arrays by the names of their columns."""
    from exzarr._nodes.array import Array

    if isinstance(arrays, Array):
        if columns is not None:
            raise ArgumentError("columns selects arrays of a group or a mapping, not of one array")
        return {"data": arrays}
    if not isinstance(arrays, Mapping) and not hasattr(arrays, "arrays"):
        raise ArgumentError(
            f"to_ray takes an array, a group or a mapping of arrays, not {type(arrays).__name__}"
        )
    found = dict(arrays.items() if isinstance(arrays, Mapping) else arrays.arrays())
    if columns is not None:
        missing = [name for name in columns if name not in found]
        if missing:
            raise ArgumentError(
                f"there is no array {missing[0]!r}; there are {', '.join(map(repr, found)) or 'none'}"
            )
        found = {name: found[name] for name in columns}
    if not found:
        raise ArgumentError("to_ray got no array")
    for name, array in found.items():
        if not isinstance(array, Array):
            raise ArgumentError(f"column {name!r} is for an exzarr array, not {type(array).__name__}")
    return found
