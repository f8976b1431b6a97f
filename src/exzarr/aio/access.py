"""Await opening, reading and writing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, Unpack

from exzarr._nodes.array import Array
from exzarr.aio.threads import finished, threads_for, unless_cancelled
from exzarr.errors import ArgumentError

if TYPE_CHECKING:
    from exzarr._api.opening import OpenOptions
    from exzarr._nodes.casting import Casting
    from exzarr._nodes.group import Group
    from exzarr._nodes.locating import StoreLike
    from exzarr._typing import AnyArray

__all__ = ["call", "get", "open", "set"]

P = ParamSpec("P")
T = TypeVar("T")

Index = Literal["basic", "oindex", "vindex", "blocks"]


async def call(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Await ``fn(*args, **kwargs)``, any function of exzarr that blocks.

    ::

        shape = await exzarr.aio.call(a.append, rows)

    It runs in one of at most ``config.requests`` threads. Further calls wait in line. If the task is cancelled before
    the call begins, the call never happens. If it is cancelled later, the cancellation waits until the call ends, so
    that no write continues unnoticed.

    Parameters
    ----------
    fn
        The function. It gets the context variables of the task.
    *args, **kwargs
        Its arguments.

    Returns
    -------
    The result of the function.

    Raises
    ------
    MissingDependencyError
        anyio is not installed.
    """
    return await finished(threads_for(None), partial(fn, *args, **kwargs))


async def open(  # noqa: A001 - reads as exzarr.aio.open(...)
    store: StoreLike | None = None, *, mode: Any = None, **options: Unpack[OpenOptions]
) -> Array | Group:
    """Await `exzarr.open`: open an array or a group, with the same arguments.

    ::

        a = await exzarr.aio.open("ticks.zarr")

    Parameters
    ----------
    store
        A path, URL or `Store`.
    mode
        ``"r"``, ``"r+"``, ``"a"``, ``"w"``, ``"w-"`` or None.
    **options
        The other keywords of `exzarr.open`.

    Returns
    -------
    Array or Group

    Raises
    ------
    NodeNotFoundError
        There is no node, and `mode` does not create one.
    """
    from exzarr._api.opening import open as open_node

    work = partial(open_node, store, mode=mode, **options)
    if mode in (None, "r", "r+"):
        return await unless_cancelled(threads_for(None), work)
    return await finished(threads_for(None), work)


async def get(
    array: Array, selection: Any = Ellipsis, *, index: Index = "basic", out: AnyArray | None = None
) -> Any:
    """Await ``array[selection]``.

    ::

        rows = await exzarr.aio.get(a, slice(0, 100))
        points = await exzarr.aio.get(a, ([3, 1], [0, 5]), index="vindex")

    Any number of tasks may read concurrently. They share ``config.workers`` threads; for stores that are slow to
    answer, ``config.requests`` threads. All reads together have at most ``config.requests`` requests in flight.

    If the task is cancelled, the read starts no further request and decodes no further chunk. Requests in flight end by
    themselves, and their results are dropped.

    Parameters
    ----------
    array
        The array.
    selection
        NumPy's indexing, as between brackets.
    index
        The kind of indexing: ``"oindex"``, ``"vindex"`` or ``"blocks"``, as the properties of `Array`.
    out
        An array that receives the elements, as for `Array.get`; for basic indexing only. If the task is cancelled, its
        content is undefined, and the read may still write to it for a moment.

    Returns
    -------
    numpy.ndarray or scalar
        The selected elements.

    Raises
    ------
    SelectionError
        The selection does not fit the array.
    ArgumentError
        `index` is unknown, or `out` does not fit the selection.
    """
    if index == "basic":
        work: Callable[[], Any] = partial(_checked(array).get, selection, out=out)
    elif out is not None:
        raise ArgumentError(f"out is for basic indexing; with index={index!r}, assign the result")
    else:
        work = partial(_indexer(array, index).__getitem__, selection)
    return await unless_cancelled(threads_for(array.store), work)


async def set(  # noqa: A001 - reads as exzarr.aio.set(...)
    array: Array,
    selection: Any,
    value: Any,
    *,
    index: Index = "basic",
    casting: Casting = "same_kind",
) -> None:
    """Await ``array[selection] = value``.

    ::

        await exzarr.aio.set(a, slice(0, 100), rows)

    If the task is cancelled before the write begins, nothing is written. If it is cancelled later, the cancellation
    waits until the write is complete. Do not change `value` meanwhile.

    Parameters
    ----------
    array
        The array.
    selection
        NumPy's indexing, as between brackets.
    value
        A scalar, or a value that broadcasts to the selection's shape.
    index
        The kind of indexing: ``"oindex"``, ``"vindex"`` or ``"blocks"``, as the properties of `Array`.
    casting
        Which conversions to the array's data type are allowed, as for `Array.set`.

    Raises
    ------
    ArgumentError
        The value has the wrong shape, or does not convert. Nothing was written.
    ReadOnlyError
        The array was opened for reading.
    """
    put = _checked(array).set if index == "basic" else _indexer(array, index).set
    await finished(threads_for(array.store), partial(put, selection, value, casting=casting))


def _checked(array: Array) -> Array:
    if not isinstance(array, Array):
        raise ArgumentError(f"exzarr.aio reads and writes exzarr arrays, not {type(array).__name__}")
    return array


def _indexer(array: Array, index: Index) -> Any:
    if index not in ("oindex", "vindex", "blocks"):
        raise ArgumentError(f"index is 'basic', 'oindex', 'vindex' or 'blocks', not {index!r}")
    return getattr(_checked(array), index)
