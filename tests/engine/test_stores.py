"""The engine reads the same values from every store, with any set of optional methods."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exzarr import config
from exzarr._nodes.array import Array
from exzarr.stores.base import Buffer, ByteRange, Store
from exzarr.stores.local.store import LocalStore
from exzarr.stores.memory import MemoryStore
from exzarr.stores.wrappers.prefix import PrefixStore
from exzarr.stores.zip.store import ZipStore
from tests.engine.tools import SHARES, assert_same, contents, make, numbered, open_array

SHAPE = (40, 50)


class Plain(Store):
    """Store with only the five required methods."""

    def __init__(self, values: dict[str, bytes]) -> None:
        self.values = values

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        value = self.values.get(key)
        if value is None or byte_range is None:
            return value
        start, length = byte_range
        return value[start:] if length is None else value[start : start + length]

    def put(self, key: str, value: Buffer) -> None:
        self.values[key] = bytes(value)

    def delete(self, key: str) -> None:
        self.values.pop(key, None)

    def list(self, prefix: str = "") -> Any:
        return iter([key for key in self.values if not prefix or key.startswith(prefix + "/")])

    def list_dir(self, prefix: str = "") -> Any:
        raise NotImplementedError


def stores(values: dict[str, bytes], folder: Path) -> dict[str, Store]:
    local, memory = LocalStore(folder / "local"), MemoryStore()
    prefixed = PrefixStore(memory, "deep/in")
    for key, value in values.items():
        local.put(key, value)
        prefixed.put(key, value)
    zips = {}
    for name, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
        with zipfile.ZipFile(folder / f"{name}.zip", "w", method) as archive:
            for key, value in values.items():
                archive.writestr(key, value)
        zips[name] = ZipStore(folder / f"{name}.zip")
    return {"local": local, "prefixed": prefixed, "plain": Plain(dict(values)), **zips}


LAYOUTS: dict[str, dict[str, Any]] = {
    "raw": {"chunks": (7, 9), "compressors": None},
    "raw bands": {"chunks": (7, 50), "compressors": None},
    "zstd": {"chunks": (7, 9)},
    "zstd bands": {"chunks": (7, 50)},
    "gzip": {"chunks": (40, 5), "compressors": {"name": "gzip", "configuration": {"level": 1}}},
    "rectilinear": {"chunks": ([10, 30], [20, 25, 5])},
    "shards": {"chunks": (5, 5), "shards": (20, 25)},
    "raw shards": {
        "chunks": (5, 5),
        "shards": {"shape": (20, 25), "index_location": "start"},
        "compressors": None,
    },
    "v2": {"chunks": (7, 9), "zarr_format": 2, "order": "F"},
}


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_store_reads_the_same_values(layout: str, shared: bool, tmp_path: Path) -> None:
    written = make(SHAPE, "i4", fill_value=-3, **LAYOUTS[layout])
    model = np.full(SHAPE, -3, "i4")
    for region in (np.s_[:23, :], np.s_[30:, 11:44]):
        written[region] = model[region] = numbered(SHAPE)[region]
    selections: list[Any] = [
        np.s_[...],
        np.s_[3:37, 4:49],
        np.s_[12, 13],
        np.s_[-1, ::-7],
        np.s_[20:24],
        np.s_[:, 4:5],
        np.s_[[39, 0, 0, 22]],
        np.s_[[39, 0, 0, 22], [1, 2, 3, 49]],
        model % 5 == 0,
    ]
    for name, store in stores(contents(written.store), tmp_path).items():
        array = open_array(store)
        with config.override(**(SHARES if shared else {"workers": 1})):
            for selection in selections:
                assert_same(array[selection], model[selection])
                told: Any = array.explain[selection]
                assert told.chunks >= told.missing >= 0, name
        store.close()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_writable_store_stores_the_same_values(layout: str, tmp_path: Path) -> None:
    made = make(SHAPE, "i4", **LAYOUTS[layout])
    empty = contents(made.store)
    for name, store in stores(empty, tmp_path).items():
        if name in ("stored", "deflated"):
            continue
        array = open_array(store)
        for target in (array, made):
            target[...] = 0
            target[3:37, 4:49] = numbered(SHAPE)[3:37, 4:49]
            target[:8] = 0
            target[[1, 39], [2, 3]] = 7
        found = contents(store)
        assert found == contents(made.store)


def test_zip_members_are_written_once(tmp_path: Path) -> None:
    with ZipStore(tmp_path / "a.zip", "w") as store:
        array = make(SHAPE, "i4", store=store, chunks=(7, 9))
        array[...] = numbered(SHAPE)
    with ZipStore(tmp_path / "a.zip") as store:
        assert_same(open_array(store)[...], numbered(SHAPE))
        again: Array = open_array(store)
        with pytest.raises(PermissionError):
            again[0, 0] = 1
