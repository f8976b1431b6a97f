"""The data that the labs use: a part of the user's array, or synthetic data from a seed."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np

from exzarr._creation.layout import parse_shape
from exzarr._format import dtypes
from exzarr._nodes.array import Array
from exzarr._typing import AnyArray
from exzarr.errors import ArgumentError, NodeTypeError
from exzarr.stores.base import Store
from exzarr.stores.resolve import refuse_options

if TYPE_CHECKING:
    from exzarr.stores.url_options import StorageOptions

__all__ = ["Sample", "Subject", "Target", "cut_shape", "sample_of", "subject_of", "synthetic_data"]


PLACES = (0.5, 0.0, 0.25, 0.75, 1.0)
"""Places to take a sample from, as relative positions. Large parts of an array may never have been written."""

Target = Any
"""An array, a path or URL, a store, or a shape.

An array is exzarr's, NumPy's, or any object with ``shape``, ``dtype`` and indexing.
"""


@dataclass(frozen=True, slots=True)
class Subject:
    """The examined array.

    Attributes
    ----------
    shape, dtype
        Its shape and data type.
    data
        The array, or None if only its shape is known.
    array
        The array, if it is exzarr's.
    name
        Its name in reports.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    data: Any = None
    array: Array | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """A part of an array.

    Attributes
    ----------
    data
        Its elements.
    text
        Its description.
    whole
        Whether it is the whole array.
    synthetic
        Whether it is synthetic, because there is no data.
    """

    data: AnyArray
    text: str
    whole: bool
    synthetic: bool


def subject_of(target: Target, dtype: Any = None, storage_options: StorageOptions | None = None) -> Subject:
    """Return the array for an argument `target`.

    `dtype` is required with a shape, and invalid otherwise. `storage_options` are for a URL.
    """
    if not isinstance(target, (str, os.PathLike, Store)):
        refuse_options(storage_options, "the target is no path or URL")
    if isinstance(target, (int, np.integer)) or (
        isinstance(target, Sequence)
        and not isinstance(target, str)
        and all(isinstance(n, (int, np.integer)) for n in target)
    ):
        if dtype is None:
            raise ArgumentError(f"shape={target!r} needs a data type: give dtype=, such as dtype='f4'")
        return _checked(Subject(parse_shape(target), dtypes.from_numpy(dtype, 3).dtype, name="a new array"))
    if dtype is not None:
        raise ArgumentError("dtype= is only valid with a shape: an array has its own data type")
    if isinstance(target, (str, os.PathLike, Store)):
        from exzarr._api.opening import open as open_node

        node = open_node(target, mode="r", storage_options=storage_options)
        if not isinstance(node, Array):
            raise NodeTypeError(f"{target} is a group: give the path of one of its arrays")
        target = node
    if isinstance(target, Array):
        name = target.path or unquote(target.store.url.rstrip("/").rpartition("/")[2])
        return _checked(Subject(target.shape, target.dtype, target, target, name))
    if isinstance(target, np.ndarray) or (hasattr(target, "shape") and hasattr(target, "dtype")):
        return _checked(
            Subject(tuple(target.shape), np.dtype(target.dtype), target, None, "an array in memory")
        )
    raise ArgumentError(
        f"target= cannot be a {type(target).__name__}: give an array, a path, a store, or a shape with a dtype"
    )


def _checked(subject: Subject) -> Subject:
    if not subject.shape or 0 in subject.shape:
        raise ArgumentError(
            f"an array of shape {subject.shape} has no dimensions or no elements: there is nothing to lay out"
        )
    return subject


def cut_shape(shape: Sequence[int], itemsize: int, nbytes: int) -> tuple[int, ...]:
    """Return the shape of a part of at most `nbytes`. The longest dimensions are halved, to keep the proportions."""
    lengths = [*shape]
    while math.prod(lengths) * max(1, itemsize) > nbytes and max(lengths) > 1:
        longest = lengths.index(max(lengths))
        lengths[longest] = -(-lengths[longest] // 2)
    return tuple(lengths)


def sample_of(subject: Subject, nbytes: int, seed: int) -> Sample:
    """Return a part of `subject` of at most `nbytes`: its middle, or another place if that has only one value."""
    shape = cut_shape(subject.shape, subject.dtype.itemsize, nbytes)
    whole = shape == subject.shape
    size = " × ".join(f"{n:,}" for n in shape)
    if subject.data is None:
        data = synthetic_data(shape, subject.dtype, seed)
        return Sample(data, f"synthetic (seed {seed}): {size}", whole, True)
    for share in PLACES:
        starts = [round((n - k) * share) for n, k in zip(subject.shape, shape, strict=True)]
        region = tuple([slice(at, at + k) for at, k in zip(starts, shape, strict=True)])
        data = np.ascontiguousarray(subject.data[region])
        if whole or bool((data != data.flat[0]).any()):
            break
    of = " × ".join(f"{n:,}" for n in subject.shape)
    text = f"the whole array: {size}" if whole else f"a part: {size} of {of}"
    return Sample(data, text, whole, False)


def synthetic_data(shape: tuple[int, ...], dtype: np.dtype[Any], seed: int) -> AnyArray:
    """Return data that compresses like measurements: waves along each dimension, and noise.

    The noise has a hundredth of the amplitude of the waves.
    """
    rng = np.random.default_rng(seed)
    field: AnyArray = np.zeros(shape, np.float32)
    for d, n in enumerate(shape):
        wave = np.sin(np.linspace(0, 2 * np.pi * rng.uniform(1, 3), n) + rng.uniform(0, 6)).astype(np.float32)
        field += wave.reshape([-1 if i == d else 1 for i in range(len(shape))])
    field += rng.normal(0, 0.01, shape).astype(np.float32)
    if dtype.kind in "fc":
        return field.astype(dtype)
    if dtype.kind in "iu":
        least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
        span = min(1000.0, float(most))
        shifted = field * (span / (4 * len(shape))) + (span / 2 if least == 0 else 0)
        return np.clip(shifted, max(least, -span), min(most, span)).astype(dtype)
    if dtype.kind == "b":
        return field > 0
    if dtype.kind in "mM":
        times: AnyArray = np.clip(field * 1000, -1e6, 1e6).astype("i8").astype(dtype)
        return times
    raise ArgumentError(f"cannot generate data of type {dtype}: give an array instead of a shape")
