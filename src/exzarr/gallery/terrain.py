"""Hills from a seed: a landscape of any size that looks like one, for when an array has to hold something."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from exzarr.errors import ArgumentError

__all__ = ["terrain"]


def terrain(shape: tuple[int, int], *, seed: int = 0, roughness: float = 2.1) -> npt.NDArray[np.float32]:
    """Heights in metres, from -400 to 2400, shape `shape`; the same for the same seed.

    White noise whose spectrum is made to fall with the ``roughness``-th power of the frequency, as that of real
    landscapes does (Voss, "Random fractal forgeries", 1985; 2 to 2.4 look natural). The left edge fits the right
    one, and the upper the lower. Rounded to a quarter of a metre, as surveys are.
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
