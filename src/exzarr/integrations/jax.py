"""Batches for JAX (https://docs.jax.dev)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from exzarr.errors import ArgumentError, MissingDependencyError

__all__ = ["JaxBatches", "to_jax"]


class ResumableBatches(Protocol):
    """What `to_jax` takes: the result of `exzarr.batches` or `exzarr.mix`."""

    @property
    def epoch(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...
    def set_epoch(self, epoch: int) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


def to_jax(batches: ResumableBatches, *, device: Any = None) -> JaxBatches:
    """Return `exzarr.batches` as an iterable over batches of JAX arrays::

        for x, y in exzarr.to_jax(exzarr.batches((images, labels), 256, shuffle="window")):
            ...

    On the CPU, JAX uses the memory of a batch without a copy. Threads read the next batches ahead.

    Parameters
    ----------
    batches
        The result of `exzarr.batches` or `exzarr.mix`.
    device
        A ``jax.Device`` or a ``jax.sharding.Sharding``, as ``jax.device_put`` takes it. Default: JAX's default device.

    Returns
    -------
    JaxBatches
        With a length, `epoch`, `set_epoch`, `state_dict` and `load_state_dict`.

    Raises
    ------
    ArgumentError
        While iterating: JAX has no such data type (text, dates, another byte order), or has only 32-bit integers, and a
        value does not fit.
    MissingDependencyError
        JAX is not installed.

    Notes
    -----
    Unless ``jax_enable_x64`` is set, JAX converts 64-bit numbers to 32 bits. The conversion of floating-point numbers
    rounds them. To pass a batch to another library by DLPack, no conversion is needed: batches of `exzarr.batches` are
    arrays of NumPy, which have ``__dlpack__``.
    """
    try:
        import jax  # noqa: F401 - checks that it is installed
    except ImportError:
        raise MissingDependencyError("to_jax requires JAX: pip install 'exzarr[jax]'") from None
    if not hasattr(batches, "load_state_dict"):
        raise ArgumentError(
            f"to_jax takes the result of exzarr.batches or exzarr.mix, not {type(batches).__name__}"
        )
    return JaxBatches(batches, device)


class JaxBatches:
    """Batches of JAX arrays, returned by `exzarr.to_jax`."""

    def __init__(self, batches: ResumableBatches, device: Any) -> None:
        self._batches = batches
        self._device = device

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the current epoch."""
        import jax

        for batch in self._batches:
            jax.tree.map(check_array, batch)
            yield jax.device_put(batch, self._device)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self._batches)

    @property
    def epoch(self) -> int:
        """Epoch of the current or next pass."""
        return self._batches.epoch

    def set_epoch(self, epoch: int) -> None:
        """Start the next pass at the beginning of `epoch`."""
        self._batches.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return the position of the latest pass, for `load_state_dict`."""
        return self._batches.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Start the next pass at the position that `state_dict` returned."""
        self._batches.load_state_dict(state)


def check_array(array: Any) -> None:
    """Raise ArgumentError unless JAX can hold the values of an array."""
    import jax

    numeric = array.dtype.kind in "biufc" or array.dtype.type.__module__ == "ml_dtypes"
    if not numeric or not array.dtype.isnative:
        raise ArgumentError(
            f"JAX has no data type {array.dtype}: leave this array out, or store it with another data type"
        )
    dtype = jax.dtypes.canonicalize_dtype(array.dtype)
    if dtype != array.dtype and array.dtype.kind in "iu" and array.size:
        limits = np.iinfo(dtype)
        if array.min() < limits.min or array.max() > limits.max:
            raise ArgumentError(
                f"values of a batch do not fit in {dtype}, to which JAX converts {array.dtype}: set jax_enable_x64"
            )
