from __future__ import annotations

import numpy as np
import pytest

from exzarr.errors import ArgumentError
from exzarr.gallery.buoy import buoy


def test_buoy_depends_only_on_the_seed() -> None:
    first, again, other = buoy(48, seed=1), buoy(48, seed=1), buoy(48, seed=2)
    for name in first:
        equal_nan = first[name].dtype.kind in "fc"
        assert np.array_equal(first[name], again[name], equal_nan=equal_nan)
    assert not np.array_equal(first["temperature"], other["temperature"], equal_nan=True)


def test_water_is_warmer_above_and_mask_marks_failed_sensors() -> None:
    arrays = buoy(240, depths=24)
    means = np.nanmean(arrays["temperature"], axis=0)
    assert (np.diff(means) < 0).all()
    assert np.array_equal(np.isnan(arrays["temperature"]), ~arrays["mask"])
    assert 0 < (~arrays["mask"]).sum() <= 10


def test_buoy_has_values_that_are_hard_to_convert() -> None:
    arrays = buoy(48)
    assert arrays["counts"].dtype == np.dtype(">i2")
    assert int(arrays["ticks"][-1]) != int(float(arrays["ticks"][-1]))
    assert arrays["when"][1] - arrays["when"][0] == np.timedelta64(1, "h")


@pytest.mark.parametrize(("hours", "depths"), [(3, 24), (48, 1)])
def test_too_few_hours_or_depths_are_an_error(hours: int, depths: int) -> None:
    with pytest.raises(ArgumentError, match="at least"):
        buoy(hours, depths)
