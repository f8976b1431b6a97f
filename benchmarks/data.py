"""Arrays of the benchmarks, their layouts, and the folder of their stores."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from benchmarks.peers import Peer

AnyArray = npt.NDArray[Any]

CUBE = (256, 256, 256)
TABLE = (20480, 64)

# Complete configurations, so that the libraries' defaults do not matter.
CODECS: dict[str, list[dict[str, Any]]] = {
    "raw": [],
    "zstd": [{"name": "zstd", "configuration": {"level": 3, "checksum": False}}],
    "blosc": [
        {
            "name": "blosc",
            "configuration": {
                "cname": "lz4",
                "clevel": 5,
                "shuffle": "shuffle",
                "typesize": 4,
                "blocksize": 0,
            },
        }
    ],
    "gzip": [{"name": "gzip", "configuration": {"level": 5}}],
}


@dataclass(frozen=True)
class Layout:
    """Chunks, shards and codec of one float32 array. `codec` is a key of `CODECS`."""

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    codec: str
    shards: tuple[int, ...] | None = None

    @property
    def compressors(self) -> list[dict[str, Any]]:
        return CODECS[self.codec]

    @property
    def name(self) -> str:
        chunks = f"{_size(self.chunks)} {self.codec}"
        return chunks if self.shards is None else f"{chunks} in {_size(self.shards)} shards"

    @property
    def chunk_bytes(self) -> int:
        return 4 * int(np.prod(self.chunks))

    def v3_document(self) -> dict[str, Any]:
        """Return the metadata document, for a library that requires it."""
        codecs: list[dict[str, Any]] = [
            {"name": "bytes", "configuration": {"endian": "little"}},
            *self.compressors,
        ]
        if self.shards is not None:
            index = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
            configuration = {
                "chunk_shape": self.chunks,
                "codecs": codecs,
                "index_codecs": index,
                "index_location": "end",
            }
            codecs = [{"name": "sharding_indexed", "configuration": configuration}]
        grid = {"name": "regular", "configuration": {"chunk_shape": self.shards or self.chunks}}
        return {
            "shape": self.shape,
            "data_type": "float32",
            "chunk_grid": grid,
            "codecs": codecs,
            "fill_value": 0.0,
        }


def cube(edge: int, codec: str, shard: int | None = None) -> Layout:
    """Return the layout of the 256³ cube in chunks of edge³, optionally in shards of shard³."""
    return Layout(CUBE, (edge,) * 3, codec, None if shard is None else (shard,) * 3)


def table(codec: str, shard_rows: int | None = None) -> Layout:
    """Return the layout of the 20480×64 table in chunks of 16 rows."""
    return Layout(TABLE, (16, 64), codec, None if shard_rows is None else (shard_rows, 64))


def _size(shape: tuple[int, ...]) -> str:
    cubic = len(shape) == 3 and len(set(shape)) == 1
    return f"{shape[0]}³" if cubic else "×".join(str(n) for n in shape)


class Workspace:
    """A folder with the stores that all peers read. Each store is written when it is first requested.

    The first peer of `others` writes the stores. The first one of another package reads back what a peer wrote.
    """

    def __init__(self, folder: Path, others: Sequence[Peer]) -> None:
        self.folder = folder
        self._others = others
        self._stores: dict[Layout, Path] = {}

    @cached_property
    def _cube(self) -> AnyArray:
        """A smooth field with noise, in steps of 1/64. zstd and lz4 compress it to about a third."""
        rng = np.random.default_rng(2)
        x, y, z = (np.linspace(0, 1, n, dtype="f4") for n in CUBE)
        smooth = 280 + 15 * np.sin(4 * x)[:, None, None] * np.cos(6 * y)[:, None] + 8 * np.sin(9 * z)
        return (np.round((smooth + rng.normal(0, 0.2, CUBE)) * 64) / 64).astype("f4")

    @cached_property
    def _table(self) -> AnyArray:
        rng = np.random.default_rng(3)
        walks = rng.normal(0, 0.2, TABLE).cumsum(axis=0)
        return (np.round(walks * 64) / 64).astype("f4")

    def data(self, layout: Layout) -> AnyArray:
        if layout.shape[1:] == TABLE[1:]:
            return self._table[: layout.shape[0]]
        # Other shapes repeat the cube's elements.
        return self._cube if layout.shape == CUBE else np.resize(self._cube, layout.shape)

    def store(self, layout: Layout) -> Path:
        path = self._stores.get(layout)
        if path is None:
            path = self.fresh(f"read-{len(self._stores)}.zarr")
            writer = self._others[0]
            with writer.settings():
                writer.write(writer.create(path, layout), self.data(layout))
            self._stores[layout] = path
        return path

    def other_reader(self, peer: Peer) -> Peer:
        return next((other for other in self._others if other.package != peer.package), self._others[0])

    def clear(self) -> None:
        """Delete all stores, so that a long run needs little disk space."""
        self._stores.clear()
        for path in self.folder.iterdir():
            shutil.rmtree(path)

    def fresh(self, name: str) -> Path:
        """Return an empty path in the workspace; delete an existing store there."""
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        return path


def stored_bytes(path: Path) -> int:
    """Return the total size of all files below `path`."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
