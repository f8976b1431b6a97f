"""Reading and writing does what it does to a NumPy array: in value, data type, shape, and scalar or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exzarr import config
from tests.engine.strategies import NESTED, RECORD, arrays, blank, configs, numbers, picks, values_for
from tests.engine.tools import assert_same, data_for, open_array


@given(st.data())
@settings(max_examples=250)
def test_any_selection_of_any_array(data: Any) -> None:
    array = data.draw(arrays())
    model = blank(array)
    with config.override(**data.draw(configs)):
        for _ in range(data.draw(st.integers(0, 2))):
            pick = data.draw(picks(array))
            value = data.draw(values_for(array, np.shape(pick.expect(model))))
            pick.write(array, value)
            pick.assign(model, value)
        for _ in range(3):
            pick = data.draw(picks(array))
            assert_same(pick.read(array), pick.expect(model))
        assert_same(open_array(array.store)[...], model)
