"""Synthetic landscapes of any size, from a seed, as example data."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from exzarr.errors import ArgumentError

__all__ = ["terrain"]


def terrain(shape: tuple[int, int], *, seed: int = 0, roughness: float = 2.1) -> npt.NDArray[np.float32]:
    """Return heights in metres, from -400 to 2400, with shape `shape`; the same for the same seed.

    The heights are white noise, filtered so that its spectrum falls with the ``roughness``-th power of the frequency,
    as in real landscapes (Voss, "Random fractal forgeries", 1985; 2 to 2.4 look natural). Opposite edges fit
    together. Heights are rounded to a quarter of a metre, as in surveys.

    Raises
    ------
    ArgumentError
        A shape with fewer than 2 × 2 points.
    """
    if min(shape) < 2:
        raise ArgumentError(f"a terrain needs at least 2 × 2 points, not {shape[0]} × {shape[1]}")
    noise = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    rows, columns = np.fft.fftfreq(shape[0]), np.fft.rfftfreq(shape[1])
    # Cycles over the shorter side, so that larger maps have more detail and the same mountains.
    frequency = np.hypot(rows[:, None], columns[None, :]) * min(shape)
    frequency[0, 0] = 1
    heights = np.fft.irfft2(np.fft.rfft2(noise) * frequency**-roughness, s=shape)
    low, high = heights.min(), heights.max()
    quarters: npt.NDArray[np.float64] = np.round((heights - low) / (high - low) * 2800 * 4)
    return (quarters / 4 - 400).astype(np.float32)
