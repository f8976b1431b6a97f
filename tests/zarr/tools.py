"""Helpers of the tests of `exzarr.zarr`: arrays of zarr-python with each pipeline, and a record of what fell back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import zarr
from zarr.core.codec_pipeline import BatchedCodecPipeline

import exzarr.zarr

__all__ = [
    "HAS_RECTILINEAR",
    "PLAIN",
    "at",
    "create",
    "fallbacks",
    "open_ours",
    "open_plain",
    "plain",
    "same",
]

PLAIN = "zarr.core.codec_pipeline.BatchedCodecPipeline"
HAS_RECTILINEAR = "rectilinear_chunks" in zarr.config.get("array")


def plain() -> Any:
    """Return a block in which zarr-python uses its own pipeline."""
    return zarr.config.set({"codec_pipeline.path": PLAIN})


def create(store: Any, **options: Any) -> Any:
    """Create an array that uses exzarr."""
    with exzarr.zarr.enable():
        return zarr.create_array(store, **options)


def open_ours(store: Any, **options: Any) -> Any:
    with exzarr.zarr.enable():
        return zarr.open_array(store, **options)


def open_plain(store: Any, **options: Any) -> Any:
    with plain():
        return zarr.open_array(store, **options)


def at(array: Any, how: str) -> Any:
    """Return what is indexed: the array itself, or its ``oindex``, ``vindex`` or ``blocks``."""
    return array if how == "basic" else getattr(array, how)


def same(one: Any, other: Any) -> None:
    one, other = np.asarray(one), np.asarray(other)
    assert one.dtype == other.dtype
    np.testing.assert_array_equal(one, other)


@contextmanager
def fallbacks() -> Iterator[list[str]]:
    """Record the reads and writes of arrays that exzarr leaves to zarr-python's own pipeline."""
    calls: list[str] = []
    methods = {name: getattr(BatchedCodecPipeline, name) for name in ("read", "write")}

    def recording(name: str) -> Any:
        async def method(self: Any, *args: Any, **options: Any) -> Any:
            if getattr(self, "binding", None) is not None:
                calls.append(name)
            return await methods[name](self, *args, **options)

        return method

    try:
        for name in methods:
            setattr(BatchedCodecPipeline, name, recording(name))
        yield calls
    finally:
        for name, method in methods.items():
            setattr(BatchedCodecPipeline, name, method)
