"""Selections in which exzarr follows NumPy, and zarr-python does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import zarr

import exzarr


def test_two_masks_are_pointwise_as_in_numpy_and_orthogonal_in_zarr_python() -> None:
    values = np.arange(9).reshape(3, 3)
    mask = np.array([True, False, True])
    ours = exzarr.create_array(data=values, chunks=2)
    theirs: Any = zarr.create_array({}, data=values, chunks=(2, 2))
    np.testing.assert_array_equal(ours[mask, mask], values[mask, mask])
    np.testing.assert_array_equal(ours.oindex[mask, mask], values[np.ix_(mask, mask)])
    np.testing.assert_array_equal(theirs.oindex[mask, mask], values[np.ix_(mask, mask)])
    np.testing.assert_array_equal(theirs[mask, mask], values[np.ix_(mask, mask)])
