"""The extension points of exzarr: what packages and programs can add, and what is there.

========================  ================================  ===================================================
what                      group of entry points             name, and object
========================  ================================  ===================================================
codecs                    ``exzarr.codecs``                 name in v3 documents; a class of `exzarr.codecs.base`
codecs of zarr-python     ``zarr.codecs``                   the same; a class of ``zarr.abc.codec``
stores                    ``exzarr.stores``                 URL scheme; a function ``open_url``
data types                ``exzarr.data_types``             name in v3 documents; a `DataTypeExtension` class
chunk key encodings       ``exzarr.chunk_key_encodings``    name; a `ChunkKeyEncodingExtension` class
chunk grids               ``exzarr.chunk_grids``            name; a `ChunkGridExtension` class
========================  ================================  ===================================================

The order for one name: what the program registered, then exzarr's own, then entry points of exzarr's groups, then
those of zarr-python's. exzarr's own codecs are the only names of its own that a program may replace. A name that two
packages declare is an error when it is used; a registration decides. Entry points are imported when their name is
used, never before. Documents and URLs choose among these names; nothing else is imported for them.

The functions have the names of ``zarr.registry``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from exzarr._format import v3_alike, v3_known
from exzarr._format.extensions import (
    CHUNK_GRIDS,
    CHUNK_KEY_ENCODINGS,
    DATA_TYPES,
    ChunkGridExtension,
    ChunkKeyEncodingExtension,
    DataTypeExtension,
)
from exzarr._plugins import Declared, ExtensionPoint, declared, groups
from exzarr.codecs import zarr_python
from exzarr.codecs.registry import CODECS, own_names, register as register_codec
from exzarr.errors import PluginError
from exzarr.stores.schemes import STORES

if TYPE_CHECKING:
    from exzarr.stores.schemes import OpenURL

__all__ = [
    "ChunkGridExtension",
    "ChunkKeyEncodingExtension",
    "DataTypeExtension",
    "GROUPS",
    "Plugin",
    "plugins",
    "register_chunk_grid",
    "register_chunk_key_encoding",
    "register_codec",
    "register_data_type",
    "register_store",
]

_POINTS: tuple[ExtensionPoint[Any], ...] = (CODECS, STORES, DATA_TYPES, CHUNK_KEY_ENCODINGS, CHUNK_GRIDS)

GROUPS: tuple[str, ...] = tuple(point.group for point in _POINTS)
"""The groups of entry points, without those of zarr-python."""


def register_store(scheme: str, open_url: OpenURL) -> None:
    """Open URLs with `scheme` by a function, in this process.

    Parameters
    ----------
    scheme
        The part of a URL before ``://``, in lower case.
    open_url
        ``open_url(url, *, mode, storage_options)`` returns a `Store`, or a `Store` and the path in it. `mode` is that
        of `exzarr.open` or None; opening creates nothing. `storage_options` is a dict. It raises an `ExzarrError` if
        it cannot open the URL; exzarr makes the store read-only for mode ``"r"``.

    Raises
    ------
    ArgumentError
        `scheme` is one of exzarr's own, or `open_url` is not a function.
    """
    STORES.register(scheme, open_url)


def register_data_type(name: str, data_type: type[DataTypeExtension]) -> None:
    """Use a class for the data type `name` in documents, in this process.

    Raises
    ------
    ArgumentError
        The class lacks a method, has another ``name``, or `name` is one of exzarr's own.
    """
    _register(DATA_TYPES, name, data_type)


def register_chunk_key_encoding(name: str, encoding: type[ChunkKeyEncodingExtension]) -> None:
    """Use a class for the chunk key encoding `name` in documents, in this process.

    Raises
    ------
    ArgumentError
        The class lacks a method, has another ``name``, or `name` is one of exzarr's own.
    """
    _register(CHUNK_KEY_ENCODINGS, name, encoding)


def register_chunk_grid(name: str, grid: type[ChunkGridExtension]) -> None:
    """Use a class for the chunk grid `name` in documents, in this process.

    Raises
    ------
    ArgumentError
        The class lacks a method, has another ``name``, or `name` is one of exzarr's own.
    """
    _register(CHUNK_GRIDS, name, grid)


def _register(point: ExtensionPoint[Any], name: str, extension: Any) -> None:
    """Use a class for `name` in documents. Documents that are in the caches are parsed again."""
    point.register(name, extension)
    v3_known.forget()
    v3_alike.forget()


@dataclass(frozen=True, slots=True)
class Plugin:
    """What a package or the program adds.

    Attributes
    ----------
    kind
        ``"codec"``, ``"store"``, ``"data type"``, ``"chunk key encoding"`` or ``"chunk grid"``.
    name
        Its name in documents; for a store, the URL scheme.
    origin
        Package, version and object; ``"this program"`` if it was registered.
    status
        ``"available"``; ``"hidden"`` by another one of this name; ``"broken"``: using the name is an error.
        Without ``load``, a plug-in that cannot be imported is available.
    reason
        Why it is hidden or broken, else None.
    """

    kind: str
    name: str
    origin: str
    status: Literal["available", "hidden", "broken"] = "available"
    reason: str | None = None


def plugins(*, load: bool = False) -> list[Plugin]:
    """List what packages and this program add to exzarr.

    Parameters
    ----------
    load
        Import each, to see whether it can be used. This runs the code of the packages.

    Returns
    -------
    list of Plugin
        One for each name and package. A plug-in that fails is in the list, with the reason.
    """
    found: list[Plugin] = []
    for point in _POINTS:
        found += [Plugin(point.what, name, "this program") for name in sorted(point.registered)]
        hidden = {
            **dict.fromkeys(point.own(), f"exzarr has a {point.what} of this name"),
            **dict.fromkeys(point.registered, "the program registered another one of this name"),
        }
        for one in declared(point.group):
            several = len(point.installed(one.name)) > 1
            found.append(
                _plugin(point.what, one.name, str(one), hidden, several, load and partial(point.checked, one))
            )
    ours = {*own_names(), *CODECS.names()}
    hidden = dict.fromkeys(ours, "exzarr has, or a package declares for exzarr, a codec of this name")
    theirs = [*_of_zarr_python()]
    for name, one in theirs:
        several = len({other.value for other_name, other in theirs if other_name == name}) > 1
        origin = f"{one}, for zarr-python"
        found.append(
            _plugin("codec", name, origin, hidden, several, load and partial(zarr_python.find, name))
        )
    return found


def _plugin(
    kind: str,
    name: str,
    origin: str,
    hidden: dict[str, str],
    several: bool,
    load: Callable[[], object] | Literal[False],
) -> Plugin:
    if name in hidden:
        return Plugin(kind, name, origin, "hidden", hidden[name])
    if several:
        return Plugin(kind, name, origin, "broken", "several packages provide this name")
    if load:
        try:
            load()
        except PluginError as error:
            return Plugin(kind, name, origin, "broken", str(error))
    return Plugin(kind, name, origin)


def _of_zarr_python() -> Iterator[tuple[str, Declared]]:
    """Yield name and entry point of the codecs that packages declare for zarr-python."""
    for one in declared(zarr_python.GROUP):
        yield one.name, one
    for group in groups(zarr_python.GROUP + "."):
        for one in declared(group):
            yield group.removeprefix(zarr_python.GROUP + "."), one
