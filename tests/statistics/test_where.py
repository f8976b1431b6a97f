"""Array.where against NumPy, with statistics that are current, stale, partial or absent."""

from __future__ import annotations

import operator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, strategies as st
from hypothesis.extra import numpy as npst

import exzarr
from exzarr import statistics
from exzarr.errors import (
    ArgumentError,
    ArgumentTypeError,
    ChunkMissingError,
    UnknownArgumentError,
    UnsupportedError,
)
from exzarr.statistics import identity
from exzarr.stores import CountingStore, LocalStore, PrefixStore
from tests.breadth import examples

value = exzarr.value

DTYPES = ["?", "i1", "u8", ">i4", "f2", "f4", ">f8", "M8[s]"]


def number(dtype: np.dtype[Any], n: int) -> Any:
    return np.array(n, "i8").astype(dtype)[()]


def elements(dtype: np.dtype[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy of few values, so that chunks are often constant, full or without a match."""
    few = st.integers(0, 3).map(lambda n: number(dtype, n))
    special: Any = {"f": [np.nan, np.inf, -np.inf], "M": [np.datetime64("NaT", "s")]}.get(dtype.kind)
    return (
        st.one_of(few, st.sampled_from([dtype.type(x) for x in special]))
        if special and dtype.kind == "f"
        else (st.one_of(few, st.sampled_from(special)) if special else few)
    )


@st.composite
def predicates(draw: st.DrawFn, dtype: np.dtype[Any]) -> tuple[Any, Any]:
    low, high = sorted((number(dtype, draw(st.integers(0, 3))), number(dtype, draw(st.integers(0, 3)))))
    if dtype.kind == "M":
        low, high = low.astype("M8[s]"), high.astype("M8[s]")
    return draw(
        st.sampled_from(
            [
                (value > low, lambda v: v > low),
                (value <= low, lambda v: v <= low),
                (value == low, lambda v: v == low),
                (value != low, lambda v: v != low),
                (value.between(low, high), lambda v: (v >= low) & (v <= high)),
                (value.isin([low, high]), lambda v: (v == low) | (v == high)),
                (value.is_nan(), lambda v: v != v),
                (~(value < high) | value.is_nan(), lambda v: ~(v < high) | (v != v)),
                ((value >= low) & (value != high), lambda v: (v >= low) & (v != high)),
            ]
        )
    )


@st.composite
def arrays(draw: st.DrawFn) -> tuple[Any, Any, dict[str, Any]]:
    shape = draw(npst.array_shapes(min_dims=1, max_dims=2, max_side=8))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    fill = draw(elements(dtype))
    values = draw(npst.arrays(dtype, shape, elements=elements(dtype), fill=st.just(fill)))
    chunks = tuple(draw(st.integers(1, n)) for n in shape)
    options: dict[str, Any] = {"chunks": chunks}
    if draw(st.booleans()):
        options["shards"] = tuple(c * draw(st.integers(1, 3)) for c in chunks)
    return values, fill, options


def check(a: exzarr.Array, values: Any, predicate: Any, expected: Any, region: Any) -> None:
    part = tuple(region)
    mask = np.zeros(values.shape, bool)
    mask[part] = expected(values[part])
    matches = a.where(predicate, part)
    assert matches.count() == mask.sum()
    assert matches.any() == mask.any()
    found = [*matches.positions(sort=True)]
    positions = np.concatenate([np.empty((0, a.ndim), int), *[each.positions for each in found]])
    np.testing.assert_array_equal(positions, np.argwhere(mask))
    if found:
        np.testing.assert_array_equal(np.concatenate([each.values for each in found]), values[mask])
    for positions, elements_ in matches.positions():
        np.testing.assert_array_equal(a.vindex[tuple(positions.T)], elements_)
        assert positions.tolist() == sorted(positions.tolist())
    read = {chunk.index: chunk for chunk in a.chunk_stream(part, where=predicate)}
    assert set(read) == {
        tuple(p // c for p, c in zip(at, a.chunks, strict=True)) for at in np.argwhere(mask).tolist()
    }
    for chunk in read.values():
        np.testing.assert_array_equal(chunk.data, values[chunk.region])
    total = a.parallel_chunk_map(
        lambda data: int(expected(data).sum()), where=predicate, region=part, reduce=operator.add, initial=0
    )
    assert total == mask.sum()
    told = matches.explain()
    assert told.chunks == told.missing + told.skipped + told.counted + told.read


def copy_of(folder: Path, a: exzarr.Array, dtype: Any, start: Any) -> exzarr.Array:
    """Return another array of the same shape with other chunks and content."""
    chunks = tuple(max(1, n - 1) for n in a.shape)
    group = exzarr.open_group(folder, mode="r+")
    return group.create_array(
        "b", shape=a.shape, dtype=dtype, chunks=chunks, fill_value=start, overwrite=True
    )


@given(case=arrays(), data=st.data())
@examples(12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_where_equals_numpy_while_the_array_changes(
    case: tuple[Any, Any, dict[str, Any]],
    data: st.DataObject,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    values, fill, options = case
    monkeypatch.setattr(identity, "FINE_NS", 12_000_000)
    predicate, expected = data.draw(predicates(values.dtype))
    folder = tmp_path / f"{len([*tmp_path.iterdir()])}.zarr"
    group = exzarr.create_group(folder)
    a = group.create_array("a", shape=values.shape, dtype=values.dtype, fill_value=fill, **options)
    a[...] = values
    region = []
    for n in values.shape:
        start = data.draw(st.integers(0, n - 1))
        region.append(
            slice(start, data.draw(st.integers(start + 1, n))) if data.draw(st.booleans()) else slice(0, n)
        )
    with np.errstate(all="ignore"):
        if data.draw(st.booleans()):  # else there are no statistics
            statistics.build(a)
        check(a, values, predicate, expected, region)
        where = tuple(data.draw(st.integers(0, n - 1)) for n in values.shape)
        values[where] = data.draw(elements(values.dtype))
        zarr.open_array(folder, path="a", mode="r+")[where] = values[where]
        check(a, values, predicate, expected, region)
        mask, part = np.zeros(values.shape, bool), tuple(region)
        mask[part] = expected(values[part])
        start = data.draw(st.booleans())
        into = copy_of(folder, a, "?", start)
        before = into[...]
        if data.draw(st.booleans()):
            before = into[...] = data.draw(npst.arrays("?", values.shape))
        a.where(predicate, part).mask(into)
        before[part] = mask[part]
        np.testing.assert_array_equal(into[...], before)
        target = copy_of(folder, a, a.dtype, fill)
        if data.draw(st.booleans()):
            target[...] = data.draw(elements(values.dtype))
        wanted = target[...]
        a.where(predicate, part).values(target)
        wanted[part] = np.where(mask, values, fill)[part]
        np.testing.assert_array_equal(target[...], wanted)


def storms(folder: Path, store: Any = None, **options: Any) -> tuple[exzarr.Array, Any]:
    """Return an array of 20 × 20 whose large values are in one chunk."""
    values = np.random.default_rng(0).uniform(1, 10, (20, 20))
    values[5:8, 5:8] = 50
    group = exzarr.create_group(store or folder / "s.zarr")
    a = group.create_array("a", shape=values.shape, dtype="f8", **{"chunks": (5, 5), **options})
    a[...] = values
    return a, values


@pytest.mark.parametrize("shards", [None, (10, 20)])
def test_chunks_that_cannot_match_are_not_read(shards: Any, tmp_path: Path) -> None:
    a, _ = storms(tmp_path, shards=shards)
    statistics.build(a)
    store = CountingStore(LocalStore(tmp_path / "s.zarr"))
    counted = exzarr.open_array(store, path="a")
    for call, chunks in [
        (lambda: counted.where(value > 30).count(), 1),
        (lambda: counted.where(value > 60).any(), 0),
        (lambda: counted.where(value > 0).count(), 0),
        (lambda: counted.where(~value.is_nan()).count(), 0),
        (lambda: [*counted.where(value > 30).positions()], 1),
        (lambda: [*counted.chunk_stream(where=value > 30)], 1),
        (lambda: counted.parallel_chunk_map(np.sum, where=value > 30, reduce=operator.add), 1),
    ]:
        overhead = 17  # the statistics: a group, and the document and one chunk of each array
        store.reset()
        call()
        reads = store.requests["get"] + store.requests["range"] - overhead
        assert reads <= (chunks if shards is None else 3 * chunks), (store.requests, chunks)
        assert store.requests["list"] == 1 + 1


def test_an_array_that_is_opened_by_its_own_path_has_its_statistics(
    tmp_path: Path, object_server: Any
) -> None:
    a, _ = storms(tmp_path)
    inside = exzarr.open_array(tmp_path / "s.zarr" / "a", mode="r+")
    assert inside.path == ""
    with pytest.raises(ArgumentError, match="open it through the group"):
        statistics.build(inside)
    statistics.build(a)
    inside.refresh()
    assert inside.where(value > 30).explain().skipped == 15
    assert statistics.open(inside).read().proved.all()
    store = object_server.store()
    b, _ = storms(tmp_path, PrefixStore(store, "g"))
    statistics.build(b)
    inside = exzarr.open_array(PrefixStore(store, "g/a"), mode="r")
    assert inside.path == ""
    assert inside.where(value > 30).explain().skipped == 15


def test_a_mask_of_chunks_whose_number_of_matches_is_known(tmp_path: Path) -> None:
    group = exzarr.create_group(tmp_path / "s.zarr")
    a = group.create_array("a", data=np.array([0, np.nan, 5, 5, 0, 0, 7.0]), chunks=2, fill_value=0)
    statistics.build(a)
    assert a.where(value.is_nan()).explain().counted == 1
    for name, predicate, expected in [
        ("nan", value.is_nan(), [1]),
        ("not", ~value.is_nan(), [0, 2, 3, 4, 5, 6]),
        ("fill", value == 0, [0, 4, 5]),
        ("some", value > 0, [2, 3, 6]),
    ]:
        mask = group.create_array(name, shape=a.shape, dtype="?", chunks=3)
        a.where(predicate).mask(into=mask)
        assert np.flatnonzero(mask[...]).tolist() == expected
        target = group.create_array(f"{name}-values", shape=a.shape, dtype="f8", chunks=3, fill_value=-1)
        a.where(predicate).values(into=target)
        assert np.flatnonzero(target[...] != -1).tolist() == expected


def test_a_small_region_asks_for_few_versions(tmp_path: Path) -> None:
    a = exzarr.create_group(tmp_path / "s.zarr").create_array("a", data=np.arange(1.0, 101), chunks=1)
    statistics.build(a)
    store = CountingStore(LocalStore(tmp_path / "s.zarr"))
    counted = exzarr.open_array(store, path="a")
    store.reset()
    assert counted.where(value > 51, slice(50, 53)).count() == 2
    assert (store.requests["size"], store.requests["list"]) == (3, 1)
    told = counted.where(value > 51, slice(50, 53)).explain()
    assert (told.chunks, told.missing, told.skipped, told.counted) == (3, 0, 1, 2)
    assert counted.where(value > 51, slice(50, 50)).count() == 0


def test_stale_entries_are_never_used(tmp_path: Path) -> None:
    a, _ = storms(tmp_path)
    statistics.build(a)
    theirs = zarr.open_array(tmp_path / "s.zarr", path="a", mode="r+")
    theirs[19, 19] = 70
    assert a.where(value > 60).count() == 1
    assert a.where(value > 60).explain().changed == 1
    theirs[5:8, 5:8] = 1
    assert not a.where((value > 30) & (value < 60)).any()
    theirs.resize((25, 20))
    a.refresh()
    assert a.where(value == 0).count() == 100
    theirs[:5, :5] = 0  # the chunk is deleted
    assert a.where(value == 0).count() == 125


def test_explain_says_why_chunks_are_read(tmp_path: Path) -> None:
    a, _ = storms(tmp_path)
    matches = a.where(value > 30)
    told = matches.explain()
    assert (told.chunks, told.skipped, told.read, told.without_entry) == (16, 0, 16, 16)
    assert not told.statistics
    assert "exzarr.statistics.build" in str(told)
    statistics.build(a)
    told = matches.explain()
    assert (told.skipped, told.read, told.undecided, told.changed) == (15, 1, 1, 0)
    assert told.skipped_bytes + told.read_bytes == a.nbytes_stored
    a[0, 0] = 3
    told = matches.explain()
    assert (told.skipped, told.read, told.undecided, told.changed) == (14, 2, 1, 1)
    assert str(told).splitlines()[0] == "searching a where value > 30"
    assert "1 changed since, 1 cannot be excluded" in str(told)
    told = a.where(value > 0, (slice(0, 7), slice(0, 5))).explain()
    assert (told.chunks, told.counted, told.read) == (2, 1, 1)
    assert told.asdict()["predicate"] == "value > 0"


def test_chunks_that_are_not_stored_match_by_their_fill_value(tmp_path: Path) -> None:
    group = exzarr.create_group(tmp_path / "s.zarr")
    a = group.create_array("a", shape=(10,), dtype="f4", chunks=(4,), fill_value=np.nan)
    a[0:4] = [1, 2, np.nan, 4]
    for _ in range(2):
        assert a.where(value.is_nan()).count() == 7
        assert a.where(~(value > 1)).count() == 8
        assert [each.positions.ravel().tolist() for each in a.where(value.is_nan()).positions()] == [
            [2],
            [4, 5, 6, 7],
            [8, 9],
        ]
        statistics.build(a)
    strict = exzarr.open_array(tmp_path / "s.zarr", path="a", missing="error")
    with pytest.raises(ChunkMissingError):
        strict.where(value > 1).count()
    with pytest.raises(ChunkMissingError):
        strict.where(value > 1, slice(8, 9)).any()


def test_arrays_without_dimensions_and_without_elements(tmp_path: Path) -> None:
    group = exzarr.create_group(tmp_path / "s.zarr")
    scalar = group.create_array("scalar", data=np.float64(4))
    empty = group.create_array("empty", shape=(0, 3), dtype="i4", chunks=(2, 2))
    for _ in range(2):
        assert scalar.where(value > 3).count() == 1
        (found,) = scalar.where(value > 3).positions(sort=True)
        assert (found.positions.shape, found.values.tolist()) == ((1, 0), [4])
        assert empty.where(value > 3).count() == 0
        assert [*empty.where(value > 3).positions(sort=True)] == []
        assert not empty.where(~(value > 3)).any()
        statistics.build(scalar)
        statistics.build(empty)


def test_where_takes_labels_and_executors(tmp_path: Path) -> None:
    group = exzarr.create_group(tmp_path / "s.zarr")
    group.create_array("x", data=np.arange(100, 110), dimension_names=["x"])
    a = group.create_array("a", data=np.arange(10.0), chunks=2, dimension_names=["x"])
    assert a.where(value > 3, {"x": slice(102, 105)}).count() == 2
    with ThreadPoolExecutor(2) as pool:
        assert a.where(value > 3).count(executor=pool) == 6
    assert sorted(exzarr.parallel_chunk_map(lambda x, y: x.max() + y.max(), [a, a], where=value > 5)) == [
        14,
        18,
    ]


@pytest.mark.slow
def test_where_runs_in_processes_and_on_dask(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    a, values = storms(tmp_path)
    statistics.build(a)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        assert a.where(value > 5).count(executor=client) == (values > 5).sum()
        into = copy_of(tmp_path / "s.zarr", a, "?", False)
        a.where(value > 30).mask(into, executor=client)
        np.testing.assert_array_equal(into[...], values > 30)
    found = [*a.where(value > 30).positions(executor="processes", workers=1)]
    assert sum(len(each.values) for each in found) == 9


def test_where_leaves_chunks_without_a_match_out_of_streams(tmp_path: Path) -> None:
    a, values = storms(tmp_path)  # without statistics: each chunk is read and checked
    stream = a.chunk_stream(where=value > 30)
    (chunk,) = stream
    assert chunk.index == (1, 1)
    assert (stream.stats.chunks, stream.stats.skipped) == (1, 15)
    b = exzarr.open_group(tmp_path / "s.zarr", mode="r+").create_array(
        "b", shape=a.shape, dtype="f8", chunks=(3, 7)
    )
    a.parallel_chunk_map(np.negative, where=value > 30, out=b)
    wanted = np.zeros(a.shape)
    wanted[5:10, 5:10] = -values[5:10, 5:10]
    np.testing.assert_array_equal(b[...], wanted)


def test_errors_name_the_remedy(tmp_path: Path) -> None:
    a, _ = storms(tmp_path)
    group = exzarr.open_group(tmp_path / "s.zarr", mode="r+")
    with pytest.raises(ArgumentTypeError, match=r"exzarr\.value > 30"):
        a.where(lambda v: v > 30)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="use a number"):
        a.where(value > "30")
    with pytest.raises(ArgumentError, match="use a number"):
        a.chunk_stream(where=value > "30")
    with pytest.raises(UnsupportedError, match="predicates do not apply"):
        group.create_array("c", data=np.ones(3, complex)).where(value > 30)
    with pytest.raises(ArgumentError, match="shape"):
        a.where(value > 3).mask(group.create_array("d", shape=(3,), dtype="?"))
    with pytest.raises(ArgumentTypeError, match="into is an exzarr array"):
        a.where(value > 3).values(np.zeros((20, 20)))  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="out is one of the arrays"):
        a.where(value > 3).values(a)
    # Results would be unsorted, or incomplete.
    unknown: list[Any] = [{"ordered": False}, {"on_error": "skip"}]
    for option in unknown:
        with pytest.raises(UnknownArgumentError, match="has no argument"):
            a.where(value > 3).positions(sort=True, **option)
        with pytest.raises(UnknownArgumentError, match="has no argument"):
            a.where(value > 3).count(**option)


@pytest.mark.parametrize("build", [False, True])
def test_values_are_stored_in_the_data_type_of_the_target(build: bool, tmp_path: Path) -> None:
    """The common data type of the source and `other`, in which NumPy computes, may be smaller or less exact."""
    group = exzarr.create_group(tmp_path / "s.zarr")
    a = group.create_array("a", data=np.arange(8, dtype="u1"), chunks=4)
    large = group.create_array("large", data=np.full(8, 2**62 + 1), chunks=4)
    if build:
        statistics.build(a)
        statistics.build(large)
    signed = group.create_array("signed", shape=(8,), dtype="i2", chunks=4)
    a.where(value > 5).values(signed, other=-1)
    assert signed[...].tolist() == [-1] * 6 + [6, 7]
    unsigned = group.create_array("unsigned", shape=(8,), dtype="u8", chunks=4)
    large.where(value > 5).values(unsigned)
    assert unsigned[...].tolist() == [2**62 + 1] * 8
    with pytest.raises(ArgumentError, match="-1 is out of range"):
        large.where(value > 5).values(unsigned, other=-1)
    assert unsigned[...].tolist() == [2**62 + 1] * 8
