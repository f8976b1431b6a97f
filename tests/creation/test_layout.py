"""The arguments `chunks` and `shards` in all their forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr._creation.layout import chunk_layout, parse_shape
from exzarr.errors import ArgumentError


def sizes(shape: tuple[int, ...], chunks: Any, shards: Any = None, zarr_format: int = 3) -> Any:
    layout = chunk_layout(shape, 4, chunks, shards, zarr_format)
    return layout.chunks if layout.shards is None else (layout.chunks, layout.shards)


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ("auto", (100, 30)),
        (None, (100, 30)),
        (True, (100, 30)),
        (False, (100, 30)),
        (-1, (100, 30)),
        (7, (7, 7)),
        (np.int64(7), (7, 7)),
        ((10, 20), (10, 20)),
        ([10, 20], (10, 20)),
        (np.array([10, 20]), (10, 20)),
        ((10, -1), (10, 30)),
        ((None, 20), (100, 20)),
        ((200, 20), (200, 20)),
        ("400 B", (10, 10)),
        (((25, 25, 25, 25), (10, 20)), None),
        (((50, 50), (15, 15)), (50, 15)),  # lists of equal lengths become a regular grid
        (((40, 40, 40), 15), (40, 15)),
        (([(25, 4)], 15), (25, 15)),
    ],
)
def test_chunks(chunks: Any, expected: tuple[int, ...] | None) -> None:
    layout = chunk_layout((100, 30), 4, chunks, None, 3)
    if expected is None:
        assert layout.grid.name == "rectilinear"
        assert layout.grid.to_v3()["configuration"]["chunk_shapes"] == [[[25, 4]], [10, 20]]
    else:
        assert layout.grid.regular
        assert layout.grid.chunk_shape == layout.chunks == expected


def test_layout_of_arrays_without_dimensions_or_elements() -> None:
    for chunks in ("auto", (), 5, -1, False, "1MB"):
        assert sizes((), chunks) == ()
    assert sizes((0, 5), (-1, 5)) == (1, 5)
    assert sizes((0, 5), (3, 5)) == (3, 5)
    assert sizes((), (), ()) == ((), ())


@pytest.mark.parametrize(
    ("chunks", "shards", "expected"),
    [
        ((10, 10), (50, 30), ((10, 10), (50, 30))),
        (10, 50, ((10, 10), (50, 50))),
        ((10, 7), (50, -1), ((10, 7), (50, 35))),  # the whole dimension, rounded up to whole chunks
        ((10, 10), {"shape": (20, 20), "index_location": "start"}, ((10, 10), (20, 20))),
        ((10, 10), "auto", ((10, 10), (100, 30))),
        ((10, 10), True, ((10, 10), (100, 30))),
        ((10, 10), "2 kB", ((10, 10), (20, 20))),
        ("auto", (50, 30), ((50, 30), (50, 30))),
        ("400 B", (50, 30), ((10, 10), (50, 30))),
        ("400 B", (49, 31), ((7, 1), (49, 31))),
        ("auto", "auto", ((100, 30), (100, 30))),
    ],
)
def test_shards(chunks: Any, shards: Any, expected: Any) -> None:
    found = sizes((100, 30), chunks, shards)
    if chunks == "400 B" and shards == (49, 31):
        assert all(s % c == 0 for s, c in zip(found[1], found[0], strict=True))
    else:
        assert found == expected


def test_lists_of_sizes_are_kept() -> None:
    grid = chunk_layout((24,), 4, [[10, 10, 4]], None, 3).grid
    assert grid.to_v3() == {
        "name": "rectilinear",
        "configuration": {"kind": "inline", "chunk_shapes": [[[10, 2], 4]]},
    }
    grown = grid.with_shape((30,))
    assert [grown.chunk_shape_at((i,)) for i in range(4)] == [(10,), (10,), (4,), (6,)]
    # Format 2 has only regular grids.
    assert chunk_layout((24,), 4, [[10, 10, 4]], None, 2).grid.chunk_shape == (10,)


def test_shards_of_varying_sizes() -> None:
    layout = chunk_layout((100, 30), 4, (10, 10), ((20, 30, 50), 30), 3)
    assert layout.grid.to_v3()["configuration"]["chunk_shapes"] == [[20, 30, 50], 30]
    assert layout.chunks == (10, 10)
    assert layout.shards == (50, 30)
    assert chunk_layout((10,), 4, (5,), {"shape": 10, "index_location": "start"}, 3).index_location == "start"


@pytest.mark.parametrize(
    ("chunks", "shards", "zarr_format", "message"),
    [
        ((10,), None, 3, r"1 entries, but the shape \(100, 30\) has 2 dimensions; -1 is a whole"),
        ((10, 0), None, 3, "0 in dimension 1 is not a size"),
        ((10, -2), None, 3, "-2 in dimension 1 is not a size"),
        ((10, 1.5), None, 3, "1.5 in dimension 1"),
        ((10, "4MiB"), None, 3, "'4MiB' in dimension 1"),
        ((10, "a"), None, 3, "'a' in dimension 1"),
        ({"x": 1}, None, 3, "no dimension 'x'"),
        ("big", None, 3, "write a size like"),
        (1.5, None, 3, "expected 'auto', a size"),
        (((50, 40), 30), None, 3, "dimension 0 add up to 90, but its length is 100"),
        (((50, 40), 30), None, 2, "dimension 0 add up to 90"),
        (((), 30), None, 3, "dimension 0 has an empty list"),
        (((10, 90), 30), None, 2, "require zarr_format=3"),
        (((10, 90), 30), (100, 30), 3, "all chunks inside shards have one shape"),
        (
            (30, 30),
            (100, 30),
            3,
            "shards of 100 elements in dimension 0 are not whole chunks of 30: use 90 or 120",
        ),
        ((30, 30), (10, 30), 3, "use 30, or chunks that divide 10"),
        ((30, 30), ((60, 40), 30), 3, "shards of 40 elements"),
        ((10, 10), (50, 30), 2, "Zarr format 2 has no shards"),
        ((10, 10), (50,), 3, "shards=.*has 1 entries"),
        ((10, 10), {"shapes": (1, 1)}, 3, "a dict has a 'shape'"),
    ],
)
def test_mismatching_layout_raises_with_a_remedy(
    chunks: Any, shards: Any, zarr_format: int, message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        chunk_layout((100, 30), 4, chunks, shards, zarr_format)


@given(st.data())
def test_lists_of_sizes_define_the_chunks(data: Any) -> None:
    edges = [
        data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=6))
        for _ in range(data.draw(st.integers(1, 3)))
    ]
    shape = tuple([sum(part) for part in edges])
    grid = chunk_layout(shape, 4, edges, None, 3).grid
    for axis, part in enumerate(edges):
        regions = [grid.dims[axis].offset(i) for i in range(len(part))]
        assert regions == np.cumsum([0, *part])[:-1].tolist()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [(5, (5,)), ((), ()), ([2, 3], (2, 3)), (np.array([2, 3]), (2, 3)), (np.uint8(4), (4,))],
)
def test_shape(shape: Any, expected: tuple[int, ...]) -> None:
    assert parse_shape(shape) == expected


@pytest.mark.parametrize("shape", [1.5, "ab", (1, 2.5), (-1,), (2**63,), None, [1] * 65])
def test_invalid_shape_raises(shape: Any) -> None:
    with pytest.raises(ArgumentError, match=r"shape|dimensions"):
        parse_shape(shape)
