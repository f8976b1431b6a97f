"""The functions of ``zarr.api.synchronous``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import exzarr
from exzarr.errors import ArgumentError
from exzarr.zarr import arguments
from exzarr.zarr.arrays import Array
from exzarr.zarr.errors import ZarrDeprecationWarning, ZarrUserWarning, translated, warn
from exzarr.zarr.groups import Group, node
from exzarr.zarr.store_like import resolved

__all__ = [
    "array",
    "consolidate_metadata",
    "copy",
    "create",
    "create_array",
    "create_group",
    "create_hierarchy",
    "empty",
    "empty_like",
    "from_array",
    "full",
    "full_like",
    "group",
    "load",
    "ones",
    "ones_like",
    "open",
    "open_array",
    "open_consolidated",
    "open_group",
    "open_like",
    "save",
    "save_array",
    "save_group",
    "tree",
    "zeros",
    "zeros_like",
]


# -- opening ---------------------------------------------------------------------------


@translated("group")
def open(  # noqa: A001
    store: Any = None, *, mode: Any = None, path: str | None = None, config: Any = None, **options: Any
) -> Array | Group:
    """Open an array or a group. The mode is ``"a"`` by default, or ``"r"`` if the store is read-only.

    The parameters are those of `exzarr.open`, and `config`: the access options by zarr-python's names.
    """
    place, path = resolved(store, path)
    found = exzarr.open(place, path=path, mode=_mode(mode, place), **arguments.opening(options, config))
    if config is not None and isinstance(found, exzarr.Group):
        raise TypeError(f"config= is for arrays, and {found.name!r} resolves to a group")
    return node(found)


@translated("array")
def open_array(
    store: Any = None, *, path: str | None = None, mode: Any = None, config: Any = None, **options: Any
) -> Array:
    """Open an array; see `open`."""
    place, path = resolved(store, path)
    chosen = arguments.opening(options, config)
    return Array.of(exzarr.open_array(place, path=path, mode=_mode(mode, place), **chosen))


@translated("group")
def open_group(store: Any = None, *, path: str | None = None, mode: Any = "a", **options: Any) -> Group:
    """Open a group; see `open`."""
    place, path = resolved(store, path)
    return Group.of(
        exzarr.open_group(place, path=path, mode=_mode(mode, place), **arguments.opening(options, None))
    )


def open_consolidated(store: Any, *, use_consolidated: Any = True, **options: Any) -> Group:
    """Open a group that has consolidated metadata."""
    if use_consolidated is not True:
        raise TypeError(
            "'use_consolidated' must be 'True' in 'open_consolidated'. Use 'open' for another value"
        )
    return open_group(store, use_consolidated=True, **{"mode": "r+", **options})


def open_like(a: Any, path: Any = None, *, store: Any = None, **options: Any) -> Array:
    """Open the array at `path`; create it like `a` if there is none."""
    place, inner = resolved(path if store is None else store, None if store is None else path)
    chosen = arguments.creating(options, None, casting=None)
    chosen.pop("mode", None)
    try:
        return Array.of(exzarr.open_array(place, path=inner, zarr_format=chosen.get("zarr_format")))
    except exzarr.NodeNotFoundError:
        return empty_like(a, store=place, path=inner, **options)


def _mode(mode: Any, store: Any) -> Any:
    if mode is not None:
        return mode
    return "r" if getattr(store, "read_only", False) else "a"


# -- creating --------------------------------------------------------------------------


@translated("array")
def create_array(store: Any, *, name: str | None = None, config: Any = None, **options: Any) -> Array:
    """Create an array.

    The parameters are those of `exzarr.create_array`, and `config`: the access options by zarr-python's names.
    """
    place, name = resolved(store, name)
    options = arguments.current(options)
    if "zarr_format" in options:
        options["zarr_format"] = arguments.zarr_format(options["zarr_format"])
    return Array.of(exzarr.create_array(place, name=name, **arguments.creating(options, config)), config)


@translated("array")
def from_array(store: Any, *, name: str | None = None, config: Any = None, **options: Any) -> Array:
    """Create an array with the values and, by default, the properties of ``data=``; see `exzarr.from_array`."""
    place, name = resolved(store, name)
    return Array.of(
        exzarr.from_array(place, name=name, **arguments.creating(options, config, casting=None)), config
    )


@translated("array")
def create(shape: Any = None, *, config: Any = None, mode: Any = None, **options: Any) -> Array:
    """Create an array; see `exzarr.create`."""
    if mode not in (None, "a", "r+", "w", "w-"):
        raise ArgumentError(f"mode is 'a', 'r+', 'w' or 'w-' for a new array, not {mode!r}")
    overwrite = mode == "w" or (options.get("overwrite", False) and mode != "w-")
    return _create(exzarr.create, (shape,), config, {"dtype": "f8", **options, "overwrite": overwrite})


@translated("array")
def array(data: Any, *, config: Any = None, **options: Any) -> Array:
    """Create an array from `data`."""
    options.pop("shape", None)
    return _create(exzarr.array, (data,), config, options)


@translated("array")
def zeros(shape: Any, *, config: Any = None, **options: Any) -> Array:
    """Create an array of zeros."""
    return _create(exzarr.zeros, (shape,), config, options)


@translated("array")
def ones(shape: Any, *, config: Any = None, **options: Any) -> Array:
    """Create an array of ones."""
    return _create(exzarr.ones, (shape,), config, options)


@translated("array")
def empty(shape: Any, *, config: Any = None, **options: Any) -> Array:
    """Create an array without values."""
    return _create(exzarr.empty, (shape,), config, options)


@translated("array")
def full(shape: Any, fill_value: Any, *, config: Any = None, **options: Any) -> Array:
    """Create an array of `fill_value`."""
    return _create(exzarr.full, (shape, fill_value), config, options)


@translated("array")
def zeros_like(a: Any, *, config: Any = None, **options: Any) -> Array:
    """Create an array of zeros like `a`."""
    return _create(exzarr.zeros_like, (a,), config, options)


@translated("array")
def ones_like(a: Any, *, config: Any = None, **options: Any) -> Array:
    """Create an array of ones like `a`."""
    return _create(exzarr.ones_like, (a,), config, options)


@translated("array")
def empty_like(a: Any, *, config: Any = None, **options: Any) -> Array:
    """Create an array like `a` without values, with the fill value of `a`."""
    if isinstance(a, exzarr.Array):
        options.setdefault("fill_value", a.fill_value)
    return _create(exzarr.empty_like, (a,), config, options)


@translated("array")
def full_like(a: Any, *, config: Any = None, **options: Any) -> Array:
    """Create an array like `a` of one value."""
    return _create(exzarr.full_like, (a,), config, options)


def _create(function: Any, given: tuple[Any, ...], config: Any, options: dict[str, Any]) -> Array:
    place, path = resolved(options.pop("store", None), options.pop("path", None))
    options = arguments.current(options)
    if not function.__name__.endswith("_like"):
        options["zarr_format"] = arguments.zarr_format(options.get("zarr_format"))
    if options.get("order") is not None and options.get("zarr_format") == 3:
        warn(
            "The `order` keyword has no effect on how arrays of format 3 are stored: it is the order of what reads "
            "return, as config={'order': ...}",
            RuntimeWarning,
        )
        options["memory_order"] = options.pop("order")
    if options.get("write_empty_chunks") is not None:
        warn("write_empty_chunks= is deprecated: use config=", RuntimeWarning)
    chosen = arguments.creating(options, config)
    for name in ("chunks", "dtype", "order", "filters", "dimension_separator", "zarr_format"):
        if chosen.get(name, ...) is None:
            del chosen[name]
    return Array.of(function(*given, store=place, path=path, **chosen), config)


# -- groups ----------------------------------------------------------------------------


@translated("group")
def create_group(store: Any, *, path: str | None = None, **options: Any) -> Group:
    """Create a group."""
    place, path = resolved(store, path)
    options = arguments.current(options)
    options["zarr_format"] = arguments.zarr_format(options.get("zarr_format"))
    return Group.of(exzarr.create_group(place, path=path, **arguments.opening(options, None)))


@translated("group")
def group(store: Any = None, *, path: str | None = None, **options: Any) -> Group:
    """Open a group; create it if it does not exist."""
    place, path = resolved(store, path)
    return Group.of(exzarr.group(place, path=path, **arguments._known(options)))


@translated("group")
def create_hierarchy(
    *, store: Any, nodes: Mapping[str, Any], overwrite: bool = False
) -> Iterator[tuple[str, Any]]:
    """Create several arrays and groups from their metadata."""
    place, _ = resolved(store)
    made = exzarr.create_hierarchy(store=place, nodes=nodes, overwrite=overwrite)
    return ((path, node(one)) for path, one in made)


@translated("group")
def consolidate_metadata(store: Any, path: str | None = None, zarr_format: Any = None) -> Group:
    """Store the metadata of all nodes below a group in the group's own document."""
    place, path = resolved(store, path)
    found = Group.of(exzarr.consolidate_metadata(place, path, zarr_format))
    if found.zarr_format == 3:
        warn(
            "Consolidated metadata is currently not part in the Zarr format 3 specification. exzarr and zarr-python "
            "read it; other implementations may not",
            ZarrUserWarning,
        )
    return found


def tree(grp: Any, expand: Any = None, level: int | None = None) -> Any:  # noqa: ARG001 - zarr-python's
    """Return the hierarchy below a group, for printing. Deprecated by zarr-python: use `Group.tree`."""
    warn("Use Group.tree instead.", ZarrDeprecationWarning)
    return grp.tree(level=level)


# -- whole arrays ----------------------------------------------------------------------


@translated("group")
def load(store: Any, path: str | None = None, zarr_format: Any = None, zarr_version: Any = None) -> Any:
    """Load an array, or all arrays below a group, into memory."""
    place, path = resolved(store, path)
    chosen = arguments.current({"zarr_format": zarr_format, "zarr_version": zarr_version})
    return exzarr.load(place, path, chosen["zarr_format"])


@translated("array")
def save(store: Any, *args: Any, path: str | None = None, **options: Any) -> None:
    """Save one array, or several arrays in a group. An existing node is replaced."""
    place, path = resolved(store, path)
    exzarr.save(place, *args, path=path, **arguments.current(options))


@translated("array")
def save_array(store: Any, arr: Any, *, path: str | None = None, **options: Any) -> None:
    """Save one array. An existing node is replaced."""
    place, path = resolved(store, path)
    options.pop("mode", None)
    exzarr.save_array(place, arr, path=path, **arguments.creating(options, None))


@translated("array")
def save_group(store: Any, *args: Any, path: str | None = None, **options: Any) -> None:
    """Save several arrays in a group. An existing node is replaced."""
    place, path = resolved(store, path)
    exzarr.save_group(place, *args, path=path, **arguments.current(options))


def copy(*args: Any, **options: Any) -> Any:
    """Copy an array or a hierarchy: `exzarr.copy`. zarr-python 3 does not implement it."""
    return exzarr.copy(*args, **options)
