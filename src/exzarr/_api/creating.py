"""Create arrays, groups and hierarchies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Unpack

from exzarr._api.opening import closing_on_error, node, open_group
from exzarr._creation.layout import ChunksLike, ShardsLike
from exzarr._creation.metadata import DEFAULT_FILL_VALUE, ArrayOptions, FilledOptions, array_metadata
from exzarr._format.metadata import ArrayMetadata
from exzarr._nodes import hierarchy
from exzarr._nodes.array import Array
from exzarr._nodes.casting import Casting
from exzarr._nodes.group import Group
from exzarr._nodes.hierarchy import Metadata, ZarrFormat
from exzarr._nodes.like import options_like
from exzarr._nodes.locating import Mode, StoreLike, locate
from exzarr._nodes.new_nodes import Source, describe, new_array, new_group
from exzarr._nodes.node import AccessOptions
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
    """Create an array.

    Parameters
    ----------
    store
        A path or ``file://`` URL of a folder or ``.zip`` file, ``memory://name``, a URL, or a `Store`. None is a
        new store in memory. (``array.store.close()`` finishes a zip file.)
    name
        Path of the array in the store. Missing parent groups are created. By default the array is the store's root.
    shape
        Shape of the array: an integer or a sequence of integers. With `data`, leave it out.
    dtype
        Data type of the array: anything that NumPy accepts, a Zarr name (``"bfloat16"``, ``"string"``), or ``str``
        and ``bytes`` for strings of variable length.
    data
        The array's values, anything array-like. Arrays that are not in memory (exzarr, h5py, dask) are read block by
        block. Values are converted to `dtype` if `casting` allows it.
    chunks
        Chunk shape. One of:

        - ``"auto"``: about 1 MiB, nearly a cube
        - a size such as ``"4MiB"``
        - an integer: the length along every dimension
        - a sequence with an entry for each dimension: a length, -1 (the whole dimension), ``"auto"`` (fills the chunk
          up to 1 MiB), or a list of lengths (chunks of varying sizes, as in dask)
        - a dict of such entries by dimension name or number; all other dimensions are ``"auto"``
        - False: one chunk
    shards
        Shard shape: None for no shards, ``"auto"`` (up to 32 MiB), a size, or lengths as for `chunks`. Lengths are
        multiples of the chunk's.
    filters, serializer, compressors
        Codecs: a name, a dict, a codec object of exzarr, numcodecs or zarr-python, or a list of these. None is no
        codec. The default is zstd with a checksum.
    checksum
        Detection of changed bits when a chunk is read. True adds a crc32c (in format 2 a crc32) if the last codec has
        no checksum; in shards, to inner chunks and the index. False adds no checksum, and zstd gets none. ``"auto"``
        keeps the checksums that the codecs have; the default codecs of format 3 have one.
    fill_value
        Value of elements that were never written. The default is zero, empty, or not-a-time.
    order
        Order of elements inside a chunk.
    zarr_format
        2 or 3.
    attributes
        Attributes of the array: a dict of JSON.
    chunk_key_encoding
        ``"default"`` (``c/0/1``), ``"v2"`` (``0.1``), or a pair of name and separator.
    dimension_names
        A name or None for each dimension.
    overwrite
        Replace an existing node and everything below it. The existing node stays until the new array is complete.
        Therefore `data` may be read from it, which is how you change the chunks of an array in place.
    write_data
        If False, use `data` only for the metadata, and store no chunks.
    write_empty_chunks
        Store chunks that hold only the fill value.
    memory_order
        If ``"F"``, reads return Fortran-contiguous arrays; see `Array.memory_order`. It is not stored.
    casting
        Allowed conversions of `data` to `dtype`; see `Array.set`.
    storage_options
        Options of the store that a URL names: a dict such as ``{"anon": True}``, or an object such as `S3Options`.
        References take ``allow`` and ``base``. An unknown option, or a store without options, is an ArgumentError.

    Returns
    -------
    Array
        The new array, open for reading and writing.

    Raises
    ------
    ArgumentError
        An argument is invalid. Nothing was stored.
    NodeExistsError
        The store has a node at this path, and `overwrite` is False.
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
    """Keywords of `create`, without the fill value."""

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
    """Keywords of `create`, `zeros`, `array` and similar functions."""

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
    """Create an array with the arguments of zarr-python's older ``create``.

    It differs from `create_array` in three ways. `shape` is the first argument. The default data type is float64.
    zarr-python's older spellings are accepted, too.

    Parameters
    ----------
    shape, dtype, data, overwrite, zarr_format, write_empty_chunks, memory_order, casting, storage_options
        See `create_array`.
    store, path
        The store, and the path of the array in it; see `store` and `name` of `create_array`.
    compressor
        Another spelling of `compressors`.
    dimension_separator
        The separator of the `chunk_key_encoding`.
    chunk_shape
        Another spelling of `chunks`.
    codecs
        The whole v3 codec chain, instead of `filters`, `serializer` and `compressors`.
    **options
        Other keywords of `create_array`.

    Returns
    -------
    Array
        The new array.

    Raises
    ------
    ArgumentError
        An argument is invalid. Nothing was stored.
    NodeExistsError
        The store has a node at this path, and `overwrite` is False.
    """
    zarr_format = 3 if zarr_format is None else zarr_format
    chosen: ArrayOptions = {**options}
    if chunk_shape is not None:
        chosen["chunks"] = chunk_shape
    if not (isinstance(compressor, str) and compressor == "auto"):
        chosen["compressors"] = compressor
    if dimension_separator is not None:
        chosen["chunk_key_encoding"] = ("v2" if zarr_format == 2 else "default", dimension_separator)
    if codecs is not None:
        chosen = {**chosen, **_by_kind(codecs)}
    source = describe(data, shape, "f8" if dtype is None and data is None else dtype, zarr_format, casting)
    meta = array_metadata(shape=source.shape, dtype=source.dtype, zarr_format=zarr_format, **chosen)
    place = Destination(store, path, overwrite, storage_options)
    return _store_array(place, meta, source, write_empty_chunks, memory_order=memory_order)


@known_arguments
def array(data: Any, **options: Unpack[CreateOptions]) -> Array:
    """Create an array from `data`, in memory unless you give a store.

    Parameters
    ----------
    data
        Anything array-like.
    **options
        Keywords of `create`.

    Returns
    -------
    Array
        The new array.
    """
    return create(data=data, **options)


@known_arguments
def zeros(shape: int | Sequence[int], **options: Unpack[CreateOptions]) -> Array:
    """Create an array of zeros: the fill value is 0, and no chunk is stored.

    Parameters
    ----------
    shape
        An integer or a sequence of integers.
    **options
        Keywords of `create`.

    Returns
    -------
    Array
        The new array.
    """
    return create(shape, **{**options, "fill_value": fill_value_of(0, options.get("dtype"))})


@known_arguments
def ones(shape: int | Sequence[int], **options: Unpack[CreateOptions]) -> Array:
    """Create an array of ones: the fill value is 1, and no chunk is stored.

    Parameters
    ----------
    shape
        An integer or a sequence of integers.
    **options
        Keywords of `create`.

    Returns
    -------
    Array
        The new array.
    """
    return create(shape, **{**options, "fill_value": fill_value_of(1, options.get("dtype"))})


@known_arguments
def full(shape: int | Sequence[int], fill_value: Any, **options: Unpack[FullOptions]) -> Array:
    """Create an array whose elements are all `fill_value`. No chunk is stored.

    Parameters
    ----------
    shape
        An integer or a sequence of integers.
    fill_value
        The value of all elements.
    **options
        Keywords of `create`.

    Returns
    -------
    Array
        The new array.
    """
    return create(shape, **{**options, "fill_value": fill_value})


@known_arguments
def empty(shape: int | Sequence[int], **options: Unpack[CreateOptions]) -> Array:
    """Create an array without values. Its elements read as the fill value.

    Parameters
    ----------
    shape
        An integer or a sequence of integers.
    **options
        Keywords of `create`.

    Returns
    -------
    Array
        The new array.
    """
    return create(shape, **options)


@known_arguments
def from_array(
    store: StoreLike | None = None,
    *,
    data: Any,
    write_data: bool = True,
    name: str | None = None,
    chunks: ChunksLike = "keep",
    shards: ShardsLike = "keep",
    filters: Any = "keep",
    compressors: Any = "keep",
    serializer: Any = "keep",
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
    """Create an array with the values and, by default, the properties of `data`.

    Elements are decoded and encoded again. `exzarr.copy` copies chunks without decoding them.

    Parameters
    ----------
    store, name, overwrite, write_data, write_empty_chunks, storage_options
        See `create_array`.
    data
        Anything array-like.
    chunks, shards, filters, compressors, serializer
        See `create_array`. ``"keep"`` (the default) takes the property from `data` if that is an exzarr array.
        Otherwise it is the default of `create_array`.
    checksum, fill_value, order, zarr_format, attributes, chunk_key_encoding, dimension_names
        See `create_array`. The default takes the property from `data` in the same way.

    Returns
    -------
    Array
        The new array.

    Raises
    ------
    ArgumentError
        An argument is invalid. Nothing was stored.
    NodeExistsError
        The store has a node at this path, and `overwrite` is False.
    """
    chosen: dict[str, Any] = {
        "chunks": chunks,
        "shards": shards,
        "filters": filters,
        "compressors": compressors,
        "serializer": serializer,
    }
    chosen = {key: value for key, value in chosen.items() if not (isinstance(value, str) and value == "keep")}
    others = {
        "order": order,
        "attributes": attributes,
        "chunk_key_encoding": chunk_key_encoding,
        "dimension_names": dimension_names,
    }
    chosen.update({key: value for key, value in others.items() if value is not None})
    if not (isinstance(checksum, str) and checksum == "auto"):
        chosen["checksum"] = checksum
    if fill_value is not DEFAULT_FILL_VALUE:
        chosen["fill_value"] = fill_value
    if zarr_format is None:
        zarr_format = data.zarr_format if isinstance(data, Array) else 3
    options, dtype = options_like(data, zarr_format, chosen)
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
    """Create a group.

    Parameters
    ----------
    store, storage_options
        See `create_array`.
    path
        Path of the group in the store. Missing parent groups are created. By default the group is the store's root.
    zarr_format
        2 or 3 (the default).
    overwrite
        Delete an existing node and everything below it first.
    attributes
        Attributes of the group: a dict of JSON.

    Returns
    -------
    Group
        The new group, open for reading and writing.

    Raises
    ------
    NodeExistsError
        The store has a node at this path, and `overwrite` is False.
    """
    location, read_only = locate(store, path, "w" if overwrite and not path else "a", storage_options)
    with closing_on_error(store, location.store):
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
    """Open a group; create it if it does not exist.

    Parameters
    ----------
    store, storage_options
        See `create_array`. None is a new store in memory.
    overwrite
        Replace an existing node and everything below it.
    path
        Path of the group in the store. By default the group is the store's root.
    zarr_format
        See `open`.
    attributes
        Attributes of a new group.

    Returns
    -------
    Group
        The group, open for reading and writing.

    Raises
    ------
    NodeTypeError
        The existing node is an array, and `overwrite` is False.
    """
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
    """Create several arrays and groups from their metadata.

    All nodes exist when the function returns. If one of them cannot be created because of an existing node, none is.

    Parameters
    ----------
    store, storage_options
        See `create_array`.
    nodes
        Metadata by path: from `exzarr.array_metadata`, or another node's ``metadata``. Missing parent groups are
        created.
    overwrite
        Delete existing nodes at these paths first.

    Returns
    -------
    iterator of (str, Array or Group)
        Path and node, parents first.

    Raises
    ------
    ArgumentError
        A node is below an array.
    NodeExistsError
        The store has a node at one of the paths, and `overwrite` is False.
    """
    location, read_only = locate(store, None, "a", storage_options)
    ordered = sorted(
        {hierarchy.normalize_path(path): meta for path, meta in nodes.items()}.items(), key=_depth
    )
    arrays = {path for path, meta in ordered if isinstance(meta, ArrayMetadata)}
    with closing_on_error(store, location.store):
        for path, meta in ordered:
            hierarchy.documents(meta)
            above = next((p for p in arrays if path != p and (not p or path.startswith(f"{p}/"))), None)
            if above is not None:
                raise ArgumentError(
                    f"{path!r} is below {above!r}, which is an array: arrays have no children"
                )
            if not overwrite and hierarchy.find(location.child(path)) is not None:
                raise NodeExistsError(
                    f"there is already a node at {location.child(path)}; overwrite=True replaces it"
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


# -- helpers ---------------------------------------------------------------------------


class Destination(NamedTuple):
    """Location of a new array, as the user gives it."""

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
    # A zip file can only be replaced as a whole.
    location, _ = locate(store, name, "w" if overwrite and not name else "a", storage_options)
    with closing_on_error(store, location.store):
        access: AccessOptions = {"write_empty_chunks": write_empty, "memory_order": memory_order}
        data = source.data if write_data else None
        return new_array(location, meta, data, overwrite=overwrite, access=access, casting=source.casting)


def _by_kind(codecs: Sequence[Any]) -> ArrayOptions:
    """Split a whole v3 codec chain into the keywords `filters`, `serializer` and `compressors`."""
    from exzarr.codecs.parse import parse_codec

    kinds: dict[str, list[Any]] = {"array_array": [], "array_bytes": [], "bytes_bytes": []}
    for codec in codecs:
        parsed = parse_codec(codec)
        kinds[parsed.kind].append(parsed)
    if len(kinds["array_bytes"]) != 1:
        raise ArgumentError(
            "codecs is a whole chain: exactly one codec must turn the array into bytes, such as 'bytes'"
        )
    return {
        "filters": kinds["array_array"],
        "serializer": kinds["array_bytes"][0],
        "compressors": kinds["bytes_bytes"],
    }


def fill_value_of(value: int, dtype: Any) -> Any:
    """Return `value` as a fill value of `dtype` (None: float64)."""
    from exzarr._format.dtypes import from_numpy

    dtype = from_numpy("f8" if dtype is None else dtype, 3).dtype
    if value == 0 and (dtype.kind in "SUTVO" or dtype.names is not None):
        return DEFAULT_FILL_VALUE  # the zero of strings is the empty string
    return value


def _depth(item: tuple[str, Metadata]) -> tuple[int, str]:
    return (item[0].count("/") + 1 if item[0] else 0), item[0]
