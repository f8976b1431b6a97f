"""Helpers of the codec tests: specs, chains, and data of all types."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from exzarr._format import fill_values
from exzarr._format.dtypes import from_numpy
from exzarr.codecs.base import ChunkSpec
from exzarr.codecs.pipeline import BoundPipeline, ChunkPipeline
from exzarr.codecs.registry import from_json

LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
BIG = {"name": "bytes", "configuration": {"endian": "big"}}
CRC = {"name": "crc32c"}


def codec(name: str, **configuration: Any) -> dict[str, Any]:
    """Return the entry of a codec in a v3 document."""
    return {"name": name, "configuration": configuration}


ZSTD = codec("zstd", level=1, checksum=True)
GZIP = codec("gzip", level=1)


def blosc(cname: str = "lz4", shuffle: str = "shuffle", typesize: int = 4) -> dict[str, Any]:
    return codec("blosc", cname=cname, clevel=5, shuffle=shuffle, typesize=typesize, blocksize=0)


def spec_of(shape: tuple[int, ...], dtype: Any = "f4", fill: Any = None, zarr_format: int = 3) -> ChunkSpec:
    data_type = from_numpy(dtype, zarr_format)
    return ChunkSpec(shape, data_type, fill_values.default(data_type) if fill is None else fill)


def chain(*codecs: Any) -> ChunkPipeline:
    return ChunkPipeline([from_json(item) if isinstance(item, dict | str) else item for item in codecs])


def bound(spec: ChunkSpec, *codecs: Any) -> BoundPipeline:
    return chain(*codecs).bind(spec)


def data_of(spec: ChunkSpec, seed: int = 0) -> np.ndarray[Any, Any]:
    """Return an array for `spec` that depends only on `seed` and is neither constant nor incompressible."""
    out = np.empty(spec.shape, spec.dtype)
    out[...] = _data(spec.with_(shape=(spec.size,)), seed).reshape(spec.shape)
    return out


def _data(spec: ChunkSpec, seed: int) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    dtype = spec.dtype
    if dtype.kind == "T":
        words = np.array(["", "a", "é", "日本語", "longer than sixteen bytes, surely", "z\0z"], dtype)
        return words[rng.integers(0, len(words), spec.shape)]
    if spec.data_type.kind == "bytes":
        items = np.empty(4, object)
        items[:] = [b"", b"\0", b"abc", b"\xff" * 40]
        return items[rng.integers(0, 4, spec.shape)]
    if dtype.kind == "b":
        return rng.integers(0, 2, spec.shape).astype(bool)
    if dtype.kind == "f" or dtype.kind == "c":
        return np.round(rng.normal(size=spec.shape), 1).astype(dtype)
    if dtype.kind == "U":
        return np.array(["", "a", "é", "abc"], dtype)[rng.integers(0, 4, spec.shape)]
    if dtype.kind in "iumM":
        return (
            rng.integers(0, 100, spec.shape)
            .astype(f"i{dtype.itemsize}")
            .view(dtype.newbyteorder("="))
            .astype(dtype)
        )
    raw = rng.integers(0, 3, (*spec.shape, dtype.itemsize)).astype(np.uint8)
    return np.ascontiguousarray(raw).view(dtype).reshape(spec.shape)


FIXED = [
    "bool", "int8", "uint16", "int32", "uint64", "float16", "float32", "float64", "complex64", "complex128",
    "datetime64[s]", "timedelta64[us]", "S3", "U4", "V5",
]  # fmt: skip

shapes = st.lists(st.integers(1, 5), max_size=3).map(tuple)
