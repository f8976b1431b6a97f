"""Opening what is stored, and making it where the mode says so.

The modes, everywhere: ``"r"`` reads; ``"r+"`` also writes, and creates nothing; ``"a"`` creates what is missing;
``"w"`` replaces what is there; ``"w-"`` creates, and fails where something is there. None is ``"r+"`` where the
store can be written, else ``"r"``.
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
from exzarr._nodes.new_nodes import AccessOptions, describe, new_array, new_group
from exzarr._nodes.survey import OnError
from exzarr._spelling import known_arguments
from exzarr.errors import ArgumentError, NodeTypeError
from exzarr.stores.base import Store
from exzarr.stores.resolve import refuse_options

if TYPE_CHECKING:
    from exzarr._nodes.tree import Tree
    from exzarr.stores.url_options import StorageOptions

__all__ = [
    "closed_if_it_fails",
    "consolidate_metadata",
    "node",
    "open",
    "open_array",
    "open_consolidated",
    "open_group",
    "tree",
]


class OpenOptions(ArrayOptions, total=False):
    """What `open` and `open_array` take for the modes that create."""

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
    """The array or group that is stored at a place.

    Parameters
    ----------
    store
        A path or ``file://`` URL of a folder or ``.zip`` file, ``memory://name``, a URL, or a `Store`. None is a new
        store in memory, for the modes that create.
    mode
        ``"r"`` reads; ``"r+"`` also writes, and creates nothing; ``"a"`` creates what is missing;
        ``"w"`` replaces what is there; ``"w-"`` creates, and fails where something is there. None is
        ``"r+"`` where the store can be written, else ``"r"``.
    zarr_format
        Take only this version. By default v3, where there is none v2; new nodes are v3.
    path
        Path of the node in the store.
    missing
        What chunks are that are not stored: ``"fill"`` reads them as the fill value, ``"error"`` raises
        ChunkMissingError.
    write_empty_chunks
        Store chunks that hold nothing but the fill value.
    memory_order
        ``"F"``: reading gives Fortran-contiguous arrays, ``"C"``: C-contiguous ones. None: as `Array.memory_order` says.
    use_consolidated
        None uses a group's consolidated metadata where there is some, False does without, True insists.
    storage_options
        For a URL: options of its store by name, such as ``{"anon": True}``, or `S3Options` and its like; for
        references, ``allow`` and ``base``. ArgumentError for unknown ones, and for a store that takes none.
    options
        For the modes that create, what `create_array` takes. With a `shape` an array is made, else a group.

    Raises
    ------
    NodeNotFoundError
        Nothing is there, and `mode` does not create. (It is a FileNotFoundError and a KeyError.)
    NodeExistsError
        Something is there, and the mode is ``"w-"``.
    ReadOnlyError
        `mode` writes, and the store cannot be written.
    """
    access: AccessOptions = {
        "missing": missing,
        "write_empty_chunks": write_empty_chunks,
        "memory_order": memory_order,
    }
    kind: Kind | None = "array" if options.get("shape") is not None else None
    # An array's shape only says what to make, not what must be there already.
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
    """The array that is stored at a place. Everything is as for `open`.

    NodeTypeError where a group is there.
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
    """The group that is stored at a place. Everything is as for `open`.

    `attributes` are those of a group that is made. `missing` and `write_empty_chunks` hold for the
    arrays in the group. NodeTypeError where an array is there.
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
    """`open_group`, insisting on consolidated metadata: MetadataError where the group has none."""
    if mode in ("a", "w", "w-"):
        raise ArgumentError(f"open_consolidated opens what is there: its mode is 'r' or 'r+', not {mode!r}")
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
    """Store the metadata of all nodes below a group in the group's own document; returns the group.

    `store` may be a group; `path` leads to one below it. What exzarr writes afterwards in the same
    store keeps consolidated metadata in step. `on_error` says what becomes of nodes that consolidated metadata can't
    have: see `Group.consolidate_metadata`.
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
    """The hierarchy below a group, to print; `level` groups deep. `expand` is for zarr-python's sake."""
    if isinstance(grp, Group):
        refuse_options(storage_options, "a group has its store already")
        return grp.tree(level)
    return open_group(grp, mode="r", storage_options=storage_options).tree(level)


def node(location: Location, meta: Metadata, access: AccessOptions) -> Array | Group:
    """What users hold of a node."""
    if isinstance(meta, ArrayMetadata):
        return Array(location, meta, **access)
    return Group(location, meta, **access)


@contextmanager
def closed_if_it_fails(given: StoreLike | None, store: Store) -> Iterator[None]:
    """Close `store` where the block raises, unless it is the user's own. A zip that was begun is dropped."""
    try:
        yield
    except BaseException as error:
        if not isinstance(given, Store):
            store.__exit__(type(error), error, error.__traceback__)
        raise


class Place(NamedTuple):
    """Where a node is or will be, as users say it."""

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
    """Open a node of `kind` (None: any), or make one of the kind `new`, as `mode` says."""
    check_format(zarr_format)
    store, path, mode, storage_options = place
    creates = mode in ("a", "w", "w-")
    if options and not creates:
        raise ArgumentError(
            f"{next(iter(options))}= is for making something new, which mode {mode or 'r+'!r} never does: "
            "use mode 'a', 'w' or 'w-', or leave it out"
        )
    if store is None and mode in (None, "r", "r+"):
        raise ArgumentError(
            f"no path was given: mode {mode or 'r+'!r} opens what is stored already. Give a path, a URL or a store "
            "(None is a new store in memory, for the modes 'a', 'w' and 'w-')"
        )
    location, read_only = locate(store, path, mode, storage_options)
    access = {**access, "read_only": read_only}
    with closed_if_it_fails(store, location.store):
        if not creates:
            return *open_node(location, zarr_format, kind=kind, use_consolidated=use_consolidated), access
        if mode != "a":
            return location, _make(location, new, zarr_format or 3, mode == "w", options), access

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
            raise ArgumentError(f"{', '.join(sorted(unfit))}: to make an array give its shape, too")
        return new_group(location, zarr_format, options.get("attributes"), overwrite=overwrite)
    described: dict[str, Any] = {**options}
    source = describe(None, described.pop("shape", None), described.pop("dtype", "f8"), zarr_format)
    meta = array_metadata(shape=source.shape, dtype=source.dtype, zarr_format=zarr_format, **described)
    return new_array(location, meta, overwrite=overwrite).metadata
