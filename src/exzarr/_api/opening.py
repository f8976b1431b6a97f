"""Open arrays and groups, and create them if the mode allows it.

The modes have the same meaning everywhere: ``"r"`` reads; ``"r+"`` reads and writes existing nodes; ``"a"`` also
creates a missing node; ``"w"`` replaces an existing node; ``"w-"`` creates a node and fails if it exists. None is
``"r+"`` if the store is writable, else ``"r"``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Unpack

from exzarr._creation.metadata import ArrayOptions, array_metadata
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._nodes import node_creation
from exzarr._nodes.array import Array
from exzarr._nodes.group import Group
from exzarr._nodes.hierarchy import Location, Metadata, ZarrFormat
from exzarr._nodes.locating import (
    Kind,
    Mode,
    StoreLike,
    check_format,
    check_kind,
    find_node,
    locate,
    open_node,
)
from exzarr._nodes.new_nodes import describe, new_array, new_group
from exzarr._nodes.node import AccessOptions
from exzarr._spelling import known_arguments
from exzarr.errors import ArgumentError, NodeExistsError, NodeTypeError
from exzarr.stores.base import Store
from exzarr.stores.resolve import refuse_options

if TYPE_CHECKING:
    from exzarr._nodes.survey import OnError
    from exzarr._nodes.tree import Tree
    from exzarr.stores.url_options import StorageOptions

__all__ = [
    "closing_on_error",
    "consolidate_metadata",
    "node",
    "open",
    "open_array",
    "open_consolidated",
    "open_group",
    "tree",
]


class OpenOptions(ArrayOptions, total=False):
    """Keywords of `open` and `open_array` for the modes that create."""

    shape: int | Sequence[int] | None
    dtype: Any


@known_arguments
def open(  # noqa: A001
    store: StoreLike | None = None,
    *,
    mode: Mode | None = None,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    missing: Literal["fill", "error"] = "fill",
    write_empty_chunks: bool = False,
    memory_order: Literal["C", "F"] | None = None,
    use_consolidated: bool | None = None,
    storage_options: StorageOptions | None = None,
    **options: Unpack[OpenOptions],
) -> Array | Group:
    """Open an array or a group.

    Parameters
    ----------
    store
        A path or ``file://`` URL of a folder or ``.zip`` file, ``memory://name``, a URL, or a `Store`. None is a new
        store in memory, for the modes that create.
    mode
        ``"r"`` reads; ``"r+"`` reads and writes existing nodes; ``"a"`` also creates a missing node; ``"w"`` replaces
        an existing node; ``"w-"`` creates a node and fails if it exists. None is ``"r+"`` if the store is writable,
        else ``"r"``.
    zarr_format
        Open only nodes of this version. By default v3, or v2 if there is no v3 node. New nodes are v3 by default.
    path
        Path of the node in the store.
    missing
        How chunks that are not stored are read: ``"fill"`` as the fill value; ``"error"`` raises ChunkMissingError.
    write_empty_chunks
        Store chunks that hold only the fill value.
    memory_order
        Order of the arrays that reads return: ``"F"`` or ``"C"``. None: see `Array.memory_order`.
    use_consolidated
        None uses a group's consolidated metadata if it exists, False ignores it, True requires it.
    storage_options
        Options of the store that a URL names: a dict such as ``{"anon": True}``, or an object such as `S3Options`.
        References take ``allow`` and ``base``. An unknown option, or a store without options, is an ArgumentError.
    **options
        Keywords of `create_array`, for the modes that create. With a `shape` a new node is an array, else a group.

    Returns
    -------
    Array or Group
        The node.

    Raises
    ------
    NodeNotFoundError
        There is no node, and `mode` does not create one. (It is a FileNotFoundError and a KeyError.)
    NodeExistsError
        There is a node, and the mode is ``"w-"``.
    ReadOnlyError
        `mode` writes, and the store is not writable.
    """
    access: AccessOptions = {
        "missing": missing,
        "write_empty_chunks": write_empty_chunks,
        "memory_order": memory_order,
    }
    kind: Kind | None = "array" if options.get("shape") is not None else None
    # With mode "a", the shape describes a new array. It is no condition on an existing node.
    wanted = None if mode == "a" else kind
    location, meta, access = _open(
        Place(store, path, mode, storage_options),
        zarr_format,
        wanted,
        kind or "group",
        access,
        use_consolidated,
        options,
    )
    return node(location, meta, access)


@known_arguments
def open_array(
    store: StoreLike | None = None,
    *,
    mode: Mode | None = None,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    missing: Literal["fill", "error"] = "fill",
    write_empty_chunks: bool = False,
    memory_order: Literal["C", "F"] | None = None,
    storage_options: StorageOptions | None = None,
    **options: Unpack[OpenOptions],
) -> Array:
    """Open an array.

    Parameters
    ----------
    store, mode, zarr_format, path, missing, write_empty_chunks, memory_order, storage_options
        See `open`.
    **options
        Keywords of `create_array`, for the modes that create.

    Returns
    -------
    Array
        The array.

    Raises
    ------
    NodeTypeError
        The node is a group.
    NodeNotFoundError, NodeExistsError, ReadOnlyError
        See `open`.
    """
    access: AccessOptions = {
        "missing": missing,
        "write_empty_chunks": write_empty_chunks,
        "memory_order": memory_order,
    }
    place = Place(store, path, mode, storage_options)
    location, meta, access = _open(place, zarr_format, "array", "array", access, False, options)
    assert isinstance(meta, ArrayMetadata)
    return Array(location, meta, **access)


@known_arguments
def open_group(
    store: StoreLike | None = None,
    *,
    mode: Mode | None = None,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    missing: Literal["fill", "error"] = "fill",
    write_empty_chunks: bool = False,
    memory_order: Literal["C", "F"] | None = None,
    use_consolidated: bool | None = None,
    storage_options: StorageOptions | None = None,
) -> Group:
    """Open a group.

    Parameters
    ----------
    store, mode, zarr_format, path, use_consolidated, storage_options
        See `open`.
    attributes
        Attributes of a new group.
    missing, write_empty_chunks, memory_order
        See `open`. They apply to the arrays in the group.

    Returns
    -------
    Group
        The group.

    Raises
    ------
    NodeTypeError
        The node is an array.
    NodeNotFoundError, NodeExistsError, ReadOnlyError
        See `open`.
    """
    access: AccessOptions = {
        "missing": missing,
        "write_empty_chunks": write_empty_chunks,
        "memory_order": memory_order,
    }
    options: OpenOptions = {} if attributes is None else {"attributes": attributes}
    place = Place(store, path, mode, storage_options)
    location, meta, access = _open(place, zarr_format, "group", "group", access, use_consolidated, options)
    assert isinstance(meta, GroupMetadata)
    return Group(location, meta, **access)


@known_arguments
def open_consolidated(
    store: StoreLike,
    *,
    mode: Mode | None = None,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    missing: Literal["fill", "error"] = "fill",
    storage_options: StorageOptions | None = None,
) -> Group:
    """Open a group that has consolidated metadata.

    Parameters
    ----------
    store, zarr_format, path, missing, storage_options
        See `open`.
    mode
        ``"r"``, ``"r+"`` or None; see `open`.

    Returns
    -------
    Group
        The group.

    Raises
    ------
    ArgumentError
        The mode is one that creates.
    MetadataError
        The group has no consolidated metadata.
    """
    if mode in ("a", "w", "w-"):
        raise ArgumentError(f"open_consolidated creates nothing: its mode is 'r' or 'r+', not {mode!r}")
    return open_group(
        store,
        mode=mode,
        zarr_format=zarr_format,
        path=path,
        missing=missing,
        use_consolidated=True,
        storage_options=storage_options,
    )


@known_arguments
def consolidate_metadata(
    store: StoreLike | Group,
    path: str | None = None,
    zarr_format: ZarrFormat | None = None,
    *,
    on_error: OnError = "raise",
    storage_options: StorageOptions | None = None,
) -> Group:
    """Store the metadata of all nodes below a group in the group's own document.

    exzarr updates consolidated metadata whenever it later changes a node below the group.

    Parameters
    ----------
    store
        A group, or its store; see `open`.
    path
        Path of the group in `store`.
    zarr_format, storage_options
        See `open`.
    on_error
        What to do with nodes that consolidated metadata cannot hold; see `Group.consolidate_metadata`.

    Returns
    -------
    Group
        The group.

    Raises
    ------
    NodeTypeError
        The node is an array.
    """
    if isinstance(store, Group):
        refuse_options(storage_options, "a group has its store already")
        group = store if not path else store[path]
        if isinstance(group, Array):
            raise NodeTypeError(
                f"{group.name!r} in {group.store} is an array: only groups have consolidated metadata"
            )
        return group.consolidate_metadata(on_error=on_error)
    return open_group(
        store,
        mode="r+",
        path=path,
        zarr_format=zarr_format,
        use_consolidated=False,
        storage_options=storage_options,
    ).consolidate_metadata(on_error=on_error)


@known_arguments
def tree(
    grp: Group | StoreLike,
    expand: Any = None,  # noqa: ARG001 - zarr-python's
    level: int | None = None,
    *,
    storage_options: StorageOptions | None = None,
) -> Tree:
    """Return the hierarchy below a group, for printing.

    Parameters
    ----------
    grp
        A group, or its store; see `open`.
    expand
        Not used. It exists for compatibility with zarr-python.
    level
        Number of levels to show. None shows all.
    storage_options
        See `open`.

    Returns
    -------
    Tree
        An object whose text and HTML representations show the hierarchy.
    """
    if isinstance(grp, Group):
        refuse_options(storage_options, "a group has its store already")
        return grp.tree(level)
    return open_group(grp, mode="r", storage_options=storage_options).tree(level)


def node(location: Location, meta: Metadata, access: AccessOptions) -> Array | Group:
    """Return the `Array` or `Group` of a node."""
    if isinstance(meta, ArrayMetadata):
        return Array(location, meta, **access)
    return Group(location, meta, **access)


@contextmanager
def closing_on_error(given: StoreLike | None, store: Store) -> Iterator[None]:
    """Close `store` if the block raises, unless the user gave the store. An unfinished zip file is discarded."""
    try:
        yield
    except BaseException as error:
        if not isinstance(given, Store):
            store.__exit__(type(error), error, error.__traceback__)
        raise


class Place(NamedTuple):
    """Location of a node, as the user gives it."""

    store: StoreLike | None
    path: str | None
    mode: Mode | None
    storage_options: StorageOptions | None = None


def _open(
    place: Place,
    zarr_format: ZarrFormat | None,
    kind: Kind | None,
    new: Kind,
    access: AccessOptions,
    use_consolidated: bool | None,
    options: OpenOptions,
) -> tuple[Location, Metadata, AccessOptions]:
    """Open a node of `kind` (None: any), or create one of the kind `new`, according to the mode."""
    check_format(zarr_format)
    store, path, mode, storage_options = place
    creates = mode in ("a", "w", "w-")
    if options and not creates:
        raise ArgumentError(
            f"{next(iter(options))}= describes a new node, and mode {mode or 'r+'!r} creates none: "
            "use mode 'a', 'w' or 'w-', or leave it out"
        )
    if store is None and mode in (None, "r", "r+"):
        raise ArgumentError(
            f"no path was given: mode {mode or 'r+'!r} opens an existing node. Give a path, a URL or a store "
            "(None is a new store in memory, for the modes 'a', 'w' and 'w-')"
        )
    location, read_only = locate(store, path, mode, storage_options)
    access = {**access, "read_only": read_only}
    with closing_on_error(store, location.store):
        if not creates:
            return *open_node(location, zarr_format, kind=kind, use_consolidated=use_consolidated), access
        if mode != "a":
            try:
                return location, _make(location, new, zarr_format or 3, mode == "w", options), access
            except NodeExistsError as error:  # functions with a mode have no argument overwrite
                raise NodeExistsError(str(error).replace("overwrite=True", "mode='w'")) from None

        def find() -> tuple[Location, Metadata] | None:
            found = find_node(location, zarr_format, kind=kind, use_consolidated=use_consolidated)
            if found is not None:
                check_kind(*found, kind)
            return found

        def make() -> tuple[Location, Metadata]:
            return location, _make(location, new, zarr_format or 3, False, options)

        return *node_creation.found_or_made(find, make), access


def _make(
    location: Location, kind: Kind, zarr_format: ZarrFormat, overwrite: bool, options: OpenOptions
) -> Metadata:
    if kind == "group":
        unfit = options.keys() - {"attributes", "shape"}
        if unfit:
            raise ArgumentError(
                f"{', '.join(sorted(unfit))}: these describe a new array; give its shape, too"
            )
        return new_group(location, zarr_format, options.get("attributes"), overwrite=overwrite)
    described: dict[str, Any] = {**options}
    source = describe(None, described.pop("shape", None), described.pop("dtype", "f8"), zarr_format)
    meta = array_metadata(shape=source.shape, dtype=source.dtype, zarr_format=zarr_format, **described)
    return new_array(location, meta, overwrite=overwrite).metadata
