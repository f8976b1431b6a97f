"""Made-up ticks that look like a stock exchange's: sessions, a day's rhythm, gaps and halts; the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["FIELDS", "Market", "session_times"]

FIELDS = ("price", "volume", "bid", "ask")
"""Of the last dimension. In seconds without a trade, price and volume are NaN; in a halt, all are."""

OPEN, SECONDS = np.timedelta64(9 * 3600 + 30 * 60, "s"), 23_400
"""From 9:30 to 16:00."""


def session_times(first: str, sessions: int) -> npt.NDArray[np.datetime64]:
    """Each second of that many sessions from the day `first` on, Saturdays and Sundays left out: datetime64[s]."""
    days = np.busday_offset(np.datetime64(first, "D"), np.arange(sessions), roll="forward")
    seconds = OPEN + np.arange(SECONDS).astype("m8[s]")
    times: Any = days.astype("M8[s]")[:, None] + seconds
    return np.ravel(times)


@dataclass(frozen=True, slots=True)
class Market:
    """Some symbols that are traded.

    Attributes
    ----------
    symbols
        How many. The first are traded nearly each second, the last now and then.
    seed
        Of everything that is random.
    """

    symbols: int
    seed: int = 0

    def sessions(self, count: int) -> Iterator[npt.NDArray[np.float64]]:
        """One block for each session, of shape (23400, symbols, 4), in the order of `FIELDS`.

        Logarithms of prices walk at random, partly all together; they move more, and more is traded, at the open
        and at the close; a night ends with a jump. Prices are in cents, volumes in lots of 100.
        """
        rng = np.random.default_rng(self.seed)
        level = np.log(rng.uniform(12, 400, self.symbols))
        for _ in range(count):
            level = level + rng.normal(0, 0.01, self.symbols)
            yield self._session(rng, level)

    def _session(self, rng: np.random.Generator, level: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """A session that begins at `level`, which is moved on to where it ends."""
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
