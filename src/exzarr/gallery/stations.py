"""Synthetic data of a network of weather stations: hourly temperature, humidity and pressure by month."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exzarr.errors import ArgumentError

__all__ = ["Network", "dew_point", "hours_of", "month_of_data", "network"]

FloatArray = npt.NDArray[np.floating[Any]]

UNITS = {"temperature": "degC", "humidity": "%", "pressure": "hPa"}
"""Measured quantities and their units."""


@dataclass(frozen=True, slots=True)
class Network:
    """Names of the stations, and their positions in degrees north, degrees east and metres above sea level."""

    names: tuple[str, ...]
    latitude: FloatArray
    longitude: FloatArray
    elevation: FloatArray


def network(stations: int, *, seed: int = 0) -> Network:
    """Return a network of `stations` stations between 40 and 60° N, from a seed."""
    if stations < 1:
        raise ArgumentError(f"a network needs at least one station, not {stations}")
    rng = np.random.default_rng(seed)
    names = tuple([f"station-{n:03}" for n in range(stations)])
    latitude = np.round(rng.uniform(40, 60, stations), 3)
    longitude = np.round(rng.uniform(-10, 30, stations), 3)
    return Network(names, latitude, longitude, np.round(rng.gamma(1.5, 250, stations)))


def hours_of(month: str) -> npt.NDArray[np.datetime64]:
    """Return the hours of a month.

    >>> hours_of("2024-02").size
    696
    """
    first = np.datetime64(month, "M")
    last = first + np.timedelta64(1, "M")
    hours: npt.NDArray[np.datetime64] = np.arange(first.astype("M8[h]"), last.astype("M8[h]"), dtype="M8[h]")
    return hours


def month_of_data(stations: Network, month: str, *, seed: int = 0) -> dict[str, npt.NDArray[np.float32]]:
    """Return the measurements of a month such as ``"2024-02"``: (hour, station) for each name in `UNITS`.

    The values depend on the season, the time of day and the elevation. All stations share slow changes of the
    weather. Values are rounded to tenths.
    """
    hours = hours_of(month)
    rng = np.random.default_rng([seed, int(np.datetime64(month, "M").astype(np.int64))])
    count, width = hours.size, len(stations.names)
    day = (hours - hours.astype("M8[D]")).astype(np.float64)[:, None]
    season = np.cos(2 * np.pi * ((int(month[5:7]) - 7) / 12))
    fronts = np.cumsum(rng.normal(0, 0.35, (count, 1)), axis=0)
    fronts -= fronts.mean()
    noise = rng.normal(0, 0.6, (3, count, width))
    warmth = 12 + 10 * season + 5 * np.cos(2 * np.pi * (day - 15) / 24) - 0.0065 * stations.elevation
    temperature = warmth - 0.5 * (stations.latitude - 50) + fronts + noise[0]
    humidity = np.clip(72 - 1.6 * (temperature - warmth.mean()) + 4 * noise[1], 5, 100)
    pressure = 1013 * np.exp(-stations.elevation / 8400) - 1.5 * fronts + noise[2]
    made = {"temperature": temperature, "humidity": humidity, "pressure": pressure}
    return {name: np.round(values, 1).astype(np.float32) for name, values in made.items()}


def dew_point(temperature: FloatArray, humidity: FloatArray) -> FloatArray:
    """Return the dew point in °C for temperatures in °C and `humidity` in % (Magnus formula).

    Coefficients of Alduchov and Eskridge, 1996.
    """
    gamma = np.log(humidity / 100) + 17.625 * temperature / (243.04 + temperature)
    return 243.04 * gamma / (17.625 - gamma)
