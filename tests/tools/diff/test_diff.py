"""Differences between arrays and hierarchies. NumPy is the oracle."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import zarr
from hypothesis import Phase, given, strategies as st

import exzarr
from exzarr._tools.diff.values import Tolerance, compare
from exzarr.stores.memory import MemoryStore
from tests.breadth import examples

NAN = float("nan")


def store_of(values: Any, **options: Any) -> MemoryStore:
    store = MemoryStore()
    exzarr.create_array(store, data=np.asarray(values), **options)
    return store


def elements(a: Any, b: Any, **options: Any) -> Any:
    return exzarr.diff(store_of(a), store_of(b), **options).nodes[0].elements


# -- random arrays ---------------------------------------------------------------------------

DTYPES = ["bool", "i1", "u2", "i8", "u8", "f2", "f4", "f8", "c8", "M8[s]", "m8[ms]", "U3", "S2"]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, list[dict[str, Any]]]:
    shape = tuple(draw(st.lists(st.integers(0, 7), max_size=3)))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    left = rng.integers(0, 100, shape).astype("i4").astype(dtype)
    right = left.copy()
    for _ in range(draw(st.integers(0, 3)) if left.size else 0):
        at = tuple(int(rng.integers(n)) for n in shape)
        right[at] = np.asarray(int(rng.integers(0, 100)), "i4").astype(dtype)
        if dtype.kind in "fc" and draw(st.booleans()):
            right[at] = draw(st.sampled_from([NAN, math.inf]))
            left[at] = draw(st.sampled_from([NAN, math.inf, 1]))
    layouts = []
    same = draw(st.booleans())
    for _ in range(2):
        chunks = tuple(draw(st.integers(1, 4)) for _ in shape)
        layouts.append({"chunks": chunks, "zarr_format": draw(st.sampled_from([2, 3]))})
        if layouts[-1]["zarr_format"] == 3 and shape and draw(st.booleans()):
            layouts[-1]["shards"] = tuple(2 * n for n in chunks)
    return left, right, [layouts[0], layouts[0]] if same else layouts


@examples(13, deadline=None, phases=[Phase.generate])
@given(
    pair=pairs(),
    equal_nan=st.booleans(),
    memory=st.sampled_from([1, 2**28]),
    workers=st.integers(1, 3),
    data=st.data(),
)
def test_counts_positions_mask_and_sparse_equal_numpy(pair, equal_nan, memory, workers, data):
    left, right, layouts = pair
    cuts = [sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in left.shape]
    region = data.draw(st.sampled_from([None, tuple(slice(*cut) for cut in cuts)]))
    where = data.draw(st.sampled_from([None, np.random.default_rng(1).random(left.shape) < 0.5]))
    different = left != right
    if equal_nan and left.dtype.kind in "fcmM":
        null = np.isnat if left.dtype.kind in "mM" else np.isnan
        different &= ~(null(left) & null(right))
    wanted = np.zeros(left.shape, bool)
    wanted[... if region is None else region] = True
    if where is not None:
        wanted &= where
    different = different & wanted
    a, b = [store_of(one, **layout) for one, layout in zip((left, right), layouts, strict=True)]
    mask, sparse = MemoryStore(), MemoryStore()
    options: Any = {
        "equal_nan": equal_nan, "region": region, "where": where, "memory": memory, "workers": workers, "first": 4,
    }  # fmt: skip
    report = exzarr.diff(a, b, into=mask, **options)
    again = exzarr.diff(a, b, into=sparse, form="sparse", **options)
    found = report.nodes[0].elements
    assert report.asdict()["nodes"] == again.asdict()["nodes"]
    assert found.compared == wanted.sum()
    assert found.different == different.sum()
    assert report.equal is (not different.any())
    expected = np.argwhere(different)
    assert [one.index for one in found.first] == [tuple(row) for row in expected[:4].tolist()]
    for one in found.first:
        np.testing.assert_array_equal(one.left, left[one.index])
        np.testing.assert_array_equal(one.right, right[one.index])
    np.testing.assert_array_equal(exzarr.open_array(mask, path="mask")[...], different)
    stored = exzarr.open_group(sparse)
    index = stored["index"][...]
    order = np.lexsort(index.T[::-1]) if left.ndim else slice(None)
    np.testing.assert_array_equal(index[order], expected)
    np.testing.assert_array_equal(stored["left"][...][order], left[different])
    np.testing.assert_array_equal(stored["right"][...][order], right[different])


special = st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-9, 1.0 + 1e-9, 1e308, -1e308, math.inf, -math.inf, NAN])


@examples(33, deadline=None)
@given(
    values=st.lists(st.tuples(special | st.floats(), special | st.floats()), min_size=1, max_size=20),
    rtol=st.sampled_from([0.0, 1e-8, 0.5, 2]),
    atol=st.sampled_from([0.0, 1e-8, 1]),
    equal_nan=st.booleans(),
    dtype=st.sampled_from(["f8", "f4", "f2", "c16"]),
)
def test_tolerances_are_those_of_isclose(values, rtol, atol, equal_nan, dtype):
    with np.errstate(all="ignore"):
        a, b = np.array(values).T.astype(dtype)
        wide = "c16" if dtype == "c16" else "f8"
        close = np.isclose(a.astype(wide), b.astype(wide), rtol=rtol, atol=atol, equal_nan=equal_nan)
    found = compare(a, b, Tolerance(rtol, atol, equal_nan))
    np.testing.assert_array_equal(found.different, ~close)


integers = st.sampled_from([0, 1, -1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1])


@examples(27, deadline=None)
@given(data=st.data(), kinds=st.tuples(*[st.sampled_from(["i8", "u8", "i4", "f8"])] * 2))
def test_integers_and_their_distances_are_exact(data, kinds):
    sides = []
    for kind in kinds:
        limits = np.iinfo(kind) if kind != "f8" else None
        valid = integers.filter(lambda n, at=limits: at is None or at.min <= n <= at.max)
        sides.append(np.array(data.draw(st.lists(valid, min_size=3, max_size=3)), kind))
    found = compare(*sides, Tolerance())
    pairs = [(int(x), int(y)) for x, y in zip(*[side.tolist() for side in sides], strict=True)]
    assert found.different.tolist() == [x != y for x, y in pairs]
    largest = max(abs(x - y) for x, y in pairs)
    assert (
        found.absolute == (float(largest) if "f8" == kinds[0] == kinds[1] else largest)
        or kinds.count("f8") == 1
    )
    relative = max((abs(x - y) / abs(y) if y else math.inf) if x != y else 0.0 for x, y in pairs)
    assert found.relative == pytest.approx(relative)


# -- data types --------------------------------------------------------------------------------


def test_strings_of_any_length_and_fixed_length_are_compared():
    text = np.array(["a", "", "ä" * 50], np.dtypes.StringDType())
    assert elements(text, np.array(["a", "", "ä" * 50])).equal
    found = elements(text, np.array(["a", "b", "ä" * 50]))
    assert [(one.index, one.left, one.right) for one in found.first] == [((1,), "", "b")]


def test_structures_differ_where_a_field_differs():
    dtype = np.dtype([("x", "f4"), ("n", "i2"), ("t", "M8[s]")])
    a = np.zeros(4, dtype)
    b = a.copy()
    b["n"][1] = 3
    b["t"][2] = "NaT"
    found = elements(a, b)
    assert [one.index for one in found.first] == [(1,), (2,)]
    assert found.absolute == 3
    assert elements(a, b, atol=3).different == 1


def test_small_types_of_ml_dtypes_are_numbers():
    a = np.array([1, 2, 3], ml_dtypes.bfloat16)
    assert elements(a, np.array([1, 2, 4], ml_dtypes.bfloat16)).absolute == 1.0


def test_times_of_different_units_are_compared_without_overflow():
    a = np.array(["1970-01-02", "NaT", "9999-01-01"], "M8[D]")
    b = np.array([86_400 * 10**9, "NaT", 1], "M8[ns]")
    found = elements(a, b)
    assert [one.index for one in found.first] == [(2,)]
    assert elements(a, b, equal_nan=False).different == 2


def test_nan_differs_from_itself_on_request_even_in_equal_bytes():
    a = np.array([1, NAN, 3])
    assert elements(a, a).equal
    found = elements(a, a, equal_nan=False)
    assert (found.different, found.chunks_compared) == (1, 0)


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [
        (np.zeros(3), np.zeros(4), "shapes"),
        (np.zeros(3), np.array(["a"] * 3), "text"),
        (np.zeros(3, [("x", "f4")]), np.zeros(3, [("y", "f4")]), "fields"),
        (np.zeros(3, "m8[Y]"), np.zeros(3, "m8[D]"), "units"),
    ],
)
def test_elements_that_cannot_be_compared_differ_and_say_why(a, b, why):
    report = exzarr.diff(store_of(a), store_of(b), ignore=["shape", "data_type"])
    assert why in report.nodes[0].elements.reason
    assert not report.equal
    assert why in str(report)


def test_a_region_that_fits_both_shapes_is_compared():
    a, b = store_of(np.arange(10)), store_of(np.arange(12))
    assert elements(np.arange(10), np.arange(12), region=slice(2, 9)).compared == 7
    assert exzarr.diff(a, b, region=slice(2, 9), ignore="shape").equal
    assert exzarr.diff(a, b).nodes[0].elements.reason


# -- hierarchies -------------------------------------------------------------------------------


@pytest.fixture
def sides(tmp_path):
    root = zarr.create_group(tmp_path / "a.zarr", attributes={"title": "t", "only": None, "nan": NAN})
    root.create_array("sst", data=np.arange(24.0).reshape(4, 6), chunks=(2, 3), attributes={"units": "K"})
    root.create_group("left")
    other = zarr.create_group(tmp_path / "b.zarr", attributes={"title": "u", "nan": NAN})
    other.create_array(
        "sst", data=np.arange(24.0).reshape(4, 6), chunks=(4, 2), fill_value=7, attributes={"units": "K"}
    )
    other.create_array("right", data=np.arange(3))
    return tmp_path / "a.zarr", tmp_path / "b.zarr"


def test_nodes_attributes_and_storage_are_reported(sides):
    report = exzarr.diff(*sides)
    assert (report.only_left, report.only_right) == (("left",), ("right",))
    top, sst = report.nodes
    assert [one.key for one in top.metadata] == ["only", "title"]
    assert {one.aspect for one in sst.metadata} == {"chunks", "fill_value"}
    assert sst.equal
    assert not top.equal
    assert not exzarr.diff(*sides, strict=True).nodes[1].equal
    assert exzarr.diff(*sides, strict=True, ignore=["chunks", "fill_value"]).nodes[1].equal
    assert exzarr.diff(*sides, ignore="attributes").nodes[0].equal
    found = json.loads(report.to_json())
    assert found["nodes"][0]["metadata"][0] == {
        "aspect": "attributes", "counts": True, "key": "only", "left": None,
    }  # fmt: skip
    assert "only in the right: /right" in str(report)


def test_equal_reports_mean_equal_checksums(sides, tmp_path):
    exzarr.copy(sides[0], tmp_path / "c.zarr", chunks=-1, zarr_format=2)
    report = exzarr.diff(sides[0], tmp_path / "c.zarr")
    assert report.equal
    assert str(exzarr.checksum(sides[0])) == str(exzarr.checksum(tmp_path / "c.zarr"))


def test_an_array_is_not_a_group(sides):
    node = exzarr.diff(sides[0] / "sst", sides[1]).nodes[0]
    assert [one.aspect for one in node.metadata] == ["kind", "attributes", "attributes", "attributes"]


# -- chunks, memory, errors --------------------------------------------------------------------


def test_chunks_with_equal_bytes_are_not_decoded(tmp_path):
    for name in "ab":
        exzarr.create_array(tmp_path / name, data=np.arange(100), chunks=(10,))
    chunk, other = tmp_path / "a/c/3", tmp_path / "b/c/3"
    chunk.write_bytes(b"not a frame")
    other.write_bytes(b"not a frame")
    found = exzarr.diff(tmp_path / "a", tmp_path / "b").nodes[0].elements
    assert (found.compared, found.chunks_compared, found.chunks_equal, found.absolute) == (100, 10, 10, 0)
    other.write_bytes(b"something else")
    with pytest.raises(exzarr.ChunkCorruptError):
        exzarr.diff(tmp_path / "a", tmp_path / "b")
    skipped = exzarr.diff(tmp_path / "a", tmp_path / "b", on_error="skip")
    assert not skipped.equal
    assert len(skipped.left_out) == 1


def test_missing_chunks_are_compared_as_the_fill_value():
    a = exzarr.create_array(MemoryStore(), shape=(40,), chunks=(10,), dtype="i4", fill_value=5)
    b = exzarr.create_array(MemoryStore(), shape=(40,), chunks=(10,), dtype="i4", fill_value=6)
    a[10:20], b[10:20] = 1, 1
    b[:10] = 5
    found = exzarr.diff(a, b).nodes[0].elements
    assert (found.different, found.chunks_equal, found.chunks_compared) == (20, 1, 4)


MEASURED = """
import sys, tracemalloc, exzarr
assert exzarr.diff(sys.argv[3], sys.argv[3]).equal  # imports modules, which take memory, too
tracemalloc.start()
assert exzarr.diff(sys.argv[1], sys.argv[2], memory=2**23, workers=2).equal
print(tracemalloc.get_traced_memory()[1])
"""


def test_memory_is_bounded_by_blocks(tmp_path):
    for name, chunks in (("a", (64, 2048)), ("b", (2048, 64))):
        exzarr.create_array(
            tmp_path / name, data=np.ones((2048, 2048)), chunks=chunks, write_empty_chunks=True
        )
    # A process of its own: in this one, threads of other tests allocate memory, too.
    exzarr.create_array(tmp_path / "small", data=np.ones(4), chunks=(2,))
    command = [sys.executable, "-c", MEASURED, tmp_path / "a", tmp_path / "b", tmp_path / "small"]
    peak = int(subprocess.run(command, check=True, capture_output=True).stdout)
    assert peak < 2**25  # the arrays have 2**26 bytes


def test_progress_ends_at_the_total(sides):
    seen: list[tuple[int, Any]] = []
    exzarr.diff(*sides, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (24 * 8, 24 * 8)


def test_output_has_a_group_for_each_compared_array_and_is_removed_after_an_error(sides, tmp_path):
    exzarr.diff(*sides, into=tmp_path / "o.zarr")
    assert not exzarr.open_array(tmp_path / "o.zarr/sst/mask")[...].any()
    with pytest.raises(exzarr.NodeExistsError):
        exzarr.diff(*sides, into=tmp_path / "o.zarr")
    for side in sides:
        chunk = next(path for path in (side / "sst/c").rglob("*") if path.is_file())
        chunk.write_bytes(b"damaged")
    with pytest.raises(exzarr.ChunkCorruptError):
        exzarr.diff(*sides, into=tmp_path / "p.zarr")
    assert not (tmp_path / "p.zarr").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rtol": -1}, "rtol must be"),
        ({"atol": NAN}, "atol must be"),
        ({"region": slice(1)}, "region requires two arrays"),
        ({"where": [True]}, "where requires two arrays"),
        ({"where": [1]}, "array of booleans"),
        ({"ignore": "chunk"}, "did you mean"),
        ({"form": "dense"}, "form is"),
        ({"form": "sparse"}, "require into="),
        ({"into": exzarr.create_group(MemoryStore())}, "an existing node"),
        ({"workers": 0}, "workers must be"),
        ({"first": -1}, "first must be"),
    ],
)
def test_invalid_arguments_are_refused(sides, options, message):
    with pytest.raises(exzarr.ArgumentError, match=message):
        exzarr.diff(*sides, **options)
