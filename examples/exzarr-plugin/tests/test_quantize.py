"""The codec passes exzarr's suite for codecs."""

from __future__ import annotations

import exzarr
import numpy as np
import pytest
from exzarr.testing import strategies
from exzarr.testing.codec_suite import CodecSuite
from exzarr_acq.quantize import Quantize
from hypothesis import given, settings, strategies as st


class TestQuantize(CodecSuite):
    data_types = ("f4", "f8")
    exact = False
    refuses_values = True
    huge = 1 << 20

    def make_codec(self):
        return Quantize(step=0.01)

    def error_bound(self, array):
        finite = np.nan_to_num(np.abs(array.astype("f8")), posinf=0)
        return 0.005 + finite * np.finfo(array.dtype).eps


@given(strategies.chunks(("f4", "f8"), elements=st.floats(-300, 300, width=32)))
@settings(max_examples=50, deadline=None)
def test_errors_are_at_most_half_a_step(values):
    array = exzarr.create_array({}, shape=values.shape, dtype=values.dtype, filters=[Quantize(0.01)])
    array[...] = values
    assert np.abs(array[...].astype("f8") - values).max() <= 0.005 + 300 * np.finfo(values.dtype).eps


def test_values_out_of_reach_are_refused_and_nothing_is_stored():
    store = {}
    array = exzarr.create_array(store, shape=(4,), dtype="f4", filters=[Quantize(0.01, "int8")])
    with pytest.raises(exzarr.CodecError, match=r"up to 1\.27"):
        array[...] = [0, 1, 2, np.nan]
    assert [*store] == ["zarr.json"]
