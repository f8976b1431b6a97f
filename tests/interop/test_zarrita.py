"""zarrita.js reads what exzarr writes."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exzarr._nodes.array import Array
from exzarr.stores.local.store import LocalStore
from tests.conftest import Zarrita
from tests.engine.tools import data_for, make, numbered

V3_TYPES = ["bool", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]
V2_TYPES = ["|b1", "|i1", "|u1", "<i2", ">u2", "<i4", ">u4", "<i8", ">u8", ">f4", "<f8"]

V3_CODECS: dict[str, Any] = {
    "raw": None,
    "zstd": "zstd",
    "gzip": "gzip",
    "blosc": {"id": "blosc", "cname": "zstd", "clevel": 1, "shuffle": 2},
    "crc32c": "crc32c",
}
V2_CODECS: dict[str, Any] = {
    "raw": None,
    "zstd": "zstd",
    "gzip": {"id": "gzip", "level": 1},
    "zlib": {"id": "zlib", "level": 1},
    "blosc": {"id": "blosc", "cname": "lz4", "clevel": 1, "shuffle": 1},
    "lz4": {"id": "lz4"},
}


def layouts() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    orders = "CF"
    for n, (dtype, codec) in enumerate(product(V3_TYPES, V3_CODECS)):
        # zarrita supports only a shard index at the end.
        shards = {"shape": (4, 6), "index_location": "end"} if n % 3 else None
        found[f"v3/{dtype}.{codec}"] = {
            "dtype": dtype,
            "compressors": V3_CODECS[codec],
            "shards": shards,
            "order": orders[n % 2],
            "chunk_key_encoding": [("default", "/"), ("default", "."), ("v2", "."), ("v2", "/")][n % 4],
            "serializer": {"name": "bytes", "configuration": {"endian": ["little", "big"][n // 2 % 2]}},
        }
    for n, (dtype, codec) in enumerate(product(V2_TYPES, V2_CODECS)):
        found[f"v2/{dtype[1:]}.{codec}.{n}"] = {
            "dtype": dtype,
            "compressors": V2_CODECS[codec],
            "order": orders[n % 2],
            "chunk_key_encoding": ("v2", "./"[n // 2 % 2]),
            "zarr_format": 2,
        }
    return found


def test_numbers_in_every_layout(tmp_path: Path, zarrita: Zarrita) -> None:
    store = LocalStore(tmp_path)
    wanted = {}
    for path, options in layouts().items():
        array = make((7, 8), store=store, path=path, chunks=(2, 3), fill_value=1, **options)
        values = data_for(array, 3).astype(array.dtype.newbyteorder("="))
        values[:4, :3] = 1
        array[...] = values
        wanted[path] = values
    seen = zarrita.read(tmp_path, *wanted)
    for (path, values), found in zip(wanted.items(), seen, strict=True):
        assert found["shape"] == [7, 8], path
        assert found["data"].dtype == values.dtype, path
        assert found["data"].tobytes() == values.tobytes(), path


def test_strings_half_floats_and_odd_shapes(tmp_path: Path, zarrita: Zarrita) -> None:
    store = LocalStore(tmp_path)
    words: Any = np.array(["a", "", "çà ✓", "null", "日本語"], np.dtypes.StringDType())
    made: dict[str, Array] = {
        "string": make((5,), "string", store=store, path="string", chunks=(2,)),
        "sharded": make((5,), "string", store=store, path="sharded", chunks=(2,), shards=(4,)),
        "v2": make((5,), "string", store=store, path="v2", chunks=(2,), zarr_format=2),
    }
    for array in made.values():
        array[...] = words
    for found in zarrita.read(tmp_path, *made):
        assert found["data"].tolist() == words.tolist()
    for shape in [(), (1,), (2, 1, 3, 2)]:
        path = f"shape{len(shape)}"
        make(shape, "i4", store=store, path=path, chunks=(2,) * len(shape))[...] = numbered(shape)
        (found,) = zarrita.read(tmp_path, path)
        assert found["data"].tolist() == numbered(shape).tolist()


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_names_and_attributes(zarr_format: Any, tmp_path: Path, zarrita: Zarrita) -> None:
    array = make(
        (3, 4), "f8", store=LocalStore(tmp_path), zarr_format=zarr_format, dimension_names=("y", "x")
    )
    array.attrs["units"] = "K"
    array[1] = 7
    (found,) = zarrita.read(tmp_path)
    assert found["attributes"]["units"] == "K"
    assert found["data"].tolist() == [[0.0] * 4, [7.0] * 4, [0.0] * 4]
    if zarr_format == 3:
        assert found["dimension_names"] == ["y", "x"]
