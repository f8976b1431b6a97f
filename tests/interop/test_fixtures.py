"""exzarr reads every array of the fixture stores as zarr-python does, in folders and in zip files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
from zarr.storage import ZipStore as TheirZipStore

from exzarr._format.metadata import ArrayMetadata
from exzarr._nodes import hierarchy
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import Location
from exzarr.stores.local.store import LocalStore
from exzarr.stores.zip.store import ZipStore
from tests.engine.tools import bits, open_array

FIXTURES = Path(__file__).parents[2].parent / "shared" / "fixtures"
DOCUMENTS = sorted(path for name in (".zarray", "zarr.json") for path in FIXTURES.rglob(name))
ARRAYS = [
    path.parent
    for path in DOCUMENTS
    if path.name == ".zarray" or json.loads(path.read_text("utf-8-sig"))["node_type"] == "array"
]
ZIPS = sorted(FIXTURES.rglob("*.zip"))

pytestmark = pytest.mark.skipif(not DOCUMENTS, reason="the fixtures are not here")


def assert_read_alike(array: Array, theirs: Any) -> None:
    ours, wanted = array[...], np.asarray(theirs[...])
    assert ours.shape == wanted.shape
    assert array.shape == theirs.shape
    assert array.chunks == theirs.chunks
    assert dict(array.attrs) == dict(theirs.attrs)
    if wanted.dtype.kind in "TO":
        assert ours.tolist() == wanted.tolist()
        return
    assert bits(ours.astype(wanted.dtype)) == bits(wanted)
    if wanted.ndim and wanted.size:
        part = tuple([slice(n // 3, None, 2) for n in wanted.shape])
        assert bits(array[part].astype(wanted.dtype)) == bits(wanted[part])
        last = tuple([n - 1 for n in wanted.shape])
        assert bits(array[last]) == bits(np.asarray(ours[last]))


@pytest.mark.parametrize("folder", ARRAYS, ids=[str(path.relative_to(FIXTURES)) for path in ARRAYS])
def test_an_array(folder: Path) -> None:
    array = open_array(LocalStore(folder, read_only=True))
    if array.metadata.data_type.kind == "object":  # zarr-python 3 does not support it: compare with numcodecs
        (chunk,) = [path for path in folder.iterdir() if path.name != ".zarray"]
        data: Any = chunk.read_bytes()
        document = json.loads((folder / ".zarray").read_text())
        for config in [*document["filters"], document["compressor"]][::-1]:
            data = numcodecs.get_codec(config).decode(data) if config else data
        assert array[...].tolist() == data.tolist()
        return
    document = json.loads((folder / ".zarray").read_text()) if array.zarr_format == 2 else {}
    if {"id": "shuffle", "elementsize": 0} in (document.get("filters") or []):
        pytest.skip("zarr-python scrambles what Shuffle(0) wrote; tests/corpus/odd has the right values")
    assert_read_alike(array, zarr.open_array(folder, mode="r"))


@pytest.mark.parametrize("path", ZIPS, ids=[str(path.relative_to(FIXTURES)) for path in ZIPS])
def test_a_zip(path: Path) -> None:
    store = ZipStore(path)
    ours = list(_arrays(Location(store, "")))
    with TheirZipStore(path, mode="r") as theirs:
        inside = [name for name in store.list() if name.endswith((".zarray", "zarr.json"))]
        assert inside
        compared = 0
        for location, meta in ours:
            if meta.data_type.kind == "object":
                continue
            other: Any = zarr.open_array(theirs, path=location.path, mode="r")
            assert_read_alike(Array(location, meta), other)
            compared += 1
        assert compared >= 1


def _arrays(location: Location) -> Any:
    """Return every array at or below a path, by its documents: some zip files have no root group."""
    seen = set()
    for key in sorted(location.store.list()):
        parent, _, name = key.rpartition("/")
        if name in (".zarray", "zarr.json") and parent not in seen:
            seen.add(parent)
            found = Location(location.store, parent)
            meta = hierarchy.find(found)
            if isinstance(meta, ArrayMetadata):
                yield found, meta
