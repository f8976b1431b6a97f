"""Plans list the right chunks, and move the same elements as NumPy's indexing."""

from __future__ import annotations

import math
import tracemalloc
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr._engine.planning import indexing, projections
from exzarr._engine.planning.plan import make_plan
from exzarr._engine.planning.selections import GridSelection, SliceIndex
from exzarr._format.dimensions import RectilinearDimension, RegularDimension
from tests.breadth import examples
from tests.engine.strategies import basic, edges, masked, orthogonal, outer, pointwise
from tests.engine.tools import assert_same, make, numbered

MIB = 1 << 20


def labels(ndim: int) -> list[Any]:
    return [lambda i: (i,)] * ndim


def join(parts: Any) -> tuple[int, ...]:
    return sum(parts, ())


def chunk_of(model: np.ndarray, dims: Any, index: tuple[int, ...]) -> np.ndarray:
    """Return a chunk, with -1 outside the array."""
    shape = [dim.size(i) for dim, i in zip(dims, index, strict=True)]
    chunk = np.full(shape, -1)
    here = tuple(
        [slice(dim.offset(i), dim.offset(i) + dim.size(i)) for dim, i in zip(dims, index, strict=True)]
    )
    part = model[here]
    chunk[tuple([slice(n) for n in part.shape])] = part
    return chunk


@st.composite
def planned(draw: Any) -> Any:
    shape = tuple(draw(st.lists(st.integers(0, 9), max_size=3)))
    dims: list[Any] = []
    for n in shape:
        if draw(st.booleans()):
            dims.append(RegularDimension(draw(st.integers(1, 4))))
        else:
            dims.append(RectilinearDimension(draw(edges(n, 1))))
    kind = draw(st.sampled_from(["basic", "outer", "points", "mask"] if shape else ["basic"]))
    model = numbered(shape, "i8")
    if kind == "basic":
        parts_ = draw(basic(shape))
        return dims, model, indexing.basic(parts_, shape), model[parts_]
    if kind == "outer":
        parts_ = draw(orthogonal(shape))
        index, _, result = outer(model, parts_)
        return dims, model, indexing.orthogonal(parts_, shape), model[index].reshape(result)
    parts_ = draw(pointwise(shape) if kind == "points" else masked(shape))
    return dims, model, indexing.basic(parts_, shape), model[parts_]


def gather(plan: Any, model: np.ndarray, dims: Any, items: Any) -> np.ndarray:
    """Return the result of moving all items of a plan."""
    work = np.zeros(plan.work_shape, model.dtype)
    for index, chunk_index, work_index in items:
        chunk = chunk_of(model, dims, index)
        if plan.permutation is not None:
            chunk = chunk.transpose(plan.permutation)
        work[work_index] = chunk[chunk_index]
    return work


def result_of(selection: Any, work: np.ndarray) -> np.ndarray:
    if isinstance(selection, GridSelection):
        result = np.zeros(selection.result_shape, work.dtype)
        selection.to_work(result)[...] = work
        return result
    return selection.from_work(work)


@given(planned(), st.sampled_from([0, 2, 1024]))
@examples(67)
def test_plan_selects_the_elements_that_numpy_selects(case: Any, lazy: int) -> None:
    dims, model, selection, wanted = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(projections, "LAZY", lazy)
        plan = make_plan(selection, dims, model.shape)
        items = [*plan.walk(labels(model.ndim), join)]
        assert_same(np.array(result_of(selection, gather(plan, model, dims, items))), np.array(wanted))
        touched = [item[0] for item in items]
        assert len(set(touched)) == len(touched) <= plan.chunks
        if isinstance(selection, GridSelection):
            assert touched == sorted(touched)


@given(planned())
@examples(50)
def test_plan_counts_chunks_and_marks_covered_ones(case: Any) -> None:
    dims, model, selection, _ = case
    plan = make_plan(selection, dims, model.shape)
    items = [*plan.walk(labels(model.ndim), join, covers=True)]
    assert plan.chunks == len(items)
    selected = set(gather(plan, model, dims, [item[:3] for item in items]).reshape(-1).tolist())
    for index, _, _, covers in items:
        if covers:
            inside = chunk_of(model, dims, index)
            assert set(inside[inside > 0].tolist()) <= selected
        assert isinstance(covers, bool)


@given(planned())
@examples(33)
def test_plan_for_one_chunk(case: Any) -> None:
    dims, model, selection, wanted = case
    plan = make_plan(selection, dims, model.shape)
    counts = [dim.count(n) for dim, n in zip(dims, model.shape, strict=True)]
    work = np.zeros(plan.work_shape, model.dtype)
    for index in np.ndindex(*counts):
        items = [*plan.only(index).walk(labels(model.ndim), join)]
        assert [item[0] for item in items] in ([], [index])
        part = gather(plan, model, dims, items)
        work[part > 0] = part[part > 0]
    assert_same(np.array(result_of(selection, work)), np.array(wanted))


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("size", [1, 3, 4])
def test_strides_over_chunks_are_counted(step: int, size: int) -> None:
    for start in range(6):
        for stop in range(start, 40):
            touched = len({i // size for i in range(start, stop, step)})
            plan = make_plan(indexing.basic(slice(start, stop, step), (40,)), [RegularDimension(size)], (40,))
            assert plan.chunks == touched


# -- runs of neighbors ------------------------------------------------------------------


@given(planned(), st.integers(1, 5))
@examples(33)
def test_runs_group_the_chunks_of_walk(case: Any, most: int) -> None:
    dims, model, selection, wanted = case
    plan = make_plan(selection, dims, model.shape)
    work = np.zeros(plan.work_shape, model.dtype)
    touched = []
    for indexes, chunk_index, work_index in plan.runs(labels(model.ndim), join, most):
        assert 1 <= len(indexes) <= most
        touched += indexes
        chunks = [chunk_of(model, dims, index) for index in indexes]
        if plan.permutation is not None:
            chunks = [chunk.transpose(plan.permutation) for chunk in chunks]
        if len(indexes) == 1:
            work[work_index] = chunks[0][chunk_index]
        else:
            work[work_index] = np.concatenate([chunk[chunk_index] for chunk in chunks], axis=-1)
    assert touched == [item[0] for item in plan.walk(labels(model.ndim), join)]
    assert_same(np.array(result_of(selection, work)), np.array(wanted))


def test_neighbors_are_in_one_run() -> None:
    dims = [RegularDimension(2), RegularDimension(3)]
    plan = make_plan(indexing.basic(np.s_[1:4, 2:17], (4, 18)), dims, (4, 18))
    runs = [indexes for indexes, _, _ in plan.runs(labels(2), join, 3)]
    assert runs[:3] == [[(0, 0)], [(0, 1), (0, 2), (0, 3)], [(0, 4)]]
    assert len(runs) == 2 * 4


# -- a million chunks ----------------------------------------------------------------------

MILLION = 10**6
HUGE = (MILLION, MILLION)


def peak(work: Any) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "selection",
    [
        ...,
        np.s_[::2, ::-3],
        np.s_[5, :],
        np.s_[:, 5],
        np.s_[[1, 7, 7], :],
        np.s_[[[1, 2], [3, 4]], 17:],
        np.s_[[1, 2], [3, 4]],
        np.s_[:500, 100:],
    ],
    ids=repr,
)
@pytest.mark.parametrize("kind", ["regular", "rectilinear"])
def test_planning_a_million_chunks_allocates_no_million_objects(selection: Any, kind: str) -> None:
    dim: Any = (
        RegularDimension(1) if kind == "regular" else RectilinearDimension([(1, MILLION // 2), (2, MILLION)])
    )

    def walk() -> None:
        plan = make_plan(indexing.basic(selection, HUGE), [dim, dim], HUGE)
        assert plan.chunks > 0
        assert [*islice(plan.walk([str, str], ".".join), 20)]
        assert [*islice(plan.runs([lambda i: f"{i}"] * 2, "".join, 8), 20)]

    assert peak(walk) < MIB


def test_walking_a_long_plan_uses_constant_memory() -> None:
    plan = make_plan(indexing.basic(np.s_[7, :20_000], HUGE), [RegularDimension(1)] * 2, HUGE)

    def walk() -> None:
        assert sum(1 for _ in plan.walk([str, str], ".".join)) == 20_000

    assert peak(walk) < MIB // 4


def test_read_of_many_missing_chunks_lists_none() -> None:
    array = make((20_000,), "u1", chunks=(1,), fill_value=3, compressors=None)
    out = np.empty(20_000, "u1")

    def read() -> None:
        array.get(out=out)

    assert peak(read) < MIB // 4
    assert (out == 3).all()


def test_slice_in_a_grid_of_one_chunk_is_one_projection() -> None:
    span = SliceIndex(3, 2, 5)
    (part,) = projections.slice_projections(span, RegularDimension(100), 50)
    assert part == (0, slice(3, 12, 2), slice(0, 5), False)


def test_projections_are_contiguous() -> None:
    cut = [*projections.slice_projections(SliceIndex(1, 3, 30), RectilinearDimension([5, (2, 10), 100]), 125)]
    assert all(a[2].stop == b[2].start and a[0] < b[0] for a, b in pairwise(cut))
    assert math.fsum(part[2].stop - part[2].start for part in cut) == 30
