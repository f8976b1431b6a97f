"""exzarr and TensorStore read each other's documents, with small data types that zarr-python lacks."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from exzarr._format import dtypes, fill_values, v2, v3
from exzarr._format.chunk_grids import ChunkGrid
from exzarr._format.chunk_keys import ChunkKeyEncoding
from exzarr._format.metadata import ArrayMetadata, CodecConfig
from tests.format.same import same_value

ts = pytest.importorskip("tensorstore")

NAMES = """bool int4 int8 uint8 int16 uint16 int32 uint32 int64 uint64 float4_e2m1fn float8_e3m4 float8_e4m3fn float8_e4m3fnuz
float8_e4m3b11fnuz float8_e5m2 float8_e5m2fnuz float16 bfloat16 float32 float64 complex64 complex128""".split()


def fill_for(data_type: dtypes.DataType) -> Any:
    return fill_values.cast(True if data_type.dtype == bool else 2, data_type)


@pytest.mark.parametrize("separator", ["/", "."])
@pytest.mark.parametrize("name", NAMES)
def test_v3_documents_of_tensorstore(name: str, separator: str) -> None:
    data_type = dtypes.parse_v3(name)
    spec = {
        "driver": "zarr3",
        "kvstore": "memory://",
        "metadata": {
            "shape": [7, 5],
            "data_type": name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [3, 5]}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": separator}},
            "fill_value": fill_values.to_v3(fill_for(data_type), data_type),
            "dimension_names": ["y", None],
            "attributes": {"a": 1},
        },
    }
    array = ts.open(spec, create=True, context=ts.Context()).result()
    document = array.kvstore.read("zarr.json").result().value
    ours = v3.loads(document)
    assert isinstance(ours, ArrayMetadata)
    assert ours.shape == array.shape
    assert ours.data_type.dtype == array.dtype.numpy_dtype
    assert ours.chunk_grid.chunk_shape == array.chunk_layout.write_chunk.shape == (3, 5)
    assert same_value(ours.fill_value, np.array(array.fill_value)[()])
    assert ours.attributes == {"a": 1}
    assert ours.dimension_names in (("y", None), ("y", ""))
    theirs = json.loads(document)
    assert v3.to_json(ours)["fill_value"] == theirs["fill_value"]
    assert v3.to_json(ours)["data_type"] == theirs["data_type"]


def reopened(driver: str, documents: dict[str, bytes]) -> Any:
    context = ts.Context()
    kvstore = ts.KvStore.open("memory://", context=context).result()
    for key, value in documents.items():
        kvstore.write(key, value).result()
    return ts.open({"driver": driver, "kvstore": "memory://"}, open=True, context=context).result()


@pytest.mark.parametrize("name", [*NAMES, "r16"])
def test_tensorstore_reads_our_v3_documents(name: str) -> None:
    data_type = dtypes.parse_v3(name)
    fill = np.void(b"\x01\x02") if name == "r16" else fill_for(data_type)
    ours = ArrayMetadata(
        zarr_format=3, shape=(7, 5), data_type=data_type, chunk_grid=ChunkGrid.from_regular((7, 5), (3, 5)),
        chunk_key_encoding=ChunkKeyEncoding(), fill_value=fill, codecs=(CodecConfig("bytes", {"endian": "little"}), CodecConfig("crc32c")),
        dimension_names=("y", None), attributes={"a": 1},
    )  # fmt: skip
    array = reopened("zarr3", {"zarr.json": v3.dumps(ours)})
    assert array.shape[:2] == ours.shape
    if name != "r16":  # in TensorStore, an additional dimension of bytes without a dtype
        assert array.dtype.numpy_dtype == data_type.dtype
        assert same_value(fill, np.array(array.fill_value)[()])
        assert array.chunk_layout.write_chunk.shape == (3, 5)


@pytest.mark.parametrize("text", ["0x7fc00001", "NaN", "Infinity", "-Infinity"])
def test_tensorstore_reads_our_special_floats(text: str) -> None:
    data_type = dtypes.parse_v3("float32")
    value = fill_values.parse_v3(text, data_type)
    ours = ArrayMetadata(
        zarr_format=3, shape=(7,), data_type=data_type, chunk_grid=ChunkGrid.from_regular((7,), (3,)), chunk_key_encoding=ChunkKeyEncoding(),
        fill_value=value, codecs=(CodecConfig("bytes", {"endian": "big"}),),
    )  # fmt: skip
    array = reopened("zarr3", {"zarr.json": v3.dumps(ours)})
    assert np.array(array.fill_value, "f4").tobytes() == np.array(value).tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_v2_documents_both_ways(name: str) -> None:
    data_type = dtypes.from_numpy(name, 2)
    spec = {
        "driver": "zarr",
        "kvstore": "memory://",
        "metadata": {"shape": [7, 5], "chunks": [3, 5], "dimension_separator": "/"},
    }
    array = ts.open(spec, create=True, dtype=ts.dtype(name), context=ts.Context()).result()
    ours = v2.loads(array.kvstore.read(".zarray").result().value, None, kind="array")
    assert isinstance(ours, ArrayMetadata)
    assert ours.data_type == data_type
    assert ours.data_type.v2 == data_type.v2
    assert ours.fill_value is None
    assert ours.chunk_key_encoding.separator == "/"
    again = reopened("zarr", {".zarray": v2.array_documents(ours.with_(compressor=None))[".zarray"]})
    assert again.dtype == array.dtype
    assert again.shape == (7, 5)
    assert again.chunk_layout.write_chunk.shape == (3, 5)
