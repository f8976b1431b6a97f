from __future__ import annotations

import numpy as np
import pytest

from exzarr.errors import ArgumentError
from exzarr.gallery.stations import UNITS, dew_point, hours_of, month_of_data, network


def test_month_has_all_hours_for_all_stations() -> None:
    stations = network(5, seed=1)
    made = month_of_data(stations, "2024-02", seed=1)
    assert set(made) == set(UNITS)
    assert {values.shape for values in made.values()} == {(29 * 24, 5)}
    assert {values.dtype for values in made.values()} == {np.dtype("f4")}
    assert (hours_of("2024-02")[0], hours_of("2024-02")[-1]) == (
        np.datetime64("2024-02-01T00"), np.datetime64("2024-02-29T23"),
    )  # fmt: skip


def test_data_depend_on_seed_and_month() -> None:
    stations = network(3)
    first = month_of_data(stations, "2024-01")["temperature"]
    assert np.array_equal(first, month_of_data(stations, "2024-01")["temperature"])
    assert not np.array_equal(first, month_of_data(stations, "2024-01", seed=2)["temperature"])
    assert not np.array_equal(first, month_of_data(stations, "2025-01")["temperature"])


def test_weather_is_plausible() -> None:
    stations = network(20)
    january, july = month_of_data(stations, "2024-01"), month_of_data(stations, "2024-07")
    assert july["temperature"].mean() > january["temperature"].mean() + 10
    for made in (january, july):
        assert made["humidity"].min() >= 5
        assert made["humidity"].max() <= 100
        assert 700 < made["pressure"].min() < made["pressure"].max() < 1060
    with pytest.raises(ArgumentError, match="at least one station"):
        network(0)


def test_dew_points_match_published_values() -> None:
    # https://en.wikipedia.org/wiki/Dew_point, and by definition at 100 %.
    assert dew_point(np.array([20.0, 30.0, -5.0]), np.array([50.0, 100.0, 100.0])) == pytest.approx(
        [9.27, 30, -5], abs=0.05
    )
