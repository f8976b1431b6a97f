"""The metadata of new arrays has the given properties, as read by zarr-python."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import zarr

import exzarr
from exzarr import ArgumentError, MemoryStore, array_metadata
from exzarr._format import v2, v3

DTYPES = [
    "bool", "i1", "u2", ">i4", "u8", "f2", ">f4", "f8", "c8", "c16", "M8[ns]", "m8[s]", "S5", "U5", "V4",
    [("a", "i4"), ("b", "f8")],
]  # fmt: skip


@pytest.fixture(params=[2, 3])
def zarr_format(request: Any) -> int:
    return int(request.param)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_default_fill_value_is_zarr_python_s(tmp_path: Any, dtype: Any, zarr_format: int) -> None:
    if isinstance(dtype, list) and zarr_format == 3:
        pytest.skip("zarr-python before 3.2 has another name for structs")
    ours = exzarr.create_array(tmp_path / "a", shape=(3,), dtype=np.dtype(dtype), zarr_format=zarr_format)  # type: ignore[arg-type]
    theirs = zarr.create_array(tmp_path / "b", shape=(3,), dtype=np.dtype(dtype), zarr_format=zarr_format)
    read = zarr.open_array(tmp_path / "a", mode="r")
    np.testing.assert_array_equal(np.asarray(ours.fill_value), np.asarray(theirs.fill_value))
    np.testing.assert_array_equal(np.asarray(read.fill_value), np.asarray(theirs.fill_value))
    assert read.dtype == zarr.open_array(tmp_path / "b", mode="r").dtype
    # v3 keeps the byte order in a codec. Arrays in memory have the machine's byte order.
    assert ours.dtype == (theirs.dtype if zarr_format == 2 else theirs.dtype.newbyteorder("="))


@pytest.mark.parametrize("dtype", [str, bytes, "string"])
def test_strings_of_any_length(tmp_path: Any, dtype: Any, zarr_format: int) -> None:
    a = exzarr.create_array(tmp_path / "a", shape=(3,), dtype=dtype, zarr_format=zarr_format)  # type: ignore[arg-type]
    value = b"abc" if dtype is bytes else "abc"
    a[1] = value
    found = zarr.open_array(tmp_path / "a", mode="r")[:]
    empty = value[:0]
    assert [*found] == [empty, value, empty]


def test_zarr_python_reads_the_same_properties(tmp_path: Any) -> None:
    exzarr.create_array(
        tmp_path / "a",
        shape=(20, 30),
        dtype="f4",
        chunks=(5, 10),
        shards=(10, 30),
        compressors={"name": "gzip", "configuration": {"level": 3}},
        fill_value=7.5,
        attributes={"title": "x", "list": (1, 2), "number": np.float32(0.5)},
        chunk_key_encoding=("v2", "/"),
        dimension_names=("y", None),
    )
    found = zarr.open_array(tmp_path / "a", mode="r")
    assert (found.shape, found.chunks, found.shards) == ((20, 30), (5, 10), (10, 30))
    assert found.fill_value == 7.5
    assert dict(found.attrs) == {"title": "x", "list": [1, 2], "number": 0.5}
    assert found.metadata.dimension_names == ("y", None)
    assert found.metadata.chunk_key_encoding.name == "v2"
    assert found.metadata.chunk_key_encoding.separator == "/"
    assert [type(codec).__name__ for codec in found.compressors] == ["GzipCodec"]


def test_zarr_python_reads_the_same_properties_in_v2(tmp_path: Any) -> None:
    exzarr.create_array(
        tmp_path / "a",
        shape=(20, 30),
        dtype=">f4",
        chunks=(5, 10),
        filters={"id": "delta", "dtype": ">f4"},
        compressors={"id": "zlib", "level": 3},
        fill_value=None,
        order="F",
        zarr_format=2,
        chunk_key_encoding="/",
        dimension_names=("y", "x"),
    )
    document = json.loads((tmp_path / "a" / ".zarray").read_bytes())
    assert document["fill_value"] is None
    assert document["dimension_separator"] == "/"
    found = zarr.open_array(tmp_path / "a", mode="r")
    assert found.dtype == ">f4"
    assert found.order == "F"
    assert found.metadata.compressor.codec_id == "zlib"
    assert [codec.codec_id for codec in found.filters] == ["delta"]
    assert dict(found.attrs) == {"_ARRAY_DIMENSIONS": ["y", "x"]}


def test_big_endian_is_kept_in_the_bytes_codec(tmp_path: Any) -> None:
    a = exzarr.create_array(tmp_path / "a", data=np.arange(5, dtype=">i4"), compressors=None)
    assert a.dtype == np.dtype("i4")
    assert (tmp_path / "a" / "c" / "0").read_bytes()[:8] == np.array([0, 1], ">i4").tobytes()
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a", mode="r")[:], np.arange(5))


@pytest.mark.parametrize("shards", [None, (6, 8)])
def test_order_f_stores_chunks_in_fortran_order(tmp_path: Any, shards: Any, zarr_format: int) -> None:
    if shards and zarr_format == 2:
        pytest.skip("no shards in v2")
    data = np.arange(48.0).reshape(6, 8)
    exzarr.create_array(
        tmp_path / "a",
        data=data,
        chunks=(3, 4),
        shards=shards,
        order="F",
        compressors=None,
        zarr_format=zarr_format,  # type: ignore[arg-type]
    )
    key = "0.0" if zarr_format == 2 else "c/0/0"
    assert (tmp_path / "a" / key).read_bytes().startswith(data[:3, :4].tobytes(order="F"))
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a", mode="r")[:], data)


@pytest.mark.parametrize(
    ("given", "key"),
    [
        (None, "c/1/2"),
        ("default", "c/1/2"),
        ("v2", "1.2"),
        (".", "c.1.2"),
        (("default", "."), "c.1.2"),
        (("v2", "/"), "1/2"),
        ({"name": "v2"}, "1.2"),
        ({"name": "v2", "separator": "/"}, "1/2"),
        ({"name": "default", "configuration": {"separator": "."}}, "c.1.2"),
    ],
)
def test_chunk_key_encodings(given: Any, key: str) -> None:
    meta = array_metadata(shape=(9, 9), dtype="i1", chunk_key_encoding=given)
    assert meta.chunk_key_encoding.encode((1, 2)) == key
    again = array_metadata(shape=(9, 9), dtype="i1", chunk_key_encoding=meta.chunk_key_encoding)
    assert again.chunk_key_encoding == meta.chunk_key_encoding


def test_metadata_equals_the_stored_metadata(zarr_format: int) -> None:
    store = MemoryStore()
    a = exzarr.create_array(
        store, shape=(5,), dtype="f4", attributes={"a": (1, np.int8(2))}, zarr_format=zarr_format  # type: ignore[arg-type]
    )  # fmt: skip
    assert a.attrs.asdict() == exzarr.open_array(store).attrs.asdict() == {"a": [1, 2]}
    assert a == exzarr.open_array(store)


def test_default_codecs_have_a_checksum() -> None:
    (codec,) = exzarr.zeros((3,)).compressors
    assert codec.name == "zstd"
    assert codec.checksum


def test_codecs_in_every_form() -> None:
    import numcodecs

    from exzarr.codecs import Gzip

    forms = [
        "gzip",
        {"name": "gzip", "configuration": {"level": 2}},
        Gzip(),
        [Gzip()],
        numcodecs.GZip(level=1),
        {"id": "gzip", "level": 1},
    ]
    for form in forms:
        a = exzarr.create_array(None, data=np.arange(100), compressors=form)
        assert [codec.name for codec in a.compressors] == ["gzip"]
        np.testing.assert_array_equal(a[:], np.arange(100))
    assert exzarr.create_array(None, shape=3, dtype="i1", compressors=None).compressors == ()
    again = exzarr.create_array(None, shape=3, dtype="i1", compressors=a.compressors, serializer=a.serializer)
    assert again.compressors == a.compressors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": None}, "shape is missing"),
        ({"dtype": None}, "dtype is missing"),
        ({"dtype": "nonsense"}, "not a data type"),
        ({"dtype": object}, "dtype=str for strings"),
        ({"fill_value": 300}, "300"),
        ({"fill_value": "x"}, "'x'"),
        ({"order": "K"}, "order is 'C' or 'F'"),
        ({"zarr_format": 1}, "zarr_format is 2 or 3"),
        ({"dimension_names": ("a",)}, "1 entries, the array 2 dimensions"),
        ({"dimension_names": ("a", 1)}, "names are strings"),
        ({"zarr_format": 2, "dimension_names": ("a", None)}, "either all dimensions have a name or none"),
        ({"zarr_format": 2, "serializer": "bytes"}, "serializer requires zarr_format=3"),
        ({"zarr_format": 2, "chunk_key_encoding": "default"}, "only the chunk key encoding 'v2'"),
        ({"chunk_key_encoding": ("default", "-")}, "separator"),
        ({"chunk_key_encoding": "strange"}, "'default' or 'v2'"),
        ({"attributes": {"a": object()}}, "JSON"),
        ({"attributes": {"1": 0, 1: 0}}, "more than once"),
        ({"compressors": "bytes"}, "pass it as serializer="),
        ({"filters": "zstd"}, "pass it as compressors="),
        ({"serializer": None}, "serializer|codec"),
        ({"compressors": "zzz"}, "zzz"),
        ({"compressors": 5}, "name, a dict or a codec object"),
    ],
)
def test_invalid_arguments_raise_and_store_nothing(
    tmp_path: Any, arguments: dict[str, Any], message: str
) -> None:
    (tmp_path / "b").mkdir()
    exzarr.save(tmp_path / "a", np.arange(3))
    before = {path: path.read_bytes() for path in (tmp_path / "a").rglob("*") if path.is_file()}
    wanted = {"shape": (4, 4), "dtype": "u1", **arguments}
    with pytest.raises(exzarr.ExzarrError, match=message):
        exzarr.create_array(tmp_path / "a", overwrite=True, **wanted)
    assert {path: path.read_bytes() for path in (tmp_path / "a").rglob("*") if path.is_file()} == before


def test_array_metadata_makes_valid_documents(zarr_format: int) -> None:
    meta = array_metadata(shape=(9, 9), dtype="f4", zarr_format=zarr_format, chunks=3)  # type: ignore[arg-type]
    document = json.loads(v3.dumps(meta)) if zarr_format == 3 else v2.array_json(meta)[0]
    assert document["shape"] == [9, 9]


def test_unknown_options_are_type_errors() -> None:
    with pytest.raises(TypeError, match="chunk"):
        exzarr.zeros((3,), chunk=(1,))  # type: ignore[call-arg]
    with pytest.raises(ArgumentError):
        exzarr.create_array(None)
