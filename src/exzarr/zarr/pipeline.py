"""A codec pipeline of zarr-python that runs on exzarr's engine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from zarr.core.buffer import cpu
from zarr.core.codec_pipeline import BatchedCodecPipeline
from zarr.registry import register_pipeline

from exzarr.errors import (
    ChunkError,
    CodecError,
    ExzarrError,
    InvalidKeyError,
    SelectionError,
    StoreError,
    UpdateUnsupportedError,
)

if TYPE_CHECKING:
    from exzarr.zarr.binding import Binding

__all__ = ["PATH", "CodecPipeline"]

PATH = "exzarr.zarr.CodecPipeline"
"""The name of the pipeline in the settings of zarr-python."""


@dataclass(frozen=True)
class CodecPipeline(BatchedCodecPipeline):  # type: ignore[misc]
    """Codec pipeline of zarr-python that reads and writes chunks with exzarr.

    zarr-python creates it for every array that it opens while the setting ``codec_pipeline.path`` is
    ``"exzarr.zarr.CodecPipeline"`` (see `enable`). What exzarr cannot do runs on zarr-python's own pipeline, from which
    this class derives: stores without a counterpart, buffers that are not NumPy's, codecs and data types that only
    zarr-python has. zarr-python also repeats every read that fails, and raises its own error.

    Partial writes of a chunk or shard go through `exzarr.stores.Store.update`, so that concurrent writers lose nothing.
    """

    binding: Binding | None = field(default=None, compare=False, repr=False)
    """The array's metadata and store. None for the codecs inside shards, which zarr-python runs."""

    @classmethod
    def from_array_metadata_and_store(cls, array_metadata: Any, store: Any) -> Self:
        from zarr.core.array import create_codec_pipeline

        from exzarr.zarr.binding import Binding

        made = create_codec_pipeline(array_metadata)
        if not isinstance(made, cls):
            raise NotImplementedError  # zarr-python creates the pipeline that its settings name
        return replace(made, binding=Binding(array_metadata, store))

    async def read(
        self,
        batch_info: Iterable[tuple[Any, Any, Any, Any, bool]],
        out: Any,
        drop_axes: tuple[int, ...] = (),
    ) -> Any:
        batch = batch_info if isinstance(batch_info, list) else [*batch_info]
        if not batch:
            return ()
        buffer = _numpy_array(out)
        if self.binding is not None and buffer is not None:
            work = self.binding.work_for(batch, buffer, drop_axes)
            if work is not None:
                try:
                    missing = await self.binding.read(work, buffer)
                except (ExzarrError, OSError):
                    pass  # zarr-python reads it, or raises the error that its users know
                else:
                    return _results(work.chunks.keys, missing)
        return await super().read(batch, out, drop_axes)

    async def write(
        self,
        batch_info: Iterable[tuple[Any, Any, Any, Any, bool]],
        value: Any,
        drop_axes: tuple[int, ...] = (),
    ) -> None:
        batch = batch_info if isinstance(batch_info, list) else [*batch_info]
        if not batch:
            return
        buffer = _numpy_array(value)
        reason = "the values are not in a NumPy array"
        if self.binding is not None and buffer is not None:
            work = self.binding.work_for(batch, buffer, drop_axes, writing=True)
            reason = self.binding.reason
            if work is not None:
                empty = batch[0][1].config.write_empty_chunks
                try:
                    await asyncio.to_thread(work.access.write, work.chunks, buffer, write_empty=empty)
                except (CodecError, ChunkError, SelectionError, InvalidKeyError) as error:
                    reason = str(error)
                except UpdateUnsupportedError as error:
                    self.binding.protects = False
                    reason = str(error)
                except StoreError as error:
                    if error.errno is None:
                        raise
                    # What zarr-python's own store would raise, such as PermissionError.
                    raise OSError(error.errno, str(error)) from error
                else:
                    return
        if not all(complete for *_, complete in batch):
            _say_once(reason)
        await super().write(batch, value, drop_axes)


# Settings name the class by its public place, and pickles find it there.
CodecPipeline.__module__ = PATH.rpartition(".")[0]
register_pipeline(CodecPipeline)


def _numpy_array(buffer: Any) -> np.ndarray[Any, Any] | None:
    """Return the NumPy array of a buffer of zarr-python; None if it is another kind of buffer or array."""
    if type(buffer) is not cpu.NDBuffer:
        return None
    array = buffer.as_ndarray_like()
    return array if type(array) is np.ndarray else None


_PRESENT = {"status": "present"}
_MISSING = {"status": "missing"}


def _results(keys: Sequence[str], missing: Sequence[str]) -> tuple[dict[str, str], ...]:
    if not missing:
        return (_PRESENT,) * len(keys)
    absent = {*missing}
    return tuple([_MISSING if key in absent else _PRESENT for key in keys])


_said: set[str] = set()


def _say_once(reason: str) -> None:
    """Log that partial writes are not protected, once for each reason."""
    if reason not in _said:
        _said.add(reason)
        logging.getLogger("exzarr.zarr").warning(
            "zarr-python writes parts of chunks without protection against concurrent writers, because %s; "
            "write whole chunks, or from one thread at a time",
            reason,
        )
