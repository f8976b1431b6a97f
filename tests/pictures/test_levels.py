"""Levels of a pyramid for pictures: the region in the level is that of the first level."""

from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st

from exzarr._pictures.levels import _part

places = st.none() | st.integers(-70, 70)


@given(st.integers(1, 64), st.integers(1, 4), places, places, st.sampled_from([None, 1, 2, 5, -1, -3]))
def test_a_slice_in_a_coarser_level_shows_the_same_range(
    m: int, factor: int, start: int | None, stop: int | None, step: int | None
) -> None:
    part = slice(start, stop, step)
    fine, coarse = np.arange(m * factor)[part], np.arange(m)[_part(part, m * factor, m)]
    if not len(fine):
        assert not len(coarse)
        return
    assert (fine[0] < fine[-1]) >= (coarse[0] < coarse[-1])
    assert (fine[0] > fine[-1]) >= (coarse[0] > coarse[-1])
    if abs(step or 1) == 1:
        assert (coarse[0], coarse[-1]) == (fine[0] // factor, fine[-1] // factor)
    else:
        assert {*coarse.tolist()} <= {*range(min(fine) // factor, max(fine) // factor + 1)}
