"""Hypothesis strategies for tests of codecs: chunks, and damaged encodings.

::

    @given(strategies.chunks(("f4", "f8")), st.data())
    def test_round_trips(chunk, data): ...
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from exzarr._typing import AnyArray

__all__ = ["chunks", "damaged"]

SPLICES = [b"0", b"9" * 19, b"-1", b"1e999", b"null", b"[]", b"{}", b"\xff" * 8, bytes(8), b'"', b"\\ud800"]
"""Bytes that parsers of numbers and of JSON handle with difficulty."""


def chunks(
    data_types: Sequence[Any] = ("i4", "f4"),
    *,
    max_dims: int = 3,
    max_side: int = 8,
    elements: st.SearchStrategy[Any] | None = None,
) -> st.SearchStrategy[AnyArray]:
    """Return arrays of NumPy data types, any shape without a length of 0, and any values of the type.

    Parameters
    ----------
    data_types
        The data types to choose from, in native byte order.
    max_dims, max_side
        Largest number of dimensions, and length of each.
    elements
        Values; by default all values, with NaN and infinity.
    """
    shapes = st.lists(st.integers(1, max_side), max_size=max_dims).map(tuple)
    return st.sampled_from([np.dtype(one) for one in data_types]).flatmap(
        lambda dtype: hnp.arrays(dtype, shapes, elements=elements)
    )


@st.composite
def damaged(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """Return a valid input with changes at a few places."""
    data = bytearray(draw(st.sampled_from(list(seeds))))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.integers(0, 8)))
        data[at:end] = draw(st.binary(max_size=8) | st.sampled_from(SPLICES))
    return bytes(data)
