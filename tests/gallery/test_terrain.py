from __future__ import annotations

import numpy as np
import pytest

from exzarr.errors import ArgumentError
from exzarr.gallery.terrain import terrain


def test_heights_are_smooth_and_in_range() -> None:
    heights = terrain((120, 160), seed=3)
    assert heights.shape == (120, 160)
    assert heights.dtype == np.float32
    assert (heights.min(), heights.max()) == (-400, 2400)
    assert np.array_equal(heights * 4, np.round(heights * 4))
    # Smooth: neighbours differ by little, compared with all heights.
    assert np.abs(np.diff(heights, axis=0)).mean() < 0.2 * heights.std()


def test_terrain_depends_on_the_seed() -> None:
    assert np.array_equal(terrain((30, 40), seed=1), terrain((30, 40), seed=1))
    assert not np.array_equal(terrain((30, 40), seed=1), terrain((30, 40), seed=2))


def test_too_small_shape_is_an_error() -> None:
    with pytest.raises(ArgumentError, match="at least 2 × 2"):
        terrain((1, 100))
