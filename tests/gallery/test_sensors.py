"""exzarr.gallery.sensors: readings do not depend on the batch, and are plausible for a home."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr.errors import ArgumentError
from exzarr.gallery.sensors import DAY, Fleet

FLEET = Fleet(meters=12, seed=3)
FOUR_DAYS = FLEET.readings(0, 4 * DAY)


@given(start=st.integers(0, 4 * DAY), length=st.integers(0, 2 * DAY))
def test_readings_do_not_depend_on_the_batch(start: int, length: int) -> None:
    stop = min(start + length, 4 * DAY)
    readings = FLEET.readings(start, stop)
    assert readings.dtype == np.float32
    np.testing.assert_array_equal(readings, FOUR_DAYS[start:stop])


def test_readings_depend_on_the_seed() -> None:
    np.testing.assert_array_equal(Fleet(12, seed=3).readings(0, DAY), FOUR_DAYS[:DAY])
    assert not np.array_equal(Fleet(12, seed=4).readings(0, DAY), FOUR_DAYS[:DAY], equal_nan=True)


def test_evenings_exceed_nights_and_some_readings_are_missing() -> None:
    hourly = np.nanmean(FOUR_DAYS.reshape(4, 24, 60, 12), axis=(0, 2, 3))
    assert 17 <= hourly.argmax() <= 21
    assert hourly[2:5].max() < hourly[6:9].max() < hourly.max()
    missing = np.isnan(FOUR_DAYS).mean()
    assert 0 < missing < 0.01
    assert np.isfinite(Fleet(12, seed=3, missing=0).readings(0, DAY)).all()
    assert np.nanmin(FOUR_DAYS) > 0


def test_invalid_fleet_or_period_is_an_error() -> None:
    with pytest.raises(ArgumentError):
        Fleet(meters=0)
    with pytest.raises(ArgumentError):
        Fleet(missing=1)
    with pytest.raises(ArgumentError):
        FLEET.readings(5, 4)
    with pytest.raises(ArgumentError):
        FLEET.readings(-1, 4)
