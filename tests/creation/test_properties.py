"""New arrays are stored with the given properties, and other software reads the same values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr

import exzarr
from exzarr.stores.memory import MemoryStore

INTEGERS = np.arange(8) * 3 - 5
FLOATS = INTEGERS / 2


def filters_of(order: str) -> list[tuple[Any, str, Any]]:
    return [
        (numcodecs.Delta(dtype=f"{order}i4"), "i4", INTEGERS),
        (numcodecs.Delta(dtype=f"{order}i4", astype=f"{order}i2"), "i4", INTEGERS),
        ({"id": "delta", "dtype": f"{order}i4"}, "i4", INTEGERS),
        ({"name": "numcodecs.delta", "configuration": {"dtype": f"{order}i4"}}, "i4", INTEGERS),
        (
            numcodecs.FixedScaleOffset(offset=1, scale=2, dtype=f"{order}f8", astype=f"{order}i4"),
            "f8",
            FLOATS,
        ),
        (numcodecs.AsType(encode_dtype=f"{order}f4", decode_dtype=f"{order}f8"), "f8", FLOATS),
        (numcodecs.Quantize(digits=3, dtype=f"{order}f8"), "f8", FLOATS),
    ]


@pytest.mark.parametrize("filter_", [*filters_of("<"), *filters_of(">")], ids=lambda f: str(f[0])[:60])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("shards", [None, (8,)])
def test_zarr_python_reads_filters_of_either_byte_order(
    tmp_path: Path, filter_: tuple[Any, str, Any], order: str, shards: Any
) -> None:
    codec, kind, values = filter_
    data = values.astype(f"{order}{kind}")
    array = exzarr.create_array(tmp_path / "a", data=data, chunks=(4,), shards=shards, filters=[codec])
    np.testing.assert_array_equal(array[:], data)
    theirs: Any = zarr.open_array(tmp_path / "a", mode="r")
    np.testing.assert_array_equal(theirs[:], data)
    assert ">" not in (tmp_path / "a" / "zarr.json").read_text()


def test_a_serializer_that_zarr_python_reads_wrongly_behind_filters_is_refused() -> None:
    with pytest.raises(exzarr.ArgumentError, match="zarr-python reads big-endian bytes incorrectly"):
        exzarr.create_array(
            MemoryStore(),
            shape=(4,),
            dtype="i4",
            filters=[numcodecs.Delta(dtype="<i4")],
            serializer={"name": "bytes", "configuration": {"endian": "big"}},
        )


def test_append_keeps_listed_chunk_lengths(tmp_path: Path) -> None:
    array = exzarr.create_array(tmp_path / "a", data=np.arange(24), chunks=[[10, 10, 4]])
    before = (tmp_path / "a" / "c" / "2").read_bytes()
    array.append(np.arange(6))
    assert (tmp_path / "a" / "c" / "2").read_bytes() == before
    np.testing.assert_array_equal(exzarr.open_array(tmp_path / "a")[:], [*range(24), *range(6)])


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_short_fill_values_of_raw_types_are_padded_with_zeros(tmp_path: Path, zarr_format: Any) -> None:
    array = exzarr.create_array(
        tmp_path / "a", shape=(2,), dtype="V4", fill_value=b"ab", zarr_format=zarr_format, compressors=None
    )
    assert bytes(array[0]) == b"ab\0\0"
    document = tmp_path / "a" / ("zarr.json" if zarr_format == 3 else ".zarray")
    json_ = json.loads(document.read_text())
    assert json_["fill_value"] == "YWIAAA=="
    document.write_text(json.dumps({**json_, "fill_value": "YWI="}))
    theirs: Any = zarr.open_array(tmp_path / "a", mode="r")
    assert bytes(exzarr.open_array(tmp_path / "a")[0]) == bytes(theirs[0]) == b"ab\0\0"
    document.write_text(json.dumps({**json_, "fill_value": "YWJjZGU="}))
    with pytest.raises(exzarr.MetadataError, match="4 bytes"):
        exzarr.open_array(tmp_path / "a")
    with pytest.raises(exzarr.ArgumentError, match="at most 4 bytes"):
        exzarr.create_array(MemoryStore(), shape=(2,), dtype="V4", fill_value=b"abcde")


@pytest.mark.parametrize(
    ("elementsize", "dtype", "size"), [(0, "f4", 4), (None, "f4", 4), (0, "S5", 5), (4, "f8", 4)]
)
def test_a_shuffle_without_an_element_size_uses_that_of_the_array(
    elementsize: int | None, dtype: str, size: int
) -> None:
    data = np.arange(8).astype(dtype)
    stored = numcodecs.Shuffle(size).encode(data)
    store = MemoryStore()
    zarray = {
        "zarr_format": 2,
        "shape": [8],
        "chunks": [8],
        "dtype": data.dtype.str,
        "compressor": None,
        "fill_value": None,
        "order": "C",
        "filters": [{"id": "shuffle", "elementsize": elementsize}],
    }
    store.put(".zarray", json.dumps(zarray).encode())
    store.put("0", bytes(stored))
    array = exzarr.open_array(store, mode="r+")
    np.testing.assert_array_equal(array[:], data)
    array.attrs["a"] = 1
    array.resize((9,))
    assert json.loads(bytes(store.get(".zarray") or b""))["filters"][0]["elementsize"] == size


def test_a_shuffle_whose_element_size_does_not_fit_is_refused() -> None:
    with pytest.raises(exzarr.ExzarrError, match="elementsize 3 does not fit float32"):
        exzarr.create_array(
            MemoryStore(),
            shape=(8,),
            chunks=(8,),
            dtype="f4",
            compressors=[{"name": "numcodecs.shuffle", "configuration": {"elementsize": 3}}],
        )


def test_bloscs_type_size_of_zero_is_that_of_the_array() -> None:
    array = exzarr.create_array(
        MemoryStore(), data=np.arange(8.0), compressors=exzarr.codecs.Blosc(shuffle="shuffle", typesize=0)
    )
    assert array.metadata.codecs[-1].configuration["typesize"] == 8


@pytest.mark.parametrize(
    ("codec", "message"),
    [
        ("imagecodecs_jpeg2k", "the package imagecodecs-numcodecs provides it"),
        ("vlen-ndarray", "the package zarr-vlen-ndarray provides it"),
        ("wavpack", "the package wavpack-numcodecs provides it"),
        ("optional", "it stores missing values"),
        ("nothing-known", "is not known"),
    ],
)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_unknown_codec_error_names_its_package(codec: str, message: str, zarr_format: Any) -> None:
    store = MemoryStore()
    made = exzarr.create_array(store, shape=(4,), dtype="f4", zarr_format=zarr_format)
    key = "zarr.json" if zarr_format == 3 else ".zarray"
    document = json.loads(bytes(store.get(key) or b""))
    if zarr_format == 3:
        document["codecs"][-1] = {"name": codec, "configuration": {}}
    else:
        document["compressor"] = {"id": codec}
    store.put(key, json.dumps(document).encode())
    assert made.shape == (4,)
    with pytest.raises(exzarr.UnsupportedError, match=f"codec '{codec}'.*{message}"):
        exzarr.open_array(store)[:]
    report = exzarr.check(store, grace=0)
    assert [finding.code for finding in report.findings] == ["EXZ103"]
    assert message in report.findings[0].detail


@pytest.mark.parametrize(
    ("data_type", "message"),
    [
        ("complex8", "complex64, complex128"),
        ("complex_bfloat16", "complex64, complex128"),
        ({"name": "zarrs.optional", "configuration": {"name": "int32"}}, "may be missing"),
        ("int128", "is not known"),
    ],
)
def test_a_data_type_that_numpy_does_not_have_is_refused_by_name(data_type: Any, message: str) -> None:
    store = MemoryStore()
    exzarr.create_array(store, shape=(4,), dtype="f4")
    document = json.loads(bytes(store.get("zarr.json") or b""))
    store.put("zarr.json", json.dumps({**document, "data_type": data_type}).encode())
    name = data_type if isinstance(data_type, str) else data_type["name"]
    with pytest.raises(exzarr.UnsupportedError, match=f"data_type '{name}'.*{message}"):
        exzarr.open_array(store)


@pytest.mark.parametrize(
    ("dtype", "number", "bits"),
    [
        (
            "bfloat16",
            1 + 2**-8 + 2**-30,
            0x3F81,
        ),  # just above the middle: rounded up, although float32 loses the rest
        ("bfloat16", 1 + 2**-8, 0x3F80),  # the middle: rounded to even
        ("bfloat16", 1 + 3 * 2**-8, 0x3F82),
        ("float16", 2049, 0x6800),
        ("float16", 2051, 0x6802),
        ("float32", 2**24 + 1, 0x4B800000),
        ("float32", 2**60 + 2**36 + 1, 0x5D800001),  # float64 loses the 1
    ],
)
def test_numbers_are_rounded_once_and_half_to_even(dtype: str, number: float, bits: int) -> None:
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    store = MemoryStore()
    exzarr.create_array(store, shape=(1,), dtype=dtype)
    document = json.loads(bytes(store.get("zarr.json") or b""))
    store.put("zarr.json", json.dumps({**document, "fill_value": number}).encode())
    value = exzarr.open_array(store)[:]
    assert int(value.view(f"u{value.dtype.itemsize}")[0]) == bits
