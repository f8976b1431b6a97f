"""Chunks that a region touches, compared with single marked elements."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

pytest.importorskip("matplotlib", reason="pictures need matplotlib: pip install 'exzarr[gallery]'")

from exzarr.errors import ArgumentError
from exzarr.gallery import style
from exzarr.gallery.chunk_maps import draw_chunks, touched_chunks

sizes = st.integers(1, 12)
ends = st.one_of(st.none(), st.integers(-14, 14))


@given(
    shape=st.tuples(sizes, sizes),
    chunks=st.tuples(sizes, sizes),
    rows=st.tuples(ends, ends),
    columns=st.tuples(ends, ends),
)
def test_touched_chunks_contain_a_selected_element(shape, chunks, rows, columns) -> None:
    region = (slice(*rows), slice(*columns))
    marked = np.zeros(shape, bool)
    marked[region] = True
    grid = [math.ceil(n / c) for n, c in zip(shape, chunks, strict=True)]
    expected = np.zeros(grid, bool)
    for i, j in np.ndindex(*grid):
        expected[i, j] = marked[
            i * chunks[0] : (i + 1) * chunks[0], j * chunks[1] : (j + 1) * chunks[1]
        ].any()
    found = touched_chunks(shape, chunks, region)
    # An empty slice in any dimension touches no chunk.
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("region", [(slice(None),), (slice(0, 9, 2), slice(None))])
def test_unsupported_regions_are_errors(region) -> None:
    with pytest.raises(ArgumentError):
        touched_chunks((10, 10), (5, 5), region)


def test_picture_has_a_box_per_chunk_and_one_for_the_region() -> None:
    _, axes = style.new_figure()
    draw_chunks(axes, (25, 40), (10, 10), region=(slice(5, 12), slice(0, 3)), stored=np.eye(3, 4, dtype=bool))
    assert len(axes.patches) == 3 * 4 + 1
    assert sum([bool(patch.get_hatch()) for patch in axes.patches]) == 3 * 4 - 3
    # Edge chunks are cropped.
    assert max([patch.get_y() + patch.get_height() for patch in axes.patches]) == 25
