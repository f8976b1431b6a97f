"""Synthetic readings of a fleet of electricity meters, from a seed and independent of the batch size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from exzarr.errors import ArgumentError

__all__ = ["DAY", "Fleet"]

DAY = 1440
"""Minutes in a day."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """Electricity meters of several homes, one reading per minute.

    Each home has a base load, a peak in the morning and a larger peak in the evening. Height and time of the peaks
    differ between homes. On two days in seven the morning peak is later. Appliances switch on and off in addition.
    A share of the readings is missing and is NaN.

    Parameters
    ----------
    meters
        Number of homes.
    seed
        Seed of the random numbers. Another seed gives other homes.
    missing
        Share of missing readings.
    """

    meters: int = 48
    seed: int = 0
    missing: float = 0.002

    def __post_init__(self) -> None:
        if self.meters < 1 or not 0 <= self.missing < 1:
            raise ArgumentError(f"a fleet needs meters >= 1 and 0 <= missing < 1, not {self}")

    def readings(self, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Return the power in kW, rounded to a watt: shape ``(stop - start, meters)``.

        `start` and `stop` are minutes since the first midnight. The value of a minute does not depend on them.
        """
        if not 0 <= start <= stop:
            raise ArgumentError(f"readings needs 0 <= start <= stop, not start={start} and stop={stop}")
        days = [_day(self, day) for day in range(start // DAY, max(start, stop - 1) // DAY + 1)]
        first = start // DAY * DAY
        return np.concatenate(days)[start - first : stop - first]


@lru_cache(maxsize=64)
def _day(fleet: Fleet, day: int) -> npt.NDArray[np.float32]:
    """Return the readings of one day as a read-only array."""
    homes = np.random.default_rng([fleet.seed, 0])
    base = homes.uniform(0.08, 0.35, fleet.meters)
    height = np.stack([homes.uniform(0.3, 1.2, fleet.meters), homes.uniform(0.9, 2.6, fleet.meters)])
    hour = np.stack([homes.normal(7.2, 0.7, fleet.meters), homes.normal(19.0, 1.1, fleet.meters)])
    width = homes.uniform(0.5, 1.6, (2, fleet.meters))
    if day % 7 >= 5:
        hour[0] += 1.8

    rng = np.random.default_rng([fleet.seed, 1, day])
    clock = np.arange(DAY)[:, None] / 60
    power = base + sum(
        height[k] * rng.uniform(0.6, 1.3) * np.exp(-(((clock - hour[k]) / width[k]) ** 2)) for k in range(2)
    )
    # Appliances: each switches every 20 minutes on average, and draws up to 2 kW.
    switches = rng.random((DAY, fleet.meters)) < 1 / 20
    power = power + (np.cumsum(switches, axis=0) % 2) * rng.uniform(0.05, 0.6, fleet.meters)
    power = power + np.abs(rng.normal(0, 0.02, (DAY, fleet.meters)))
    power[rng.random((DAY, fleet.meters)) < fleet.missing] = np.nan
    readings: npt.NDArray[np.float32] = np.round(power, 3).astype(np.float32)
    readings.flags.writeable = False
    return readings
