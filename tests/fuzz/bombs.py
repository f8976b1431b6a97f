"""Small hostile stores: a kilobyte that declares a gibibyte of data.

``python -m tests.fuzz.bombs`` reads each in its own process with little memory, and prints the results.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import sys
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from exzarr.testing.limits import MEMORY, failure_in_child
from tests.fuzz.targets import TARGETS, exercise

__all__ = ["CASES", "CORPUS", "corpus_cases"]

CORPUS = Path(__file__).parents[1] / "corpus"
GIB = 1 << 30
LITTLE: Any = {"name": "bytes", "configuration": {"endian": "little"}}

Store = dict[str, bytes]


def v3(*codecs: Any, key: str = "c/0", chunk: bytes = b"", **members: Any) -> Store:
    """Return a store of one v3 array of a GiB in one chunk."""
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [GIB],
        "data_type": "uint8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [GIB]}},
        "chunk_key_encoding": {"name": "default"},
        "fill_value": 0,
        "codecs": [*codecs] or [LITTLE],
        **members,
    }
    return {"zarr.json": json.dumps(document).encode(), key: chunk}


def v2(compressor: Any, chunk: bytes = b"", **members: Any) -> Store:
    """Return a store of one v2 array of a GiB in one chunk."""
    document = {
        "zarr_format": 2,
        "shape": [GIB],
        "chunks": [GIB],
        "dtype": "|u1",
        "compressor": compressor,
        "fill_value": 0,
        "order": "C",
        "filters": None,
        **members,
    }
    return {".zarray": json.dumps(document).encode(), "0": chunk}


ZEROS = bytes(1000)
SIZE = GIB.to_bytes(4, "little")
ZSTD = b"\x28\xb5\x2f\xfd\xa0" + SIZE + bytes(20)
BLOSC = bytes([2, 1, 0, 1]) + SIZE + SIZE + (100).to_bytes(4, "little") + bytes(84)
FALSE_SIZES = {
    "zlib": zlib.compress(ZEROS),
    "gzip": gzip.compress(ZEROS)[:-4] + SIZE,
    "bz2": bz2.compress(ZEROS),
    "lzma": lzma.compress(ZEROS),
    "lz4": SIZE + bytes(100),
    "zstd": ZSTD,
    "blosc": BLOSC,
}
"""Chunks that declare a GiB, by codec, if the codec stores a size."""

NUMCODECS = [
    "zlib", "gzip", "bz2", "lzma", "lz4", "zstd", "blosc", "base64", "shuffle", "crc32", "crc32c", "adler32",
    "fletcher32", "jenkins_lookup3",
]  # fmt: skip
SERIALIZERS = ["pcodec", "zfpy", "json2", "msgpack2", "vlen-utf8", "vlen-bytes", "vlen-array", "packbits"]

CASES: dict[str, Callable[[], Store]] = {
    "raw": lambda: v3(chunk=ZEROS),
    "crc32c": lambda: v3(LITTLE, {"name": "crc32c"}, chunk=ZEROS),
    "gzip": lambda: v3(LITTLE, {"name": "gzip", "configuration": {"level": 1}}, chunk=FALSE_SIZES["gzip"]),
    "zstd": lambda: v3(LITTLE, {"name": "zstd", "configuration": {"level": 1, "checksum": False}}, chunk=ZSTD),
    "blosc": lambda: v3(
        LITTLE,
        {
            "name": "blosc",
            "configuration": {"cname": "zstd", "clevel": 5, "shuffle": "noshuffle", "typesize": 1, "blocksize": 0},
        },
        chunk=BLOSC,
    ),
    "transposed": lambda: v3(
        {"name": "transpose", "configuration": {"order": [0]}}, LITTLE, {"name": "crc32c"}, chunk=ZEROS
    ),
    "packbits": lambda: v3({"name": "packbits"}, chunk=ZEROS, data_type="bool", fill_value=False),
    "strings": lambda: v3({"name": "vlen-utf8"}, chunk=SIZE + ZEROS, data_type="string", fill_value=""),
    "bytes": lambda: v3({"name": "vlen-bytes"}, chunk=SIZE + ZEROS, data_type="bytes", fill_value=""),
    "cast_value": lambda: v3(
        {"name": "cast_value", "configuration": {"data_type": "float64"}}, LITTLE, chunk=ZEROS
    ),
    "scale_offset": lambda: v3({"name": "scale_offset", "configuration": {"scale": 2}}, LITTLE, chunk=ZEROS),
    "shards of one huge inner chunk": lambda: v3(
        {
            "name": "sharding_indexed",
            "configuration": {"chunk_shape": [GIB], "codecs": [LITTLE, {"name": "zstd", "configuration": {"level": 1, "checksum": False}}], "index_codecs": [LITTLE]},
        },
        chunk=ZSTD + bytes(8) + len(ZSTD).to_bytes(8, "little"),
    ),
    "shards of very many inner chunks": lambda: v3(
        {
            "name": "sharding_indexed",
            "configuration": {"chunk_shape": [1], "codecs": [LITTLE], "index_codecs": [LITTLE]},
        },
        chunk=ZEROS,
    ),
    "a fill value of a GiB": lambda: v3(data_type="r8589934592", fill_value=[0]),
    "elements of a GiB": lambda: v2(None, dtype=f"|V{GIB}", shape=[2], chunks=[1]),
    "strings of a GiB": lambda: v2(None, dtype=f"<U{GIB // 4}", shape=[2], chunks=[1]),
    "a field of a GiB": lambda: v2(None, dtype=[["a", "<f8", [GIB // 8]]], shape=[2], chunks=[1]),
    "a dictionary of 4 GiB": lambda: v2(
        {"id": "lzma", "format": 3, "check": -1, "filters": [{"id": 33, "dict_size": 2**32 - 1}]},
        lzma.compress(ZEROS, lzma.FORMAT_RAW, filters=[{"id": 33, "dict_size": 4096}]),
        shape=[1000],
        chunks=[1000],
    ),
    **{
        f"numcodecs.{name} in v3": lambda name=name: v3(  # type: ignore[misc]
            LITTLE, {"name": f"numcodecs.{name}", "configuration": {}}, chunk=FALSE_SIZES.get(name, ZEROS)
        )
        for name in NUMCODECS
    },
    **{
        f"{name} in v2": lambda name=name: v2({"id": name}, FALSE_SIZES.get(name, ZEROS))  # type: ignore[misc]
        for name in NUMCODECS
    },
    **{
        f"numcodecs.{name} serializes": lambda name=name: v3(  # type: ignore[misc]
            {"name": f"numcodecs.{name}", "configuration": {}}, chunk=SIZE + ZEROS
        )
        for name in SERIALIZERS
    },
    **{
        f"{name} filters": lambda name=name: v2(None, SIZE + ZEROS, filters=[{"id": name}], dtype="|O")  # type: ignore[misc]
        for name in SERIALIZERS
    },
}  # fmt: skip


def corpus_cases() -> dict[str, tuple[str, Path]]:
    """Return the target and the file of each input in the corpus, by name."""
    files = sorted(path for path in CORPUS.rglob("*") if path.is_file())
    return {
        f"corpus/{path.parent.name}/{path.name}": (path.parent.name, path)
        for path in files
        if path.parent.name in TARGETS  # other folders hold inputs of other tests
    }


def _run_case(name: str) -> None:
    if name in CASES:
        from exzarr.stores.memory import MemoryStore

        store = MemoryStore()
        for key, value in CASES[name]().items():
            store.put(key, value)
        exercise(store)
    else:
        target, path = corpus_cases()[name]
        TARGETS[target](path.read_bytes())


def _outcome(name: str) -> str:
    """Return ``"fine"`` or a description of the failure."""
    return failure_in_child(partial(_run_case, name), memory=MEMORY) or "fine"


def main() -> None:
    import exzarr

    exzarr.config.set(workers=1)
    exercise(exzarr.zeros((3,)).store)  # imports all modules once, before the forks
    json.dump({name: _outcome(name) for name in [*CASES, *corpus_cases()]}, sys.stdout)


if __name__ == "__main__":
    main()
