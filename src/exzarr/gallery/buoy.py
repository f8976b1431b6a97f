"""Synthetic data of a measuring buoy: one array for each common kind of data."""

from __future__ import annotations

from typing import Any

import numpy as np

from exzarr.errors import ArgumentError

__all__ = ["buoy"]


def buoy(hours: int, depths: int = 24, *, seed: int = 8) -> dict[str, np.ndarray[Any, Any]]:
    """Return the measurements of a buoy by name; the same for the same `seed`.

    The water is warm at the surface and cold below. A daily wave follows the sun and fades with depth. Missing values
    of a failing sensor are NaN.

    Parameters
    ----------
    hours
        Number of hours, at least 24.
    depths
        Number of depths, at least 4.
    seed
        Seed of the random numbers.

    Returns
    -------
    dict of arrays
        ``temperature`` (hours, depths) float32, °C; ``salinity`` float64, g/kg; ``counts`` big-endian int16;
        ``mask`` bool; ``half`` float16; ``echo`` complex64; ``ticks`` (hours,) int64, too large for an exact
        float64; ``station`` strings of any length; ``code`` strings of two letters; ``when`` datetime64[s];
        ``events`` records.

    Raises
    ------
    ArgumentError
        Fewer than 24 hours or 4 depths.
    """
    if hours < 24 or depths < 4:
        raise ArgumentError(f"buoy needs at least 24 hours and 4 depths, not {hours} and {depths}")
    rng = np.random.default_rng(seed)
    hour, depth = np.arange(hours)[:, None], np.arange(depths)
    day = np.sin((hour - 9) * 2 * np.pi / 24) * np.exp(-depth / 3)
    clean = 6 + 9 * np.exp(-depth / 8) + 1.5 * day + rng.normal(0, 0.08, (hours, depths))
    temperature = clean.round(3).astype("f4")
    temperature[rng.integers(hours, size=hours // 24), rng.integers(depths, size=hours // 24)] = np.nan
    records = np.zeros(3, [("hour", "i4"), ("level", "f8")])
    records["hour"], records["level"] = sorted(rng.integers(hours, size=3)), rng.normal(size=3).round(2)
    return {
        "temperature": temperature,
        "salinity": (34.5 + depth / 40 - 0.02 * clean).round(4),
        "counts": (100 * clean).astype(">i2"),
        "mask": ~np.isnan(temperature),
        "half": clean.astype("f2"),
        "echo": (clean * np.exp(1j * depth)).astype("c8"),
        "ticks": 2**60 + np.cumsum(rng.integers(1, 2**20, hours)),
        "station": np.array(["Arkona", "Fehmarn Belt", "Großer Belt"], dtype=np.dtypes.StringDType()),
        "code": np.array(["AR", "FB", "GB"]),
        "when": np.datetime64("2026-06-01", "s") + np.arange(hours) * np.timedelta64(3600, "s"),
        "events": records,
    }
