"""A limit of one BLAS thread per call, for programs that call BLAS from several threads."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

__all__ = ["single_threaded_blas"]


def single_threaded_blas() -> AbstractContextManager[Any]:
    """Return a context manager that limits NumPy's matrix products to one thread each, in the whole process.

    BLAS divides a product of some megabytes among threads, and the product ends when the slowest thread ends. On a
    busy machine this is many times slower than several threads that each compute a separate block. The limit
    requires threadpoolctl (of the extra ``gallery``). Without threadpoolctl, or if another thread already limits
    BLAS, nothing changes.
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
