"""Switch the codec pipeline of zarr-python on and off."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType

__all__ = ["enable"]

VARIABLE = "ZARR_CODEC_PIPELINE__PATH"


class _Enabled(AbstractContextManager[None]):
    """Restores the previous pipeline at the end of a ``with`` block."""

    def __init__(self, restore: ExitStack) -> None:
        self._restore = restore

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore.close()


def enable() -> AbstractContextManager[None]:
    """Make zarr-python read and write with exzarr: from this call on, or for a ``with`` block.

    Arrays that zarr-python opens or creates from now on use `CodecPipeline`. Arrays that are already open keep their
    pipeline, as does an array that was opened inside the block after the block. Processes that are started from now on
    use it too, because the environment variable ``ZARR_CODEC_PIPELINE__PATH`` is set.

    Examples
    --------
    >>> import exzarr.zarr, zarr
    >>> with exzarr.zarr.enable():
    ...     a = zarr.create_array({}, shape=(100, 100), chunks=(10, 10), dtype="f4")
    ...     a[3, :] = 1
    >>> float(a[3, 5])
    1.0
    """
    import zarr

    from exzarr.zarr import pipeline

    restore = ExitStack()
    restore.callback(_set_variable, os.environ.get(VARIABLE))
    os.environ[VARIABLE] = pipeline.PATH
    restore.enter_context(zarr.config.set({"codec_pipeline.path": pipeline.PATH}))
    return _Enabled(restore)


def _set_variable(value: str | None) -> None:
    if value is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = value
