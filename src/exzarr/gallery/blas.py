"""One thread for each call to BLAS, where the calls come from several threads themselves."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

__all__ = ["single_threaded_blas"]


def single_threaded_blas() -> AbstractContextManager[Any]:
    """While it is entered, NumPy's matrix products use one thread each, in the whole process.

    A product of some megabytes that BLAS shares out among threads ends with the slowest of them; on a busy machine
    that is many times slower than to have each of several threads work on a block of its own. It takes
    threadpoolctl (of the extra ``gallery``); without it nothing changes, and neither where another thread limits BLAS
    already.
    """
    controller = _controller()
    return nullcontext() if controller is None else controller.limit(limits=1, user_api="blas")


@cache
def _controller() -> Any:
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController()
