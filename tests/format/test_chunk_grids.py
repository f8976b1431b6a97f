"""Chunk grids agree with NumPy's cumulative sums and with zarr-python's grids."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr._format import chunk_grids
from exzarr._format.chunk_grids import ChunkGrid, DimensionGrid, RectilinearDimension, RegularDimension
from exzarr.errors import ArgumentError, MetadataError, UnsupportedError

EDGES = st.lists(st.integers(1, 7), min_size=1, max_size=12)


def inline(*specs: Any) -> dict[str, Any]:
    return {"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": list(specs)}}


@st.composite
def dimensions(draw: st.DrawFn) -> tuple[DimensionGrid, list[int], int]:
    """Return a dimension, the sizes of its chunks, and an extent that they cover."""
    edges = draw(EDGES)
    if draw(st.booleans()):
        edges = edges[:1] * 12
        return RegularDimension(edges[0]), edges, draw(st.integers(0, sum(edges)))
    return RectilinearDimension(edges), edges, draw(st.integers(0, sum(edges)))


@given(dimensions())
def test_dimension_equals_cumulative_sums(case: tuple[DimensionGrid, list[int], int]) -> None:
    dim, edges, extent = case
    stops = np.cumsum(edges)
    starts = stops - edges
    assert dim.count(extent) == int((starts < extent).sum())
    assert [dim.offset(i) for i in range(len(edges))] == starts.tolist()
    assert [dim.size(i) for i in range(len(edges))] == edges
    positions = np.arange(stops[-1])
    expected = np.searchsorted(stops, positions, side="right")
    assert [dim.index_of(int(p)) for p in positions] == expected.tolist()
    found = dim.indices_of(positions)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, expected)


@given(st.lists(dimensions(), max_size=3), st.booleans())
def test_regions_tile_the_array(cases: list[tuple[DimensionGrid, list[int], int]], as_document: bool) -> None:
    shape = tuple(extent for _, _, extent in cases)
    grid = ChunkGrid(tuple(dim for dim, _, _ in cases), shape, "rectilinear")
    if as_document:
        grid = chunk_grids.parse_v3(grid.to_v3(), shape)
    seen = np.zeros(shape, int)
    for index in np.ndindex(grid.chunk_counts):
        region = grid.region(index)
        assert all(r.stop - r.start <= n for r, n in zip(region, grid.chunk_shape_at(index), strict=True))
        assert all(
            n <= most for n, most in zip(grid.chunk_shape_at(index), grid.max_chunk_shape, strict=True)
        )
        assert seen[region].size > 0
        seen[region] += 1
    assert (seen == 1).all()
    assert grid.nchunks == np.prod(grid.chunk_counts, dtype=int)


def test_a_regular_grid() -> None:
    grid = ChunkGrid.from_regular((10, 0, 5), (4, 3, 5))
    assert grid.regular
    assert grid.chunk_shape == (4, 3, 5)
    assert grid.chunk_counts == (3, 0, 1)
    assert grid.nchunks == 0
    assert grid.chunk_shape_at((2, 0, 0)) == (4, 3, 5)
    assert grid.region((2, 0, 0)) == (slice(8, 10), slice(0, 0), slice(0, 5))
    assert grid.to_v3() == {"name": "regular", "configuration": {"chunk_shape": [4, 3, 5]}}
    assert chunk_grids.parse_v3(grid.to_v3(), grid.shape) == grid
    assert grid.with_shape((11, 1, 0)).chunk_counts == (3, 1, 0)
    assert ChunkGrid.from_regular((), ()).nchunks == 1
    assert ChunkGrid.from_regular((), ()).region(()) == ()


def test_a_rectilinear_grid_grows_by_one_chunk_and_never_shrinks() -> None:
    grid = ChunkGrid.from_rectilinear((6, 9), ([1, 2, 3], 4))
    assert not grid.regular
    assert grid.chunk_counts == (3, 3)
    with pytest.raises(ArgumentError, match="chunk_shape_at"):
        _ = grid.chunk_shape
    smaller = grid.with_shape((2, 4))
    assert smaller.chunk_counts == (2, 1)
    assert smaller.dims == grid.dims
    bigger = grid.with_shape((10, 13))
    assert bigger.to_v3() == inline([1, 2, 3, 4], 4)
    assert bigger.chunk_counts == (4, 4)


def test_rectilinear_example_of_the_specification() -> None:
    grid = chunk_grids.parse_v3(inline(4, [1, 2, 3], [[4, 2]], [[1, 3], 3], [4, 4, 4]), (6,) * 5)
    sizes = [[dim.size(i) for i in range(dim.count(6))] for dim in grid.dims]
    assert sizes == [[4, 4], [1, 2, 3], [4, 4], [1, 1, 1, 3], [4, 4]]


def test_rectilinear_documents_are_written_with_runs() -> None:
    grid = ChunkGrid.from_rectilinear((40, 6, 7), ([10, 10, 10, 5, 5], (1, 2, 3), 3))
    assert grid.to_v3() == inline([[10, 3], [5, 2]], [1, 2, 3], 3)
    assert isinstance(grid.dims[0], RectilinearDimension)
    assert grid.dims[0].edges == (10, 10, 10, 5, 5)


def test_grid_name_survives_a_rewrite() -> None:
    grid = chunk_grids.parse_v3(inline(4, 5), (8, 8))
    assert grid.regular
    assert grid.chunk_shape == (4, 5)
    assert grid.to_v3() == inline(4, 5)


def test_long_runs_use_constant_memory() -> None:
    n = 2**62
    grid = chunk_grids.parse_v3(inline([[1, n], [7, 2**62], 3]), (n,))
    assert grid.chunk_counts == (n,)
    dim = grid.dims[0]
    assert dim.index_of(n - 1) == n - 1
    assert dim.offset(n + 5) == n + 35
    np.testing.assert_array_equal(dim.indices_of(np.array([0, n - 1, 2**62 + 15])), [0, n - 1, n + 2])
    assert grid.to_v3() == inline([[1, n], [7, 2**62], 3])


@pytest.mark.parametrize(
    ("json", "shape"),
    [
        (None, (4,)), ({}, (4,)), ("regular", (4,)), ({"name": "regular", "configuration": {"chunk_shape": 4}}, (4,)),
        *[({"name": "regular", "configuration": {"chunk_shape": sizes}}, (4,))
          for sizes in ([], [4, 4], [0], [-1], [True], [4.0], ["4"], [None], [2**63], [float("nan")], [[4]], {"0": 4})],
        *[(inline(spec), (4,)) for spec in ([], 0, True, 4.0, "4", None, [0], [-1], [True], [[4]], [[4, 1, 1]], [[4, 0]], [[4, True]],
                                            [[0, 4]], [[2**63, 1]], [[1, 10**30]], [[[4, 1], 1]], [3], [[1, 3]], [4.0], [[4.0, 1]])],
        (inline(4, 4), (4,)), (inline(), (4,)),
        ({"name": "rectilinear", "configuration": {"chunk_shapes": [4]}}, (4,)),
        ({"name": "rectilinear", "configuration": {"kind": 3, "chunk_shapes": [4]}}, (4,)),
        ({"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": 4}}, (4,)),
    ],
)  # fmt: skip
def test_invalid_grids_raise_metadata_error(json: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(MetadataError):
        chunk_grids.parse_v3(json, shape)


def test_unknown_grids_and_kinds_are_unsupported() -> None:
    with pytest.raises(UnsupportedError, match="hexagonal"):
        chunk_grids.parse_v3({"name": "hexagonal"}, (4,))
    with pytest.raises(UnsupportedError, match="remote"):
        chunk_grids.parse_v3(
            {"name": "rectilinear", "configuration": {"kind": "remote", "chunk_shapes": [4]}}, (4,)
        )


def test_chunk_size_zero_reads_as_smallest_size() -> None:
    json = {"name": "regular", "configuration": {"chunk_shape": [0, 4]}}
    assert chunk_grids.parse_v3(json, (0, 8)).chunk_shape == (1, 4)
    assert chunk_grids.parse_v3(json, (0, 8), zero_sizes=(6, 2)).chunk_shape == (6, 4)
    with pytest.raises(MetadataError, match="dimension 0"):
        chunk_grids.parse_v3(json, (1, 8))


@pytest.mark.parametrize(
    ("shape", "chunks"), [((4,), (0,)), ((4,), (-1,)), ((4,), (2, 2)), ((4,), ()), ((4,), (2**63,))]
)
def test_arguments_for_regular_grids_are_checked(shape: tuple[int, ...], chunks: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError):
        ChunkGrid.from_regular(shape, chunks)


@pytest.mark.parametrize("chunks", [(0,), ([],), ([0],), ([3],), ([2, 2], 1), ([(4, 0)],), ([2**64],)])
def test_arguments_for_rectilinear_grids_are_checked(chunks: Any) -> None:
    with pytest.raises(ArgumentError):
        ChunkGrid.from_rectilinear((4,), chunks)


def test_numpy_integers_are_sizes() -> None:
    chunks: Any = (np.array([1, 2, 3]), np.int64(4))
    grid = ChunkGrid.from_rectilinear((6, 6), chunks)
    assert grid.to_v3() == inline([1, 2, 3], 4)


def test_resize_to_another_ndim_raises_argument_error() -> None:
    with pytest.raises(ArgumentError, match="dimensions"):
        ChunkGrid.from_regular((4,), (2,)).with_shape((4, 4))


@given(st.lists(EDGES, min_size=1, max_size=3), st.data())
def test_rectilinear_chunks_agree_with_zarr_python(edges: list[list[int]], data: st.DataObject) -> None:
    meta = pytest.importorskip("zarr.core.metadata.v3")
    if not hasattr(meta, "RectilinearChunkGridMetadata"):
        pytest.skip("this zarr-python has no rectilinear grids")
    shape = tuple(data.draw(st.integers(1, sum(sizes))) for sizes in edges)
    ours = ChunkGrid.from_rectilinear(shape, edges)
    theirs = meta.RectilinearChunkGridMetadata(chunk_shapes=tuple(map(tuple, edges)))
    json = theirs.to_dict()
    assert ours.to_v3() == {
        **json,
        "configuration": {
            **json["configuration"],
            "chunk_shapes": list(json["configuration"]["chunk_shapes"]),
        },
    }
    grown = tuple(data.draw(st.integers(1, n + 9)) for n in shape)
    assert ours.with_shape(grown).to_v3()["configuration"]["chunk_shapes"] == list(
        theirs.update_shape(shape, grown).to_dict()["configuration"]["chunk_shapes"]
    )
