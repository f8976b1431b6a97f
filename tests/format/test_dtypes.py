"""Data types of documents and users agree with NumPy, ml_dtypes and zarr-python."""

from __future__ import annotations

import pickle
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import zarr.dtype
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from exzarr._format import dtypes
from exzarr.errors import ArgumentError, MetadataError, UnsupportedError
from tests.breadth import examples

CORE = """bool int8 int16 int32 int64 uint8 uint16 uint32 uint64
float16 float32 float64 complex64 complex128""".split()
ML = """bfloat16 int2 int4 uint2 uint4 float4_e2m1fn float6_e2m3fn float6_e3m2fn float8_e3m4 float8_e4m3
float8_e4m3b11fnuz float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu""".split()
STRUCT: list[Any] = [
    {"name": "a", "data_type": "int32"},
    {
        "name": "b",
        "data_type": {"name": "struct", "configuration": {"fields": [{"name": "x", "data_type": "bool"}]}},
    },
]


@pytest.mark.parametrize("name", CORE)
def test_core_names_are_numpy_names(name: str) -> None:
    made = dtypes.parse_v3(name)
    assert made.dtype == np.dtype(name)
    assert made.dtype.isnative
    assert made.v3 == name
    assert made.kind == "fixed"
    assert dtypes.parse_v3({"name": name}).dtype == np.dtype(name)
    assert dtypes.from_numpy(name) == made


@pytest.mark.parametrize("name", ML)
def test_ml_dtypes_have_their_names_in_both_versions(name: str) -> None:
    expected = np.dtype(getattr(ml_dtypes, name))
    assert dtypes.parse_v3(name).dtype == expected
    assert dtypes.parse_v2(name).dtype == expected
    for spelling in (name, expected, expected.type):
        made = dtypes.from_numpy(spelling)
        assert (made.dtype, made.v3, made.v2) == (expected, name, name)


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("bool", 1),
        ("int2", 2),
        ("uint4", 4),
        ("float4_e2m1fn", 4),
        ("float6_e2m3fn", 6),
        ("bfloat16", 16),
        ("int32", 32),
    ],
)
def test_bits_counts_significant_bits(name: str, bits: int) -> None:
    assert dtypes.parse_v3(name).bits == bits


@pytest.mark.parametrize(
    ("json", "dtype"),
    [
        ("r8", "V1"),
        ("r24", "V3"),
        ({"name": "raw_bytes", "configuration": {"length_bytes": 3}}, "V3"),
        ({"name": "null_terminated_bytes", "configuration": {"length_bytes": 7}}, "S7"),
        ({"name": "fixed_length_utf32", "configuration": {"length_bytes": 20}}, "U5"),
        ({"name": "numpy.datetime64", "configuration": {"unit": "ns", "scale_factor": 1}}, "M8[ns]"),
        ({"name": "numpy.datetime64", "configuration": {"unit": "μs", "scale_factor": 10}}, "M8[10us]"),
        ({"name": "numpy.datetime64", "configuration": {"unit": "generic", "scale_factor": 1}}, "M8"),
        ({"name": "numpy.timedelta64", "configuration": {"unit": "D", "scale_factor": 7}}, "m8[7D]"),
        ("complex_float32", "c8"),
        ({"name": "struct", "configuration": {"fields": STRUCT}}, [("a", "i4"), ("b", [("x", "?")])]),
        (
            {"name": "structured", "configuration": {"fields": [["a", "int32"], ["b", "r16"]]}},
            [("a", "i4"), ("b", "V2")],
        ),
    ],
)
def test_v3_names_with_configuration(json: Any, dtype: Any) -> None:
    made = dtypes.parse_v3(json)
    assert made.dtype == np.dtype(dtype)
    assert made.v3 == json
    assert made.kind == "fixed"


@pytest.mark.parametrize(
    ("name", "kind"), [("string", "string"), ("bytes", "bytes"), ("variable_length_bytes", "bytes")]
)
def test_types_of_variable_length(name: str, kind: str) -> None:
    made = dtypes.parse_v3(name)
    assert made.kind == kind
    assert made.variable_length
    assert made.dtype == (np.dtypes.StringDType() if kind == "string" else np.dtype("O"))
    assert made.v2 == "|O"


@pytest.mark.parametrize(
    "text", "|b1 |i1 |u1 <i2 >i2 <u8 >f4 <f2 <c8 >c16 <M8[ns] >M8[10us] <m8 <m8[s] |S5 <U3 >U3 |V9".split()
)
def test_v2_strings_are_numpy_strings_with_their_byte_order(text: str) -> None:
    made = dtypes.parse_v2(text)
    assert made.dtype == np.dtype(text)
    assert made.dtype.str == text
    assert made.v2 == text
    assert dtypes.from_numpy(text, 2).v2 == text


@pytest.mark.parametrize(
    ("json", "dtype"),
    [
        ([["a", "<i4"], ["b", ">f8"]], [("a", "<i4"), ("b", ">f8")]),
        (
            [["a", "|S3"], ["b", [["x", "<u2"], ["y", "<U2"]]]],
            [("a", "S3"), ("b", [("x", "u2"), ("y", "<U2")])],
        ),
        ([["a", "<i4", [2, 3]], ["", "|V4"]], [("a", "<i4", (2, 3)), ("", "V4")]),
    ],
)
def test_v2_fields(json: Any, dtype: Any) -> None:
    assert dtypes.parse_v2(json).dtype == np.dtype(dtype)
    assert dtypes.parse_v2(json).v2 == json


@pytest.mark.parametrize(
    ("codec", "kind"),
    [("vlen-utf8", "string"), ("vlen-bytes", "bytes"), ("json2", "object"), ("pickle", "object")],
)
def test_v2_object_codec_sets_the_kind_of_objects(codec: str, kind: str) -> None:
    assert dtypes.parse_v2("|O", object_codec=codec).kind == kind


def test_v2_objects_without_a_codec_raise_metadata_error() -> None:
    with pytest.raises(MetadataError, match="requires a filter"):
        dtypes.parse_v2("|O")


@pytest.mark.parametrize(
    "json",
    [None, 1, True, [], {}, {"name": 1}, {"name": ""}, {"name": "int32", "configuration": []},
     {"name": "int32", "configuration": {"x": 1}}, "", "r0", "r7", "r08", "r" + "9" * 30, "r" + "8" * 5000,
     {"name": "fixed_length_utf32", "configuration": {"length_bytes": 6}},
     {"name": "raw_bytes"}, {"name": "raw_bytes", "configuration": {"length_bytes": True}},
     {"name": "raw_bytes", "configuration": {"length_bytes": 0}},
     {"name": "raw_bytes", "configuration": {"length_bytes": 2**40}},
     {"name": "raw_bytes", "configuration": {"length_bytes": 3, "x": 1}},
     {"name": "numpy.datetime64", "configuration": {"unit": "fortnight", "scale_factor": 1}},
     {"name": "numpy.datetime64", "configuration": {"unit": [], "scale_factor": 1}},
     {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 2**31}},
     {"name": "struct", "configuration": {"fields": []}},
     {"name": "struct", "configuration": {"fields": [{"name": "a", "data_type": "string"}]}},
     {"name": "struct", "configuration": {"fields": [STRUCT[0], STRUCT[0]]}},
     {"name": "struct", "configuration": {"fields": [{"name": "", "data_type": "int8"}]}},
     {"name": "struct", "configuration": {"fields": [["a"]]}},
     {"name": "struct", "configuration": {"fields": [["a", "r16000000000"], ["b", "r16000000000"]]}}],
)  # fmt: skip
def test_invalid_v3_data_types_raise_metadata_error(json: Any) -> None:
    with pytest.raises(MetadataError):
        dtypes.parse_v3(json)


@pytest.mark.parametrize("json", ["int128", "float8", {"name": "fixed", "configuration": {}}])
def test_unknown_v3_name_error_lists_known_names(json: Any) -> None:
    with pytest.raises(UnsupportedError, match=r"float32.*bfloat16"):
        dtypes.parse_v3(json)


@pytest.mark.parametrize(
    "json",
    [None, 4, "", "f4", "float32", "<f3", "<f", "|f4", "<i4,<i4", "(2,)<i4", "<x4", "=f4", "<M8[", "<M8[]", "<M8[ns", "<M8[0s]",
     "<M8[ns]x", "<M8[99999999999999999999s]", "<i4[ns]", "|S", "|S0", "|S99999999999", "<U" + "9" * 5000, "<U1000000000", "<f٤",
     [], [["a"]], [["a", "<f4", "x"]], [["a", "<f4", [True]]], [["a", "<f4", [-1]]], [["a", "<f4", [2**62]]],
     [["a", "<f4"], ["a", "<f4"]], [[1, "<f4"]], [["a", "|O"]], {"a": 1}, [["a", "|S2000000000"], ["b", "|S2000000000"]]],
)  # fmt: skip
def test_invalid_v2_data_types_raise_metadata_error(json: Any) -> None:
    with pytest.raises(MetadataError):
        dtypes.parse_v2(json)


def test_deeply_nested_types_raise_metadata_error() -> None:
    v3: Any = "int8"
    v2: Any = "|i1"
    for _ in range(200):
        v3 = {"name": "struct", "configuration": {"fields": [{"name": "a", "data_type": v3}]}}
        v2 = [["a", v2]]
    with pytest.raises(MetadataError, match="nested"):
        dtypes.parse_v3(v3)
    with pytest.raises(MetadataError, match="nested"):
        dtypes.parse_v2(v2)


@pytest.mark.parametrize(
    ("given", "dtype", "v3"),
    [
        (np.float32, "f4", "float32"), (">i2", "=i2", "int16"), (float, "f8", "float64"), (bool, "?", "bool"),
        ("S5", "S5", {"name": "null_terminated_bytes", "configuration": {"length_bytes": 5}}),
        (">U5", "=U5", {"name": "fixed_length_utf32", "configuration": {"length_bytes": 20}}),
        ("V3", "V3", {"name": "raw_bytes", "configuration": {"length_bytes": 3}}), ("r24", "V3", "r24"),
        ("datetime64[ns]", "M8[ns]", {"name": "numpy.datetime64", "configuration": {"unit": "ns", "scale_factor": 1}}),
        (">m8[25s]", "m8[25s]", {"name": "numpy.timedelta64", "configuration": {"unit": "s", "scale_factor": 25}}),
        ({"name": "float32"}, "f4", {"name": "float32"}),
    ],
)  # fmt: skip
def test_users_dtypes_become_native_v3_types(given: Any, dtype: str, v3: Any) -> None:
    made = dtypes.from_numpy(given)
    assert made.dtype == np.dtype(dtype)
    assert made.dtype.isnative
    assert made.v3 == v3
    assert dtypes.parse_v3(v3) == made


@pytest.mark.parametrize("given", [str, "str", "string", "T", np.dtypes.StringDType(), "U", np.dtype("U")])
def test_spellings_of_strings_of_any_length(given: Any) -> None:
    for zarr_format in (2, 3):
        made = dtypes.from_numpy(given, zarr_format)
        assert (made.kind, made.v3, made.v2) == ("string", "string", "|O")


@pytest.mark.parametrize("given", [bytes, "bytes", "variable_length_bytes", "S"])
def test_spellings_of_byte_strings_of_any_length(given: Any) -> None:
    assert dtypes.from_numpy(given).kind == "bytes"


def test_structured_types_lose_padding_titles_and_byte_order() -> None:
    padded = np.dtype([("a", "u1"), (("title", "b"), ">f8")], align=True)
    assert padded.itemsize == 16
    assert dtypes.from_numpy(padded).dtype == np.dtype([("a", "u1"), ("b", "=f8")])
    assert dtypes.from_numpy(padded, 2).dtype == np.dtype([("a", "u1"), ("b", ">f8")])
    assert dtypes.from_numpy([["a", "|u1"], ["b", ">f8"]], 2).v2 == [["a", "|u1"], ["b", ">f8"]]


@pytest.mark.parametrize(
    "given", [None, "nope", object, "O", [("a", "O")], "V0", "r7", {"name": "raw_bytes"}, "(2,)f4", 3.5]
)
def test_invalid_dtypes_of_users_raise_argument_error(given: Any) -> None:
    with pytest.raises(ArgumentError):
        dtypes.from_numpy(given)


def test_dtypes_that_a_version_cannot_store_raise_argument_error() -> None:
    with pytest.raises(ArgumentError, match="Zarr format 3"):
        dtypes.from_numpy([("a", "f4", (2,))])
    with pytest.raises(ArgumentError, match="Zarr format 3"):
        dtypes.from_numpy(dtypes.parse_v2("|O", object_codec="json2"))
    assert dtypes.from_numpy([("a", "f4", (2,))], 2).v2 == [["a", "<f4", [2]]]


def test_a_data_type_converts_between_versions() -> None:
    big = dtypes.parse_v2(">f4")
    assert dtypes.from_numpy(big, 2) is big
    assert dtypes.from_numpy(big, 3) == dtypes.parse_v3("float32")
    assert big != dtypes.parse_v3("float32")


def test_data_types_compare_hash_and_pickle() -> None:
    a, b = (dtypes.parse_v3({"name": "struct", "configuration": {"fields": STRUCT}}) for _ in range(2))
    assert a == b
    assert hash(a) == hash(b)
    assert pickle.loads(pickle.dumps(a)) == a
    assert dtypes.parse_v3("int8") != dtypes.parse_v3("uint8")
    assert dtypes.parse_v3("string") != dtypes.parse_v3("bytes")


def _zarr_dtypes() -> st.SearchStrategy[np.dtype[Any]]:
    return st.one_of(
        hnp.boolean_dtypes(), hnp.integer_dtypes(), hnp.unsigned_integer_dtypes(), hnp.floating_dtypes(sizes=(16, 32, 64)),
        hnp.complex_number_dtypes(sizes=(64, 128)), hnp.datetime64_dtypes(), hnp.timedelta64_dtypes(),
        hnp.byte_string_dtypes(min_len=1), hnp.unicode_string_dtypes(min_len=1),
    )  # fmt: skip


@given(dtype=_zarr_dtypes(), zarr_format=st.sampled_from([2, 3]))
@examples(33)
def test_names_equal_those_of_zarr_python(dtype: np.dtype[Any], zarr_format: Any) -> None:
    theirs = zarr.dtype.parse_dtype(dtype, zarr_format=zarr_format)
    made = dtypes.from_numpy(dtype, zarr_format)
    if zarr_format == 3:
        assert made.v3 == theirs.to_json(zarr_format=3)
        assert dtypes.parse_v3(made.v3).dtype == made.dtype == theirs.to_native_dtype().newbyteorder("=")
    else:
        assert made.v2 == theirs.to_json(zarr_format=2)["name"]  # type: ignore[call-overload,index]
        assert dtypes.parse_v2(made.v2).dtype == made.dtype == theirs.to_native_dtype()


@given(hnp.array_dtypes(subtype_strategy=_zarr_dtypes(), allow_subarrays=False))
@examples(20)
def test_structured_types_round_trip(dtype: np.dtype[Any]) -> None:
    v2 = dtypes.from_numpy(dtype, 2)
    assert v2.dtype == np.dtype([(label, dtype[label]) for label in dtype.names or ()])
    assert dtypes.parse_v2(v2.v2) == v2
    v3 = dtypes.from_numpy(dtype, 3)
    assert v3.dtype == v2.dtype.newbyteorder("=")
    assert dtypes.parse_v3(v3.v3) == v3
