"""Pickling nodes whose store is a process's own memory.

An error while something is unpickled is nobody's: dask takes it for a lost connection and tries for ever, a pool of
`multiprocessing` waits for ever for the worker that it ended, `concurrent.futures` breaks down without a word. So such
a node arrives, as something that fails with a clear error when it is used: inside the task that wanted it.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, NoReturn

from exzarr.errors import StoreError

__all__ = ["UnavailableNode", "packed"]


class UnavailableNode:
    """Stands for a node whose store is out of reach: whatever it is asked is a StoreError.

    Pickled and sent back to where the store is, it is the node again.
    """

    __slots__ = ("_packed", "_reason")

    def __init__(self, packed: bytes, reason: str) -> None:
        self._packed = packed
        self._reason = reason

    def _refuse(self, *_: object) -> NoReturn:
        raise StoreError(self._reason)

    __getitem__ = __setitem__ = __delitem__ = __iter__ = __len__ = __contains__ = __array__ = _refuse

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # a question what it can do, not a use of it
            raise AttributeError(name)
        raise StoreError(self._reason)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpack, (self._packed,)

    def __repr__(self) -> str:
        return f"<out of reach: {self._reason}>"


def packed(reopen: Callable[..., Any], *args: Any) -> tuple[Any, ...]:
    """What `__reduce__` returns for a node that ``reopen(*args)`` opens anew, where its store does not travel."""
    return _unpack, (pickle.dumps((reopen, args)),)


def _unpack(data: bytes) -> Any:
    try:
        reopen, args = pickle.loads(data)  # noqa: S301 - part of the pickle that this is called for
    except StoreError as error:
        return UnavailableNode(data, str(error))
    return reopen(*args)
