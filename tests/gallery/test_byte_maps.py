from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from matplotlib.figure import Figure

from exzarr.gallery import byte_maps


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i4"])
def test_byte_owners_match_numpys_layout(order: Literal["C", "F"], dtype: str) -> None:
    """A changed element changes only its own bytes. NumPy's layout is the oracle."""
    shape = (3, 5)
    values = np.zeros(shape, dtype)
    owners = byte_maps.byte_owners(shape, values.dtype.itemsize, order)
    for number in range(values.size):
        changed = values.copy()
        changed.flat[number] = 1
        differs = np.frombuffer(changed.tobytes(order=order), "u1") != 0
        assert differs.sum() == 1
        assert owners[differs] == number


def test_draw_bytes_draws_every_byte() -> None:
    values = np.arange(24, dtype="<i2").reshape(4, 6)
    axes = Figure().subplots()
    byte_maps.draw_bytes(axes, values.tobytes(), "<i2", (4, 6), "C", width=8)
    assert [text.get_text() for text in axes.texts] == [f"{byte:02x}" for byte in values.tobytes()]
