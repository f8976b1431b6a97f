"""Small arrays of every layout, written and read by exzarr and two other libraries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, product
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore
import zarr
from zarr.codecs import (
    BloscCodec,
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    ShardingCodec,
    TransposeCodec,
    ZstdCodec,
)

from exzarr._nodes.array import Array
from exzarr.stores.local.store import LocalStore
from tests.engine.tools import make, open_array

__all__ = ["Case", "cases", "read", "type_cases", "values_of", "write"]

SHAPES = {False: (8, 12), True: (7, 11)}
INNER, SHARD = (2, 3), (4, 6)

COMMON = ["bool", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"]
"""Data types that all three libraries have in both formats."""

CODECS = {
    3: ["raw", "zstd", "gzip", "blosc", "crc32c", "zstd+crc32c"],
    2: ["raw", "zstd", "gzip", "zlib", "bz2", "blosc"],
}


@dataclass(frozen=True)
class Case:
    """One layout."""

    zarr_format: Any
    dtype: str
    endian: str
    codec: str
    shards: str | None
    order: Any
    separator: Any
    ragged: bool

    @property
    def shape(self) -> tuple[int, int]:
        return SHAPES[self.ragged]

    @property
    def stored_dtype(self) -> np.dtype:
        return np.dtype(self.dtype).newbyteorder(">" if self.endian == "big" else "<")

    def __str__(self) -> str:
        parts = [f"v{self.zarr_format}", self.dtype, self.endian, self.codec, self.order, self.separator]
        return "-".join(
            [*parts, f"shards-{self.shards}" if self.shards else "", "ragged" if self.ragged else ""]
        )


def layouts(zarr_format: int) -> Iterator[tuple[Any, ...]]:
    shards = [None, "start", "end"] if zarr_format == 3 else [None]
    return product(["little", "big"], CODECS[zarr_format], shards, "CF", "./", [False, True])


def cases() -> list[Case]:
    """Return every combination of options, with the data types in rotation."""
    types = cycle(COMMON)
    return [
        Case(zarr_format, next(types), endian, codec, shards, order, separator, ragged)
        for zarr_format in (2, 3)
        for endian, codec, shards, order, separator, ragged in layouts(zarr_format)
    ]


def type_cases() -> list[Case]:
    """Return every data type in both byte orders with every codec."""
    return [
        Case(
            zarr_format,
            dtype,
            endian,
            codec,
            "end" if zarr_format == 3 and n % 2 else None,
            "CF"[n % 2],
            "/",
            True,
        )
        for zarr_format in (2, 3)
        for n, (dtype, endian, codec) in enumerate(product(COMMON, ["little", "big"], CODECS[zarr_format]))
    ]


def values_of(case: Case) -> np.ndarray:
    """Return values with at least one chunk of only the fill value, and any values of the data type elsewhere."""
    rng = np.random.default_rng(len(case.codec))
    bits = rng.integers(0, 256, (*case.shape, np.dtype(case.dtype).itemsize), np.uint8)
    if case.dtype == "bool":
        bits &= 1
    values = bits.view(case.dtype).reshape(case.shape)
    if np.dtype(case.dtype).kind in "fc":  # libraries may change the payload of a NaN
        values = np.nan_to_num(values, nan=np.nan, posinf=np.inf, neginf=-np.inf)
    values[:4, :6] = fill_of(case)
    return values


def fill_of(case: Case) -> Any:
    return np.dtype(case.dtype).type(1 if case.zarr_format == 3 else 0)


# -- writing -----------------------------------------------------------------------------------


def write(library: str, case: Case, folder: Path) -> np.ndarray:
    values = values_of(case)
    {"exzarr": write_exzarr, "zarr": write_zarr, "tensorstore": write_tensorstore}[library](
        case, folder, values
    )
    return values


def exzarr_options(case: Case) -> dict[str, Any]:
    codecs: dict[str, Any] = {
        "raw": None,
        "zstd": {"name": "zstd", "configuration": {"level": 3, "checksum": True}},
        "gzip": {"name": "gzip", "configuration": {"level": 4}},
        "blosc": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1},
        "zlib": {"id": "zlib", "level": 3},
        "bz2": {"id": "bz2", "level": 1},
        "crc32c": "crc32c",
        "zstd+crc32c": ["zstd", "crc32c"],
    }
    compressors = codecs[case.codec]
    if case.zarr_format == 2 and case.codec in ("zstd", "gzip"):
        compressors = {"id": case.codec, "level": 3}
    return {
        "zarr_format": case.zarr_format,
        "chunks": INNER,
        "shards": {"shape": SHARD, "index_location": case.shards} if case.shards else None,
        "compressors": compressors,
        "order": case.order,
        "fill_value": fill_of(case),
        "chunk_key_encoding": ("default" if case.zarr_format == 3 else "v2", case.separator),
    }


def write_exzarr(case: Case, folder: Path, values: np.ndarray) -> Array:
    array = make(case.shape, case.stored_dtype, store=LocalStore(folder), **exzarr_options(case))
    array[...] = values
    return array


def write_zarr(case: Case, folder: Path, values: np.ndarray) -> None:
    import numcodecs

    options: dict[str, Any] = {
        "shape": case.shape,
        "zarr_format": case.zarr_format,
        "fill_value": fill_of(case),
    }
    if case.zarr_format == 2:
        compressors: Any = {
            "raw": None,
            "zstd": numcodecs.Zstd(3),
            "gzip": numcodecs.GZip(4),
            "zlib": numcodecs.Zlib(3),
            "bz2": numcodecs.BZ2(1),
            "blosc": numcodecs.Blosc("lz4", 5, 1),
        }[case.codec]
        array = zarr.create_array(
            folder,
            dtype=case.stored_dtype,
            chunks=INNER,
            order=case.order,
            compressors=compressors,
            chunk_key_encoding={"name": "v2", "separator": case.separator},
            **options,
        )
    else:
        blosc = BloscCodec(cname="lz4", clevel=5, shuffle="shuffle", typesize=np.dtype(case.dtype).itemsize)
        chains: dict[str, list[Any]] = {
            "raw": [],
            "zstd": [ZstdCodec(level=3, checksum=True)],
            "gzip": [GzipCodec(level=4)],
            "blosc": [blosc],
            "crc32c": [Crc32cCodec()],
            "zstd+crc32c": [ZstdCodec(level=3), Crc32cCodec()],
        }
        filters: list[Any] = [TransposeCodec(order=(1, 0))] if case.order == "F" else []
        serializer: Any = BytesCodec(endian=case.endian)  # type: ignore[arg-type]
        compressors = chains[case.codec]
        if case.shards:
            chain = [*filters, serializer, *compressors]
            serializer = ShardingCodec(chunk_shape=INNER, codecs=chain, index_location=case.shards)
            filters, compressors = [], []
        array = zarr.create_array(
            folder,
            dtype=case.dtype,
            chunks=SHARD if case.shards else INNER,
            filters=filters,
            serializer=serializer,
            compressors=compressors,
            chunk_key_encoding={"name": "default", "separator": case.separator},
            **options,
        )
    array[...] = values


def write_tensorstore(case: Case, folder: Path, values: np.ndarray) -> None:
    """Write with TensorStore from exzarr's metadata document, all of which TensorStore must support."""
    array = make(case.shape, case.stored_dtype, **exzarr_options(case))
    name = ".zarray" if case.zarr_format == 2 else "zarr.json"
    document = json.loads(bytes(array.store.get(name) or b""))
    spec = {**_spec(case.zarr_format, folder), "metadata": document, "create": True}
    opened = tensorstore.open(spec).result()
    opened[...].write(values.astype(opened.dtype.numpy_dtype)).result()


def _spec(zarr_format: int, folder: Path) -> dict[str, Any]:
    kvstore = {"driver": "file", "path": f"{folder}/", "file_io_sync": False}
    return {"driver": "zarr3" if zarr_format == 3 else "zarr", "kvstore": kvstore}


# -- reading -----------------------------------------------------------------------------------


def read(library: str, zarr_format: int, folder: Path) -> np.ndarray:
    if library == "exzarr":
        return np.asarray(open_array(LocalStore(folder))[...])
    if library == "zarr":
        array: Any = zarr.open_array(folder, mode="r")
        return np.asarray(array[...])
    return np.asarray(tensorstore.open(_spec(zarr_format, folder), open=True).result().read().result())
