"""Pickle nodes whose store is in the memory of one process.

No tool handles an error during unpickling well: dask treats it as a lost connection and retries forever, a pool of
`multiprocessing` waits forever for the worker that it ended, and `concurrent.futures` fails without a message. Such a
node is therefore unpickled as an object that raises a clear error when it is used, inside the task that uses it.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, NoReturn

from exzarr.errors import StoreError

__all__ = ["UnavailableNode", "packed"]


class UnavailableNode:
    """A placeholder for a node whose store is unavailable in this process: every use raises a StoreError.

    Pickled and sent back to the process of the store, it becomes the node again.
    """

    __slots__ = ("_packed", "_reason")

    def __init__(self, packed: bytes, reason: str) -> None:
        self._packed = packed
        self._reason = reason

    def _refuse(self, *_: object) -> NoReturn:
        raise StoreError(self._reason)

    __getitem__ = __setitem__ = __delitem__ = __iter__ = __len__ = __contains__ = __array__ = _refuse

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # a test for a capability, not a use
            raise AttributeError(name)
        raise StoreError(self._reason)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpack, (self._packed,)

    def __repr__(self) -> str:
        return f"<unavailable: {self._reason}>"


def packed(reopen: Callable[..., Any], *args: Any) -> tuple[Any, ...]:
    """Return the value of `__reduce__` for a node whose store cannot be pickled; ``reopen(*args)`` opens it."""
    return _unpack, (pickle.dumps((reopen, args)),)


def _unpack(data: bytes) -> Any:
    try:
        reopen, args = pickle.loads(data)  # noqa: S301 - part of the pickle that this is called for
    except StoreError as error:
        return UnavailableNode(data, str(error))
    return reopen(*args)
