"""New arrays, groups and hierarchies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Unpack

from exzarr._api.opening import closed_if_it_fails, node, open_group
from exzarr._creation.layout import ChunksLike, ShardsLike
from exzarr._creation.metadata import DEFAULT_FILL_VALUE, ArrayOptions, FilledOptions, array_metadata
from exzarr._format.metadata import ArrayMetadata
from exzarr._nodes import hierarchy
from exzarr._nodes.array import Array
from exzarr._nodes.casting import Casting
from exzarr._nodes.group import Group
from exzarr._nodes.hierarchy import Metadata, ZarrFormat
from exzarr._nodes.like import KEEP, likeness
from exzarr._nodes.locating import Mode, StoreLike, locate
from exzarr._nodes.new_nodes import AccessOptions, Source, describe, new_array, new_group
from exzarr._spelling import known_arguments
from exzarr.codecs.checksummed import ChecksumLike
from exzarr.errors import ArgumentError, NodeExistsError

if TYPE_CHECKING:
    from exzarr.stores.url_options import StorageOptions

__all__ = [
    "array",
    "create",
    "create_array",
    "create_group",
    "create_hierarchy",
    "empty",
    "from_array",
    "full",
    "group",
    "ones",
    "zeros",
]


@known_arguments
def create_array(
    store: StoreLike | None = None,
    *,
    name: str | None = None,
    shape: int | Sequence[int] | None = None,
    dtype: Any = None,
    data: Any = None,
    chunks: ChunksLike = "auto",
    shards: ShardsLike = None,
    filters: Any = "auto",
    compressors: Any = "auto",
    serializer: Any = "auto",
    checksum: ChecksumLike = "auto",
    fill_value: Any = DEFAULT_FILL_VALUE,
    order: Literal["C", "F"] | None = None,
    zarr_format: ZarrFormat | None = 3,
    attributes: Mapping[str, Any] | None = None,
    chunk_key_encoding: Any = None,
    dimension_names: Sequence[str | None] | None = None,
    overwrite: bool = False,
    write_data: bool = True,
    write_empty_chunks: bool = False,
    memory_order: Literal["C", "F"] | None = None,
    casting: Casting = "same_kind",
    storage_options: StorageOptions | None = None,
) -> Array:
    """A new array.

    Parameters
    ----------
    store
        A path or ``file://`` URL of a folder or ``.zip`` file, ``memory://name``, or a `Store`; None is a new
        store in memory. (A zip file is finished by ``array.store.close()``.)
    name
        Path of the array in the store; groups on the way are made. By default the array is the store's root.
    shape, dtype
        Of the array. `dtype` is whatever NumPy takes, a Zarr name (``"bfloat16"``, ``"string"``), or ``str`` and
        ``bytes`` for strings of any length.
    data
        What to put into it: anything array-like. What is not in memory (arrays of exzarr, h5py, dask) is read
        block by block. Instead of `shape`; `dtype` converts, as far as `casting` allows.
    chunks
        ``"auto"`` (about 1 MiB, near to a cube), a size such as ``"4MiB"``, a length for all dimensions, a length
        for each (-1: the whole dimension, ``"auto"``: what brings the chunk near to 1 MiB), a list of lengths for each
        (chunks of varying sizes, as dask has them), a dict of these by dimension name or number (the others are
        ``"auto"``), or False for one chunk.
    shards
        None, ``"auto"`` (up to 32 MiB), a size, or lengths as for chunks: whole multiples of the chunk's.
    filters, serializer, compressors
        Codecs: a name, a dict, a codec object of exzarr, numcodecs or zarr-python, or a list of these; None is
        none. By default zstd with a checksum.
    checksum
        Whether a flipped bit in a stored chunk is an error when the chunk is read. True: always (a crc32c is added to
        the codecs where the last one has no checksum; in format 2 a crc32; in shards to inner chunks and index). False:
        no checksum is added, and zstd has none. ``"auto"``: only where the codecs have one, as the default has in
        format 3.
    fill_value
        What elements are that were never written; by default zero, empty, or not-a-time.
    order
        Of elements inside a chunk.
    zarr_format
        2 or 3.
    attributes
        A dict of JSON.
    chunk_key_encoding
        ``"default"`` (``c/0/1``) or ``"v2"`` (``0.1``), or a pair with the separator.
    dimension_names
        One (or None) per dimension.
    overwrite
        Replace the existing node, with everything below it. It stays until the new array is whole, so that `data` may
        be read from it: this is how the chunks of an array are changed in place. Otherwise NodeExistsError is
        raised where there is a node.
    write_data
        False: only the metadata is made from `data`.
    write_empty_chunks
        Store chunks that hold nothing but the fill value.
    memory_order
        ``"F"``: reading gives Fortran-contiguous arrays; see `Array.memory_order`. It is not stored.
    casting
        Which conversions of `data` to `dtype` are allowed, as for `Array.set`.
    storage_options
        For a URL: options of its store by name, such as ``{"anon": True}``, or `S3Options` and its like; for
        references, ``allow`` and ``base``. ArgumentError for unknown ones, and for a store that takes none.

    Raises
    ------
    ArgumentError
        Something makes no sense; nothing was stored.
    NodeExistsError
        Something is there.
    """
    zarr_format = 3 if zarr_format is None else zarr_format
    source = describe(data, shape, dtype, zarr_format, casting)
    meta = array_metadata(
        shape=source.shape,
        dtype=source.dtype,
        chunks=chunks,
        shards=shards,
        filters=filters,
        compressors=compressors,
        serializer=serializer,
        checksum=checksum,
        fill_value=fill_value,
        order=order,
        zarr_format=zarr_format,
        attributes=attributes,
        chunk_key_encoding=chunk_key_encoding,
        dimension_names=dimension_names,
    )
    place = Destination(store, name, overwrite, storage_options)
    return _store_array(
        place, meta, source, write_empty_chunks, write_data=write_data, memory_order=memory_order
    )


class FullOptions(FilledOptions, total=False):
    """What `create` takes, but the fill value."""

    dtype: Any
    store: StoreLike | None
    path: str | None
    overwrite: bool
    zarr_format: ZarrFormat | None
    compressor: Any
    dimension_separator: Literal[".", "/"] | None
    chunk_shape: ChunksLike
    codecs: Sequence[Any] | None
    write_empty_chunks: bool
    memory_order: Literal["C", "F"] | None
    casting: Casting
    storage_options: StorageOptions | None


class CreateOptions(FullOptions, total=False):
    """What `create` takes, and so do `zeros`, `array` and the like."""

    fill_value: Any


@known_arguments
def create(
    shape: int | Sequence[int] | None = None,
    *,
    dtype: Any = None,
    data: Any = None,
    store: StoreLike | None = None,
    path: str | None = None,
    overwrite: bool = False,
    zarr_format: ZarrFormat | None = None,
    compressor: Any = "auto",
    dimension_separator: Literal[".", "/"] | None = None,
    chunk_shape: ChunksLike = None,
    codecs: Sequence[Any] | None = None,
    write_empty_chunks: bool = False,
    memory_order: Literal["C", "F"] | None = None,
    casting: Casting = "same_kind",
    storage_options: StorageOptions | None = None,
    **options: Unpack[ArrayOptions],
) -> Array:
    """A new array, by the arguments of zarr-python's older ``create``.

    As `create_array`, but the shape comes first, and the data type is float64 unless it is given.
    `compressor`, `dimension_separator`, `chunk_shape` and `codecs` (the whole v3 chain) are other ways of
    saying `compressors`, `chunk_key_encoding`, `chunks`, and `filters`, `serializer` and `compressors`.
    """
    zarr_format = 3 if zarr_format is None else zarr_format
    said: ArrayOptions = {**options}
    if chunk_shape is not None:
        said["chunks"] = chunk_shape
    if not (isinstance(compressor, str) and compressor == "auto"):
        said["compressors"] = compressor
    if dimension_separator is not None:
        said["chunk_key_encoding"] = ("v2" if zarr_format == 2 else "default", dimension_separator)
    if codecs is not None:
        said = {**said, **_by_kind(codecs)}
    source = describe(data, shape, "f8" if dtype is None and data is None else dtype, zarr_format, casting)
    meta = array_metadata(shape=source.shape, dtype=source.dtype, zarr_format=zarr_format, **said)
    place = Destination(store, path, overwrite, storage_options)
    return _store_array(place, meta, source, write_empty_chunks, memory_order=memory_order)


@known_arguments
def array(data: Any, **options: Unpack[CreateOptions]) -> Array:
    """A new array that holds `data`; in memory, unless a store is given. Options are those of `create`."""
    return create(data=data, **options)


@known_arguments
def zeros(shape: int | Sequence[int], **options: Unpack[CreateOptions]) -> Array:
    """A new array of zeros: the fill value is 0, and nothing is stored. Options are those of `create`."""
    return create(shape, **{**options, "fill_value": number(0, options.get("dtype"))})


@known_arguments
def ones(shape: int | Sequence[int], **options: Unpack[CreateOptions]) -> Array:
    """A new array of ones: the fill value is 1, and nothing is stored. Options are those of `create`."""
    return create(shape, **{**options, "fill_value": number(1, options.get("dtype"))})


@known_arguments
def full(shape: int | Sequence[int], fill_value: Any, **options: Unpack[FullOptions]) -> Array:
    """A new array of the fill value, of which nothing is stored. Options are those of `create`."""
    return create(shape, **{**options, "fill_value": fill_value})


@known_arguments
def empty(shape: int | Sequence[int], **options: Unpack[CreateOptions]) -> Array:
    """A new array of which it does not matter what it holds: its fill value. Options are those of `create`."""
    return create(shape, **options)


@known_arguments
def from_array(
    store: StoreLike | None = None,
    *,
    data: Any,
    write_data: bool = True,
    name: str | None = None,
    chunks: ChunksLike = KEEP,
    shards: ShardsLike = KEEP,
    filters: Any = KEEP,
    compressors: Any = KEEP,
    serializer: Any = KEEP,
    checksum: ChecksumLike = "auto",
    fill_value: Any = DEFAULT_FILL_VALUE,
    order: Literal["C", "F"] | None = None,
    zarr_format: ZarrFormat | None = None,
    attributes: Mapping[str, Any] | None = None,
    chunk_key_encoding: Any = None,
    dimension_names: Sequence[str | None] | None = None,
    overwrite: bool = False,
    write_empty_chunks: bool = False,
    storage_options: StorageOptions | None = None,
) -> Array:
    """A new array like `data`, holding the same.

    What is not said (``"keep"``, or the default) is as in `data`, where that is an exzarr array; else as
    in `create_array`. Elements are decoded and encoded again: `exzarr.copy` moves chunks as they are.
    """
    said: dict[str, Any] = {
        "chunks": chunks,
        "shards": shards,
        "filters": filters,
        "compressors": compressors,
        "serializer": serializer,
    }
    said = {key: value for key, value in said.items() if not (isinstance(value, str) and value == KEEP)}
    others = {
        "order": order,
        "attributes": attributes,
        "chunk_key_encoding": chunk_key_encoding,
        "dimension_names": dimension_names,
    }
    said.update({key: value for key, value in others.items() if value is not None})
    if not (isinstance(checksum, str) and checksum == "auto"):
        said["checksum"] = checksum
    if fill_value is not DEFAULT_FILL_VALUE:
        said["fill_value"] = fill_value
    if zarr_format is None:
        zarr_format = data.zarr_format if isinstance(data, Array) else 3
    options, dtype = likeness(data, zarr_format, said)
    source = describe(data, None, dtype, zarr_format)
    meta = array_metadata(shape=source.shape, dtype=source.dtype, zarr_format=zarr_format, **options)
    place = Destination(store, name, overwrite, storage_options)
    return _store_array(place, meta, source, write_empty_chunks, write_data=write_data)


# -- groups ----------------------------------------------------------------------------


@known_arguments
def create_group(
    store: StoreLike | None = None,
    *,
    path: str | None = None,
    zarr_format: ZarrFormat | None = None,
    overwrite: bool = False,
    attributes: Mapping[str, Any] | None = None,
    storage_options: StorageOptions | None = None,
) -> Group:
    """A new group at `path` in `store` (see `create_array`); groups on the way are made.

    NodeExistsError where there is a node already, unless `overwrite` is true: then it is deleted with
    everything below it.
    """
    location, read_only = locate(store, path, "w" if overwrite and not path else "a", storage_options)
    with closed_if_it_fails(store, location.store):
        meta = new_group(location, 3 if zarr_format is None else zarr_format, attributes, overwrite=overwrite)
    return Group(location, meta, read_only=read_only)


@known_arguments
def group(
    store: StoreLike | None = None,
    *,
    overwrite: bool = False,
    path: str | None = None,
    zarr_format: ZarrFormat | None = None,
    attributes: Mapping[str, Any] | None = None,
    storage_options: StorageOptions | None = None,
) -> Group:
    """The group at `path` in `store` (None: a new store in memory), made where there is none."""
    mode: Mode = "w" if overwrite else "a"
    return open_group(
        store,
        mode=mode,
        path=path,
        zarr_format=zarr_format,
        attributes=attributes,
        storage_options=storage_options,
    )


@known_arguments
def create_hierarchy(
    *,
    store: StoreLike,
    nodes: Mapping[str, Metadata],
    overwrite: bool = False,
    storage_options: StorageOptions | None = None,
) -> Iterator[tuple[str, Array | Group]]:
    """New arrays and groups, by path; returns the nodes with their paths, parents first.

    Parameters
    ----------
    store
        Where to; see `create_array`.
    nodes
        Path and metadata (`exzarr.array_metadata`, or another node's ``metadata``). Groups on the way that are
        not named are made.
    overwrite
        Delete what is at these paths. Otherwise NodeExistsError is raised if anything is there.
    storage_options
        See `create_array`.

    Everything is made when the function returns, or nothing, where something is in the way.
    """
    location, read_only = locate(store, None, "a", storage_options)
    ordered = sorted(
        {hierarchy.normalize_path(path): meta for path, meta in nodes.items()}.items(), key=_depth
    )
    arrays = {path for path, meta in ordered if isinstance(meta, ArrayMetadata)}
    with closed_if_it_fails(store, location.store):
        for path, meta in ordered:
            hierarchy.documents(meta)
            above = next((p for p in arrays if path != p and (not p or path.startswith(f"{p}/"))), None)
            if above is not None:
                raise ArgumentError(
                    f"{path!r} lies below {above!r}, which is an array: arrays have no children"
                )
            if not overwrite and hierarchy.find(location.child(path)) is not None:
                raise NodeExistsError(
                    f"there is a node at {location.child(path)} already; overwrite=True replaces it"
                )
        made = []
        for path, meta in ordered:
            place = location.child(path)
            if isinstance(meta, ArrayMetadata):
                new_array(place, meta, overwrite=overwrite)
            else:
                meta = new_group(place, meta.zarr_format, meta.attributes, overwrite=overwrite)
            made.append((path, node(place, meta, {"read_only": read_only})))
    return iter(made)


# -- inside ----------------------------------------------------------------------------


class Destination(NamedTuple):
    """Where a new array goes, as users say it."""

    store: StoreLike | None
    name: str | None
    overwrite: bool
    storage_options: StorageOptions | None


def _store_array(
    place: Destination,
    meta: ArrayMetadata,
    source: Source,
    write_empty: bool,
    *,
    write_data: bool = True,
    memory_order: Literal["C", "F"] | None = None,
) -> Array:
    store, name, overwrite, storage_options = place
    # A zip is replaced as a whole, or not at all.
    location, _ = locate(store, name, "w" if overwrite and not name else "a", storage_options)
    with closed_if_it_fails(store, location.store):
        access: AccessOptions = {"write_empty_chunks": write_empty, "memory_order": memory_order}
        data = source.data if write_data else None
        return new_array(location, meta, data, overwrite=overwrite, access=access, casting=source.casting)


def _by_kind(codecs: Sequence[Any]) -> ArrayOptions:
    """A whole v3 chain, as the three keywords have it."""
    from exzarr.codecs.parse import parse_codec

    kinds: dict[str, list[Any]] = {"array_array": [], "array_bytes": [], "bytes_bytes": []}
    for codec in codecs:
        parsed = parse_codec(codec)
        kinds[parsed.kind].append(parsed)
    if len(kinds["array_bytes"]) != 1:
        raise ArgumentError(
            "codecs is a whole chain: exactly one of them turns the array into bytes, such as 'bytes'"
        )
    return {
        "filters": kinds["array_array"],
        "serializer": kinds["array_bytes"][0],
        "compressors": kinds["bytes_bytes"],
    }


def number(value: int, dtype: Any) -> Any:
    """`value` as the fill value of the data type `dtype` (None: float64)."""
    from exzarr._format.dtypes import from_numpy

    dtype = from_numpy("f8" if dtype is None else dtype, 3).dtype
    if value == 0 and (dtype.kind in "SUTVO" or dtype.names is not None):
        return DEFAULT_FILL_VALUE  # what is zero about a string is that it is empty
    return value


def _depth(item: tuple[str, Metadata]) -> tuple[int, str]:
    return (item[0].count("/") + 1 if item[0] else 0), item[0]
