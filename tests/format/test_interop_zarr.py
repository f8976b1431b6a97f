"""exzarr and zarr-python read the same metadata from each other's documents."""

from __future__ import annotations

import itertools
import json
from typing import Any, Literal

import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import given, strategies as st
from zarr.core import dtype as zarr_dtype
from zarr.core.buffer.cpu import Buffer
from zarr.storage import MemoryStore

from exzarr._format import dtypes, fill_values, v2, v3
from exzarr._format.chunk_grids import ChunkGrid
from exzarr._format.chunk_keys import ChunkKeyEncoding
from exzarr._format.metadata import ArrayMetadata, CodecConfig
from tests.breadth import examples
from tests.format.same import same_dtype, same_value

TYPES: list[tuple[Any, list[Any]]] = [
    ("?", [True, False]),
    ("i1", [-128]), ("<i2", [7]), (">i2", [-7]), (">i8", [2**63 - 1]), ("u8", [2**64 - 1]),
    ("f2", ["nan", 1.5]), ("<f4", ["nan", "inf", 0.1]), (">f8", ["-inf", -0.0, 1e300]),
    ("c8", [complex("nan+1j"), 1 - 2j]), (">c16", [complex("-inf+0.1j")]),
    ("<M8[ns]", ["2020-01-01", "NaT"]), (">M8[10us]", ["1970-01-01"]), ("m8[D]", [3]),
    ("S5", [b"ab", b""]), ("<U5", ["aé", ""]), (">U3", ["x"]), ("V3", [b"abc"]),
    (str, ["", "hé"]), (bytes, [b"", b"ab"]),
    (np.dtype([("a", "<i4"), ("b", "<f8"), ("c", "S3")]), [(1, 2.5, b"xy")]),
    (np.dtype([("a", ">i4"), ("n", [("x", "u1"), ("y", "<U2")])]), [(1, (2, "z"))]),
]  # fmt: skip
HAS_STRUCT = hasattr(zarr_dtype, "Struct")
"""True if zarr-python has the data type ``struct``. Before 3.2 it had ``structured``."""

FILLED = [(dtype, fill) for dtype, fills in TYPES for fill in fills]


def created(zarr_format: Literal[2, 3], **options: Any) -> tuple[dict[str, bytes], zarr.Array[Any]]:
    """Return the documents that zarr-python writes for `options`, and its array."""
    stored: dict[str, Any] = {}
    options = {"shape": (5,), "chunks": (2,), "compressors": None} | options
    array = zarr.create_array(MemoryStore(stored), zarr_format=zarr_format, **options)
    return {key: value.to_bytes() for key, value in stored.items()}, array


def parsed(stored: dict[str, bytes]) -> ArrayMetadata:
    if "zarr.json" in stored:
        metadata = v3.loads(stored["zarr.json"])
    else:
        metadata = v2.loads(stored[".zarray"], stored[".zattrs"], kind="array")
    assert isinstance(metadata, ArrayMetadata)
    return metadata


def reopened(metadata: ArrayMetadata) -> zarr.Array[Any]:
    """Open exzarr's documents with zarr-python."""
    documents = (
        {"zarr.json": v3.dumps(metadata)} if metadata.zarr_format == 3 else v2.array_documents(metadata)
    )
    store = MemoryStore({key: Buffer.from_bytes(value) for key, value in documents.items()})
    array = zarr.open_array(store, mode="r", zarr_format=metadata.zarr_format)
    assert isinstance(array, zarr.Array)
    return array


def is_nested(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and any(dtype[label].names for label in dtype.names or ())


def assert_same(ours: ArrayMetadata, theirs: zarr.Array[Any]) -> None:
    assert ours.shape == theirs.shape
    assert ours.chunk_grid.chunk_shape == theirs.chunks
    assert ours.chunk_grid.nchunks == theirs.nchunks
    assert ours.attributes == dict(theirs.attrs)
    assert same_dtype(ours.data_type.dtype, theirs.dtype, native=ours.zarr_format == 3)
    assert same_value(ours.fill_value, theirs.fill_value)
    index = tuple(range(ours.ndim))
    assert ours.chunk_key_encoding.encode(index) == theirs.metadata.encode_chunk_key(index)
    if ours.zarr_format == 3:
        assert ours.dimension_names == theirs.metadata.dimension_names  # type: ignore[union-attr]
    else:
        assert ours.order == theirs.order


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(("dtype", "fill"), FILLED)
def test_data_types_and_fill_values(zarr_format: Literal[2, 3], dtype: Any, fill: Any) -> None:
    value = fill if dtype in (str, bytes) else np.array(fill, dtype)[()]
    if zarr_format == 3 and isinstance(dtype, np.dtype) and not dtype.isnative and not HAS_STRUCT:
        pytest.skip("zarr-python 3.1 writes such a fill value big-endian without recording it")
    stored, theirs = created(
        zarr_format, dtype=zarr_dtype.VariableLengthBytes() if dtype is bytes else dtype, fill_value=value
    )
    metadata = parsed(stored)
    assert_same(metadata, theirs)
    if (
        HAS_STRUCT or not is_nested(dtype) or zarr_format == 3
    ):  # zarr-python 3.1 cannot read its own documents
        assert_same(metadata, reopened(metadata))

    data_type = dtypes.from_numpy(dtype, zarr_format)
    assert data_type == metadata.data_type
    assert same_value(fill_values.cast(value, data_type), theirs.fill_value)
    if zarr_format == 3 and isinstance(dtype, np.dtype) and not HAS_STRUCT:
        return  # zarr-python uses another name
    if zarr_format == 3:
        assert data_type.v3 == metadata.data_type.v3
        assert v3.to_json(metadata)["fill_value"] == json.loads(stored["zarr.json"])["fill_value"]
    else:
        assert data_type.v2 == metadata.data_type.v2
        assert v2.array_json(metadata)[0]["fill_value"] == json.loads(stored[".zarray"])["fill_value"]


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(
    ("order", "separator", "shape"),
    list(itertools.product("CF", "/.", [(), (5,), (0,), (5, 3), (0, 3), (2, 3, 4, 5)])),
)
def test_orders_separators_and_shapes(
    zarr_format: Any, order: Any, separator: Any, shape: tuple[int, ...]
) -> None:
    options: dict[str, Any] = {
        "chunk_key_encoding": {"name": "v2" if zarr_format == 2 else "default", "separator": separator}
    }
    if zarr_format == 2:
        options["order"] = order
    stored, theirs = created(
        zarr_format,
        shape=shape,
        chunks=(2,) * len(shape),
        dtype="i4",
        attributes={"a": [1, {"b": None}]},
        **options,
    )
    metadata = parsed(stored)
    assert_same(metadata, theirs)
    assert_same(metadata, reopened(metadata))


@pytest.mark.parametrize("names", [None, ("x", "y"), ("x", None)])
def test_dimension_names(names: Any) -> None:
    stored, theirs = created(3, shape=(4, 4), chunks=(2, 2), dtype="i4", dimension_names=names)
    assert_same(parsed(stored), theirs)
    assert_same(parsed(stored), reopened(parsed(stored)))


@pytest.mark.parametrize("v2_keys", [False, True])
def test_shards_and_compressors(v2_keys: bool) -> None:
    stored, theirs = created(
        3, shape=(64, 64), chunks=(8, 8), shards=(32, 32), dtype="f4", compressors={"name": "zstd", "configuration": {"level": 3, "checksum": True}},
        chunk_key_encoding={"name": "v2", "separator": "/"} if v2_keys else None,
    )  # fmt: skip
    metadata = parsed(stored)
    assert metadata.chunk_grid.chunk_shape == theirs.shards
    assert metadata.codecs[0].name == "sharding_indexed"
    assert metadata.codecs[0].configuration["chunk_shape"] == [8, 8]
    assert v3.to_json(metadata)["codecs"] == json.loads(stored["zarr.json"])["codecs"]
    assert reopened(metadata).metadata == theirs.metadata


def test_v2_filters_and_compressors() -> None:
    stored, theirs = created(
        2, dtype="<i4", filters=[numcodecs.Delta("<i4")], compressors=numcodecs.Blosc("zstd", clevel=5)
    )
    metadata = parsed(stored)
    document = json.loads(stored[".zarray"])
    assert list(metadata.filters) == document["filters"]
    assert metadata.compressor == document["compressor"]
    assert reopened(metadata).metadata == theirs.metadata


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zero_length_chunks_from_zarr_python(zarr_format: Any) -> None:
    stored, _ = created(zarr_format, shape=(0, 3), chunks=(1, 3), dtype="i4")
    key = "zarr.json" if zarr_format == 3 else ".zarray"
    document = json.loads(stored[key])
    if zarr_format == 3:
        document["chunk_grid"]["configuration"]["chunk_shape"] = [0, 3]
    else:
        document["chunks"] = [0, 3]
    metadata = parsed({**stored, key: json.dumps(document).encode()})
    assert metadata.chunk_grid.chunk_shape == (1, 3)


@given(st.data())
@examples(20)
def test_zarr_python_reads_documents_of_exzarr(data: st.DataObject) -> None:
    zarr_format: Literal[2, 3] = data.draw(st.sampled_from([2, 3]))
    dtype, fill = data.draw(
        st.sampled_from(
            [
                (t, f)
                for t, f in FILLED
                if not isinstance(t, np.dtype) or HAS_STRUCT or (zarr_format == 2 and not is_nested(t))
            ]
        )
    )
    shape = tuple(data.draw(st.lists(st.integers(0, 9), max_size=4)))
    chunks = tuple(data.draw(st.integers(1, 9)) for _ in shape)
    data_type = dtypes.from_numpy(dtype, zarr_format)
    value = fill if dtype in (str, bytes) else np.array(fill, dtype)[()]
    separator = data.draw(st.sampled_from("/."))
    common: dict[str, Any] = {
        "zarr_format": zarr_format,
        "shape": shape,
        "data_type": data_type,
        "chunk_grid": ChunkGrid.from_regular(shape, chunks),
        "fill_value": fill_values.cast(value, data_type),
        "attributes": data.draw(
            st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.text(max_size=3), max_size=2)
        ),
    }
    vlen = {"string": "vlen-utf8", "bytes": "vlen-bytes"}.get(data_type.kind)
    if zarr_format == 2:
        ours = ArrayMetadata(
            **common, chunk_key_encoding=ChunkKeyEncoding("v2", separator), order=data.draw(st.sampled_from("CF")),
            filters=({"id": vlen},) if vlen else (), compressor=data.draw(st.sampled_from([None, {"id": "zlib", "level": 1}])),
        )  # fmt: skip
    else:
        names = data.draw(
            st.none()
            | st.lists(st.none() | st.text(max_size=3), min_size=len(shape), max_size=len(shape)).map(tuple)
        )
        serializer = CodecConfig(vlen) if vlen else CodecConfig("bytes", {"endian": "little"})
        ours = ArrayMetadata(
            **common, chunk_key_encoding=ChunkKeyEncoding(data.draw(st.sampled_from(["default", "v2"])), separator),
            codecs=(serializer, CodecConfig("crc32c")), dimension_names=names,
        )  # fmt: skip
    assert_same(ours, reopened(ours))
