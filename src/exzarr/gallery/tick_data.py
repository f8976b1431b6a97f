"""Synthetic ticks of a stock exchange, from a seed: sessions, a daily pattern, gaps and halts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exzarr._typing import AnyArray

__all__ = ["FIELDS", "Market", "session_times"]

FIELDS = ("price", "volume", "bid", "ask")
"""Fields of the last dimension. Price and volume are NaN in seconds without a trade; all are NaN in a halt."""

OPEN, SECONDS = np.timedelta64(9 * 3600 + 30 * 60, "s"), 23_400
"""Opening time, and seconds of a session (9:30 to 16:00)."""


def session_times(first: str, sessions: int) -> npt.NDArray[np.datetime64]:
    """Return each second of `sessions` sessions from the day `first` on, without weekends: datetime64[s]."""
    days = np.busday_offset(np.datetime64(first, "D"), np.arange(sessions), roll="forward")
    seconds = OPEN + np.arange(SECONDS).astype("m8[s]")
    times: Any = days.astype("M8[s]")[:, None] + seconds
    return np.ravel(times)


@dataclass(frozen=True, slots=True)
class Market:
    """A market of several symbols.

    Attributes
    ----------
    symbols
        Number of symbols. The first symbols trade nearly every second, the last symbols rarely.
    seed
        Seed of the random numbers.
    """

    symbols: int
    seed: int = 0

    def sessions(self, count: int) -> Iterator[npt.NDArray[np.float64]]:
        """Yield one block for each session, of shape (23400, symbols, 4), in the order of `FIELDS`.

        The logarithms of the prices walk at random, with a part that all symbols share. Movements and volumes are
        larger at the open and at the close. Prices jump overnight. They are multiples of a cent, and volumes are
        lots of 100.
        """
        rng = np.random.default_rng(self.seed)
        level = np.log(rng.uniform(12, 400, self.symbols))
        for _ in range(count):
            level = level + rng.normal(0, 0.01, self.symbols)
            yield self._session(rng, level)

    def _session(self, rng: np.random.Generator, level: AnyArray) -> npt.NDArray[np.float64]:
        """Return one session that begins at `level`, and set `level` to its end."""
        shape = (SECONDS, self.symbols)
        rhythm = 0.6 + 1.2 * np.abs(np.linspace(-1, 1, SECONDS)[:, None]) ** 3
        steps = 6e-5 * rng.standard_normal((SECONDS, 1)) + 9e-5 * rng.standard_normal(shape)
        path = level + np.cumsum(rhythm * steps, axis=0)
        level[:] = path[-1]
        middle = np.exp(path)
        half = np.maximum(0.005, 1e-4 * middle)
        bid, ask = np.floor(100 * (middle - half)) / 100, np.ceil(100 * (middle + half)) / 100

        liquidity = np.geomspace(0.9, 0.02, self.symbols)
        traded = rng.random(shape) < np.minimum(1, liquidity * rhythm)
        price = np.where(rng.random(shape) < 0.5, bid, ask)
        volume = 100 * np.ceil(rng.lognormal(0.5, 1.0, shape) * rhythm)
        block = np.stack([price, volume, bid, ask], axis=-1)
        block[~traded, :2] = np.nan
        for symbol in np.flatnonzero(rng.random(self.symbols) < 0.15):
            begin = int(rng.integers(SECONDS - 1800))
            block[begin : begin + int(rng.integers(300, 1800)), symbol] = np.nan
        return block
