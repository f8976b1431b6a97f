"""Fuzz targets: functions of bytes that may raise only exzarr's own errors.

The caller limits memory and time. Each target has valid inputs to start from (`SEEDS`).
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

import exzarr
from exzarr._format.consolidated import from_v2
from exzarr._tools.check import confirm
from exzarr._tools.check.plan import RepairPlan
from exzarr.codecs.pipeline import BoundPipeline
from exzarr.errors import ExzarrError
from exzarr.stores.base import Store
from exzarr.stores.memory import MemoryStore
from exzarr.stores.zip.store import ZipStore
from tests.codecs.test_hostile import PIPELINES
from tests.codecs.tools import data_of

__all__ = ["SEEDS", "TARGETS", "exercise", "run"]

confirm.PAUSE = 0.0  # there are no other writers to wait for

SMALL = 2000
"""Maximum number of elements to read from an array with a hostile document."""


def run(target: str, data: bytes) -> None:
    """Run one target. Exceptions other than ExzarrError propagate."""
    TARGETS[target](data)


def exercise(store: Store) -> None:
    """Perform all operations on an array or a group with untrusted documents."""
    with suppress(ExzarrError):
        node = exzarr.open(store, mode="r")
        repr(node)
        node._repr_html_()
        str(node.info)
        dict(node.attrs)
        if isinstance(node, exzarr.Group):
            str(node.tree())
            for name in [*node][:20]:
                with suppress(ExzarrError):
                    node[name]
        else:
            _read(node)
    with suppress(ExzarrError):
        exzarr.check(store, deep=True, full=True, grace=0, limit=10)


def _read(array: exzarr.Array) -> None:
    few = tuple([slice(0, 3)] * array.ndim)
    for read in (
        lambda: array[few],
        lambda: array[tuple([-1] * array.ndim)],
        lambda: array.vindex[tuple([[0, -1]] * array.ndim)],
        lambda: array[...] if array.size <= SMALL else None,
        lambda: str(array.explain[few]),
        lambda: array.info_complete(),
        lambda: exzarr.checksum(array) if array.size <= SMALL else None,
        lambda: exzarr.copy(array, MemoryStore(), chunks=2) if array.size <= SMALL else None,
        lambda: exzarr.copy(array, MemoryStore(), zarr_format=2) if array.size <= SMALL else None,
    ):
        with suppress(ExzarrError):
            read()


# -- documents -------------------------------------------------------------------------------


def zarr_json(data: bytes) -> None:
    """Read a v3 document with random chunks."""
    store = MemoryStore()
    store.put("zarr.json", data)
    for key in ("c/0", "c/0/0", "c", "0"):
        store.put(key, data[:100])
    exercise(store)


def zarray(data: bytes) -> None:
    """Read a v2 array: ``.zarray``, then a NUL, then ``.zattrs``."""
    document, _, attributes = data.partition(b"\0")
    store = MemoryStore()
    store.put(".zarray", document)
    if attributes:
        store.put(".zattrs", attributes)
    for key in ("0", "0.0", "0/0"):
        store.put(key, data[:100])
    exercise(store)


def zmetadata(data: bytes) -> None:
    """Read consolidated metadata of v2."""
    store = MemoryStore()
    store.put(".zgroup", b'{"zarr_format": 2}')
    store.put(".zmetadata", data)
    exercise(store)
    with suppress(ExzarrError, ValueError):
        from_v2(json.loads(data))


def plan(data: bytes) -> None:
    """Execute a repair plan."""
    store = MemoryStore()
    exzarr.create_array(store, name="g/a", shape=(4,), chunks=(2,), dtype="i4")[...] = 1
    with suppress(ExzarrError):
        made = RepairPlan.from_json(data.decode("utf-8", "replace"))
        made = RepairPlan(store.url, "", made.actions)
        str(exzarr.repair(store, made))
    exzarr.open_array(store, path="g/a")  # still exists


# -- values -----------------------------------------------------------------------------------

NAMES = sorted(PIPELINES)


def chunk(data: bytes) -> None:
    """Decode a chunk. The first byte selects the encoding."""
    if not data:
        return
    pipeline: BoundPipeline = PIPELINES[NAMES[data[0] % len(NAMES)]]
    out = np.empty(pipeline.spec.shape, pipeline.spec.dtype)
    with suppress(ExzarrError):
        found = pipeline.decode(data[1:])
        assert found.shape == pipeline.spec.shape
        assert found.dtype == pipeline.spec.dtype
        found.tolist()
    with suppress(ExzarrError):
        pipeline.decode_into(data[1:], out)


SHARDS: list[dict[str, Any]] = [
    {"shards": {"shape": (4, 6), "index_location": place}, "compressors": codec}
    for place in ("start", "end")
    for codec in (None, "zstd", [{"name": "crc32c"}])
]


def shard(data: bytes) -> None:
    """Read, write, check and repair a shard. The first byte selects the kind."""
    if not data:
        return
    store = MemoryStore()
    array = exzarr.create_array(
        store, shape=(4, 12), chunks=(2, 2), dtype="i2", **SHARDS[data[0] % len(SHARDS)]
    )
    array[...] = np.arange(48).reshape(4, 12)
    store.put("c/0/0", data[1:])
    _read(array)
    with suppress(ExzarrError):
        report = exzarr.check(store, deep=True, full=True, grace=0)
        exzarr.repair(store, report.plan(quarantine=True))
    with suppress(ExzarrError):
        array[1, 1] = 5
        assert array[1, 1] == 5
    assert array[0, 6] == 6  # the other shard


def zip_file(data: bytes) -> None:
    """Read a zip file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.zip"
        path.write_bytes(data)
        with suppress(ExzarrError), ZipStore(path) as store:
            for key in [*store.list()][:20]:
                for read in (store.get, store.size, store.open_value, lambda key: store.get(key, (1, 5))):
                    with suppress(ExzarrError):
                        read(key)
            store.list_dir()
            exercise(store)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "zarr_json": zarr_json,
    "zarray": zarray,
    "zmetadata": zmetadata,
    "plan": plan,
    "chunk": chunk,
    "shard": shard,
    "zip": zip_file,
}


# -- valid inputs ---------------------------------------------------------------------------------


def _documents(zarr_format: Any) -> list[bytes]:
    found = []
    dtype: Any
    for dtype in ("f4", "string", "M8[s]", "U3", "bool", [("x", "f4"), ("n", "i2")], "c8", "V3"):
        if dtype == "string" and zarr_format == 2:
            dtype = str
        options: Any
        for options in ({}, {"shards": (4, 6)}) if zarr_format == 3 else ({},):
            store = MemoryStore()
            exzarr.create_array(
                store, shape=(6, 6), chunks=(2, 3), dtype=dtype, zarr_format=zarr_format,
                dimension_names=("y", "x"), attributes={"a": [1, {"b": None}]}, **options,
            )  # fmt: skip
            if zarr_format == 3:
                found.append(bytes(store.get("zarr.json") or b""))
            else:
                found.append(bytes(store.get(".zarray") or b"") + b"\0" + bytes(store.get(".zattrs") or b""))
    return found


def _group(zarr_format: Any) -> bytes:
    store = MemoryStore()
    root = exzarr.open_group(store, mode="w", zarr_format=zarr_format)
    root.create_array("g/a", shape=(4,), dtype="i4")
    exzarr.consolidate_metadata(store)
    return bytes(store.get("zarr.json" if zarr_format == 3 else ".zmetadata") or b"")


def _grids() -> list[bytes]:
    store = MemoryStore()
    exzarr.create_array(store, shape=(6, 6), chunks=([2, 4], [1, 5]), dtype="i4")
    return [bytes(store.get("zarr.json") or b"")]


def _plans() -> list[bytes]:
    store = MemoryStore()
    exzarr.create_array(store, name="g/a", shape=(4,), chunks=(2,), dtype="i4")[...] = 1
    for key in ("g/a/c/0", "g/a/c/9"):
        store.put(key, b"bad")
    return [exzarr.check(store, deep=True, grace=0).plan(quarantine=True).to_json().encode()]


def _chunks() -> list[bytes]:
    return [
        bytes([number]) + bytes(PIPELINES[name].encode(data_of(PIPELINES[name].spec)))
        for number, name in enumerate(NAMES)
    ]


def _shards() -> list[bytes]:
    found = []
    for number, options in enumerate(SHARDS):
        store = MemoryStore()
        array = exzarr.create_array(store, shape=(4, 12), chunks=(2, 2), dtype="i2", **options)
        array[...] = np.arange(48).reshape(4, 12)
        found.append(bytes([number]) + bytes(store.get("c/0/0") or b""))
    return found


def _zips() -> list[bytes]:
    found = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w", method) as archive:
            archive.writestr("zarr.json", _documents(3)[0])
            archive.writestr("c/0/0", bytes(24))
        found.append(data.getvalue())
    return found


SEEDS: dict[str, Callable[[], list[bytes]]] = {
    "zarr_json": lambda: [*_documents(3), _group(3), *_grids()],
    "zarray": lambda: _documents(2),
    "zmetadata": lambda: [_group(2)],
    "plan": _plans,
    "chunk": _chunks,
    "shard": _shards,
    "zip": _zips,
}
