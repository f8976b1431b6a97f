"""Write hierarchies with exzarr, zarr-python and TensorStore, and damage them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore
import zarr
from zarr.codecs import BytesCodec, Crc32cCodec, ShardingCodec, ZstdCodec

import exzarr

__all__ = ["LAYOUTS", "Layout", "WRITERS", "flip", "make_old", "rewrite", "values", "write"]

SHAPE, CHUNKS, SHARDS = (20, 30), (5, 6), (10, 12)
Json = Any


@dataclass(frozen=True)
class Layout:
    """Storage layout of the array `a` below the root group."""

    zarr_format: Any
    codec: str = "zstd"
    shards: str | None = None
    """Location of the shard index; None means no shards."""
    separator: Any = "/"

    def __str__(self) -> str:
        shards = f"-shards-{self.shards}" if self.shards else ""
        return f"v{self.zarr_format}-{self.codec}{shards}"

    @property
    def checked(self) -> bool:
        """True if each chunk has a checksum."""
        return self.codec in ("zstd", "crc32c", "gzip")

    def key(self, *index: int) -> str:
        """Return the key of a chunk (shard), relative to the array."""
        joined = self.separator.join(map(str, index))
        return joined if self.zarr_format == 2 else f"c{self.separator}{joined}"


LAYOUTS = [
    Layout(3, "zstd"),
    Layout(3, "raw"),
    Layout(3, "crc32c", separator="."),
    Layout(3, "zstd", "end"),
    Layout(3, "crc32c", "start"),
    Layout(3, "raw", "end"),
    Layout(2, "gzip", separator="."),
    Layout(2, "raw", separator="/"),
]


def values() -> np.ndarray:
    """Return the values of the array. Every chunk has other values than the fill value."""
    return np.arange(600, dtype="f4").reshape(SHAPE) + 1


def write(path: Path, layout: Layout, writer: str) -> None:
    """Write a root group with an array ``a`` of `values`."""
    exzarr.open_group(path, mode="w", zarr_format=layout.zarr_format)
    WRITERS[writer](path / "a", layout)
    make_old(path)


def _with_exzarr(path: Path, layout: Layout) -> None:
    codecs: dict[str, Any] = {"raw": None, "zstd": "zstd", "gzip": "gzip", "crc32c": [{"name": "crc32c"}]}
    shards = {"shape": SHARDS, "index_location": layout.shards} if layout.shards else None
    encoding: Json = {
        "name": "v2" if layout.zarr_format == 2 else "default",
        "separator": layout.separator,
    }
    array = exzarr.create_array(
        path,
        shape=SHAPE,
        chunks=CHUNKS,
        shards=shards,
        dtype="f4",
        compressors=codecs[layout.codec],
        zarr_format=layout.zarr_format,
        chunk_key_encoding=encoding,
    )
    array[...] = values()


def _with_zarr(path: Path, layout: Layout) -> None:
    codecs: Json = {"raw": None, "zstd": ZstdCodec(checksum=True), "crc32c": Crc32cCodec()}
    options: Json = {"chunks": CHUNKS, "compressors": codecs.get(layout.codec)}
    if layout.zarr_format == 2:
        import numcodecs

        options["compressors"] = numcodecs.GZip(1) if layout.codec == "gzip" else None
        options["chunk_key_encoding"] = {"name": "v2", "separator": layout.separator}
    else:
        options["chunk_key_encoding"] = {"name": "default", "separator": layout.separator}
    if layout.shards:
        inner = [BytesCodec(), *([codecs[layout.codec]] if codecs[layout.codec] else [])]
        options |= {
            "chunks": SHARDS,
            "compressors": None,
            "serializer": ShardingCodec(chunk_shape=CHUNKS, codecs=inner, index_location=layout.shards),
        }
    array = zarr.create_array(path, shape=SHAPE, dtype="f4", zarr_format=layout.zarr_format, **options)
    array[...] = values()


def _with_tensorstore(path: Path, layout: Layout) -> None:
    store = {"driver": "file", "path": f"{path}/"}
    if layout.zarr_format == 2:
        spec: Json = {
            "driver": "zarr",
            "kvstore": store,
            "metadata": {
                "shape": SHAPE,
                "chunks": CHUNKS,
                "dtype": "<f4",
                "compressor": {"id": "gzip", "level": 1} if layout.codec == "gzip" else None,
                "dimension_separator": layout.separator,
            },
        }
    else:
        little = {"name": "bytes", "configuration": {"endian": "little"}}
        more: Json = {
            "raw": [],
            "zstd": [{"name": "zstd", "configuration": {"level": 1, "checksum": True}}],
            "crc32c": [{"name": "crc32c"}],
        }[layout.codec]
        chain: Json = [little, *more]
        if layout.shards:
            sharding = {
                "chunk_shape": CHUNKS,
                "codecs": chain,
                "index_codecs": [little, {"name": "crc32c"}],
                "index_location": layout.shards,
            }
            chain = [{"name": "sharding_indexed", "configuration": sharding}]
        grid = {"chunk_shape": SHARDS if layout.shards else CHUNKS}
        spec = {
            "driver": "zarr3",
            "kvstore": store,
            "metadata": {
                "shape": SHAPE,
                "data_type": "float32",
                "chunk_grid": {"name": "regular", "configuration": grid},
                "chunk_key_encoding": {"name": "default", "configuration": {"separator": layout.separator}},
                "codecs": chain,
            },
        }
    array = tensorstore.open(spec, create=True).result()
    array.write(values()).result()


WRITERS: dict[str, Callable[[Path, Layout], None]] = {
    "exzarr": _with_exzarr,
    "zarr": _with_zarr,
    "tensorstore": _with_tensorstore,
}


def make_old(path: Path, seconds: float = 86_400) -> None:
    """Make all files below `path` old, so that they cannot be in progress."""
    for folder, _, names in os.walk(path, topdown=False):
        for file in (*[Path(folder, name) for name in names], Path(folder)):
            then = file.lstat().st_mtime - seconds
            os.utime(file, (then, then), follow_symlinks=False)


def flip(file: Path, at: int, bit: int = 0) -> None:
    """Flip one bit; a negative position counts from the end."""
    data = bytearray(file.read_bytes())
    data[at] ^= 1 << bit
    file.write_bytes(data)


def rewrite(file: Path, change: Callable[[Any], Any]) -> None:
    """Change the JSON in a file in place."""
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))
