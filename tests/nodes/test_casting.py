"""Values of another data type are converted as in NumPy, or refused; never changed silently."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr


def brackets(dtype: Any, values: Any, casting: Any = None) -> Any:
    a = exzarr.create_array(shape=np.shape(values), chunks=2, dtype=dtype)
    if casting is None:
        a[...] = values
    else:
        a.set(..., values, casting=casting)
    return a[...]


def orthogonal(dtype: Any, values: Any, casting: Any = "same_kind") -> Any:
    a = exzarr.create_array(shape=(4, *np.shape(values)), chunks=2, dtype=dtype)
    a.oindex.set([1], values, casting=casting)
    return a[1]


def points(dtype: Any, values: Any, casting: Any = "same_kind") -> Any:
    a = exzarr.create_array(shape=(8,), chunks=2, dtype=dtype)
    where = np.arange(np.size(values)) * 2
    a.vindex.set(where, values, casting=casting)
    return a[...][where]


def blocks(dtype: Any, values: Any, casting: Any = "same_kind") -> Any:
    a = exzarr.create_array(shape=(2 * np.size(values),), chunks=(np.size(values),), dtype=dtype)
    a.blocks.set(1, values, casting=casting)
    return a.blocks[1]


def named(name: str) -> Any:
    def write(dtype: Any, values: Any, casting: Any = "same_kind") -> Any:
        n = np.size(values)
        a = exzarr.create_array(shape=(n,), chunks=(n,), dtype=dtype)
        selection = {"mask": np.ones(n, bool), "block": 0, "coordinate": np.arange(n)}.get(name, slice(None))
        getattr(a, f"set_{name}_selection")(selection, values, casting=casting)
        return a[...]

    return write


def append(dtype: Any, values: Any, casting: Any = "same_kind") -> Any:
    a = exzarr.create_array(shape=(3,), chunks=2, dtype=dtype)
    a.append(values, casting=casting)
    return a[3:]


def write_stream(dtype: Any, values: Any, casting: Any = "same_kind") -> Any:
    n = np.size(values)
    a = exzarr.create_array(shape=(n,), chunks=n, dtype=dtype)
    try:
        a.write_stream([(slice(0, n), values)], casting=casting)
    except exzarr.ChunkError as error:
        raise error.__cause__ or error from None
    return a[...]


def ingest(dtype: Any, values: Any, casting: Any = "same_kind") -> Any:
    a = exzarr.create_array(shape=(0,), chunks=2, dtype=dtype)
    try:
        exzarr.ingest(a, [np.asarray(values)], key="k", casting=casting)
    except exzarr.IngestError as error:
        raise error.__cause__ or error from None
    return a[...]


def ingest_group(dtype: Any, values: Any, casting: Any = "same_kind") -> Any:
    group = exzarr.create_group()
    a = group.create_array("a", shape=(0,), chunks=2, dtype=dtype)
    try:
        exzarr.ingest(group, [{"a": np.asarray(values)}], key="k", casting=casting)
    except exzarr.IngestError as error:
        raise error.__cause__ or error from None
    return a.refresh()[...]


def created(make: Any) -> Any:
    def write(dtype: Any, values: Any, casting: Any = "same_kind") -> Any:
        return make(values, dtype=dtype, casting=casting)[...]

    return write


def copied(dtype: Any, values: Any, casting: Any = "same_kind") -> Any:
    store = exzarr.MemoryStore()
    exzarr.copy(exzarr.array(values), store, dtype=dtype, casting=casting)
    return exzarr.open_array(store)[...]


def of_lazy(dtype: Any, values: Any, casting: Any = "same_kind") -> Any:
    return exzarr.create_array(data=exzarr.array(values), dtype=dtype, casting=casting)[...]


def of_group(dtype: Any, values: Any, casting: Any = "same_kind") -> Any:
    return exzarr.create_group().create_array("x", data=values, dtype=dtype, casting=casting)[...]


def saved(dtype: Any, values: Any, casting: Any = "same_kind") -> Any:
    store = exzarr.MemoryStore()
    exzarr.save_array(store, values, dtype=dtype, casting=casting)
    return exzarr.load(store)


WRITERS = {
    "brackets": brackets,
    "oindex": orthogonal,
    "vindex": points,
    "blocks": blocks,
    **{f"set_{n}": named(n) for n in ("basic", "orthogonal", "coordinate", "mask", "block")},
    "append": append,
    "write_stream": write_stream,
    "ingest": ingest,
    "ingest into a group": ingest_group,
    "create_array": created(lambda v, **o: exzarr.create_array(data=v, **o)),
    "array": created(exzarr.array),
    "create": created(lambda v, **o: exzarr.create(data=v, **o)),
    "lazy": of_lazy,
    "group": of_group,
    "save_array": saved,
    "copy": copied,
}


@pytest.fixture(params=WRITERS)
def write(request: Any) -> Any:
    return WRITERS[request.param]


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("i2", np.array([2.7, 99999.0])),
        ("i2", np.array([1.0, 2.0])),
        ("i2", np.array([1, 99999])),
        ("u1", np.array([-1, 3])),
        ("i8", np.array([1, 2**63], "u8")),
        ("?", np.array([0, 2])),
        ("?", np.array([-1, 1])),
        ("?", np.array([0.0, 1.0])),
        ("f4", np.array([1e300, 1.0])),
        ("f4", np.array([np.nan, np.inf, 1e39])),
        ("f8", np.array([1 + 2j, 3])),
        ("i4", np.array([np.nan, 1.0])),
        ("U2", np.array(["abc", "d"])),
        ("S2", np.array([b"abc", b"d"])),
        ("M8[D]", np.array(["2020-01-01T12", "2020-01-02"], "M8[h]")),
        ("M8[ns]", np.array(["3000-01-01"], "M8[s]")),
    ],
)
def test_every_write_method_refuses_lossy_conversion(write: Any, dtype: str, values: Any) -> None:
    with pytest.raises(exzarr.ArgumentError, match="cannot store this") as caught:
        write(dtype, values)
    assert "casting='unsafe'" in str(caught.value)


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("i2", np.array([2.7, -3.2])),
        ("u1", np.array([-1, 300])),
        ("f4", np.array([0.1, 1e10])),
        ("U2", np.array(["abc", "d"])),
        ("M8[D]", np.array(["2020-01-01T12", "2020-01-02"], "M8[h]")),
    ],
)
def test_unsafe_does_what_astype_does(write: Any, dtype: str, values: Any) -> None:
    np.testing.assert_array_equal(write(dtype, values, "unsafe"), values.astype(dtype), strict=True)


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("u1", np.array([0, 255])),
        ("i1", np.array([-128, 127], "i8")),
        ("f4", np.array([0.1, np.nan, np.inf])),
        ("f2", np.array([65504, -7])),
        ("c8", np.array([0.5, 2])),
        ("i4", np.array([True, False])),
        ("?", np.array([1, 0])),
        ("?", np.array([0, 1], "u1")),
        ("M8[s]", np.array(["2020-01-01", "NaT"], "M8[D]")),
        ("U5", np.array(["abc", "d"])),
        (">i4", np.array([1, 2])),
    ],
)
def test_lossless_values_are_converted(write: Any, dtype: str, values: Any) -> None:
    np.testing.assert_array_equal(write(dtype, values), values.astype(dtype))


@pytest.mark.parametrize("casting", ["no", "equiv", "safe"])
def test_stricter_rules_match_numpy(write: Any, casting: str) -> None:
    values = np.array([1, 2], "i8")
    with pytest.raises(exzarr.ArgumentError, match=casting):
        write("i4", values, casting)
    np.testing.assert_array_equal(write("i8", values, casting), values)


def test_unknown_casting_is_refused(write: Any) -> None:
    with pytest.raises(exzarr.ArgumentError, match="same_kind"):
        write("i4", np.array([1.0, 2.0]), "loose")


def test_refused_append_leaves_array_unchanged(tmp_path: Path) -> None:
    a = exzarr.create_array(tmp_path / "a.zarr", data=np.arange(3, dtype="i2"), chunks=2)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(exzarr.ArgumentError, match="array '/'"):
        a.append([2.7, 99999.0])
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_refused_creation_leaves_nothing() -> None:
    store = exzarr.MemoryStore()
    for data in ([2.7], exzarr.array([2.7]), exzarr.array([99999])):
        with pytest.raises(exzarr.ArgumentError):
            exzarr.create_array(store, data=data, dtype="i2")
        with pytest.raises(exzarr.ArgumentError):
            exzarr.copy(exzarr.array([2.7]), store, dtype="i2")
    assert [*store.list()] == []


NUMBERS = [True, 2, 2.0, 2.7, -1, 300, 70000, 2**40, 2**70, 1e300, float("nan"), float("inf"), 2j, 2 + 0j]
SCALARS = [*NUMBERS, *[np.asarray(n)[()] for n in NUMBERS if n != 2**70], np.float32(0.1), np.longdouble(3)]


@pytest.mark.parametrize("dtype", ["?", "i1", "u2", "i8", "u8", "f2", "f4", "f8", "c8"])
@pytest.mark.parametrize("value", SCALARS, ids=repr)
def test_single_number_is_stored_if_data_type_represents_it(dtype: str, value: Any) -> None:
    """A number is stored if it is read back equal, or (for floats) rounded, and not infinite if it was finite."""
    with np.errstate(all="ignore"):
        try:
            stored = np.asarray(complex(value) if np.dtype(dtype).kind == "c" else value).astype(dtype)[()]
        except (TypeError, ValueError, OverflowError):
            stored = None
        except np.exceptions.ComplexWarning:
            stored = np.asarray(complex(value).real).astype(dtype)[()]
    if np.dtype(dtype).kind in "fc" and stored is not None:
        real = (
            np.dtype(dtype).kind == "c"
            or not isinstance(value, (complex, np.complexfloating))
            or value.imag == 0
        )
        fits = real and bool(np.isfinite(stored)) == bool(np.isfinite(complex(value)))
    else:
        fits = stored is not None and value == stored.item()
    a = exzarr.create_array(shape=(3,), chunks=2, dtype=dtype)
    if fits:
        a[1] = value
        np.testing.assert_array_equal(a[1], stored)
    else:
        with pytest.raises(exzarr.ArgumentError):
            a[1] = value


@given(
    source=st.sampled_from(["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]),
    target=st.sampled_from(["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]),
    data=st.data(),
)
def test_integers_are_converted_if_all_fit(source: str, target: str, data: st.DataObject) -> None:
    info, wanted = np.iinfo(source), np.iinfo(target)
    edge = st.sampled_from([info.min, info.max, max(info.min, wanted.min), min(info.max, wanted.max), 0, 1])
    numbers = data.draw(st.lists(edge | st.integers(int(info.min), int(info.max)), min_size=1, max_size=4))
    values = np.array(numbers, source)
    a = exzarr.create_array(shape=values.shape, dtype=target)
    if all(wanted.min <= n <= wanted.max for n in numbers):
        a[...] = values
        assert a[...].tolist() == numbers
    else:
        with pytest.raises(exzarr.ArgumentError, match="out of range"):
            a[...] = values


@pytest.mark.parametrize(
    "name", ["bfloat16", "float8_e4m3fn", "float4_e2m1fn", "float8_e8m0fnu", "int4", "uint2"]
)
def test_small_types_refuse_saturating_values(name: str) -> None:
    a = exzarr.create_array(shape=(2,), dtype=name)
    a[...] = np.array([1.0, 2.0]) if "float" in name else np.array([1, 2])
    assert a[...].astype("f8").tolist() == [1, 2]
    with pytest.raises(exzarr.ArgumentError, match="out of range"):
        a[...] = np.array([1.0, 1e39]) if "float" in name else np.array([1, 9])
    if name == "bfloat16":
        a[...] = np.array([0.1, np.nan])
        np.testing.assert_array_equal(
            a[...].astype("f4"), np.array([0.1, np.nan]).astype(ml_dtypes.bfloat16).astype("f4")
        )
    elif "int" in name:
        with pytest.raises(exzarr.ArgumentError, match="fractions"):
            a[...] = np.array([1.0, 2.0])


def test_lists_follow_the_same_rules() -> None:
    a = exzarr.create_array(shape=(2,), dtype="i2")
    a[...] = [1, 2]
    for wrong in (
        [2.7, 1],
        [1.0, 2.0],
        [1, 70000],
        [1, 2**70],
        [1, None],
        [1, "2"],
        ["1", "2"],
        [float("nan"), 1],
    ):
        with pytest.raises(exzarr.ArgumentError):
            a[...] = wrong
    assert a[...].tolist() == [1, 2]
    f = exzarr.create_array(shape=(2,), dtype="f8")
    f[...] = [1, 2**70]
    assert f[...].tolist() == [1, 2.0**70]
    f[...] = [None, 1.5]
    np.testing.assert_array_equal(f[...], [np.nan, 1.5])


def test_object_arrays_get_type_of_their_elements() -> None:
    a = exzarr.create_array(shape=(2,), dtype="i2")
    a[...] = np.array([1, 2], object)
    assert a[...].tolist() == [1, 2]
    for wrong in ([1, 2.7], [1, None], [1, 2**70], [1, "x"], [1, 99999]):
        with pytest.raises(exzarr.ArgumentError):
            a[...] = np.array(wrong, object)


def test_text_is_never_truncated_and_missing_text_is_refused() -> None:
    for dtype in (str, "U3", "S3"):
        a = exzarr.create_array(shape=(2,), dtype=dtype)
        a[...] = ["ab", "c"]
        expected = [b"ab", b"c"] if dtype == "S3" else ["ab", "c"]
        assert a[...].tolist() == expected
        for wrong in (["ab", None], np.array(["a", np.nan], object), [None, None]):
            with pytest.raises(exzarr.ArgumentError, match="missing"):
                a[...] = wrong
    fixed = exzarr.create_array(shape=(2,), dtype="U3")
    with pytest.raises(exzarr.ArgumentError, match="longer than the 3"):
        fixed[0] = "abcd"
    with pytest.raises(exzarr.ArgumentError):
        exzarr.create_array(shape=(2,), dtype="S3")[0] = "é"


def test_strings_with_numpy_missing_value_are_refused() -> None:
    values = np.array(["a", np.nan], np.dtypes.StringDType(na_object=np.nan))
    a = exzarr.create_array(shape=(2,), dtype=str)
    with pytest.raises(exzarr.ArgumentError, match="missing"):
        a[...] = values
    with pytest.raises(exzarr.ArgumentError, match="missing"):
        exzarr.array(values)
    assert exzarr.array(values[:1])[...].tolist() == ["a"]


def test_times_are_stored_exactly() -> None:
    a = exzarr.create_array(shape=(2,), dtype="M8[s]")
    a[0] = "2020-01-01T00:00:01"
    a[1] = dt.datetime(2020, 1, 1, 12)
    np.testing.assert_array_equal(a[...], np.array(["2020-01-01T00:00:01", "2020-01-01T12"], "M8[s]"))
    a[...] = [None, dt.date(2020, 1, 1)]
    np.testing.assert_array_equal(a[...], np.array(["NaT", "2020-01-01"], "M8[s]"))
    a[...] = [5, 6]
    assert a[...].astype("i8").tolist() == [5, 6]
    for wrong in ("2020-01-01T00:00:00.5", dt.datetime(2020, 1, 1, tzinfo=dt.UTC), 1.5):
        with pytest.raises(exzarr.ArgumentError):
            a[0] = wrong


def test_structured_values_are_checked_by_field() -> None:
    a = exzarr.create_array(shape=(2,), dtype=[("x", "i2"), ("y", "U2")])
    a[...] = [(1, "a"), (2, "b")]
    assert a[...].tolist() == [(1, "a"), (2, "b")]
    a[0] = (3, "c")
    assert a[0].tolist() == (3, "c")
    for wrong in ((2.7, "a"), (70000, "a"), (1, "abc"), (None, "a")):
        with pytest.raises(exzarr.ArgumentError):
            a[0] = wrong
    wide = np.array([(1, "a"), (70000, "b")], [("x", "i8"), ("y", "U9")])
    with pytest.raises(exzarr.ArgumentError, match="70000"):
        a[...] = wide
    a[...] = wide[:1]
    assert a[1].tolist() == (1, "a")
    with pytest.raises(exzarr.ArgumentError, match="in this order"):
        a[...] = wide[["y", "x"]]
    with pytest.raises(exzarr.ArgumentError, match="fractions"):
        a["x"] = np.array([1.5, 2.5])
    a.set("x", np.array([1.5, 2.5]), casting="unsafe")
    assert a["x"].tolist() == [1, 2]


def test_masked_values_are_refused() -> None:
    a = exzarr.create_array(shape=(2,), dtype="i4")
    with pytest.raises(exzarr.ArgumentError, match="masked"):
        a[...] = np.ma.array([1, 2], mask=[True, False])
    a[...] = np.ma.array([1, 2])
    assert a[...].tolist() == [1, 2]


def test_blocks_of_several_data_types_are_joined_without_loss() -> None:
    a = exzarr.create_array(shape=(0,), chunks=4, dtype="i8")
    blocks = [np.array([2**62 + 1]), np.array([3], "u8")]
    exzarr.ingest(a, blocks, key="k", batch=2)
    assert a[...].tolist() == [2**62 + 1, 3]


def test_map_refuses_to_truncate_fractions() -> None:
    source, out = exzarr.array(np.arange(4.0)), exzarr.create_array(shape=(4,), dtype="i4")
    with pytest.raises(exzarr.ChunkError, match="fractions"):
        source.parallel_chunk_map(lambda x: x / 2, out=out)


def test_large_python_integers_keep_their_digits() -> None:
    array = exzarr.zeros(3, dtype="u8")
    array[:] = [3, 0, 2**64 - 1]
    assert array[...].tolist() == [3, 0, 2**64 - 1]
    array[:] = [np.int64(1), 2**63, 5]
    assert array[...].tolist() == [1, 2**63, 5]
    with pytest.raises(exzarr.ArgumentError):
        array[:] = [-1, 2**63, 5]
    with pytest.raises(exzarr.ArgumentError):
        exzarr.zeros(2, dtype="i1")[:] = [1, 2**63]
    with pytest.raises(exzarr.ArgumentError):
        array[:] = [1.5, 2**63, 5]
    assert array[...].tolist() == [1, 2**63, 5]
