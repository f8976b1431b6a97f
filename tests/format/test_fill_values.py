"""Fill values agree bit for bit with NumPy, ml_dtypes and zarr-python."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import fractions
import json as json_module
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import zarr.dtype
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from exzarr._format import dtypes, fill_values
from exzarr.errors import ArgumentError, ExzarrError, MetadataError
from tests.format.same import same_value

FLOATS = ["float16", "float32", "float64"]
ML_FLOATS = """bfloat16 float4_e2m1fn float6_e2m3fn float6_e3m2fn float8_e3m4 float8_e4m3 float8_e4m3b11fnuz float8_e4m3fn
float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu""".split()


def bits(value: Any, dtype: np.dtype[Any]) -> int:
    return int(np.array(value, dtype).view(f"u{dtype.itemsize}"))


def through_v3(value: Any, data_type: dtypes.DataType) -> Any:
    text = json_module.dumps(fill_values.to_v3(value, data_type), allow_nan=False)
    return fill_values.parse_v3(json_module.loads(text), data_type)


@pytest.mark.parametrize("name", [*FLOATS, *ML_FLOATS])
@given(data=st.data())
def test_every_bit_pattern_of_a_float_survives_v3(name: str, data: st.DataObject) -> None:
    data_type = dtypes.parse_v3(name)
    dtype = data_type.dtype
    pattern = data.draw(st.integers(0, 2**data_type.bits - 1))
    value = np.array(pattern, f"u{dtype.itemsize}").view(dtype)[()]
    back = through_v3(value, data_type)
    assert type(back) is dtype.type
    assert bits(back, dtype) == pattern


@pytest.mark.parametrize("name", [*FLOATS, "bfloat16", "float8_e5m2", "float8_e4m3fn"])
def test_only_the_default_nan_is_written_as_nan(name: str) -> None:
    data_type = dtypes.parse_v3(name)
    assert fill_values.to_v3(data_type.dtype.type("nan"), data_type) == "NaN"
    negative = -data_type.dtype.type("nan")
    assert (
        fill_values.to_v3(negative, data_type)
        == f"0x{bits(negative, data_type.dtype):0{2 * data_type.dtype.itemsize}x}"
    )


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("float32", "0x7fc00000", np.float32("nan")), ("float32", "0x3f800000", 1), ("float16", "0x3c00", 1),
     ("float64", "0xBFF0000000000000", -1), ("bfloat16", "0x3f80", 1), ("float8_e5m2", "0x3c", 1)],
)  # fmt: skip
def test_hexadecimal_floats_set_the_bits(name: str, text: str, value: Any) -> None:
    data_type = dtypes.parse_v3(name)
    assert bits(fill_values.parse_v3(text, data_type), data_type.dtype) == bits(value, data_type.dtype)


@pytest.mark.parametrize("name", ["complex64", "complex128"])
@given(data=st.data())
def test_every_bit_pattern_of_a_complex_number_survives_v3(name: str, data: st.DataObject) -> None:
    data_type = dtypes.parse_v3(name)
    pattern = data.draw(st.binary(min_size=data_type.dtype.itemsize, max_size=data_type.dtype.itemsize))
    value = np.frombuffer(pattern, data_type.dtype)[0]
    assert through_v3(value, data_type).tobytes() == pattern


FIXED = st.one_of(
    hnp.boolean_dtypes(), hnp.integer_dtypes(), hnp.unsigned_integer_dtypes(), hnp.floating_dtypes(sizes=(16, 32, 64)),
    hnp.complex_number_dtypes(sizes=(64, 128)), hnp.datetime64_dtypes(), hnp.timedelta64_dtypes(),
    hnp.byte_string_dtypes(min_len=1), hnp.unicode_string_dtypes(min_len=1),
)  # fmt: skip


@given(st.data())
def test_numpy_scalars_round_trip_in_zarr_pythons_form(data: st.DataObject) -> None:
    dtype = data.draw(FIXED)
    value = np.array(data.draw(hnp.from_dtype(dtype)), dtype)[()]
    zarr_format: Any = data.draw(st.sampled_from([2, 3]))
    data_type = dtypes.from_numpy(dtype, zarr_format)
    cast = fill_values.cast(value, data_type)
    assert same_value(cast, value)
    theirs = zarr.dtype.parse_dtype(dtype, zarr_format=zarr_format)
    if zarr_format == 3:
        ours = fill_values.to_v3(cast, data_type)
        assert same_value(fill_values.parse_v3(ours, data_type), value)
        assert same_value(theirs.from_json_scalar(ours, zarr_format=3), value)
    else:
        ours = fill_values.to_v2(cast, data_type)
        assert same_value(fill_values.parse_v2(ours, data_type), value)
    if "0x" not in str(ours):  # zarr-python has only one NaN
        expected = theirs.to_json_scalar(value, zarr_format=zarr_format)
        assert ours == (list(expected) if isinstance(expected, tuple) else expected)


@given(st.data())
def test_structured_scalars_survive_both_versions(data: st.DataObject) -> None:
    dtype = data.draw(hnp.array_dtypes(subtype_strategy=FIXED, allow_subarrays=False))
    value = np.array(data.draw(hnp.from_dtype(dtype)), dtype)[()]
    v2, v3 = dtypes.from_numpy(dtype, 2), dtypes.from_numpy(dtype, 3)
    cast = fill_values.cast(value, v2)
    assert same_value(fill_values.parse_v2(fill_values.to_v2(cast, v2), v2), cast)
    cast = fill_values.cast(value, v3)
    assert same_value(through_v3(cast, v3), cast)


def test_structured_fill_values_are_objects_or_base64() -> None:
    fields: list[list[Any]] = [
        ["a", "int16"],
        ["b", {"name": "raw_bytes", "configuration": {"length_bytes": 2}}],
    ]
    legacy = dtypes.parse_v3({"name": "structured", "configuration": {"fields": fields}})
    modern = dtypes.parse_v3(
        {"name": "struct", "configuration": {"fields": [{"name": n, "data_type": t} for n, t in fields]}}
    )
    text = base64.b64encode(b"\x02\x01xy").decode()  # little-endian, whatever the machine
    for data_type in (legacy, modern):
        for json in ({"a": 258, "b": "eHk="}, text):
            value = fill_values.parse_v3(json, data_type)
            assert value["a"] == 258
            assert value["b"].tobytes() == b"xy"
    assert fill_values.to_v3(value, legacy) == text
    assert fill_values.to_v3(value, modern) == {"a": 258, "b": "eHk="}
    big = dtypes.parse_v2([["a", ">i2"], ["b", "|V2"]])
    assert fill_values.parse_v2(base64.b64encode(b"\x01\x02xy").decode(), big)["a"] == 258


@pytest.mark.parametrize("dtype", ["r24", "V3"])
def test_raw_bits_are_read_as_base64_and_as_integers(dtype: str) -> None:
    data_type = dtypes.from_numpy(dtype)
    for json in ([1, 2, 255], "AQL/"):
        assert fill_values.parse_v3(json, data_type).tobytes() == b"\x01\x02\xff"
    # The specification has integers; TensorStore reads only base64 (test_interop_tensorstore.py).
    assert fill_values.to_v3(np.void(b"\x01\x02\xff"), data_type) == "AQL/"


@pytest.mark.parametrize("text", ["", "a", "é\x00ü", "😀"])
def test_strings_and_byte_strings(text: str) -> None:
    string = dtypes.from_numpy(str)
    assert through_v3(text, string) == text
    assert fill_values.parse_v2(fill_values.to_v2(text, string), string) == text
    data = text.encode()
    byte_string = dtypes.from_numpy(bytes)
    assert through_v3(data, byte_string) == data
    assert fill_values.parse_v3(list(data), byte_string) == data
    assert fill_values.parse_v2(fill_values.to_v2(data, byte_string), byte_string) == data


@pytest.mark.parametrize("json", [None, 0, "x", {"a": [1]}])
def test_v2_objects_accept_any_json(json: Any) -> None:
    data_type = dtypes.parse_v2("|O", object_codec="json2")
    assert fill_values.to_v2(fill_values.parse_v2(json, data_type), data_type) == json


@pytest.mark.parametrize("dtype", ["<i4", ">f8", "|S3", "<U2", "|b1", "|V2", "<M8[s]"])
def test_v2_null_is_none(dtype: str) -> None:
    data_type = dtypes.parse_v2(dtype)
    assert fill_values.parse_v2(None, data_type) is None
    assert fill_values.to_v2(None, data_type) is None


@pytest.mark.parametrize(
    ("dtype", "json", "value"),
    [("<f4", float("nan"), np.float32("nan")), ("<f8", float("-inf"), np.float64("-inf")), ("|b1", 0, np.False_), ("<i4", 7.0, np.int32(7)),
     ("<c8", 1, np.complex64(1)), (">i2", 5, np.int16(5)), ("<M8[ns]", "NaT", np.datetime64("NaT", "ns")), ("|S4", "", np.bytes_(b""))],
)  # fmt: skip
def test_v2_values_as_older_software_wrote_them(dtype: str, json: Any, value: Any) -> None:
    assert same_value(fill_values.parse_v2(json, dtypes.parse_v2(dtype)), value)


@pytest.mark.parametrize(
    "dtype",
    [
        "?",
        "i4",
        "u8",
        "f2",
        "f8",
        "c8",
        "M8[ns]",
        "m8[s]",
        "S4",
        "U4",
        "V3",
        str,
        bytes,
        "bfloat16",
        "int4",
        [("a", "i4"), ("b", "U2")],
    ],
)
def test_default_fill_value_equals_zarr_python(dtype: Any) -> None:
    data_type = dtypes.from_numpy(dtype)
    value = fill_values.default(data_type)
    if isinstance(dtype, str) and dtype in ("bfloat16", "int4"):
        assert value == 0
        assert type(value) is data_type.dtype.type
    elif dtype is bytes:
        assert value == b""
    else:
        theirs = zarr.dtype.parse_dtype(np.dtype(dtype) if isinstance(dtype, list) else dtype, zarr_format=3)
        if not isinstance(dtype, list):  # zarr-python 3.1 converts a zero in a field to the string "0"
            assert same_value(value, np.asarray(theirs.default_scalar()).astype(data_type.dtype)[()])
    assert same_value(through_v3(value, data_type), value)


BAD_V3: list[tuple[str, list[Any]]] = [
    ("bool", [None, 0, 1, "true", [], {}]),
    ("int8", [None, True, 128, -129, 1.5, "1", [], {}, float("nan"), float("inf"), 1e300]),
    ("uint64", [-1, 2**64, True]),
    ("int4", [8, -9, True, 1.5]),
    ("float32", [None, True, "nan", "inf", "1.5", "0x", "0x7fc0", "0x7fc00000ff", "0x7fc0000g", "0x 7fc000", "0x7fc_0000", [], {}, 10**400]),
    ("float4_e2m1fn", ["NaN", "Infinity", "0x1f"]),
    ("float8_e4m3fn", ["Infinity", "-Infinity"]),
    ("complex64", [None, 1, 1.0, [], [1], [1, 2, 3], [1, None], ["a", 1], "NaN", {"real": 1}]),
    ("string", [None, 1, True, [], "\ud800"]),
    ("bytes", [None, 1, "a", "YQ", "YQ==\n", "é", [256], [-1], [True], [1.0], {}]),
    ("r16", [None, [1, 2, 3], [1, 256], "AAAA", 0]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "json"), [(name, json) for name, values in BAD_V3 for json in values])
def test_invalid_v3_values_raise_metadata_error(name: str, json: Any) -> None:
    with pytest.raises(MetadataError, match="fill_value"):
        fill_values.parse_v3(json, dtypes.parse_v3(name))


@pytest.mark.parametrize(
    ("dtype", "json"),
    [("M8[ns]", 2**63), ("M8[ns]", True), ("M8[ns]", 1.0), ("M8[ns]", "2020"), ("M8[ns]", None), ("S2", "YWJj"), ("S2", 0),
     ("U2", "abc"), ("U2", 0), ("U2", ["a"]),
     ([("a", "i4")], {}), ([("a", "i4")], {"a": 1, "b": 2}), ([("a", "i4")], {"a": "x"}), ([("a", "i4")], 0), ([("a", "i4")], "AA==")],
)  # fmt: skip
def test_invalid_values_of_configured_types_raise_metadata_error(dtype: Any, json: Any) -> None:
    with pytest.raises(MetadataError, match="fill_value"):
        fill_values.parse_v3(json, dtypes.from_numpy(dtype))


CASTS: list[tuple[Any, Any, Any]] = [
    ("u1", 255, np.uint8(255)), ("i4", True, np.int32(1)), ("i4", 3.0, np.int32(3)), ("i4", np.float32(3), np.int32(3)),
    ("i4", np.array(3), np.int32(3)), ("u8", 2**64 - 1, np.uint64(2**64 - 1)), ("?", 1, np.True_), ("?", np.False_, np.False_),
    ("f4", 0.1, np.float32(0.1)), ("f4", "NaN", np.float32("nan")), ("f8", decimal.Decimal("1.5"), np.float64(1.5)),
    ("f8", fractions.Fraction(1, 4), np.float64(0.25)), ("f2", "-Infinity", np.float16("-inf")), ("f4", 1 + 0j, np.float32(1)),
    ("c8", 1 + 2j, np.complex64(1 + 2j)), ("c16", (1, "NaN"), np.complex128(complex(1, float("nan")))), ("c8", 1, np.complex64(1)),
    ("bfloat16", 0.1, ml_dtypes.bfloat16(0.1)), ("bfloat16", ml_dtypes.bfloat16(3), ml_dtypes.bfloat16(3)),
    ("float8_e4m3fn", 300, ml_dtypes.float8_e4m3fn(300)), ("int4", -8, ml_dtypes.int4(-8)),
    ("M8[ns]", "2020-01-01", np.datetime64("2020-01-01", "ns")), ("M8[D]", dt.date(2020, 1, 1), np.datetime64("2020-01-01", "D")),
    ("M8[D]", dt.datetime(2020, 1, 1), np.datetime64("2020-01-01", "D")), ("M8[s]", "NaT", np.datetime64("NaT", "s")),
    ("M8[ns]", np.datetime64("NaT", "s"), np.datetime64("NaT", "ns")), ("m8[s]", np.timedelta64(5, "m"), np.timedelta64(300, "s")),
    ("m8[ms]", dt.timedelta(seconds=5), np.timedelta64(5000, "ms")), ("m8[s]", 5, np.timedelta64(5, "s")),
    ("S3", b"ab", np.bytes_(b"ab")), ("S3", "ab", np.bytes_(b"ab")), ("U2", "é", np.str_("é")), ("V3", b"abc", np.void(b"abc")),
    ("V3", 0, np.void(b"\0\0\0")), (str, "x", "x"), (str, np.str_("x"), "x"), (bytes, b"x", b"x"), (bytes, bytearray(b"x"), b"x"),
    ([("a", "i4"), ("b", "f4")], (1, 2.5), np.array((1, 2.5), "i4,f4")[()]),
    ([("a", "i4"), ("b", "f4")], {"b": 2.5, "a": 1}, np.array((1, 2.5), "i4,f4")[()]),
    ([("a", "i4"), ("b", "f4")], 0, np.zeros((), "i4,f4")[()]),
]  # fmt: skip


@pytest.mark.parametrize(("dtype", "value", "expected"), CASTS)
def test_users_values_become_scalars(dtype: Any, value: Any, expected: Any) -> None:
    cast = fill_values.cast(value, dtypes.from_numpy(dtype))
    if isinstance(expected, np.void) and expected.dtype.names:
        assert cast.item() == expected.item()
    else:
        assert type(cast) is type(expected)
        assert same_value(cast, expected)


def test_times_without_a_unit_accept_counts_and_nat() -> None:
    data_type = dtypes.from_numpy("M8")
    for value, count in (("NaT", -(2**63)), (np.datetime64("NaT", "s"), -(2**63)), (7, 7)):
        assert fill_values.to_v3(fill_values.cast(value, data_type), data_type) == count
        assert fill_values.to_v3(fill_values.parse_v3(count, data_type), data_type) == count


def test_array_fields_accept_arrays() -> None:
    data_type = dtypes.from_numpy([("a", "<i4", (2,))], 2)
    assert fill_values.cast(([1, 2],), data_type)["a"].tolist() == [1, 2]
    assert fill_values.cast((7,), data_type)["a"].tolist() == [7, 7]
    with pytest.raises(ArgumentError):
        fill_values.cast(([1, 2, 3],), data_type)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("u1", 300), ("u1", -1), ("i4", 1.5), ("i4", float("nan")), ("i4", "a"), ("i4", None), ("i4", [1]), ("i4", np.array([1])),
     ("i4", np.timedelta64(5, "ns")), ("i4", 1 + 1j), ("?", 2), ("?", "yes"), ("f4", 1e300), ("f8", 10**400), ("f4", "x"), ("f4", 1 + 2j),
     ("f4", object()), ("c8", 1e300), ("c8", (1, 2, 3)), ("c8", "1j"), ("float8_e4m3fn", float("inf")), ("float8_e4m3fn", 1e6),
     ("float4_e2m1fn", float("nan")), ("float4_e2m1fn", 300), ("int4", 8), ("uint2", -1),
     ("M8[D]", np.datetime64("2020-01-01T01", "h")), ("M8[ns]", np.datetime64(2**62, "s")), ("M8[s]", "yesterday"), ("M8[s]", None),
     ("M8[s]", 1.5), ("M8", "2020"), ("M8", np.datetime64("2020", "D")), ("M8[s]", np.timedelta64("NaT", "s")), ("m8[s]", "soon"), ("M8[s]", 2**63), ("m8[s]", dt.timedelta(milliseconds=1)), ("M8[s]", ["2020"]),
     ("S2", b"abc"), ("S2", "é"), ("S2", 1), ("U2", "abc"), ("U2", b"a"), ("V3", b"abcd"), ("V3", "abc"), (str, 1), (str, b"x"), (str, "\ud800"),
     (bytes, "x"), ([("a", "i4")], (1, 2)), ([("a", "i4")], {"b": 1}), ([("a", "i4")], 1), ([("a", "u1")], (300,))],
)  # fmt: skip
def test_users_values_that_do_not_fit_raise_argument_error(dtype: Any, value: Any) -> None:
    with pytest.raises(ArgumentError, match="fill_value"):
        fill_values.cast(value, dtypes.from_numpy(dtype))


def test_huge_integers_raise_with_a_short_message() -> None:
    for attempt in (fill_values.cast, fill_values.parse_v3):
        with pytest.raises(ExzarrError, match="fill_value") as caught:
            attempt(10**5000, dtypes.parse_v3("int8"))
        assert len(str(caught.value)) < 300


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(["NaN", "0x7fc00000", "AAAA"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(
    JSON,
    st.sampled_from([*FLOATS, *ML_FLOATS, "bool", "int16", "complex64", "string", "bytes", "r24", "int4"]),
)
def test_any_json_parses_or_raises_exzarr_error(json: Any, name: str) -> None:
    data_type = dtypes.parse_v3(name)
    for parse in (fill_values.parse_v3, fill_values.parse_v2):
        try:
            value = parse(json, data_type)
        except ExzarrError:
            continue
        if value is not None:
            assert same_value(through_v3(value, data_type), value)
