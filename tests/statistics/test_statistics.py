"""Statistics of chunks against NumPy, for arrays that change in between."""

from __future__ import annotations

import math
import os
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
    ChunkCorruptError,
    ChunkMissingError,
    NodeExistsError,
    NodeNotFoundError,
    ReadOnlyError,
    UnsupportedError,
)
from exzarr.statistics import ChunkStatistics, identity, values as values_module
from exzarr.statistics.overview import overview
from tests.breadth import examples

DTYPES = ["?", "i1", "u1", ">i2", "i8", "u8", "f2", "f4", ">f8", "M8[s]", "m8[ms]"]


def expected(values: Any, fill: Any, chunks: tuple[int, ...]) -> dict[str, Any]:
    """Return the statistics of every chunk, computed by plain loops."""
    counts = tuple(-(-n // c) for n, c in zip(values.shape, chunks, strict=True))
    found: dict[str, Any] = {
        name: np.empty(counts, object) for name in ("min", "max", "sum", "count", "nans")
    }
    for index in np.ndindex(*counts):
        part = values[tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, chunks, strict=True))]
        nan = part != part
        valid = part[~nan & ~(part == fill)]
        found["count"][index], found["nans"][index] = valid.size, int(nan.sum())
        found["min"][index] = valid.min() if valid.size else None
        found["max"][index] = valid.max() if valid.size else None
        total = {"f": "f8", "b": "u8", "u": "u8"}.get(values.dtype.kind, "i8")
        integers = valid.astype("i8") if values.dtype.kind in "mM" else valid
        found["sum"][index] = integers.sum(dtype=total)
    return found


def check(found: ChunkStatistics, values: Any, fill: Any, chunks: tuple[int, ...]) -> None:
    wanted = expected(values, fill, chunks)
    assert found.count.tolist() == wanted["count"].tolist()
    assert found.nans.tolist() == wanted["nans"].tolist()
    for index in np.ndindex(*found.count.shape):
        if found.count[index]:
            assert found.min[index] == wanted["min"][index]
            assert found.max[index] == wanted["max"][index]
            np.testing.assert_allclose(
                np.float64(found.sum[index]), np.float64(wanted["sum"][index]), rtol=1e-12, atol=1e-300
            )
        else:
            assert not found.min[index] < found.max[index] or values.dtype.kind == "b"
            assert found.sum[index] == 0


@st.composite
def cases(draw: st.DrawFn) -> tuple[Any, Any, dict[str, Any]]:
    shape = draw(npst.array_shapes(min_dims=1, max_dims=2, max_side=9))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    values = draw(
        npst.arrays(dtype, shape, elements=npst.from_dtype(dtype, allow_nan=True), fill=st.nothing())
    )
    fill = draw(st.sampled_from([values.flat[0], np.zeros((), dtype)[()]]))
    chunks = tuple(draw(st.integers(1, n)) for n in shape)
    options: dict[str, Any] = {"chunks": chunks, "zarr_format": draw(st.sampled_from([2, 3]))}
    if options["zarr_format"] == 3 and draw(st.booleans()):
        options["shards"] = tuple(c * draw(st.integers(1, 3)) for c in chunks)
    return values, fill, options


@given(case=cases(), data=st.data())
@examples(12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_statistics_equal_numpy_after_changes(
    case: tuple[Any, Any, dict[str, Any]],
    data: st.DataObject,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    values, fill, options = case
    monkeypatch.setattr(identity, "FINE_NS", 20_000_000)
    folder = tmp_path / f"{len([*tmp_path.iterdir()])}.zarr"
    with np.errstate(all="ignore"):
        zarr_format = options.pop("zarr_format")
        group = exzarr.create_group(folder, zarr_format=zarr_format)
        a = group.create_array("a", shape=values.shape, dtype=values.dtype, fill_value=fill, **options)
        a[...] = values
        found = statistics.build(a)
        chunks = found.read()
        assert chunks.proved.all()
        check(chunks, values, fill, a.chunks)
        for _ in range(2):
            where = tuple(data.draw(st.integers(0, n - 1)) for n in values.shape)
            a[where] = values[where] = data.draw(
                st.sampled_from([fill, values.flat[-1], np.ones((), values.dtype)[()]])
            )
            check(found.read(), values, fill, a.chunks)
        found.refresh()
        chunks = statistics.open(exzarr.open_array(folder, path="a", mode="r")).read()
        assert chunks.proved.all()
        check(chunks, values, fill, a.chunks)


def new(folder: Path, *, fill: float = 0, **options: Any) -> tuple[exzarr.Array, Any]:
    values = np.arange(1.0, 101).reshape(10, 10)
    group = exzarr.create_group(folder / "s.zarr")
    options = {"chunks": (2, 5), **options}
    a = group.create_array("a", shape=values.shape, dtype="f8", fill_value=fill, **options)
    a[...] = values
    return a, values


def test_chunks_that_did_not_change_are_not_read_again(tmp_path: Path) -> None:
    a, _ = new(tmp_path)
    found = statistics.build(a)
    assert found.refresh() == statistics.Refreshed(stored=10, read=0, left_out=0)
    a[0, 0] = 5
    assert found.refresh() == statistics.Refreshed(stored=10, read=1, left_out=0)


def test_a_change_by_zarr_python_is_seen(tmp_path: Path) -> None:
    a, values = new(tmp_path, shards=(4, 10))
    found = statistics.build(a)
    theirs = zarr.open_array(tmp_path / "s.zarr", path="a", mode="r+")
    theirs[3, 3] = values[3, 3] = 1e6
    theirs[4:8] = values[4:8] = 0  # deletes a shard
    chunks = found.read()
    check(chunks, values, 0, (2, 5))
    assert not chunks.proved[0:2].any()  # identities of inner chunks include their shard's
    assert chunks.proved[4].all()


def test_a_write_in_place_with_its_old_modification_time_is_seen(tmp_path: Path) -> None:
    a, values = new(tmp_path, compressors=None, checksum=False)
    found = statistics.build(a)
    path = tmp_path / "s.zarr" / "a" / "c" / "0" / "0"
    before = path.stat()
    with path.open("r+b") as file:
        file.write(np.float64(777).tobytes())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    values[0, 0] = 777
    chunks = found.read()
    check(chunks, values, 0, (2, 5))
    assert not chunks.proved[0, 0]


@pytest.mark.parametrize("tick", [0, 10_000_000])
def test_a_file_that_changes_within_a_tick_of_its_reading_gets_no_entry(
    tick: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, values = new(tmp_path)
    # The file system's clock stands still: each file seems to be as old as the clock, or only one tick older.
    newest = max(path.stat().st_ctime_ns for path in (tmp_path / "s.zarr" / "a" / "c").rglob("*"))
    monkeypatch.setattr("exzarr.statistics.statistics.clock_of", lambda *_: newest + tick)
    monkeypatch.setattr("exzarr.statistics.statistics.COARSE_NS", 1000)
    found = statistics.Statistics(a)
    assert found.refresh().left_out == 10
    chunks = found.read()
    assert not chunks.proved.any()
    check(chunks, values, 0, (2, 5))


def test_coarse_timestamps_settle_later() -> None:
    second = 1_000_000_000
    assert identity.unsettled_for(["file", 1, 5 * second, 5 * second, 9], 6 * second) == second
    assert identity.unsettled_for(["file", 1, 5 * second, 5 * second, 9], 7 * second) == 0
    assert identity.unsettled_for(["file", 1, 5 * second + 1, 5 * second + 1, 9], 6 * second) == 0
    assert identity.unsettled_for(["etag", '"a"'], None) == 0


def test_a_chunk_that_changes_while_it_is_read_gets_no_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, values = new(tmp_path)

    def summarize(part: Any, fill: Any) -> Any:
        result = original(part, fill)
        if part.flat[0] == 1:  # each time that the first chunk is read, another writer replaces it
            a[0, 0] = 1
        return result

    original = values_module.summarize
    monkeypatch.setattr("exzarr.statistics.measuring.summarize", summarize)
    assert statistics.Statistics(a).refresh().left_out == 1
    monkeypatch.undo()
    check(statistics.open(a).read(), values, 0, (2, 5))


@pytest.mark.parametrize("shape", [(13, 11), (7, 5), (10, 10)])
def test_statistics_after_a_resize(shape: tuple[int, int], tmp_path: Path) -> None:
    a, _ = new(tmp_path)
    a.resize((9, 9))  # the last chunks have elements that are outside of the array
    found = statistics.build(a)
    a.resize(shape)
    check(found.read(), a[...], 0, (2, 5))
    found.refresh()
    chunks = found.read()
    assert chunks.proved.all()
    check(chunks, a[...], 0, (2, 5))


def test_another_fill_value_invalidates_entries(tmp_path: Path) -> None:
    a, values = new(tmp_path)
    found = statistics.build(a)
    document = tmp_path / "s.zarr" / "a" / "zarr.json"
    document.write_text(document.read_text().replace('"fill_value": 0.0', '"fill_value": 100.0'))
    a.refresh()
    assert a.fill_value == 100
    chunks = found.read()
    assert not chunks.proved.any()
    check(chunks, values, 100, (2, 5))


@pytest.mark.parametrize("name", ["min", "max", "sum", "count", "nans", "digest"])
def test_an_entry_that_was_written_in_part_proves_nothing(name: str, tmp_path: Path) -> None:
    a, values = new(tmp_path)
    found = statistics.build(a)
    group = exzarr.open_group(tmp_path / "s.zarr", path="a.statistics", mode="r+")
    group.get_array(name)[0, 0] = 3
    chunks = found.read()
    assert int((~chunks.proved).sum()) == 1
    check(chunks, values, 0, (2, 5))
    group.get_array(name).store.delete(f"a.statistics/{name}/zarr.json")
    chunks = found.read()
    assert not chunks.proved.any()
    check(chunks, values, 0, (2, 5))
    assert found.refresh().read == 10
    assert found.read().proved.all()


def test_entries_of_a_copied_array_prove_nothing_about_the_copy(tmp_path: Path) -> None:
    a, values = new(tmp_path)
    statistics.build(a)
    group = exzarr.open_group(tmp_path / "s.zarr", mode="r+")
    group.copy("a", "b")
    b = group.get_array("b")
    with pytest.raises(NodeNotFoundError, match="announces no statistics"):
        statistics.open(b)
    b[0, 0] = values[0, 0] = -1
    check(statistics.build(b).read(), values, 0, (2, 5))
    assert statistics.open(a).read().proved.all()


def test_missing_chunks_count_as_fill_values(tmp_path: Path) -> None:
    group = exzarr.create_group(tmp_path / "s.zarr")
    a = group.create_array("a", shape=(7,), dtype="f4", chunks=(3,), fill_value=np.nan)
    a[0:2] = [1, 2]
    chunks = statistics.build(a).read()
    assert chunks.nans.tolist() == [1, 3, 1]
    assert chunks.count.tolist() == [2, 0, 0]
    assert chunks.stored.tolist() == [True, False, False]
    assert chunks.proved.all()
    strict = exzarr.open_array(tmp_path / "s.zarr", path="a", missing="error")
    with pytest.raises(ChunkMissingError):
        statistics.open(strict).read()


@pytest.mark.parametrize("fill", [0, 2])
@pytest.mark.parametrize("dtype", ["M8[s]", "m8[ms]", "f4", "i2"])
def test_fill_values_among_others_do_not_count(dtype: str, fill: int, tmp_path: Path) -> None:
    values = np.array([fill, 1, 3, fill]).astype(dtype)
    group = exzarr.create_group(tmp_path / "s.zarr")
    chunks = statistics.build(group.create_array("a", data=values, fill_value=values[0])).read()
    assert (chunks.count[0], chunks.sum[0]) == (2, 4)
    assert (chunks.min[0], chunks.max[0]) == (values[1], values[2])


def test_arrays_without_dimensions_and_without_elements(tmp_path: Path) -> None:
    group = exzarr.create_group(tmp_path / "s.zarr")
    scalar = group.create_array("scalar", data=np.float64(4))
    assert statistics.build(scalar).read().sum == 4
    empty = group.create_array("empty", shape=(0, 3), dtype="i4", chunks=(2, 2))
    assert statistics.build(empty).read().count.shape == (0, 2)


def test_masks_select_the_chunks_of_a_stream(tmp_path: Path) -> None:
    a, _ = new(tmp_path)
    chunks = statistics.build(a).read()
    stream = a.chunk_stream(where=chunks.max > 91)
    assert sorted(math.floor(chunk.data.max()) for chunk in stream) == [95, 100]


def test_a_damaged_chunk_is_an_error_and_changes_no_entry(tmp_path: Path) -> None:
    a, _ = new(tmp_path, shards=(4, 10))
    found = statistics.build(a)
    (tmp_path / "s.zarr" / "a" / "c" / "0" / "0").write_bytes(b"damaged")
    with pytest.raises(ChunkCorruptError):
        found.read()
    with pytest.raises(ChunkCorruptError):
        found.refresh()
    a[0:4] = 1
    assert found.refresh().read == 4


def test_the_group_is_found_in_consolidated_metadata(tmp_path: Path) -> None:
    new(tmp_path)
    exzarr.consolidate_metadata(tmp_path / "s.zarr")
    group = exzarr.open_group(tmp_path / "s.zarr")
    statistics.build(group.get_array("a"))
    again = exzarr.open_group(tmp_path / "s.zarr")
    assert again.consolidated
    assert "a.statistics" in again
    assert statistics.open(again.get_array("a")).read().proved.all()
    theirs = zarr.open_group(tmp_path / "s.zarr", mode="r")
    assert theirs["a.statistics/max"][0, 0] == 15


def test_errors_name_the_remedy(tmp_path: Path) -> None:
    a, _ = new(tmp_path)
    with pytest.raises(NodeNotFoundError, match=r"statistics\.build"):
        statistics.open(a)
    reader = exzarr.open_array(tmp_path / "s.zarr", path="a", mode="r")
    with pytest.raises(ReadOnlyError, match="r\\+"):
        statistics.build(reader)
    group = exzarr.open_group(tmp_path / "s.zarr", mode="r+")
    group.create_group("a.statistics", attributes={"mine": True})
    with pytest.raises(NodeExistsError, match="move it"):
        statistics.build(a)
    assert group.get_group("a.statistics").attrs["mine"]
    assert "chunk_statistics" not in a.attrs
    with pytest.raises(UnsupportedError, match="complex"):
        statistics.build(group.create_array("c", data=np.ones(3, complex)))
    root = exzarr.create_array(tmp_path / "root.zarr", data=np.ones(3))
    with pytest.raises(ArgumentError, match="Store the array in a group"):
        statistics.build(root)
    memory = exzarr.create_group(exzarr.stores.MemoryStore()).create_array("m", data=np.ones(3))
    with pytest.raises(UnsupportedError, match="require a folder"):
        statistics.build(memory)


def test_missing_chunks_of_times_count_as_nat(tmp_path: Path) -> None:
    group = exzarr.create_group(tmp_path / "s.zarr")
    nat = np.datetime64("NaT", "s")
    a = group.create_array("a", shape=(7,), chunks=(5,), dtype="M8[s]", fill_value=nat)
    a[:3] = np.array(["2020-01-01", "2021-01-01", "2022-01-01"], "M8[s]")
    chunks = statistics.build(a).read()
    assert (chunks.count.tolist(), chunks.nans.tolist()) == ([3, 0], [2, 2])
    found = overview(a).arrays[0]
    assert (found.valid, found.nans, found.fills) == (3, 4, 0)


def test_an_overview_has_no_mean_of_sums_that_wrapped(tmp_path: Path) -> None:
    group = exzarr.create_group(tmp_path / "s.zarr")
    for name, dtype, number, mean in (
        ("a", "i8", 2**62, None),
        ("b", "u8", 2**63, None),
        ("c", "i8", 9, 9.0),
    ):
        array = group.create_array(name, data=np.full(8, number, dtype), chunks=4)
        assert overview(array).arrays[0].mean == mean


def test_build_keeps_a_group_with_an_unreadable_document(tmp_path: Path) -> None:
    a, _ = new(tmp_path)
    mine = exzarr.create_array(tmp_path / "s.zarr" / "a.statistics" / "mine", data=np.ones(3))
    (tmp_path / "s.zarr" / "a.statistics" / "zarr.json").write_text("{")
    with pytest.raises(NodeExistsError, match="move it"):
        statistics.build(a)
    assert mine[...].tolist() == [1, 1, 1]
